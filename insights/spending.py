"""
How much a customer spends on a purchase day: the Gamma-Gamma model.

Arrays in, numbers out. One customer is `x`, the repeat purchase days, and `m`, the mean spent on one of
them, in any unit of money.

Source: Fader and Hardie (2013), The Gamma-Gamma Model of Monetary Value, equations 1a and 5.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, psi

Floats = NDArray[np.float64]

FEWEST = 20  # customers who came back: below it a mean says more than a model
_EDGE = (-7.0, 9.0)
_CENTER = np.log([4.0, 4.0, 3.0])  # a weak prior, where the mean of all is 1
_CORRELATED = 0.3


@dataclass(frozen=True, slots=True)
class Spending:
    """
    What one purchase day is worth. `p`, `q` and `v` (money) are the model's.

    `q` at or below 1 has no mean: then (`is_model` False) each customer's own mean is drawn towards
    that of all. `correlation` is between how often and how much: above 0.3 the model, which takes them for
    independent, is to be read with care.
    """

    p: float
    q: float
    v: float
    log_likelihood: float
    customers: int
    mean: float
    correlation: float
    is_model: bool

    @property
    def is_correlated(self) -> bool:
        return abs(self.correlation) > _CORRELATED


def fit(x: ArrayLike, m: ArrayLike, *, prior: bool = False) -> Spending:
    """
    Fit by maximum likelihood to those who came back and spent something; others are left out.

    With fewer than 20 of them, or where no mean exists, the answer is a mean (`is_model` False).
    """
    often, spent = _checked(x, m)
    usable = (often > 0) & (spent > 0)
    often, spent = often[usable], spent[usable]
    if len(often) < FEWEST:
        mean = float(spent.mean()) if len(spent) else 0.0
        return Spending(0.0, 0.0, 0.0, 0.0, len(often), mean, 0.0, is_model=False)
    mean = float(spent.mean())
    likelihood = _Likelihood(often, spent / mean, prior=prior)
    found = minimize(
        likelihood, _CENTER, jac=True, method="L-BFGS-B", bounds=[_EDGE] * 3, options={"ftol": 1e-13}
    ).x
    p, q, v = (float(one) for one in np.exp(found))
    value = -likelihood.of_data(found)[0] - len(often) * np.log(mean)
    is_at_edge = bool((found <= _EDGE[0] + 1e-6).any() or (found >= _EDGE[1] - 1e-6).any())
    return Spending(
        p,
        q,
        v * mean,
        float(value),
        len(often),
        mean,
        _correlation(often, spent),
        is_model=q > 1 and not is_at_edge,
    )


def expected(spending: Spending, x: ArrayLike, m: ArrayLike) -> Floats:
    """
    Return for each customer the expected spend of a purchase day, never below 0.

    The mean of one with few purchases is drawn towards that of all; nobody's own mean counts where they
    never came back.
    """
    often, spent = _checked(x, m)
    own = np.where(often > 0, np.maximum(spent, 0.0), 0.0)
    often = np.where(own > 0, often, 0.0)
    if not spending.is_model:
        # Three purchase days of a stranger stand for what is not known of this customer.
        return np.asarray((3 * spending.mean + often * own) / (3 + often))
    p, q, v = spending.p, spending.q, spending.v
    return np.asarray(p * (v + often * own) / (p * often + q - 1))


def _checked(x: ArrayLike, m: ArrayLike) -> tuple[Floats, Floats]:
    often, spent = (np.asarray(values, dtype=np.float64) for values in (x, m))
    if often.shape != spent.shape or often.ndim != 1:
        raise ValueError("x and m are two arrays of one length.")
    if not (np.isfinite(often).all() and np.isfinite(spent).all()):
        raise ValueError("x and m are finite.")
    return often, spent


def _correlation(often: Floats, spent: Floats) -> float:
    if often.std() == 0 or spent.std() == 0:
        return 0.0
    return float(np.corrcoef(often, spent)[0, 1])


class _Likelihood:
    """The negative log-likelihood and its gradient in the logarithms of p, q and v."""

    def __init__(self, often: Floats, spent: Floats, *, prior: bool):
        self.prior = prior
        self.total = often * spent
        self.often = often
        self.xs, place = np.unique(often, return_inverse=True)
        self.of_xs = np.bincount(place).astype(np.float64)
        self.place = place
        self.logs = float(np.log(spent).sum())
        self.weighted_logs = float((often * np.log(self.total)).sum())

    def __call__(self, logs: Floats) -> tuple[float, Floats]:
        value, gradient = self.of_data(logs)
        if self.prior:
            away = logs - _CENTER
            value, gradient = value + 0.5 * float(away @ away), gradient + away
        return value, gradient

    def of_data(self, logs: Floats) -> tuple[float, Floats]:
        p, q, v = np.exp(np.clip(logs, -30, 30))
        shape = p * self.xs
        log_rest = np.log(v + self.total)
        by_x = np.bincount(self.place, weights=log_rest)
        share = np.bincount(self.place, weights=1 / (v + self.total))
        many = float(self.of_xs.sum())
        gammas = gammaln(shape + q) - gammaln(shape) - gammaln(q)
        value = float(self.of_xs @ gammas) + many * q * np.log(v) + p * self.weighted_logs - self.logs
        value -= float((shape + q) @ by_x)
        both = psi(shape + q)
        dp = float((self.of_xs * self.xs) @ (both - psi(shape))) + self.weighted_logs - float(self.xs @ by_x)
        dq = float(self.of_xs @ (both - psi(q))) + many * np.log(v) - float(by_x.sum())
        dv = many * q / v - float((shape + q) @ share)
        return -value, -np.array([dp * p, dq * q, dv * v])
