"""
Which column of another system's file means what, and how it writes numbers and dates.

A map is a YAML file: one per system in `column_maps/`, or the merchant's own. What a map does not say is
never guessed: a date that two of its spellings read differently is refused.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lib import marked_yaml
from lib.errors import Malformed

FOLDER = Path(__file__).with_name("column_maps")
Meaning = Literal[
    "reference",
    "email",
    "phone",
    "card",
    "external_id",
    "name",
    "first_name",
    "last_name",
    "birthday",
    "language",
    "joined_at",
    "points",
    "earned_at",
    "expires_at",
    "lifetime_points",
    "tier",
    "tier_until",
    "qualifying_spend",
    "qualifying_points",
    "qualifying_purchases",
    "qualifying_at",
    "consent_email",
    "consent_sms",
]
IDENTIFIERS: tuple[Meaning, ...] = ("email", "phone", "card", "external_id")
LARGEST = 10**12
_DIGITS = re.compile(r"[0-9]+")


class BadMap(Malformed):
    """The map's file is not one. The message names what to change."""

    code = "invalid_map"


class Unreadable(ValueError):
    """A cell does not hold what its column is for. The message says what to write."""


class Numbers(BaseModel):
    """`thousands` may stand between groups of three digits; `decimal` before the fraction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    thousands: str = Field("", max_length=1)
    decimal: str = Field(".", min_length=1, max_length=1)


class ColumnMap(BaseModel):
    """
    One system's file. `columns` lists the headers a meaning may have; `key` the meanings that may name a
    row, the first that is filled in counts; `skip` the values of a column whose rows are nobody's points.

    `dates` and `birthdays` are `iso` or formats of strptime; `tiers` their tiers' names by ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")
    name: str
    source: str = ""
    columns: dict[Meaning, list[str]]
    ignored: list[str] = []
    skip: dict[str, list[str]] = {}
    key: list[Meaning] = Field(min_length=1)
    numbers: Numbers = Numbers()
    dates: list[str] = ["iso"]
    birthdays: list[str] = ["%m-%d", "%Y-%m-%d"]
    yes: list[str] = ["yes", "true", "1"]
    no: list[str] = ["no", "false", "0"]
    tiers: dict[str, str] = {}

    @property
    def identifier_source(self) -> str:
        """The system that an outside id is of; empty for ids of the merchant's own."""
        return "" if self.system == "ours" else self.system

    def placed(self, headers: Sequence[str]) -> dict[Meaning, int]:
        """
        Return where each meaning is in a file with these headers; of two columns of one meaning the first
        that the map names.
        """
        where = {same(header): place for place, header in reversed(list(enumerate(headers)))}
        found: dict[Meaning, int] = {}
        for meaning, names in self.columns.items():
            places = [where[same(name)] for name in names if same(name) in where]
            if places:
                found[meaning] = places[0]
        return found

    def unknown(self, headers: Sequence[str]) -> list[str]:
        """Return the headers that this map says nothing of."""
        known = {same(name) for names in self.columns.values() for name in names}
        known |= {same(name) for name in (*self.ignored, *self.skip)}
        return [header for header in headers if same(header) not in known]

    def number(self, text: str, *, digits: int = 0) -> int:
        """
        Return a number times 10^digits: 12,345.60 with two digits is 1234560.

        :raises Unreadable: it is no number in the spelling of this map, or has more digits than may be
        """
        said, sign = text.strip(), 1
        if said[:1] in ("-", "\u2212"):
            said, sign = said[1:], -1
        whole, mark, fraction = said.partition(self.numbers.decimal)
        if self.numbers.thousands and self.numbers.thousands in whole:
            head, *groups = whole.split(self.numbers.thousands)
            if not 1 <= len(head) <= 3 or any(len(group) != 3 for group in groups):
                raise self._no_number(text)
            whole = head + "".join(groups)
        rest = fraction.rstrip("0")
        is_number = _is_digits(whole) and (not mark or _is_digits(fraction))
        if not is_number:
            raise self._no_number(text)
        if len(rest) > digits:
            few = "is not whole" if not digits else f"has more than {digits} digits after the {mark!r}"
            raise Unreadable(f"{text!r} {few}: round it in the file, as you would tell the customer")
        number = int(whole + rest.ljust(digits, "0"))
        if number > LARGEST:
            raise Unreadable(f"{text!r} is more than 10^12")
        return sign * number

    def _no_number(self, text: str) -> Unreadable:
        example = f"12{self.numbers.thousands}345{self.numbers.decimal}60"
        return Unreadable(f"{text!r} is not a number as {self.name} writes it, like {example}")

    def time(self, text: str, *, zone: ZoneInfo) -> tuple[datetime, bool]:
        """
        Return a time in UTC, and whether the text named a whole day: then it is the day's first moment.

        :raises Unreadable: it is no date in a spelling of this map, or two spellings disagree
        """
        found = {read for form in self.dates if (read := _time(text.strip(), form)) is not None}
        if len(found) > 1:
            days = " or ".join(sorted(str(when.date()) for when, _ in found))
            raise Unreadable(f"{text!r} may be {days}: keep one spelling in the map, or write 2026-01-31")
        if not found:
            raise Unreadable(f"{text!r} is not a date in a spelling of the map ({', '.join(self.dates)})")
        [(when, is_day)] = found
        try:
            aware = when if when.tzinfo else when.replace(tzinfo=zone)
            return aware.astimezone(UTC), is_day
        except OverflowError:
            raise Unreadable(f"{text!r} is out of range") from None

    def birthday(self, text: str) -> str:
        """
        Return a birthday as MM-DD; the year is not kept.

        :raises Unreadable: it is no birthday in a spelling of this map, or two spellings disagree
        """
        found = {read for form in self.birthdays if (read := _birthday(text.strip(), form))}
        if len(found) != 1:
            why = (
                f"may be {' or '.join(sorted(found))}"
                if found
                else "is not a birthday in a spelling of the map"
            )
            raise Unreadable(f"{text!r} {why} ({', '.join(self.birthdays)})")
        return found.pop()

    def answer(self, text: str) -> bool:
        """Return yes or no. :raises Unreadable: it is neither in the words of this map"""
        said = text.strip().casefold()
        if said in {word.casefold() for word in self.yes}:
            return True
        if said in {word.casefold() for word in self.no}:
            return False
        raise Unreadable(f"{text!r} is neither yes ({', '.join(self.yes)}) nor no ({', '.join(self.no)})")

    def tier(self, text: str) -> str:
        """Return our name of their tier."""
        names = {same(theirs): ours for theirs, ours in self.tiers.items()}
        return names.get(same(text), text.strip())


