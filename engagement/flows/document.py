"""
What a flow says: its trigger, its steps, who leaves it and what it is for.

A flow is read and checked here once, whether it was typed, applied from a program file or copied from
the ready-made ones. Pure: no database, no clock.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

MOST_STEPS = 100
MOST_DEPTH = 3
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DURATION = re.compile(r"([1-9][0-9]{0,3})(m|h|d|w)")
# What each customer has one of at a time, and what each touchpoint has of its own.
CUSTOMER, TOUCHPOINT = "customer", "touchpoint"
CHANNELS = ("email", "sms", "push", "inbox")


def span(text: str) -> timedelta:
    """Return how long `30m`, `12h`, `3d` or `2w` is. Days are 24 hours: see `wait` until a time of day."""
    found = DURATION.fullmatch(text)
    assert found is not None, text
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def _duration(text: str) -> str:
    if not DURATION.fullmatch(text):
        raise PydanticCustomError("duration", "must be a time like 30m, 12h, 3d or 2w")
    if span(text) > timedelta(days=366):
        raise PydanticCustomError("duration", "must be a year at most")
    return text


Slug = Annotated[str, StringConstraints(pattern=r"^[-a-zA-Z0-9_]{1,60}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,60}$")]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=60)]
Duration = Annotated[str, AfterValidator(_duration)]
Scalar = bool | int | float | str


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Test(Part):
    """What one value must be. Several together must all hold."""

    is_: Scalar | None = Field(None, alias="is")
    is_not: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = Field(None, min_length=1, max_length=100)
    at_least: int | float | None = None
    at_most: int | float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("empty", "say is, is_not, one_of, at_least or at_most")
        return self


Tests = Annotated[dict[Name, Scalar | Test], Field(max_length=20)]


class Match(Part):
    """A touchpoint: its kind, what its data must say, and the field that must name the same instance."""

    touchpoint: Kind
    where: Tests = {}
    key: Name | None = None


class Birthday(Part):
    days_before: Annotated[int, Field(ge=0, le=60)] = 0


class PointsExpire(Part):
    days: Annotated[int, Field(ge=1, le=180)] = 30


class Monthly(Part):
    day: Annotated[int, Field(ge=1, le=31)] = 1


class Affordable(Part):
    """The customer's points have just become enough for a reward."""


class Trigger(Part):
    """
    What starts a run: one of touchpoint, segment, birthday, points_expire, monthly, reward_affordable.

    `key` names what a run is about: a field of the touchpoint's data, `touchpoint` (each one for itself) or
    `customer` (one run at a time). With `restart` the same thing again begins the first wait anew.
    """

    touchpoint: Kind | None = None
    where: Tests = {}
    key: Name = TOUCHPOINT
    restart: bool = False
    segment: Slug | None = None
    birthday: Birthday | None = None
    points_expire: PointsExpire | None = None
    monthly: Monthly | None = None
    reward_affordable: Affordable | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        said = [name for name in STARTS if getattr(self, name) is not None]
        if len(said) != 1:
            raise PydanticCustomError("trigger", f"say one of {', '.join(STARTS)}")
        if self.touchpoint is None and self.model_fields_set & {"where", "key", "restart"}:
            raise PydanticCustomError("trigger", "where, key and restart belong to a touchpoint")
        if self.touchpoint and self.touchpoint.startswith(("flow.", "message.")):
            raise PydanticCustomError(
                "trigger", "what flows do themselves starts none: two could start each other for ever"
            )
        return self

    @property
    def kind(self) -> str:
        """Which of the six it is."""
        return next(name for name in STARTS if getattr(self, name) is not None)


STARTS = ("touchpoint", "segment", "birthday", "points_expire", "monthly", "reward_affordable")
ON_A_DATE = ("birthday", "points_expire", "monthly")


class When(Part):
    """A condition on the customer and on what started the run. All that is said must hold."""

    data: Tests = {}
    segment: Slug | None = None
    not_segment: Slug | None = None
    tier: tuple[Text, ...] | None = Field(None, min_length=1, max_length=50)
    points: Test | None = None
    language: tuple[Annotated[str, Field(max_length=10)], ...] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("empty", "say data, segment, not_segment, tier, points or language")
        return self


class Until(Part):
    """The next time it is this time of day where the customer is."""

    until: time

    @model_validator(mode="after")
    def _has_no_zone(self) -> Self:
        if self.until.tzinfo is not None:
            raise PydanticCustomError("until", "must be a time of day without a zone, like 09:00")
        return self


class WaitFor(Match):
    timeout: Duration


class Arm(Part):
    share: Annotated[int, Field(ge=1, le=99)]
    steps: "tuple[Step, ...]" = ()


class Message(Part):
    """
    `channels` in the order of preference: the next is taken where one cannot reach the customer. The text of
    one that asks a `survey` knows the customer's own link to it.
    """

    template: Slug
    survey: Slug | None = None
    channels: tuple[Literal["email", "sms", "push", "inbox"], ...] = Field(("email",), min_length=1)
    purpose: Literal["transactional", "service", "marketing"] = "marketing"

    @model_validator(mode="after")
    def _names_a_channel_once(self) -> Self:
        if len(set(self.channels)) != len(self.channels):
            raise PydanticCustomError("channels", "each channel once")
        return self


