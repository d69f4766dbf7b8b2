"""
What customers are worth: from their purchase days to a forecast of the next months.

Arrays in, numbers out; no database. Times are days, money is any one unit (the service passes minor units).
`insights.buying` says how often and how long, `insights.spending` how much; here they become value.

    value = margin x E[spend of a purchase day] x sum over months k of (E[X(k)] - E[X(k-1)]) / (1 + d)^k

with E[X(k)] the expected purchase days in the next k months and d the monthly discount, (1 + annual)^(1/12) - 1
(Fader, Hardie and Lee 2005, RFM and CLV: Using Iso-Value Curves for Customer Base Analysis).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from insights import buying, spending
from insights.buying import Buyers, Model, TooFew
from insights.spending import Spending

Floats = NDArray[np.float64]
Status = Literal["history_only", "early", "forecast"]

DAYS_OF_MONTH = 365 / 12
SURE_CUSTOMERS, SURE_DAYS = 500, 180
# Who is past saving, and who needs nothing: between them a message may change something.
AT_RISK = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Summary:
    """Purchase days of many customers, one entry each: see `insights.buying`; `m` is the mean repeat spend."""

    customers: NDArray[np.int64]
    x: Floats
    t_x: Floats
    T: Floats
    m: Floats
    spent: Floats


@dataclass(frozen=True, slots=True)
class Forecast:
    """
    What is expected of each customer, in the order they were given.

    `status` is `history_only` (nothing else is filled), `early` (few buyers or a short history: fitted under a
    weak prior) or `forecast`. `alive` is the probability of still being a customer, `at_risk` that of no
    purchase within the lapse window, `purchases` and `value` those of the coming months, `at_stake` what is
    lost with a customer times the risk of losing them. `remarks` are codes: no_lapse_signal, correlated,
    spend_by_mean.
    """

    status: Status
    model: Model | None = None
    spending: Spending | None = None
    alive: Floats = field(default_factory=lambda: np.empty(0))
    at_risk: Floats = field(default_factory=lambda: np.empty(0))
    purchases: Floats = field(default_factory=lambda: np.empty(0))
    spend: Floats = field(default_factory=lambda: np.empty(0))
    value: Floats = field(default_factory=lambda: np.empty(0))
    at_stake: Floats = field(default_factory=lambda: np.empty(0))
    remarks: tuple[str, ...] = ()

    @property
    def worth_a_message(self) -> NDArray[np.intp]:
        """Places of the customers between needing nothing and being gone, those with most at stake first."""
        places = np.flatnonzero((self.at_risk >= AT_RISK[0]) & (self.at_risk <= AT_RISK[1]))
        return places[np.argsort(-self.at_stake[places], kind="stable")]


def summarize(customers: ArrayLike, days: ArrayLike, spent: ArrayLike, *, until: float) -> Summary:
    """
    Fold purchase days into one entry per customer, as known at the end of day `until`.

    One row is one customer, one day (a number) and what they spent on it, net of refunds. Rows after `until`
    are not known yet. A day without a positive sum is no purchase day, but its refunds count in `spent`.
    """
    who, day, money = (
        np.asarray(customers, np.int64),
        np.asarray(days, np.float64),
        np.asarray(spent, np.float64),
    )
    if not len(who) == len(day) == len(money):
        raise ValueError("customers, days and spent are three arrays of one length.")
    known = day <= until
    who, day, money = who[known], day[known], money[known]
    if not len(who):
        none = np.empty(0)
        return Summary(np.empty(0, np.int64), none, none, none, none, none)
    ids, place = np.unique(who, return_inverse=True)
    total: Floats = np.bincount(place, weights=money, minlength=len(ids)).astype(np.float64)
    bought = money > 0
    count = np.bincount(place[bought], minlength=len(ids)).astype(np.float64)
    first, last = np.full(len(ids), np.inf), np.full(len(ids), -np.inf)
    np.minimum.at(first, place[bought], day[bought])
    np.maximum.at(last, place[bought], day[bought])
    of_first = np.zeros(len(ids))
    is_first = bought & (day == first[place])
    of_first[place[is_first]] = money[is_first]
    positive = np.bincount(place[bought], weights=money[bought], minlength=len(ids))
    buyers = count > 0
    x = count[buyers] - 1
    repeat = positive[buyers] - of_first[buyers]
    m = np.divide(repeat, x, out=np.zeros_like(repeat), where=x > 0)
    t_x = last[buyers] - first[buyers]
    return Summary(ids[buyers], x, t_x, until - first[buyers], m, total[buyers])


@dataclass(frozen=True, slots=True)
class Fit:
    """The parameters of a merchant's customers, to be used for some days. `remarks` as in `Forecast`."""

    status: Status
    model: Model | None = None
    spending: Spending | None = None
    remarks: tuple[str, ...] = ()


