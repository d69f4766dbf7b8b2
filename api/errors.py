"""The one place that knows HTTP's numbers: every refusal becomes a problem (RFC 9457) with a stable code."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.core import signals
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from pydantic import ValidationError
from rest_framework import exceptions

from api.answers import PROBLEM, Answer
from lib.errors import Conflict, DomainError, Fault, Gone, Malformed, NotFound, Refused
from lib.http import request_id

log = logging.getLogger(__name__)

STATUS: dict[type[DomainError], int] = {Malformed: 400, NotFound: 404, Conflict: 409, Gone: 410, Refused: 422}
CODES: dict[type[Exception], tuple[int, str]] = {
    exceptions.NotAuthenticated: (401, "unauthenticated"),
    exceptions.AuthenticationFailed: (401, "unauthenticated"),
    exceptions.PermissionDenied: (403, "insufficient_scope"),
    exceptions.MethodNotAllowed: (405, "method_not_allowed"),
    exceptions.NotAcceptable: (406, "not_acceptable"),
    exceptions.UnsupportedMediaType: (415, "unsupported_media_type"),
    exceptions.Throttled: (429, "rate_limited"),
    exceptions.ParseError: (400, "invalid_request"),
    Http404: (404, "not_found"),
    RequestDataTooBig: (413, "too_large"),
    TooManyFieldsSent: (413, "too_large"),
    UnreadablePostError: (400, "invalid_request"),
}
MOST_FAULTS = 50
RETRY_SECONDS = 1
# PostgreSQL: lock not available, query canceled, deadlock, serialization failure.
BUSY_STATES = {"55P03", "57014", "40P01", "40001"}
# What pydantic calls a fault, in the words of the contract; other faults are "invalid".
FAULT_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "json_invalid": "invalid_json",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "too_long": "too_many",
    "too_short": "too_few",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "greater_than": "out_of_range",
    "less_than": "out_of_range",
    "int_parsing_size": "out_of_range",
    "int_type": "not_an_integer",
    "literal_error": "not_a_choice",
    "enum": "not_a_choice",
    "timezone_aware": "no_offset",
}
# Faults that `api.fields` and the bodies find themselves are named as in the contract already.
OUR_CODES = {
    "not_a_currency",
    "not_a_day",
    "not_a_time",
    "not_one",
    "not_storable",
    "not_unique",
    "out_of_range",
}


class TooLarge(Exception):
    """The body is larger than this call takes."""


def problem(
    status: int, code: str, detail: str, *, faults: Sequence[Fault] = (), retryable: bool = False
) -> dict[str, Any]:
    """Return the body of a problem."""
    return {
        "type": f"/api/docs#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"pointer": f.pointer, "code": f.code, "detail": str(f.detail)} for f in faults],
        "request_id": request_id(),
        "retryable": retryable,
    }


def handle(error: Exception, *, has_idempotency_key: bool = False) -> Answer:
    """Return the answer to any exception. What is unforeseen is logged and answered without its text."""
    if isinstance(error, DomainError):
        return refusal(error)
    if isinstance(error, ValidationError):
        return refusal(malformed(error))
    if isinstance(error, TooLarge):
        return _answer(413, "too_large", str(error))
    for kind, (status, code) in CODES.items():
        if isinstance(error, kind):
            return _known(error, status, code)
    if isinstance(error, OperationalError | InterfaceError):
        return _database(error, has_idempotency_key=has_idempotency_key)
    return _unforeseen(error)


def refusal(error: DomainError) -> Answer:
    """Return the answer to a refusal of the domain."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 422)
    answer = _answer(status, error.code, str(error), faults=error.faults, retryable=error.retryable)
    if error.retryable:
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def item(error: DomainError, *, within: str = "") -> dict[str, Any]:
    """Return a refusal as one item of a longer answer: code, detail, and pointers below `within`."""
    return {
        "code": error.code,
        "detail": str(error),
        "status": next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 422),
        "errors": [
            {"pointer": within + f.pointer, "code": f.code, "detail": str(f.detail)} for f in error.faults
        ],
        "retryable": error.retryable,
    }


def malformed(error: ValidationError, *, within: str = "") -> Malformed:
    """Return what pydantic found as a refusal with JSON pointers."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [
        Fault(
            pointer=within + _pointer(one["loc"]),
            code=FAULT_CODES.get(one["type"], one["type"] if one["type"] in OUR_CODES else "invalid"),
            detail=one["msg"].removeprefix("Value error, "),
        )
        for one in found[:MOST_FAULTS]
    ]
    if len(faults) == 1 and faults[0].code == "invalid_json":
        return Malformed("The body is not valid JSON.", faults=faults)
    return Malformed("Some of what was sent cannot be understood: see errors.", faults=faults)


def _pointer(place: Sequence[int | str]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)


def _answer(status: int, code: str, detail: str, **more: Any) -> Answer:
    return Answer(status, problem(status, code, detail, **more), content_type=PROBLEM)


def _known(error: Exception, status: int, code: str) -> Answer:
    detail = {
        404: "There is nothing here.",
        413: "The body is too large.",
    }.get(status) or str(getattr(error, "detail", "") or error)
    answer = _answer(status, code, detail, retryable=status == 429)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="loyalty"'
    if isinstance(error, exceptions.Throttled):
        answer.headers["Retry-After"] = str(max(1, int(getattr(error, "wait", None) or 1)))
    return answer


def _database(error: Exception, *, has_idempotency_key: bool) -> Answer:
    """A lock that did not come in time, or a database that is away: both pass, and the caller may repeat."""
    log.warning("database: %s", error)
    state = getattr(error.__cause__, "sqlstate", None)
    is_busy = state in BUSY_STATES or "database is locked" in str(error)
    if is_busy and has_idempotency_key:
        answer = _answer(
            409,
            "idempotency_in_progress",
            "The first request with this key is still running.",
            retryable=True,
        )
    else:
        answer = _answer(503, "unavailable", "The service is busy; please send this again.", retryable=True)
    answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


def _unforeseen(error: Exception) -> Answer:
    log.error("unforeseen", exc_info=error)
    # As Django does for views that raise, so that error reporting hears of it.
    signals.got_request_exception.send(sender=handle, request=None)
    return _answer(500, "internal", "Something went wrong on our side. It has been recorded.", retryable=True)
