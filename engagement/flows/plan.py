"""
A flow made ready to be run: its steps by their path, and what decides about each. Pure: no database, no clock.

A path says where a step is in the text: `2`, `2.then.1`, `3.split-a.2`. Runs keep the path of their next
step, and versions are never changed, so that a path means the same for as long as a run lives.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engagement import experiments
from engagement.flows.document import Document, Match, Step, Test, Tests, Until, When, span

__all__ = [
    "GIVING", "Facts", "FlowPlan", "Move", "arm_of", "ends", "holds", "is_match", "is_when", "next_time", "ready",
    "span", "text",
]  # fmt: skip

Data = Mapping[str, Any]
GIVING = ("points", "voucher")


@dataclass(frozen=True, slots=True)
class Move:
    """One step, and where it leads: `next` after it, `branches` by name. An empty path is the end."""

    path: str
    step: Step
    next: str
    branches: Mapping[str, str]

    @property
    def verb(self) -> str:
        return self.step.verb


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """One published version, ready."""

    document: Document
    moves: Mapping[str, Move]
    first: str
    hears: frozenset[str]

    def passes_goal(self, kind: str, data: Data, key: str) -> bool:
        goal = self.document.goal
        return goal is not None and is_match(goal, kind, data, key)

    def exit_of(self, kind: str, data: Data, key: str) -> Match | None:
        """Return what ends a run about `key` when this happens, None for nothing."""
        return next((match for match in self.document.exit if is_match(match, kind, data, key)), None)


def ready(document: Document) -> FlowPlan:
    """Return the plan of a flow."""
    moves: dict[str, Move] = {}
    first = _lay(document.steps, "", "", moves)
    hears = {match.touchpoint for match in document.exit}
    hears |= {move.step.wait_for.touchpoint for move in moves.values() if move.step.wait_for}
    if document.goal:
        hears.add(document.goal.touchpoint)
    return FlowPlan(document, moves, first, frozenset(hears))


def _lay(steps: tuple[Step, ...], before: str, after: str, moves: dict[str, Move]) -> str:
    """Put these steps down, each leading to the one behind it, the last to `after`; return the first's path."""
    paths = [f"{before}{place}" for place in range(1, len(steps) + 1)]
    for place, step in enumerate(steps):
        follows = paths[place + 1] if place + 1 < len(paths) else after
        branches = {
            name: _lay(below, f"{paths[place]}.{name}.", follows, moves) for name, below in step.branches()
        }
        moves[paths[place]] = Move(paths[place], step, follows, branches)
    return paths[0] if paths else after


# --- conditions -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What a condition may know of a customer now."""

    tier: str = ""
    points: int = 0
    language: str = ""
    segments: Collection[str] = field(default_factory=frozenset)


def is_match(match: Match, kind: str, data: Data, key: str) -> bool:
    """Tell whether a touchpoint is the one that is meant, about the same instance where one is named."""
    if match.touchpoint != kind or not holds(match.where, data):
        return False
    return match.key is None or text(data.get(match.key)) == key


def holds(tests: Tests, data: Data) -> bool:
    """Tell whether all these values are what is said of them."""
    return all(_is(test, data.get(name)) for name, test in tests.items())


def _is(test: Any, value: Any) -> bool:
    if not isinstance(test, Test):
        return text(value) == text(test)
    return (
        (test.is_ is None or text(value) == text(test.is_))
        and (test.is_not is None or text(value) != text(test.is_not))
        and (test.one_of is None or text(value) in {text(one) for one in test.one_of})
        and (test.at_least is None or (_is_number(value) and value >= test.at_least))
        and (test.at_most is None or (_is_number(value) and value <= test.at_most))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text(value: Any) -> str:
    """Return a value as it is compared and as it names an instance: 7 and "7" are the same."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_when(when: When, facts: Facts, data: Data) -> bool:
    """Tell whether a condition holds for a customer and what started the run."""
    return (
        holds(when.data, data)
        and (when.segment is None or when.segment in facts.segments)
        and (when.not_segment is None or when.not_segment not in facts.segments)
        and (when.tier is None or facts.tier in when.tier)
        and (when.points is None or _is(when.points, facts.points))
        and (when.language is None or facts.language in when.language)
    )


def arm_of(step: Step, *, key: str, unit: str) -> str:
    """Return the arm of a split that this customer is in, always the same."""
    assert step.split is not None
    shares = {name: arm.share / 100 for name, arm in step.split.items()}
    return experiments.arm(key=key, unit=unit, shares=shares)


# --- time -----------------------------------------------------------------------------------------------


def ends(wait: str | Until, *, at: datetime, zone: ZoneInfo) -> datetime:
    """Return when a wait that begins at `at` is over."""
    if isinstance(wait, str):
        return at + span(wait)
    return next_time(wait.until, after=at, zone=zone)


def next_time(wanted: time, *, after: datetime, zone: ZoneInfo) -> datetime:
    """
    Return the first moment from `after` on when clocks of the zone show this time of day.

    A time that is left out when summer begins is the moment the clocks jump over it; one that comes twice
    when summer ends is the first of the two.
    """
    day = after.astimezone(zone).date()
    for ahead in range(3):
        found = _at(day + timedelta(days=ahead), wanted, zone)
        if found >= after:
            return found
    raise AssertionError("unreachable")


def _at(day: date, wanted: time, zone: ZoneInfo) -> datetime:
    local = datetime.combine(day, wanted, tzinfo=zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
        # It does not exist on this day: with `fold` the clock of after the jump is read.
        before, after = local.replace(fold=1).astimezone(UTC), moment
        return _jump(min(before, after), max(before, after), zone)
    return moment


def _jump(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment between two when the zone's clocks jump, to the minute."""
    offset = low.astimezone(zone).utcoffset()
    minutes = int((high - low).total_seconds() // 60)
    return next(
        moment
        for moment in (low + timedelta(minutes=count) for count in range(minutes + 1))
        if moment.astimezone(zone).utcoffset() != offset
    )
