"""
What a refund takes back: exact and cumulative, so that many partial refunds never drift. Pure arithmetic.

`why["lines"]` of a purchase holds `{line id: [earning minor units, points]}`; `refunded_lines` holds
`{line id: [minor units, quantity]}` given back so far. A refund by amount is merchandise first.
"""

from dataclasses import dataclass, field
from typing import Any

from lib.errors import Fault, Refused
from loyalty.earning.base import EARNING_LINES

Row = dict[str, Any]


class RefundExceedsPurchase(Refused):
    code = "refund_exceeds_purchase"


class UnknownLine(Refused):
    code = "unknown_line"


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """One line given back: some of its quantity, or some of its amount."""

    id: str
    quantity: int | None = None
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What one refund changes: the sums after it, and the parts it adds."""

    amount_minor: int
    refunded_minor: int
    refunded_basis_minor: int
    refunded_lines: dict[str, list[int]]
    basis_minor: int
    merchandise_minor: int
    points: int
    qualifying: int
    is_full: bool
    lines: list[Row] = field(default_factory=list)


def take(purchase: Row, *, amount_minor: int | None, lines: tuple[ReturnLine, ...]) -> Taken:
    """
    Return what this refund takes back of a purchase row, beyond what earlier refunds took.

    :raises RefundExceedsPurchase: more than was paid, for the sale or for a line
    :raises UnknownLine: the sale has no line of that id
    """
    by_line = {key: list(value) for key, value in purchase["refunded_lines"].items()}
    told: list[Row] = []
    if lines:
        amount = _add_lines(purchase, lines, by_line, told)
    else:
        amount = (
            purchase["amount_minor"] - purchase["refunded_minor"] if amount_minor is None else amount_minor
        )
    total = purchase["refunded_minor"] + amount
    if total > purchase["amount_minor"]:
        raise RefundExceedsPurchase(
            f"{purchase['amount_minor'] - purchase['refunded_minor']} is left of this purchase to refund.",
            faults=[Fault("/amount_minor", "refund_exceeds_purchase", "more than is left")],
        )
    is_full = total == purchase["amount_minor"]
    points, basis = _target(purchase, total, by_line, is_full=is_full)
    earned, clawed = purchase["points_earned"], purchase["clawed_back"]
    points = max(points, clawed)
    basis = max(basis, purchase["refunded_basis_minor"])
    return Taken(
        amount_minor=amount,
        refunded_minor=total,
        refunded_basis_minor=basis,
        refunded_lines=by_line,
        basis_minor=basis - purchase["refunded_basis_minor"],
        merchandise_minor=min(amount, max(0, purchase["merchandise_minor"] - purchase["refunded_minor"])),
        points=points - clawed,
        qualifying=_part(purchase["why"].get("qualifying", 0), points, earned)
        - _part(purchase["why"].get("qualifying", 0), clawed, earned),
        is_full=is_full,
        lines=told,
    )


def _add_lines(
    purchase: Row, lines: tuple[ReturnLine, ...], by_line: dict[str, list[int]], told: list[Row]
) -> int:
    sold = {line["id"]: line for line in purchase["lines"]}
    amount = 0
    for place, one in enumerate(lines):
        line = sold.get(one.id)
        if line is None:
            raise UnknownLine(
                f"The purchase has no line {one.id}.",
                faults=[Fault(f"/lines/{place}/id", "unknown_line", "no such line")],
            )
        given, pieces = by_line.get(one.id, [0, 0])
        if one.amount_minor is not None:
            part, count = one.amount_minor, 0
        else:
            count = one.quantity or 0
            whole = pieces + count
            # Cumulative by quantity, so that three thirds are the whole price.
            part = (
                line["amount_minor"] * whole // line["quantity"]
                - line["amount_minor"] * pieces // line["quantity"]
            )
        if given + part > line["amount_minor"] or pieces + count > line["quantity"]:
            raise RefundExceedsPurchase(
                f"Line {one.id} has less left to refund.",
                faults=[Fault(f"/lines/{place}", "refund_exceeds_purchase", "more than is left of the line")],
            )
        by_line[one.id] = [given + part, pieces + count]
        told.append({"id": one.id, "quantity": count, "amount_minor": part})
        amount += part
    return amount


def _target(purchase: Row, total: int, by_line: dict[str, list[int]], *, is_full: bool) -> tuple[int, int]:
    """Return the points and the basis taken back in all, once `total` is refunded."""
    earned, basis = purchase["points_earned"], purchase["basis_minor"]
    if is_full:
        return earned, basis
    if basis <= 0:
        return 0, 0
    sold = {line["id"]: line for line in purchase["lines"]}
    shares = purchase["why"].get("lines", {})
    points = base = back = 0
    for key, (given, _) in by_line.items():
        line = sold[key]
        if line["kind"] in EARNING_LINES and line["amount_minor"]:
            line_basis, line_points = shares.get(key, (0, 0))
            points += line_points * given // line["amount_minor"]
            base += line_basis * given // line["amount_minor"]
            back += given
    by_amount = total - sum(given for given, _ in by_line.values())
    rest = purchase["merchandise_minor"] - back
    if by_amount and rest > 0:
        part = min(by_amount, rest)
        points += (earned - points) * part // rest
        base += (basis - base) * part // rest
    return min(points, earned), min(base, basis)


def _part(whole: int, part: int, of: int) -> int:
    return whole * part // of if of else 0


def paid_back(purchase: Row, points: int) -> int:
    """
    Return how many of the points that paid for a purchase are given back in all, after the refunds in its row.

    Pro rata of the merchandise: shipping that is kept does not keep points.
    """
    merchandise = int(purchase["merchandise_minor"])
    if purchase["status"] == "voided" or purchase["refunded_minor"] == purchase["amount_minor"]:
        return points
    if merchandise <= 0:
        return 0
    sold = {line["id"]: line for line in purchase["lines"]}
    given = {key: minor for key, (minor, _) in purchase["refunded_lines"].items()}
    back = sum(minor for key, minor in given.items() if sold[key]["kind"] in EARNING_LINES)
    by_amount = max(0, purchase["refunded_minor"] - sum(given.values()))
    return points * min(merchandise, int(back + by_amount)) // merchandise
