"""
How good a forecast was: total, spread, calibration, ranking. Arrays in, numbers out.

The mean absolute error is left out on purpose: where most customers buy nothing, the forecast that says
"nothing" for everybody wins it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
DECILES = 10


@dataclass(frozen=True, slots=True)
class Accuracy:
    """
    `total_error` is (forecast - actual) / actual of the sums (None where nothing happened), `rmse` the root of
    the mean squared error, `gini` how well customers were ranked (1: perfectly, 0: by chance; None where
    all did the same). `deciles` are (mean forecast, mean actual) from the lowest forecasts to the highest.
    """

    customers: int
    forecast: float
    actual: float
    total_error: float | None
    rmse: float
    gini: float | None
    deciles: tuple[tuple[float, float], ...]


def measure(*, actual: ArrayLike, forecast: ArrayLike) -> Accuracy:
    """
    Compare what happened with what was expected, customer by customer.

    :raises ValueError: two lengths, no customer, or numbers that are not finite
    """
    was, said = np.asarray(actual, np.float64), np.asarray(forecast, np.float64)
    if was.shape != said.shape or was.ndim != 1 or not len(was):
        raise ValueError("actual and forecast are two arrays of one length, of at least one customer.")
    if not (np.isfinite(was).all() and np.isfinite(said).all()):
        raise ValueError("actual and forecast are finite.")
    total, expected = float(was.sum()), float(said.sum())
    order = np.argsort(said, kind="stable")
    parts = np.array_split(order, min(DECILES, len(order)))
    return Accuracy(
        customers=len(was),
        forecast=expected,
        actual=total,
        total_error=(expected - total) / total if total else None,
        rmse=float(np.sqrt(np.mean((said - was) ** 2))),
        gini=_gini(was, said),
        deciles=tuple((float(said[part].mean()), float(was[part].mean())) for part in parts),
    )


def _gini(was: Floats, said: Floats) -> float | None:
    """Return the area between the ranking and chance, over that of the perfect ranking; ties share their place."""
    best = _area(was, was)
    if best <= 1e-12:
        return None
    return float(_area(was, said) / best)


def _area(was: Floats, by: Floats) -> float:
    total = was.sum()
    if total <= 0:
        return 0.0
    _values, place, count = np.unique(-by, return_inverse=True, return_counts=True)
    captured = np.concatenate([[0.0], np.cumsum(np.bincount(place, weights=was)) / total])
    reached = np.concatenate([[0.0], np.cumsum(count) / len(was)])
    return float(np.trapezoid(captured, reached) - 0.5)
