"""
How long customers stay and how often they buy: BG/NBD, MBG/NBD and NBD, fitted by exact maximum likelihood.

Arrays in, numbers out: this module knows no database. One customer is three numbers, in any one unit of
time: `x` repeat purchase days (the first purchase is not counted), `t_x` the age at the last of them (0
where there is none), `T` the age now.

Sources: Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the
Pareto/NBD Model (BG/NBD, equations 6 and 10); Batislam, Denizel and Filiztekin (2007), Empirical validation
and comparison of models for customer base analysis (MBG/NBD: a customer may leave after the first purchase
already); Ehrenberg (1959) (NBD: nobody leaves).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1, psi

Floats = NDArray[np.float64]
Name = Literal["bg_nbd", "mbg_nbd", "nbd"]

FEWEST_CUSTOMERS, FEWEST_REPEATERS = 50, 20

# A weak prior on the logarithms of the parameters (time scaled so that the oldest customer is 10): without
# it almost half the fits of a shop with 50 customers run away to the edge.
_CENTER = np.log([0.5, 3.0, 0.8, 2.0])
_OLDEST = 10.0
_EDGE = (-9.0, 9.0)
_SAMPLE = 20_000
_CHUNK = 16_384
_NO_LAPSE = 1e-4


class TooFew(ValueError):
    """Fewer than 50 customers or 20 who came back: there is a history to show, and no forecast."""


@dataclass(frozen=True, slots=True)
class Model:
    """
    A fitted model. `r` and `alpha` are the gamma distribution of purchase rates (alpha in units of time),
    `a` and `b` the beta distribution of leaving after a purchase; an NBD has neither.

    `log_likelihood` is of the data alone, without the prior, in the unit of time of the data.
    """

    name: Name
    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    customers: int
    is_at_edge: bool = False

    @property
    def has_lapse_signal(self) -> bool:
        """Whether the data says anything about leaving: if not, an NBD tells the same with less."""
        return self.name != "nbd" and not self.is_at_edge and self.a / (self.a + self.b) >= _NO_LAPSE


@dataclass(frozen=True, slots=True)
class Buyers:
    """Customers as arrays, checked and with equal ones counted once: what is fitted, and what is asked about."""

    x: Floats
    t_x: Floats
    T: Floats
    count: Floats
    index: NDArray[np.intp]

    @classmethod
    def of(cls, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> "Buyers":  # noqa: N803  (the papers' letters)
        """
        Check and fold the arrays.

        :raises ValueError: lengths differ, a number is not finite or negative, or t_x lies after T
        """
        columns = [np.ascontiguousarray(values, dtype=np.float64) for values in (x, t_x, T)]
        if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
            raise ValueError("x, t_x and T are three arrays of one length.")
        if not all(np.isfinite(column).all() and (column >= 0).all() for column in columns):
            raise ValueError("x, t_x and T are finite and not negative.")
        if (columns[1] > columns[2]).any():
            raise ValueError("Nobody buys after today: t_x is at most T.")
        if (columns[0] != np.floor(columns[0])).any() or ((columns[0] == 0) & (columns[1] > 0)).any():
            raise ValueError("x counts repeat purchase days, and t_x is 0 where there are none.")
        return cls(*_fold(*columns))


def _fold(x: Floats, t_x: Floats, age: Floats) -> tuple[Floats, Floats, Floats, Floats, NDArray[np.intp]]:
    """Count equal customers once. Days are whole numbers, so that a million customers are far fewer rows."""
    if not len(x):
        empty = np.empty(0)
        return empty, empty, empty, empty, np.empty(0, dtype=np.intp)
    if not all((column == np.floor(column)).all() for column in (t_x, age)):
        return x, t_x, age, np.ones(len(x)), np.arange(len(x))
    wide, deep = t_x.max() + 1, age.max() + 1
    key = (x * wide + t_x) * deep + age
    if key.max() >= 2**53:
        return x, t_x, age, np.ones(len(x)), np.arange(len(x))
    folded, index, count = np.unique(key.astype(np.int64), return_inverse=True, return_counts=True)
    rest, days = np.divmod(folded, int(deep))
    repeats, last = np.divmod(rest, int(wide))
    return (
        repeats.astype(np.float64),
        last.astype(np.float64),
        days.astype(np.float64),
        count.astype(np.float64),
        index,
    )


def fit(name: Name, buyers: Buyers, *, prior: bool = False) -> Model:
    """
    Fit by maximum likelihood; with `prior` by the mode under a weak prior, for shops with few buyers.

    :raises TooFew: fewer than 50 customers or 20 who came back
    """
    customers = int(buyers.count.sum())
    if customers < FEWEST_CUSTOMERS or buyers.count[buyers.x > 0].sum() < FEWEST_REPEATERS:
        raise TooFew(f"A forecast needs {FEWEST_CUSTOMERS} customers and {FEWEST_REPEATERS} who came back.")
    scale = _OLDEST / buyers.T.max()
    scaled = _Likelihood(name, buyers.x, buyers.t_x * scale, buyers.T * scale, buyers.count, prior=prior)
    found, is_at_edge = _climb(scaled)
    value = -scaled.of_data(found) + float(buyers.count @ buyers.x) * np.log(scale)
    r, alpha, *leaving = np.exp(found)
    a, b = leaving or (0.0, 1.0)
    return Model(
        name, float(r), float(alpha / scale), float(a), float(b), float(value), customers, is_at_edge
    )


def _climb(likelihood: "_Likelihood") -> tuple[Floats, bool]:
    """
    Find the maximum: on a sample first, then on all with the sample's curvature, which takes a few steps.

    Return the logarithms of the parameters, and whether the search ended at its bounds.
    """
    start = _CENTER[: likelihood.size]
    bounds = [_EDGE] * likelihood.size
    sample = likelihood.thinned(_SAMPLE)
    first = minimize(sample, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x
    if not _touches(first):
        curvature = sample.curvature(first) * (likelihood.weight / sample.weight)
        if np.linalg.eigvalsh(curvature).min() > 0:
            done = minimize(
                likelihood,
                first,
                jac=True,
                method="BFGS",
                options={
                    "hess_inv0": _symmetric(np.asarray(np.linalg.inv(curvature), np.float64)),
                    "gtol": 1e-6 * likelihood.weight,
                },
            )
            if np.isfinite(done.fun) and not _touches(done.x):
                return done.x, False
    slow = minimize(likelihood, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return slow.x, _touches(slow.x)


def _touches(found: Floats) -> bool:
    return bool((found <= _EDGE[0] + 1e-6).any() or (found >= _EDGE[1] - 1e-6).any())


def _symmetric(matrix: Floats) -> Floats:
    return np.asarray((matrix + matrix.T) / 2)


class _Likelihood:
    """
    The negative log-likelihood and its gradient in the logarithms of the parameters.

    With D = A4 - A3 of the papers, q = 1 / (1 + exp(-D)) is the probability of having left. `left` counts
    the chances to leave: x in BG/NBD, x + 1 in MBG/NBD, where the first purchase is one too.
    """

    def __init__(self, name: Name, x: Floats, t_x: Floats, age: Floats, count: Floats, *, prior: bool):
        order = np.argsort(x, kind="stable")
        self.name, self.prior = name, prior
        self.x, self.t_x, self.age, self.count = x[order], t_x[order], age[order], count[order]
        self.size = 2 if name == "nbd" else 4
        self.weight = float(count.sum())
        # Gamma functions depend on x alone: one entry for each x that occurs.
        self.xs, self.place = np.unique(self.x, return_inverse=True)
        self.of_xs = np.bincount(self.place, weights=self.count)
        self.left = self.xs + (1.0 if name == "mbg_nbd" else 0.0)

    def thinned(self, most: int) -> "_Likelihood":
        """Return the likelihood of an even sample of at most so many rows."""
        step = max(1, len(self.x) // most)
        if step == 1:
            return self
        return _Likelihood(
            self.name,
            self.x[::step],
            self.t_x[::step],
            self.age[::step],
            self.count[::step],
            prior=self.prior,
        )

    def __call__(self, logs: Floats) -> tuple[float, Floats]:
        value, gradient = self._data(logs)
        if self.prior:
            away = logs - _CENTER[: self.size]
            value, gradient = value + 0.5 * float(away @ away), gradient + away
        return value, gradient

    def of_data(self, logs: Floats) -> float:
        return self._data(logs)[0]

    def curvature(self, logs: Floats) -> Floats:
        """Return the matrix of second derivatives, by differences of the exact gradient."""
        step = 1e-5
        rows = [
            (self(logs + step * unit)[1] - self(logs - step * unit)[1]) / (2 * step)
            for unit in np.eye(self.size)
        ]
        return _symmetric(np.array(rows))

    def _data(self, logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(np.clip(logs, -30, 30))
        r, alpha = parameters[:2]
        a, b = parameters[2:] if self.size == 4 else (0.0, 1.0)
        value = float(self.of_xs @ (gammaln(r + self.xs) - gammaln(r) + r * np.log(alpha)))
        dr = float(self.of_xs @ (psi(r + self.xs) - psi(r) + np.log(alpha)))
        dalpha, da, db = self.weight * r / alpha, 0.0, 0.0
        chance = np.full(len(self.xs), -np.inf)
        if self.size == 4:
            left, all_of_it = self.left, a + b + self.left
            value += float(
                self.of_xs @ (gammaln(a + b) + gammaln(b + left) - gammaln(b) - gammaln(all_of_it))
            )
            da = float(self.of_xs @ (psi(a + b) - psi(all_of_it)))
            db = da + float(self.of_xs @ (psi(b + left) - psi(b)))
            can = left > 0
            chance[can] = np.log(a) - np.log(b + left[can] - 1)
        sums = np.zeros(len(self.xs))
        for start in range(0, len(self.x), _CHUNK):
            rows = slice(start, start + _CHUNK)
            part = self._rows(rows, r, alpha, chance)
            value, dr, dalpha = value + part[0], dr + part[1], dalpha + part[2]
            np.add(sums, np.bincount(self.place[rows], weights=part[3], minlength=len(sums)), out=sums)
        if self.size == 2:
            return -value, -np.array([dr * r, dalpha * alpha])
        da += float(sums.sum()) / a
        db -= float(sums[can] @ (1 / (b + left[can] - 1)))
        return -value, -np.array([dr * r, dalpha * alpha, da * a, db * b])

    def _rows(
        self, rows: slice, r: float, alpha: float, chance: Floats
    ) -> tuple[float, float, float, Floats]:
        """Return value, d/dr and d/dalpha of some rows, and for each row its weight times q."""
        count, more = self.count[rows], r + self.x[rows]
        now, then = alpha + self.age[rows], alpha + self.t_x[rows]
        log_now = np.log(now)
        quiet = log_now - np.log(then)
        d = chance[self.place[rows]] + more * quiet
        small = np.exp(-np.abs(d))
        q = np.where(d >= 0, 1.0, small) / (1.0 + small)
        value = count @ (np.maximum(d, 0.0) + np.log1p(small) - more * log_now)
        dr = count @ (q * quiet - log_now)
        dalpha = count @ (more * (q * (1 / now - 1 / then) - 1 / now))
        return float(value), float(dr), float(dalpha), count * q


def alive(model: Model, buyers: Buyers) -> Floats:
    """
    Return for each customer the probability of still being one.

    BG/NBD answers 1 for everybody who bought once: ask an MBG/NBD.
    """
    if model.name == "nbd":
        return np.ones(len(buyers.index))
    return np.asarray(_alive(model, buyers))[buyers.index]


def _alive(model: Model, buyers: Buyers) -> Floats:
    left = buyers.x + (1.0 if model.name == "mbg_nbd" else 0.0)
    quiet = np.log((model.alpha + buyers.T) / (model.alpha + buyers.t_x))
    with np.errstate(divide="ignore", over="ignore"):
        chance = np.where(left > 0, model.a / (model.b + np.maximum(left, 1) - 1), 0.0)
        odds = chance * np.exp((model.r + buyers.x) * quiet)
        return np.asarray(1.0 / (1.0 + odds))


def active(model: Model, buyers: Buyers, within: float) -> Floats:
    """Return for each customer the probability of at least one purchase in the next `within` units of time."""
    is_there = np.ones(len(buyers.x)) if model.name == "nbd" else _alive(model, buyers)
    now = model.alpha + buyers.T
    buys = -np.expm1((model.r + buyers.x) * (np.log(now) - np.log(now + within)))
    return np.asarray(is_there * buys)[buyers.index]


def expected(model: Model, buyers: Buyers, within: ArrayLike) -> Floats:
    """
    Return the expected purchases of each customer in the next `within` units of time.

    `within` may be several lengths: then one column each.
    """
    lengths = np.atleast_1d(np.asarray(within, dtype=np.float64))
    if model.name == "nbd":
        rate = (model.r + buyers.x) / (model.alpha + buyers.T)
        found = rate[:, None] * lengths[None, :]
    else:
        found = np.column_stack([_expected(model, buyers, float(length)) for length in lengths])
    return np.asarray(found[buyers.index] if np.ndim(within) else found[buyers.index, 0])


def _expected(model: Model, buyers: Buyers, t: float) -> Floats:
    # At a = 1 the formula is 0 / 0: the values on both sides of it are averaged.
    if abs(model.a - 1) < 1e-6:
        sides = [_expected_at(model, model.a * (1 + side), buyers, t) for side in (-1e-6, 1e-6)]
        return np.asarray((sides[0] + sides[1]) / 2)
    return _expected_at(model, model.a, buyers, t)


def _expected_at(model: Model, a: float, buyers: Buyers, t: float) -> Floats:
    left = buyers.x + (1.0 if model.name == "mbg_nbd" else 0.0)
    more, total = model.r + buyers.x, a + model.b + left - 1
    now = model.alpha + buyers.T
    shrunk = np.exp(more * (np.log(now) - np.log(now + t)))
    rest = 1 - shrunk * hyp2f1(more, model.b + left, total, t / (now + t))
    return np.asarray(np.maximum(total / (a - 1) * rest, 0.0) * _alive(model, buyers))
