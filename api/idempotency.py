"""
The same call with the same `Idempotency-Key` is done once and answered twice.

Nothing is looked up beforehand: that would cost every sale a round trip for the rare repeat. The command
runs, and in its own transaction claims the key. If the key is taken, the whole transaction is rolled back
and the kept answer is given; a command that refuses (its reference or identifier is there already) is
answered the same way. A twin that is still running holds the key's row: the database makes the second
one wait for it, and it then replays the answer. Where that takes too long, it is told to come again.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone

from api.answers import Answer
from api.models import IdempotencyAnswer
from lib import db, secrets
from lib.errors import Conflict, Fault, Malformed, Refused

KEPT = timedelta(days=30)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_SEALED = "sealed:"  # no JSON begins like this
_TABLE = IdempotencyAnswer._meta.db_table

_NEW = ", ".join(
    f"{name} = excluded.{name}"
    for name in ("fingerprint", "status", "body", "location", "customer_id", "created_at")
)
_REPLACE_OLD = f"(merchant_id, method, path, key) DO UPDATE SET {_NEW} WHERE {_TABLE}.created_at < %s"


class KeyReused(Refused):
    """The key belongs to another call."""

    code = "idempotency_key_reused"


class InProgress(Conflict):
    """The first call with this key has not ended."""

    code = "idempotency_in_progress"
    retryable = True


class Taken(Exception):
    """The key was claimed before: undo this transaction and give the kept answer."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One call that wants to be done once."""

    merchant_id: int
    method: str
    path: str
    key: str
    fingerprint: str


def claim(request: HttpRequest, *, merchant_id: int, body: bytes) -> Claim | None:
    """
    Return the claim of a request, None if it carries no key.

    :raises Malformed: the key is not 1 to 255 visible characters
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise Malformed(
            "The Idempotency-Key cannot be used.",
            faults=[Fault("/header/Idempotency-Key", "invalid", "1 to 255 visible ASCII characters")],
        )
    said = hashlib.sha256(request.META.get("QUERY_STRING", "").encode("utf-8", "replace") + b"\n" + body)
    return Claim(merchant_id, request.method or "", request.path_info[:200], key, said.hexdigest())


@db.inside_transaction
def store(claim: Claim, answer: Answer) -> Callable[[], None]:
    """
    Keep the answer with the work it answers. A row older than 30 days counts as gone.

    Return a check, for when the statement is done, that raises `Taken` if the key is another call's.
    """
    now = timezone.now()
    body = answer.written().decode()
    kept = db.claim(
        IdempotencyAnswer,
        {
            "merchant_id": claim.merchant_id,
            "method": claim.method,
            "path": claim.path,
            "key": claim.key,
            "fingerprint": claim.fingerprint,
            "status": answer.status,
            "body": _SEALED + secrets.seal(body) if answer.has_secret else body,
            "location": answer.headers.get("Location", ""),
            "customer_id": answer.customer_id,
            "created_at": now,
        },
        on_conflict=_REPLACE_OLD,
        params=[now - KEPT],
    )

    def check() -> None:
        if kept.one is None:
            raise Taken

    return check


@db.command
def keep(*, claim: Claim, answer: Answer) -> None:
    """Keep an answer whose work was done before, in transactions of its own (a batch) or in none."""
    store(claim, answer)()


def kept(claim: Claim) -> Answer | None:
    """
    Return the first answer to this call, None if there is none.

    :raises KeyReused: the key belongs to a call that said something else
    """
    found = db.ask(
        f"""
        SELECT fingerprint, status, body, location, customer_id FROM {_TABLE}
        WHERE merchant_id = %s AND method = %s AND path = %s AND key = %s AND created_at >= %s
        """,
        [claim.merchant_id, claim.method, claim.path, claim.key, timezone.now() - KEPT],
    ).one
    if found is None:
        return None
    fingerprint, status, body, location, customer_id = found
    if fingerprint != claim.fingerprint:
        raise KeyReused("This Idempotency-Key was used for another request.")
    if body.startswith(_SEALED):
        body = secrets.open(body.removeprefix(_SEALED))
    headers = {"Idempotency-Replayed": "true", **({"Location": location} if location else {})}
    return Answer(status, body.encode() if body else None, headers, customer_id)


def purge(*, at: datetime, limit: int = 10_000) -> int:
    """Delete answers older than 30 days, at most `limit` of them; return how many went."""
    old = IdempotencyAnswer.objects.filter(created_at__lt=at - KEPT).order_by("created_at")
    keys = list(old.values_list("pk", flat=True)[:limit])
    return IdempotencyAnswer.objects.filter(pk__in=keys).delete()[0]
