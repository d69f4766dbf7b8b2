"""The journal lines of a period, for whoever keeps the books: debit and credit, in minor units. Pure."""

from dataclasses import dataclass

from insights.liability import Position

REVENUE, CONTRACT = "revenue", "contract_liability"
EXPENSE, PROVISION, GIVEN = "loyalty_expense", "provision_for_points", "rewards_given"


@dataclass(frozen=True, slots=True)
class Line:
    """So much is booked from `credit` to `debit`, never a negative amount. `text` says what for, as a code."""

    text: str
    debit: str
    credit: str
    amount_minor: int


def deferred(opening: Position, closing: Position) -> list[Line]:
    """Return the lines by IFRS 15: what the period deferred, and what became revenue in it."""
    return _lines(
        ("points_issued", REVENUE, CONTRACT, closing.deferred_minor - opening.deferred_minor),
        ("points_redeemed", CONTRACT, REVENUE, closing.recognized_minor - opening.recognized_minor),
    )


def provided(*, opening_minor: int, closing_minor: int, used_minor: int) -> list[Line]:
    """
    Return the lines by the cost method: what was redeemed is taken out of the provision at cost, and what is then
    missing from the closing one, or too much in it, is expense.
    """
    return _lines(
        ("points_redeemed", PROVISION, GIVEN, used_minor),
        ("points_provided", EXPENSE, PROVISION, closing_minor - opening_minor + used_minor),
    )


def _lines(*lines: tuple[str, str, str, int]) -> list[Line]:
    return [
        Line(text, debit, credit, amount) if amount > 0 else Line(text, credit, debit, -amount)
        for text, debit, credit, amount in lines
        if amount
    ]
