"""What a program owes its customers, for the merchant's own books."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from api import fields
from api.answers import Answer
from api.door import Door, call
from insights import liability_facts, liability_report
from lib.errors import Fault, Malformed

PERIOD = {
    "program": "The program's id; by default the only or first one.",
    "from": "The first day, like 2026-01-01; by default the first of the month of `until`.",
    "until": "The last day, included; by default today.",
}


class AmountOut(BaseModel):
    points: int = Field(description="Usable points, net of what customers owe.")
    pending: int


class LineOut(AmountOut):
    line: str


class MonthOut(BaseModel):
    month: str
    issued: int = Field(description="Net of what was taken back.")
    redeemed: int
    expired: int
    outstanding: int
    to_be_redeemed: float


class WorthOut(BaseModel):
    """
    What is outstanding at the end of a month. `liability_minor` is by the cost of what will be redeemed,
    `deferred_minor` by IFRS 15; a merchant's books follow one of the two.
    """

    outstanding: int
    to_be_redeemed: float
    breakage: float
    redemption_rate: float | None
    is_early: bool = Field(description="There is too little history: the rate is an assumption.")
    liability_minor: int
    deferred_minor: int


class BookingOut(BaseModel):
    text: str
    debit: str
    credit: str
    amount_minor: int


class JournalOut(BaseModel):
    """Two ways to book the same; never both."""

    cost: list[BookingOut]
    ifrs15: list[BookingOut]


class LiabilityOut(BaseModel):
    """
    A period. Points are as booked day by day, opening + lines = closing; money is by the whole months that the
    period touches.
    """

    object: Literal["liability"] = "liability"
    program: str
    currency: str
    since: date
    until: date
    as_of: datetime
    opening: AmountOut
    lines: list[LineOut]
    closing: AmountOut
    worth_at_start: WorthOut
    worth_at_end: WorthOut
    months: list[MonthOut]
    journal: JournalOut


class Liability(Door):
    @call(scopes=("reports:read",), answers={200: LiabilityOut}, parameters=PERIOD)
    def get(self) -> Answer:
        """Read the roll-forward of a period, what is outstanding, breakage, and the journal lines."""
        said = self.request._request.GET
        program = said.get("program")
        found = liability_report.report(
            merchant=self.merchant,
            at=self.at,
            since=_day(said.get("from"), "from"),
            until=_day(said.get("until"), "until"),
            program_id=None if program is None else fields.number("prg", program, pointer="/query/program"),
        )
        return Answer(200, liability_facts.shown(found))


def _day(text: str | None, name: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Malformed(
            "This is not a day.", faults=[Fault(f"/query/{name}", "invalid", "is not a day like 2026-01-31")]
        ) from None
