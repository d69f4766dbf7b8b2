"""From purchase days to a row per customer: parameters kept or fitted anew, judged, and used."""

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from insights import accuracy, buying, clv, days, spending
from insights.models import ClvRun, Lifecycle
from merchants.models import Merchant

REFIT_AFTER = timedelta(days=7)
REFIT_GROWTH = 0.05
HOLDOUT_DAYS = 182
SHORTEST_HOLDOUT = 28


@dataclass(frozen=True, slots=True)
class Fitted:
    """Parameters, the day and the number of buyers they were fitted on, and how good such a fit was before."""

    fit: clv.Fit
    on: date
    customers: int
    backtest: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "on": self.on.isoformat(),
            "customers": self.customers,
            "status": self.fit.status,
            "model": asdict(self.fit.model) if self.fit.model else None,
            "spending": asdict(self.fit.spending) if self.fit.spending else None,
            "remarks": list(self.fit.remarks),
        }

    @classmethod
    def of(cls, run: ClvRun) -> "Fitted":
        kept = run.fit
        model = buying.Model(**kept["model"]) if kept["model"] else None
        spends = spending.Spending(**kept["spending"]) if kept["spending"] else None
        fit = clv.Fit(kept["status"], model, spends, tuple(kept["remarks"]))
        return cls(fit, date.fromisoformat(kept["on"]), kept["customers"], run.backtest)


def fitted(
    *, merchant: Merchant, buyers: days.Buyers, last: ClvRun | None, as_of: date, lapse_days: int
) -> Fitted:
    """Return the parameters of the last run, or new ones when these are a week old or 5 % more customers bought."""
    count = len(buyers.customers)
    if last is not None and last.currency == merchant.currency and last.status != "history_only":
        kept = Fitted.of(last)
        has_grown = count > kept.customers * (1 + REFIT_GROWTH) or count < kept.customers * (1 - REFIT_GROWTH)
        if timedelta(0) <= as_of - kept.on < REFIT_AFTER and not has_grown:
            return kept
    fit = clv.fit(**buyers.arrays)
    judged = {} if fit.model is None else backtest(merchant=merchant, as_of=as_of, lapse_days=lapse_days)
    return Fitted(fit, as_of, count, judged)


def backtest(*, merchant: Merchant, as_of: date, lapse_days: int) -> dict[str, Any]:
    """
    Forecast from a day in the past, and compare with what came after it: half a year, or a third of a short
    history, at least four weeks. Empty where there was too little then.
    """
    now = days.buyers(merchant=merchant, until=as_of, lapse_days=lapse_days)
    history = days.number(as_of) - int(now.first.min()) if len(now.customers) else 0
    holdout = min(HOLDOUT_DAYS, history // 3)
    if holdout < SHORTEST_HOLDOUT:
        return {}
    then = days.buyers(
        merchant=merchant, until=as_of - timedelta(days=holdout), lapse_days=lapse_days, seen=as_of
    )
    fit = clv.fit(**then.arrays)
    if fit.model is None or fit.spending is None:
        return {}
    known = buying.Buyers.of(*(then.arrays[name] for name in ("x", "t_x", "T")))
    said = buying.expected(fit.model, known, float(holdout))
    spent = said * spending.expected(fit.spending, then.arrays["x"], then.arrays["m"])
    return {
        "days": holdout,
        "purchases": asdict(accuracy.measure(actual=then.later_days, forecast=said)),
        "spend": asdict(accuracy.measure(actual=then.later_spent, forecast=spent)),
    }


@dataclass(frozen=True, slots=True)
class Scores:
    """The columns of `ClvScore`, without merchant and run."""

    columns: dict[str, NDArray[Any]]


def score(buyers: days.Buyers, fitted: Fitted, *, lapse_days: int, margin: float, discount: float) -> Scores:
    """Return a row per customer. Without a forecast only history and lifecycle are said."""
    count = len(buyers.customers)
    said = clv.expect(
        fitted.fit, **buyers.arrays, lapse_days=lapse_days, margin=margin, annual_discount=discount
    )
    has_forecast = said.status != "history_only"
    nothing = np.zeros(count)
    value = _minor(said.value) if has_forecast else np.zeros(count, np.int64)
    watch = np.zeros(count, np.int64)
    if has_forecast:
        watched = said.worth_a_message
        watch[watched] = np.arange(1, len(watched) + 1)
    worth = said.value if has_forecast else buyers.net.astype(np.float64)
    risk = said.at_risk if has_forecast else nothing
    return Scores(
        {
            "customer_id": buyers.customers,
            "lifecycle": lifecycles(buyers, lapse_days=lapse_days, at_risk=risk),
            "band": _fifths(worth),
            "days": buyers.days,
            "first_day": buyers.first,
            "last_day": buyers.last,
            "historic_minor": buyers.net,
            "alive": said.alive if has_forecast else nothing,
            "at_risk": risk,
            "purchases": said.purchases if has_forecast else nothing,
            "value_minor": value,
            "at_stake_minor": _minor(said.at_stake) if has_forecast else np.zeros(count, np.int64),
            "watch": watch,
        }
    )


def _minor(money: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(money).astype(np.int64)


def _fifths(worth: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 1 (lowest) to 5 for each; equal ones are told apart by their place, which is the customer's id."""
    place = np.empty(len(worth), np.int64)
    place[np.argsort(worth, kind="stable")] = np.arange(len(worth))
    return np.asarray(1 + place * 5 // max(len(worth), 1))


def lifecycles(buyers: days.Buyers, *, lapse_days: int, at_risk: NDArray[np.float64]) -> NDArray[np.int64]:
    """
    Return where each customer stands. Lapsed: silent for longer than the window. Won back: bought within the
    window, after a silence longer than it. New: bought once, within the window. At risk: more likely
    than not silent for the window to come. Else active.
    """
    is_lapsed = buyers.until - buyers.last > lapse_days
    is_back = (buyers.before > 0) & (buyers.since > 0) & (buyers.since - buyers.before > lapse_days)
    return np.select(
        [is_lapsed, is_back, buyers.days == 1, at_risk >= clv.AT_RISK[0]],
        [Lifecycle.LAPSED, Lifecycle.WON_BACK, Lifecycle.NEW, Lifecycle.AT_RISK],
        Lifecycle.ACTIVE,
    ).astype(np.int64)