def same(header: str) -> str:
    """Return what two spellings of a header have in common: case, blanks and underscores do not count."""
    return " ".join(header.replace("_", " ").casefold().split())


def names() -> list[str]:
    """Return the maps that are there."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> ColumnMap:
    """
    Return one of our maps by its name, or the one in a file.

    :raises BadMap: there is none, or the file is not one
    """
    return _ours(name) if name in names() else read(Path(name))


@cache
def _ours(name: str) -> ColumnMap:
    return read(FOLDER / f"{name}.yaml")


def read(path: Path) -> ColumnMap:
    """Return the map in a file. :raises BadMap: there is none, or it is not one"""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise BadMap(
            f"There is no map {str(path)!r}. Known: {', '.join(names())}; or give the path of your own."
        ) from None
    said, _ = marked_yaml.read(text)
    try:
        found = ColumnMap.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadMap(f"{path}: {place}: {first['msg']}.") from None
    if "points" not in found.columns or not set(found.key) <= set(found.columns):
        raise BadMap(f"{path}: `columns` must name `points` and everything in `key`.")
    return found


def _is_digits(text: str) -> bool:
    return bool(_DIGITS.fullmatch(text))


def _time(text: str, form: str) -> tuple[datetime, bool] | None:
    try:
        if form == "iso":
            return datetime.fromisoformat(text), len(text) <= len("2026-01-31")
        when = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the merchant's, said by the caller
    except ValueError:
        return None
    if form.endswith("UTC"):
        when = when.replace(tzinfo=UTC)
    return when, when.time() == time() and "%H" not in form and "%I" not in form


def _birthday(text: str, form: str) -> str:
    try:
        # Without a year 29 February would be no day: read it in a leap year.
        whole, form = (f"2024 {text}", f"%Y {form}") if "%Y" not in form else (text, form)
        day: date = datetime.strptime(whole, form).date()  # noqa: DTZ007 - a day of the year has no zone
    except ValueError:
        return ""
    return f"{day.month:02}-{day.day:02}"
