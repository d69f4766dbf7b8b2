"""Who may send us messages: found for the door in memory, opened, kept and rotated."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from connectors.models import Connection
from connectors.sources import SOURCES
from connectors.sources.base import Source
from lib import db, public_ids, secrets
from lib.errors import Fault, Malformed

# A secret that was changed, or a connection that was switched off, is noticed by every process this late.
FRESH_SECONDS = 2.0
MOST_KNOWN = 2_000
ROTATION = timedelta(hours=72)

Address = tuple[str, str, str]


class InvalidConnection(Malformed):
    code = "invalid_connection"


@dataclass(frozen=True, slots=True)
class Door:
    """What the hook needs to know of a connection, opened."""

    id: int
    merchant_id: int
    source: Source
    options: Any
    is_sandbox: bool
    secret: str
    previous: str
    previous_until: datetime | None

    def secrets(self, at: datetime) -> Sequence[str]:
        """Return the secrets that are good at this time: after a rotation two."""
        if self.previous and self.previous_until is not None and at < self.previous_until:
            return (self.secret, self.previous)
        return (self.secret,)


_known: dict[Address, tuple[float, Door | None]] = {}


def find(*, kind: str, merchant: str, code: str) -> Door | None:
    """Return the active connection at this address (slugs), None where there is none."""
    address, now = (kind, merchant, code), time.monotonic()
    found = _known.get(address)
    if found is None or found[0] < now:
        if len(_known) >= MOST_KNOWN:
            _known.clear()  # whoever tries out addresses must not fill the memory
        found = _known[address] = (now + FRESH_SECONDS, _open(address))
    return found[1]


def forget() -> None:
    """Let this process read every connection anew."""
    _known.clear()


def _open(address: Address) -> Door | None:
    kind, merchant, code = address
    source = source_of(kind)
    if source is None:
        return None
    row = db.ask(_FIND, [merchant, code, kind]).one
    if row is None or not row[4]:
        return None
    number, merchant_id, is_test, options, sealed, previous, until = row
    return Door(
        id=number,
        merchant_id=merchant_id,
        source=source,
        options=read_options(source, db.loaded(options)),
        is_sandbox=bool(is_test),
        secret=secrets.open(sealed),
        previous=secrets.open(previous) if previous else "",
        previous_until=db.time(until),
    )


_FIND = """
    SELECT c.id, c.merchant_id, m.is_test, c.options, c.secret_sealed, c.previous_sealed, c.previous_until
    FROM connectors_connection c JOIN merchants_merchant m ON m.id = c.merchant_id
    WHERE m.slug = %s AND c.code = %s AND c.kind = %s AND c.is_active AND m.is_active
    """


def source_of(kind: str) -> Source | None:
    """Return the source of a kind; None when nobody wrote one."""
    try:
        return SOURCES[kind]
    except KeyError:
        return None


def read_options(source: Source, options: Mapping[str, Any]) -> Any:
    """
    Return the options of a connection as the source's own class.

    :raises InvalidConnection: one is unknown or out of range
    """
    try:
        return source.Options.model_validate(options)
    except ValidationError as error:
        faults = [
            Fault("/options/" + "/".join(str(part) for part in one["loc"]), "invalid", one["msg"])
            for one in error.errors()
        ]
        first = faults[0]
        raise InvalidConnection(f"{first.pointer[1:]}: {first.detail}.", faults=faults) from error


def check(*, kind: str, options: Mapping[str, Any], secret: str = "") -> None:
    """
    Refuse what cannot be a connection. An empty secret is not looked at.

    :raises InvalidConnection: the kind is unknown, or an option or the secret cannot be one of this kind
    """
    source = source_of(kind)
    if source is None:
        known = ", ".join(sorted(SOURCES.load()))
        raise InvalidConnection(
            f"There is no connection of kind {kind!r}; there is {known}.",
            faults=[Fault("/kind", "unknown_kind", f"must be one of {known}")],
        )
    read_options(source, options)
    wrong = source.check_secret(secret=secret) if secret else None
    if wrong:
        raise InvalidConnection(wrong, faults=[Fault("/secret", "invalid_secret", wrong)])


@db.inside_transaction
def keep(*, connection: Connection, secret: str = "", secret_name: str = "", at: datetime) -> Connection:
    """
    Save a connection, with a new secret if one is given. The secret before stays good for 72 hours.

    :raises InvalidConnection: what it says cannot be one
    """
    check(kind=connection.kind, options=connection.options, secret=secret)
    before = secrets.open(connection.secret_sealed) if connection.secret_sealed else ""
    if not (secret or before):
        raise InvalidConnection(
            "A connection needs its signing secret.", faults=[Fault("/secret", "required", "is missing")]
        )
    if secret and secret != before:
        if before:
            connection.previous_sealed, connection.previous_until = connection.secret_sealed, at + ROTATION
        connection.secret_sealed = secrets.seal(secret)
    if secret:
        connection.secret_name = secret_name
    connection.save()
    db.after_commit(forget)
    return connection


def source_name(connection_id: int) -> str:
    """Return how facts from a connection name where they came from: references are unique within it."""
    return public_ids.show(Connection.prefix, connection_id)
