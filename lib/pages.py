"""Middleware that only pages for people pay for: machines have no session, no language and no page policy."""

from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from simple_history.middleware import HistoryRequestMiddleware

from lib.http import Door


def is_for_machines(request: HttpRequest) -> bool:
    """Tell whether tills and other machines call this path: no session, no language, no page policy."""
    return request.path_info.startswith(settings.MACHINE_PATHS)


class _PagesOnly:
    """Mixed into a middleware so that requests of machines pass it by."""

    def __call__(self, request: HttpRequest) -> Any:
        if is_for_machines(request):
            return self.get_response(request)  # type: ignore[attr-defined]
        return super().__call__(request)  # type: ignore[misc]


class Sessions(_PagesOnly, SessionMiddleware):
    pass


class Language(_PagesOnly, LocaleMiddleware):
    def __call__(self, request: HttpRequest) -> Any:
        try:
            return super().__call__(request)
        finally:
            # Django leaves the language on the thread, and the next request may be a till's.
            translation.deactivate()


class User(_PagesOnly, AuthenticationMiddleware):
    pass


class Messages(_PagesOnly, MessageMiddleware):
    pass


class History:
    """Who changed it: staff in the admin. (The library's own middleware is a function, so it is wrapped.)"""

    def __init__(self, get_response: Door):
        self.get_response = get_response
        self.remembering = HistoryRequestMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_for_machines(request):
            return self.get_response(request)
        response: HttpResponseBase = self.remembering(request)
        return response


class ContentPolicy(_PagesOnly, CSPMiddleware):
    """The strict policy, with the few exceptions that `CONTENT_SECURITY_POLICY_BY_PATH` names."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts: PolicyParts = super().get_policy_parts(request, response, report_only)
        for path, exceptions in settings.CONTENT_SECURITY_POLICY_BY_PATH.items():
            if request.path_info.startswith(path):
                parts.replace = {**exceptions, **(parts.replace or {})}
        return parts