def fit(*, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, m: ArrayLike) -> Fit:  # noqa: N803  (the papers' letter)
    """
    Fit both models.

    :raises ValueError: the arrays are not those of customers (see `Buyers.of`)
    """
    buyers = Buyers.of(x, t_x, T)
    ages, often = np.asarray(T, dtype=np.float64), np.asarray(x, dtype=np.float64)
    is_sure = len(ages) >= SURE_CUSTOMERS and ages.max(initial=0) >= SURE_DAYS
    try:
        model = buying.fit("mbg_nbd", buyers, prior=not is_sure)
    except TooFew:
        return Fit("history_only")
    remarks = []
    if not model.has_lapse_signal:
        model = buying.fit("nbd", buyers, prior=not is_sure)
        remarks.append("no_lapse_signal")
    spends = spending.fit(often, m, prior=not is_sure)
    if spends.is_correlated:
        remarks.append("correlated")
    if not spends.is_model:
        remarks.append("spend_by_mean")
    return Fit("forecast" if is_sure else "early", model, spends, tuple(remarks))


def expect(
    fitted: Fit,
    *,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,  # noqa: N803  (the papers' letter)
    m: ArrayLike,
    lapse_days: float,
    margin: float = 1.0,
    annual_discount: float = 0.1,
    months: int = 12,
) -> Forecast:
    """
    Forecast with parameters that were fitted now or some days ago, on these customers or fewer. `margin` is what
    is left of one unit of spend, net of what its points cost.

    :raises ValueError: the arrays are not those of customers (see `Buyers.of`)
    """
    model, spends = fitted.model, fitted.spending
    if model is None or spends is None:
        return Forecast("history_only")
    buyers = Buyers.of(x, t_x, T)
    ages, often = np.asarray(T, dtype=np.float64), np.asarray(x, dtype=np.float64)
    ends = DAYS_OF_MONTH * np.arange(1, months + 1)
    purchases, discounted = _purchases(model, buyers, ends, annual_discount)
    spend = spending.expected(spends, often, m)
    at_risk = 1 - buying.active(model, buyers, lapse_days)
    staying = (model.r + often) / (model.alpha + ages) * ends[-1]
    return Forecast(
        status=fitted.status,
        model=model,
        spending=spends,
        alive=buying.alive(model, buyers),
        at_risk=at_risk,
        purchases=purchases,
        spend=spend,
        value=margin * spend * discounted,
        at_stake=at_risk * margin * spend * staying,
        remarks=fitted.remarks,
    )


def _purchases(model: Model, buyers: Buyers, ends: Floats, annual: float) -> tuple[Floats, Floats]:
    """Return the expected purchases until the last of the ends, and the same discounted month by month."""
    monthly = (1 + annual) ** (1 / 12) - 1
    reached = np.zeros(len(buyers.index))
    discounted = np.zeros(len(buyers.index))
    for month, end in enumerate(ends, start=1):
        so_far = buying.expected(model, buyers, float(end))
        discounted += (so_far - reached) * (1 + monthly) ** -month
        reached = so_far
    return reached, discounted


def forecast(
    *,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,  # noqa: N803  (the papers' letter)
    m: ArrayLike,
    lapse_days: float,
    margin: float = 1.0,
    annual_discount: float = 0.1,
    months: int = 12,
) -> Forecast:
    """
    Fit and forecast: `expect` with what `fit` found in the same customers.

    :raises ValueError: the arrays are not those of customers (see `Buyers.of`)
    """
    return expect(
        fit(x=x, t_x=t_x, T=T, m=m),
        x=x,
        t_x=t_x,
        T=T,
        m=m,
        lapse_days=lapse_days,
        margin=margin,
        annual_discount=annual_discount,
        months=months,
    )


def net_margin(*, gross: float, point_cost: float, points_per_unit: float, redeemed: float) -> float:
    """
    Return what is left of one unit of spend.

    `gross` is the gross margin (0 to 1), `point_cost` what a redeemed point costs, `points_per_unit` the points
    given per unit of spend, `redeemed` the share of points that is ever redeemed (ultimate redemption rate).
    """
    return gross - point_cost * points_per_unit * redeemed
