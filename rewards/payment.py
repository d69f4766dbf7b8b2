"""How many points pay how much of a purchase. Arithmetic only: whole numbers, no database, no clock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Payment:
    """So many points pay so much money, in minor units; both 0 when nothing can be paid."""

    points: int
    amount_minor: int


def payment(
    *,
    step_points: int,
    step_minor: int,
    available: int,
    points: int | None = None,
    basket_minor: int | None = None,
    min_points: int = 0,
    max_percent: int = 100,
) -> Payment:
    """
    Return what points pay: whole steps of `step_points` for `step_minor` each, as many as fit.

    :param available: what the customer has; more is never used
    :param points: at most so many, if the customer chose
    :param basket_minor: the purchase; its `max_percent` is never exceeded, so nothing is ever given back
    """
    usable = available if points is None else min(points, available)
    steps = usable // step_points
    if basket_minor is not None:
        steps = min(steps, basket_minor * max_percent // 100 // step_minor)
    used = steps * step_points
    return Payment(used, steps * step_minor) if steps > 0 and used >= min_points else Payment(0, 0)
