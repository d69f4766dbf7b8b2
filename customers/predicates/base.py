"""
What a condition of a segment is: settings, described once, and a piece of SQL over one customer.

The form in the admin, the program file and the API all read `Params`. A value never becomes part of the
SQL's text: it is always a parameter.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from lib import db
from merchants.models import Merchant

Where = tuple[str, list[Any]]
Name = Annotated[str, Field(min_length=1, max_length=60)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000_000)]


@dataclass(frozen=True, slots=True)
class Moment:
    """Whose customers are looked at, and when."""

    merchant: Merchant
    at: datetime

    @property
    def today(self) -> date:
        return self.at.astimezone(ZoneInfo(self.merchant.timezone)).date()

    def days_ago(self, days: int) -> date:
        return self.today - timedelta(days=days)

    def starts(self, days: int) -> datetime:
        """Return when a window of so many days began: midnight in the merchant's zone."""
        zone = ZoneInfo(self.merchant.timezone)
        return datetime.combine(self.days_ago(days), time.min, tzinfo=zone).astimezone(UTC)


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Predicate:
    """
    One kind of condition. `kind` is stored in rules: never rename it.

    A file in a package of `settings.SEGMENT_PREDICATES` with one subclass is all it takes.
    """

    kind: ClassVar[str]
    label: ClassVar[Any]
    Params: ClassVar[type[BaseModel]] = Params

    def where(self, params: Any, moment: Moment) -> Where:
        """
        Return a condition over `c`, a row of customers_customer, and its parameters. It is TRUE or FALSE,
        never NULL, so that it can be turned around.
        """
        raise NotImplementedError


# At the end of an EXISTS: it is looked up customer by customer. PostgreSQL would make a join of it, and where it
# has no statistics yet (a table that was just filled) one that reads the whole table for each customer.
ALONE = "LIMIT 1 OFFSET 0"

# A customer and everybody who was merged into them: facts stay with whom they happened to.
SELVES = (
    "(SELECT c.id UNION ALL SELECT other.id FROM customers_customer other "
    "WHERE other.merged_into_id = c.id AND other.merchant_id = c.merchant_id)"
)


def between(what: str, least: int | None, most: int | None) -> Where:
    """Return the condition that a figure is within limits; a limit that is not given does not limit."""
    parts = [
        (f"{what} {sign} %s", limit) for sign, limit in ((">=", least), ("<=", most)) if limit is not None
    ]
    if not parts:
        return f"{what} IS NOT NULL", []
    return " AND ".join(text for text, _ in parts), [limit for _, limit in parts]


def one_of(column: str, names: tuple[str, ...]) -> Where:
    """Return the condition that a column has one of these names."""
    return db.any_of(column, "varchar", list(names))
