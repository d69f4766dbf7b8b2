"""
The door for other machines: check the signature, store the message, say thanks. The work comes later.

It is a plain view with one statement: whoever sends must have its answer in milliseconds, whatever the
message makes necessary, or it will send it again.
"""

import re
from datetime import UTC, datetime
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from connectors import connections, inbox
from connectors.sources.base import BadSignature, NotAnEvent
from lib.http import request_id

MOST_BYTES = 1024 * 1024
STORED, KNOWN = b'{"status":"stored"}', b'{"status":"known"}'
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


@csrf_exempt
@require_POST
def receive(request: HttpRequest, kind: str, merchant: str, code: str) -> HttpResponse:
    """Store one message, once: `stored`, or `known` when it came before."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length) > MOST_BYTES:
        return _too_large()
    door = connections.find(kind=kind, merchant=merchant, code=code)
    if door is None:
        return _refusal(404, "not_found", "There is no such connection.")
    at = _clock(request, is_sandbox=door.is_sandbox)
    if at is None:
        return _refusal(400, "invalid_request", "X-Test-Clock is a time with its offset, for sandboxes only.")
    try:
        body = request.body
    except RequestDataTooBig:
        return _too_large()
    if len(body) > MOST_BYTES:
        return _too_large()
    event = _parsed(body)
    if event is None:
        return _refusal(400, "invalid_request", "The body is not a JSON object.")
    try:
        envelope = door.source.verify(
            secrets=door.secrets(at),
            headers=request.headers,
            body=body,
            event=event,
            at=at,
            options=door.options,
        )
    except BadSignature as error:
        return _refusal(400, "bad_signature", str(error))
    except NotAnEvent as error:
        return _refusal(400, "invalid_request", str(error))
    is_new = inbox.store(door=door, envelope=envelope, body=body.decode(), at=at)
    return HttpResponse(STORED if is_new else KNOWN, content_type="application/json")


def _clock(request: HttpRequest, *, is_sandbox: bool) -> datetime | None:
    said = request.META.get("HTTP_X_TEST_CLOCK")
    if said is None:
        return timezone.now()
    if not is_sandbox or not _TIME.fullmatch(said):
        return None
    try:
        moment = parse_datetime(said)
        return moment.astimezone(UTC) if moment is not None and 2000 <= moment.year < 2100 else None
    except (ValueError, OverflowError):
        return None


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # a NUL byte or a half letter is no JSON either
    return event if isinstance(event, dict) else None


def _too_large() -> HttpResponse:
    return _refusal(413, "too_large", f"The body is too large: at most {MOST_BYTES // 1024} kB.")


def _refusal(status: int, code: str, detail: str) -> HttpResponse:
    problem = {
        "type": "about:blank",
        "title": detail,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": [],
        "request_id": request_id(),
        "retryable": False,
    }
    return HttpResponse(orjson.dumps(problem), status=status, content_type="application/problem+json")
