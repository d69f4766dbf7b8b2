"""
The values that callers may send: strict, bounded, and the same everywhere.

Numbers are never read from text, times always name their offset, and no text holds control characters
(PostgreSQL refuses a NUL byte, and a receipt printer most others).
"""

import math
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from lib import money, public_ids
from lib.errors import Fault, Malformed, NotFound

PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
MOST_MINOR = 10**12
MOST_POINTS = 10**9
MOST_DEPTH = 12
MOST_BYTES_OF_DATA = 16_384
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Body(BaseModel):
    """What one call reads. A field nobody knows is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def text(most: int, *, least: int = 0, pattern: str = PRINTABLE) -> Any:
    return StringConstraints(
        strict=True, strip_whitespace=True, min_length=least, max_length=most, pattern=pattern
    )


Name = Annotated[str, text(120)]
Short = Annotated[str, text(60)]
Long = Annotated[str, text(200)]
Reference = Annotated[
    str,
    text(200, least=1),
    Field(description="The caller's own number of this fact: unique for ever, safe to repeat."),
]
Minor = Annotated[
    int, Field(strict=True, ge=0, le=MOST_MINOR, description="Money in minor units of `currency`.")
]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


def _known_zone(name: str) -> str:
    if name and name not in available_timezones():
        raise PydanticCustomError("not_a_timezone", "This is not a time zone name, like Europe/Lisbon")
    return name


Timezone = Annotated[str, text(60), AfterValidator(_known_zone)]
Language = Annotated[str, text(10, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")]


def _known_currency(code: str) -> str:
    if not money.is_known(code):
        raise PydanticCustomError("not_a_currency", "This is not an ISO 4217 currency code, like EUR")
    return code


Currency = Annotated[str, text(3, least=3, pattern=r"^[A-Z]{3}$"), AfterValidator(_known_currency)]


def _is_time(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise PydanticCustomError("not_a_time", "A time looks like 2026-05-01T12:00:00+02:00")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        moment = _LAST
    if not _FIRST <= moment < _LAST:
        raise PydanticCustomError("out_of_range", "A time lies between the years 2000 and 2099")
    return moment


Time = Annotated[
    datetime,
    BeforeValidator(_is_time),
    AfterValidator(_in_utc),
    Field(description="RFC 3339 with its offset, like 2026-05-01T12:00:00+02:00."),
]


def _is_day(value: str) -> str:
    try:
        date(2000, int(value[:2]), int(value[3:]))
    except ValueError:
        raise PydanticCustomError("not_a_day", "There is no such day; it reads MM-DD") from None
    return value


Birthday = Annotated[
    str, text(5, pattern=r"^([0-9]{2}-[0-9]{2})?$"), AfterValidator(lambda v: v and _is_day(v))
]


def _is_storable(value: Any, depth: int = 0) -> int:
    """Return about how many bytes JSON takes; refuse what a database or another reader would choke on."""
    if depth > MOST_DEPTH:
        raise PydanticCustomError("not_storable", "This is nested too deeply")
    if isinstance(value, str):
        if "\x00" in value:
            raise PydanticCustomError("not_storable", "A text holds a NUL character")
        return len(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53:
        raise PydanticCustomError("not_storable", "A number is too large: send it as text")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("not_storable", "A number is not finite")
    if isinstance(value, dict):
        return sum(_is_storable(part, depth + 1) for pair in value.items() for part in pair) + 2
    if isinstance(value, list):
        return sum(_is_storable(part, depth + 1) for part in value) + 2
    return 8


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    if _is_storable(value) > MOST_BYTES_OF_DATA:
        raise PydanticCustomError("not_storable", "This is too large: at most 16 kB")
    return value


Data = Annotated[dict[str, Any], AfterValidator(_storable), Field(description="Free details, at most 16 kB.")]


def time(said: str, *, pointer: str) -> datetime:
    """Return the time that a header or a parameter says."""
    try:
        return _in_utc(datetime.fromisoformat(_is_time(said).upper()))
    except (PydanticCustomError, ValueError):
        raise Malformed(
            "A time cannot be understood.",
            faults=[Fault(pointer, "not_a_time", "A time looks like 2026-05-01T12:00:00+02:00")],
        ) from None


def number(prefix: str, said: str, *, pointer: str = "") -> int:
    """
    Return the number behind a public id.

    :raises NotFound: it is not one; with a pointer where it stood in a body
    """
    found = public_ids.read(prefix, said)
    if found is None:
        raise missing(pointer)
    return found


def missing(pointer: str = "") -> NotFound:
    """Return the refusal for what does not exist, or is somebody else's: they read the same."""
    faults = [Fault(pointer, "not_found", "There is no such object")] if pointer else []
    return NotFound("There is no such object.", faults=faults)
