"""
The keys that open the API. A key is 32 random bytes, shown once; only its SHA-256 digest is kept.

A plain digest is enough, and right on the hot path: nobody guesses 32 random bytes, so there is nothing a
slow password hash would protect.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import DatabaseError

from lib import db
from lib.errors import Fault, Malformed, Refused
from merchants.models import SCOPES, ApiKey, Merchant, Store

USE_SECONDS = 60.0
_LONGEST = 100

_COLUMNS = tuple(field.attname for field in Merchant._meta.concrete_fields)

log = logging.getLogger(__name__)

# When each key was last used and not yet written, and when this process wrote last (monotonic seconds).
_uses: dict[int, datetime] = {}
_written: dict[int, float] = {}
# The rows of the keys that this process has seen, by digest.
_seen: dict[str, tuple[Any, ...]] = {}
_MOST_SEEN = 10_000


class UnknownScope(Malformed):
    code = "unknown_scope"


class WrongMode(Refused):
    """A sandbox has test keys only, a live merchant live ones only."""

    code = "wrong_mode"


class Stale(Exception):
    """The key or its merchant changed while the request ran: undo what it did and begin it again."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a key opens. `merchant` is shared between requests: read it, never change it."""

    id: int
    merchant: Merchant
    name: str
    scopes: frozenset[str]
    store_id: int | None
    store_code: str
    till: str
    is_test: bool

    def allows(self, scope: str) -> bool:
        """Tell whether the key may do what `scope` names; `*` may do everything."""
        return "*" in self.scopes or scope in self.scopes


@db.command
def issue(
    *,
    merchant: Merchant,
    name: str = "till",
    scopes: Sequence[str] = ("*",),
    store: Store | None = None,
    till: str = "",
    by: str = "",
    expires_at: datetime | None = None,
    is_test: bool | None = None,
) -> str:
    """
    Make a key and return it. It cannot be shown again: the service forgets it here.

    :param is_test: None takes what the merchant is
    :raises UnknownScope: a scope that does not exist, or none at all
    :raises WrongMode: a test key for a live merchant, or the other way round
    """
    if unknown := [scope for scope in scopes if scope not in SCOPES] or ([""] if not scopes else []):
        raise UnknownScope(
            f"There is no scope {unknown[0]!r}. Use: {', '.join(SCOPES)}.",
            faults=[Fault("/scopes", "unknown_scope", f"must be one of {', '.join(SCOPES)}")],
        )
    if is_test is not None and is_test != merchant.is_test:
        raise WrongMode(
            f"{merchant.name} is {'a sandbox: it has test keys only' if merchant.is_test else 'live'}. "
            "For test keys make a merchant with `test: true`."
        )
    token = f"lk_{'test' if merchant.is_test else 'live'}_{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(
        merchant=merchant,
        name=name,
        digest=digest(token),
        hint=token[:12],
        scopes=list(scopes),
        store=store,
        till=till,
        is_test=merchant.is_test,
        created_by=by,
        expires_at=expires_at,
    )
    return token


def digest(token: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(token.encode()).hexdigest()


def find(token: str, *, at: datetime) -> Key | None:
    """
    Return what a key opens, None when it opens nothing: unknown, revoked, run out, or its merchant is closed.

    One statement, always asked: a revoked key is refused at once, by every process.
    """
    if not token.startswith("lk_") or len(token) > _LONGEST:
        return None
    kept_as = digest(token)
    found = db.ask(_FIND, [kept_as]).one
    if found is None or (key := _opens(found, at=at)) is None:
        return None
    if len(_seen) >= _MOST_SEEN:
        _seen.clear()
    _seen[kept_as] = found
    return key


def recognize(token: str, *, at: datetime) -> Key | None:
    """
    Return what `find` returns, for a key that this process has seen without waiting for it.

    The question travels with the next statement (`db.confirm`), which raises `Stale` if anything of the key
    or its merchant has changed since: then undo, and begin again.
    """
    kept_as = digest(token)
    seen = _seen.get(kept_as)
    if seen is None or (key := _opens(seen, at=at)) is None:
        return find(token, at=at)
    db.confirm(_FIND, [kept_as], lambda rows: _confirm(kept_as, seen, rows))
    return key


def _opens(found: tuple[Any, ...], *, at: datetime) -> Key | None:
    key, revoked_at, runs_out = _key(found), found[5], db.time(found[6])
    if revoked_at is not None or (runs_out is not None and runs_out <= at) or not key.merchant.is_active:
        return None
    _uses[key.id] = at
    return key


def _confirm(kept_as: str, seen: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> None:
    if rows != [seen]:
        _seen.pop(kept_as, None)
        raise Stale


@lru_cache(maxsize=4096)
def _key(found: tuple[Any, ...]) -> Key:
    number, name, scopes, till, is_test, _, _, store_id, store_code, *columns = found
    return Key(
        number,
        _merchant(tuple(columns)),
        name,
        _scopes(scopes),
        store_id,
        store_code or "",
        till,
        bool(is_test),
    )


@db.command
def revoke(*, key: ApiKey, at: datetime) -> None:
    """Close a key for ever, at once. Repeating keeps the first time."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=at)
    key.refresh_from_db(fields=["revoked_at"])


def write_uses(**_signal: Any) -> None:
    """
    Write `last_used_at` of the keys used since the last time, at most once a minute per key and process.

    Called when an answer is on its way, so that no till waits for it. It is a hint for people: what goes
    wrong here is logged and tried again with the next use.
    """
    now = time.monotonic()
    due = [number for number in tuple(_uses) if now - _written.get(number, -USE_SECONDS) >= USE_SECONDS]
    if not due:
        return
    try:
        for number in due:
            used_at = _uses.pop(number, None)
            if used_at is not None:
                ApiKey.objects.filter(pk=number).update(last_used_at=used_at)
                _written[number] = now
    except DatabaseError as error:
        log.warning("the last use of %s keys was not written: %s", len(due), error)


# The scopes as text: the caches below want something hashable, and parse each text once.
_FIND = f"""
    SELECT k.id, k.name, CAST(k.scopes AS text), k.till, k.is_test, k.revoked_at, k.expires_at, s.id, s.code,
           {", ".join(f'm."{column}"' for column in _COLUMNS)}
    FROM merchants_apikey k
    JOIN merchants_merchant m ON m.id = k.merchant_id
    LEFT JOIN merchants_store s ON s.id = k.store_id
    WHERE k.digest = %s
    """


@lru_cache(maxsize=4096)
def _scopes(text: str) -> frozenset[str]:
    return frozenset(db.loaded(text))


@lru_cache(maxsize=4096)
def _merchant(columns: tuple[Any, ...]) -> Merchant:
    # Kept by all its columns: a merchant that changed in any way is another entry, so nothing goes stale.
    values = [
        db.time(value) if name.endswith("_at") else bool(value) if name.startswith("is_") else value
        for name, value in zip(_COLUMNS, columns, strict=True)
    ]
    return Merchant.from_db("default", _COLUMNS, values)
