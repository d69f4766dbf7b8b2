"""A request's id, from the door to the log, and where it comes from. Loaded while logging is set up: imports no app."""

import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Door = Callable[[HttpRequest], HttpResponseBase]

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default="-")


def request_id() -> str:
    """Return the id of the request (or task) being served, or "-" outside one."""
    return _current.get()


class RequestId:
    """
    Give each request an id: the caller's `X-Request-Id` if it is 8 to 64 harmless characters, else a new one.

    The id is answered in the same header and stands in every log line of the request.
    """

    def __init__(self, get_response: Door):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        name = given if _ACCEPTABLE.fullmatch(given) else secrets.token_hex(12)
        request.request_id = name  # type: ignore[attr-defined]
        token = _current.set(name)
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        response.headers["X-Request-Id"] = name
        return response


class RequestIdFilter(logging.Filter):
    """Add `request_id` to each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _current.get()
        return True


def client_address(request: HttpRequest) -> str:
    """
    Return the network address that limits are counted for.

    Behind a proxy every visitor has the proxy's address: `CLIENT_ADDRESS_HEADER` then names the header in
    which it tells the visitor's; of a list the last one counts, which is the proxy's own word. Of an IPv6
    address the network counts, because one household has more addresses than can be counted.
    """
    header = settings.CLIENT_ADDRESS_HEADER
    told = request.headers.get(header, "").split(",")[-1].strip() if header else ""
    found = told or str(request.META.get("REMOTE_ADDR", ""))
    try:
        parsed = ip_address(found)
    except ValueError:
        return found[:64]
    return str(ip_network(f"{parsed}/64", strict=False)) if parsed.version == 6 else str(parsed)
