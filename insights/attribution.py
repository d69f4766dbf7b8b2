"""
Which touchpoints convert: seven ways to share a conversion among the touches before it.

None of them is causal: they say who was there, not who changed anything. A hold-out says that. Paths in,
shares out; no database.

A path is the marketing touches of one customer since the last conversion, within the look-back; it ended in
`converted` conversions worth `value`, or (`lost`) in nothing. Equal paths are given once, with their counts.

Sources: Anderl et al. (2016), Mapping the Customer Journey (Markov removal effects); Zhao, Mahboobi and Bagheri (2018),
Shapley Value Methods for Attribution Modeling (for paths taken as sets, each channel of a converting path has the
same share).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

HALF_LIFE_DAYS = 7.0
FIRST_AND_LAST = 0.4

Credit = dict[str, float]


@dataclass(frozen=True, slots=True)
class Path:
    """
    One path: the channels (or kinds) in order, and for each how many days before the end it was.

    `days_before` may be empty: then time decay takes all touches for equally old.
    """

    touches: tuple[str, ...]
    converted: float = 0.0
    lost: float = 0.0
    value: float = 0.0
    days_before: tuple[float, ...] = ()


def credit(paths: Sequence[Path], *, by_value: bool = False) -> dict[str, Credit]:
    """
    Return for each model the conversions (or with `by_value` the money) of each channel.

    Every model shares out the same total: what the converting paths with at least one touch brought.
    """
    shared = {name: _by_position(paths, weigh, by_value) for name, weigh in _WEIGHTS.items()}
    total = sum(_worth(path, by_value) for path in paths if path.touches)
    shared["markov"] = {channel: total * share for channel, share in _removal_shares(paths, by_value).items()}
    shared["shapley"] = _shapley(paths, by_value)
    return shared


def _worth(path: Path, by_value: bool) -> float:
    return path.value if by_value else path.converted


def _by_position(paths: Sequence[Path], weigh: Callable[[Path], Sequence[float]], by_value: bool) -> Credit:
    found: Credit = defaultdict(float)
    for path in paths:
        worth = _worth(path, by_value)
        if not path.touches or not worth:
            continue
        weights = weigh(path)
        total = sum(weights)
        for channel, weight in zip(path.touches, weights, strict=True):
            found[channel] += worth * weight / total
    return dict(found)


def _first(path: Path) -> Sequence[float]:
    return [1.0] + [0.0] * (len(path.touches) - 1)


def _last(path: Path) -> Sequence[float]:
    return [0.0] * (len(path.touches) - 1) + [1.0]


def _linear(path: Path) -> Sequence[float]:
    return [1.0] * len(path.touches)


def _position(path: Path) -> Sequence[float]:
    """40 % to the first, 40 % to the last, the rest to those between; two share evenly."""
    between = len(path.touches) - 2
    if between < 1:
        return _linear(path)
    middle = (1 - 2 * FIRST_AND_LAST) / between
    return [FIRST_AND_LAST, *([middle] * between), FIRST_AND_LAST]


def _time_decay(path: Path) -> Sequence[float]:
    """Half as much for each seven days before the conversion, counted from the latest touch."""
    if not path.days_before:
        return _linear(path)
    latest = min(path.days_before)
    return [2.0 ** (-(days - latest) / HALF_LIFE_DAYS) for days in path.days_before]


_WEIGHTS: Mapping[str, Callable[[Path], Sequence[float]]] = {
    "first": _first,
    "last": _last,
    "linear": _linear,
    "position": _position,
    "time_decay": _time_decay,
}


def _shapley(paths: Sequence[Path], by_value: bool) -> Credit:
    found: Credit = defaultdict(float)
    for path in paths:
        channels = set(path.touches)
        for channel in channels:
            found[channel] += _worth(path, by_value) / len(channels)
    return {channel: share for channel, share in found.items() if share}


def _removal_shares(paths: Sequence[Path], by_value: bool) -> Credit:
    """Return each channel's share of the removal effects: what is lost when whoever gets there goes nowhere."""
    channels = sorted({channel for path in paths for channel in path.touches})
    if not channels:
        return {}
    place = {channel: number for number, channel in enumerate(channels, start=1)}
    size = len(channels) + 1  # 0 is the start
    moves, ends = np.zeros((size, size)), np.zeros((size, 2))
    for path in paths:
        if not path.touches:
            continue
        worth = _worth(path, by_value)
        steps = [0, *(place[channel] for channel in path.touches)]
        for here, there in pairwise(steps):
            moves[here, there] += worth + path.lost
        ends[steps[-1]] += (worth, path.lost)
    out = moves.sum(axis=1) + ends.sum(axis=1)
    moves, won = moves / np.maximum(out, 1e-300)[:, None], ends[:, 0] / np.maximum(out, 1e-300)
    whole = _reaches(moves, won)
    if whole <= 0:
        return {}
    effects = {}
    for channel, number in place.items():
        without_moves, without_won = moves.copy(), won.copy()
        without_moves[number], without_won[number] = 0.0, 0.0
        effects[channel] = max(0.0, 1 - _reaches(without_moves, without_won) / whole)
    total = sum(effects.values())
    return {channel: effect / total for channel, effect in effects.items()} if total else {}


def _reaches(moves: NDArray[np.float64], won: NDArray[np.float64]) -> float:
    """Return the probability of a conversion from the start, of a chain with these moves."""
    return float(np.linalg.solve(np.eye(len(won)) - moves, won)[0])