class Webhook(Part):
    name: Slug
    data: Annotated[dict[Name, Scalar], Field(max_length=20)] = {}


Shares = Annotated[
    dict[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,8}$")], Arm],
    Field(min_length=2, max_length=5),
]


class Step(Part):
    """One step, by its verb. `then` and `else` are the ways on after `if` and `wait_for`."""

    wait: Duration | Until | None = None
    wait_for: WaitFor | None = None
    if_: When | None = Field(None, alias="if")
    split: Shares | None = None
    message: Message | None = None
    points: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    voucher: Slug | None = None
    webhook: Webhook | None = None
    note: Text | None = None
    exit: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)] | None = None
    then: "tuple[Step, ...]" = ()
    else_: "tuple[Step, ...]" = Field((), alias="else")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        said = [name for name in VERBS if getattr(self, name) is not None]
        if len(said) != 1:
            raise PydanticCustomError("step", f"say one of {', '.join(_shown(name) for name in VERBS)}")
        if (self.then or self.else_) and said[0] not in ("if_", "wait_for"):
            raise PydanticCustomError("step", "then and else belong to if and wait_for")
        if self.split and sum(arm.share for arm in self.split.values()) != 100:
            raise PydanticCustomError("split", "the shares of a split add up to 100")
        return self

    @property
    def verb(self) -> str:
        return next(name for name in VERBS if getattr(self, name) is not None)

    def branches(self) -> Iterator[tuple[str, "tuple[Step, ...]"]]:
        """Yield the steps below it, by the name of the way there."""
        yield from (("then", self.then), ("else", self.else_))
        for name, arm in (self.split or {}).items():
            yield f"split-{name}", arm.steps


VERBS = (*("wait", "wait_for", "if_", "split", "message", "points", "voucher", "webhook", "note", "exit"),)


def _shown(name: str) -> str:
    return name.rstrip("_")


class Goal(Match):
    """What the flow is for: a touchpoint within so many days of the start."""

    days: Annotated[int, Field(ge=1, le=180)]


def _reentry(text: str) -> str:
    return text if text in ("never", "always") else _duration(text)


class Document(Part):
    """A whole flow. `reentry` says when a customer may start it again: never, always, or after a time."""

    id: Slug
    name: Text
    trigger: Trigger
    exit: Annotated[tuple[Match, ...], Field(max_length=10)] = ()
    reentry: Annotated[str, AfterValidator(_reentry)] = "always"
    holdout: Annotated[int, Field(ge=0, le=50)] = 0
    goal: Goal | None = None
    on: bool = False
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        count = 0
        for depth, step in every(self.steps):
            count += 1
            if depth > MOST_DEPTH:
                raise PydanticCustomError("steps", f"steps may lie {MOST_DEPTH} deep in others, not deeper")
            if step.voucher or step.points:
                _insist_on_no_circle(self.trigger)
        if count > MOST_STEPS:
            raise PydanticCustomError("steps", f"at most {MOST_STEPS} steps")
        if self.trigger.restart and self.steps[0].wait is None:
            raise PydanticCustomError("steps", "a trigger with restart needs a wait as the first step")
        if self.holdout and not self.is_marketing:
            raise PydanticCustomError(
                "holdout", "only a flow whose messages are all marketing may leave customers out"
            )
        return self

    @property
    def is_marketing(self) -> bool:
        """Whether it says nothing that a customer must be told, so that some may be held out."""
        said = [step.message.purpose for _, step in every(self.steps) if step.message]
        return bool(said) and set(said) == {"marketing"}


def _insist_on_no_circle(trigger: Trigger) -> None:
    if trigger.touchpoint in ("bonus.given", "voucher.issued"):
        raise PydanticCustomError(
            "steps", f"a flow that starts with {trigger.touchpoint} gives nothing: it would start itself"
        )


def every(steps: tuple[Step, ...], depth: int = 0) -> Iterator[tuple[int, Step]]:
    """Yield each step with how deep it lies, in the order of the text."""
    for step in steps:
        yield depth, step
        for _, below in step.branches():
            yield from every(below, depth + 1)


def read(raw: Any) -> Document:
    """Return a flow. :raises pydantic.ValidationError: with the path to what is wrong"""
    return Document.model_validate(raw)


def plain(document: Document) -> dict[str, Any]:
    """Return what is said, normalized: what goes without saying is left out."""
    said = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {name: _short(value) for name, value in said.items()}


def _short(value: Any) -> Any:
    """Return the value with times of day as they are typed: 09:00, not 09:00:00."""
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return {name: str(one)[:5] if _is_whole_minute(name, one) else _short(one) for name, one in value.items()}


def _is_whole_minute(name: str, value: Any) -> bool:
    return name == "until" and isinstance(value, str) and len(value) == 8 and value.endswith(":00")
