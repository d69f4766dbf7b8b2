"""What a redemption costs and is worth: the reward's price, or what points as payment pay of a basket."""

from dataclasses import dataclass
from typing import Any

from lib.errors import Fault, Malformed, Refused
from loyalty.desk import Desk, Row
from rewards import catalogue
from rewards.kinds import Kind
from rewards.models import Reward
from rewards.payment import payment

PAYMENT = "points_as_payment"


class BasketMissing(Malformed):
    code = "basket_missing"


class PaymentTooSmall(Refused):
    """Not one whole step can be paid, or fewer points than the minimum would be used."""

    code = "payment_too_small"


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is asked for. Points as payment say `points`, `basket_minor` (the purchase, in minor units) or both.
    """

    points: int | None = None
    basket_minor: int | None = None
    purchase_reference: str = ""


NOTHING_MORE = Asked()


def price(
    work: Desk, available: int, reward: Reward, kind: Kind, params: Any, asked: Asked
) -> tuple[int, Row]:
    """
    Return the points it takes of those available, and what it is worth.

    :raises BasketMissing: points as payment: it is not said what is paid
    :raises PaymentTooSmall: points as payment: nothing can be paid
    """
    worth = kind.worth(params, name=reward.name, currency=work.merchant.currency)
    if kind.kind != PAYMENT:
        if asked.points is not None or asked.basket_minor is not None:
            raise Malformed(
                "Only points as payment are asked for by points or basket.",
                faults=[Fault("/points", "not_a_payment", "leave out points and basket_minor")],
            )
        return reward.cost, worth
    if asked.basket_minor is None and (asked.points is None or params.max_percent < 100):
        raise BasketMissing(
            "Say what the purchase costs: points pay a part of it.",
            faults=[Fault("/basket_minor", "required", "the purchase in minor units")],
        )
    paid = payment(
        step_points=reward.cost,
        step_minor=params.amount_minor,
        available=available,
        points=asked.points,
        basket_minor=asked.basket_minor,
        min_points=params.min_points,
        max_percent=params.max_percent,
    )
    if not paid.points:
        raise PaymentTooSmall(
            f"Points pay from {catalogue.least_points(reward)} on, at most {params.max_percent} % of a purchase."
        )
    said = {"asked_points": asked.points, "asked_basket_minor": asked.basket_minor}
    return paid.points, {
        **worth,
        "amount_minor": paid.amount_minor,
        **{name: value for name, value in said.items() if value is not None},
    }
