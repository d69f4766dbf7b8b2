"""Reports of journeys: the map, a funnel, attribution. The admin's figures, at most ten minutes old."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, Field

from api import fields
from api.answers import Answer
from api.door import Door, call
from customers.models import Segment
from customers.touchpoints import is_kind
from insights import journey_map, lead_ups
from insights.journeys import MOST_STEPS, Scope
from lib import public_ids
from lib.errors import Fault, Malformed

SCOPES = ("reports:read",)
QUERY = {
    "days": "How many days back from now: 1 to 400; 90 if not said.",
    "segment": "Only customers of this segment or persona, by id or code.",
}


class JourneyOut(BaseModel):
    """Stages, channels, and the people between them. A person counts once per stage, where they came to it first."""

    as_of: str
    since: str
    currency: str
    people: int
    channels: list[str]
    stages: list[dict[str, Any]]
    fields: list[dict[str, Any]] = Field(description="People of one stage on one channel.")
    flows: list[dict[str, Any]] = Field(description="People who went on from one field to another.")
    drop_offs: list[dict[str, Any]] = Field(description="Where people stop, ranked by `value_minor`.")
    best_path: dict[str, Any] | None
    paths: list[dict[str, Any]]
    unmapped: list[dict[str, Any]] = Field(description="Kinds of touchpoints that count as no stage.")


class FunnelOut(BaseModel):
    """People step by step: in this order, anything between, within so many days of the first step."""

    steps: list[dict[str, Any]]


class AttributionOut(BaseModel):
    """Conversions of each channel by seven models. None is causal."""

    channels: list[dict[str, Any]]


class Report(Door):
    """What the reports have in common: whose touchpoints, and of when."""

    def asked(self) -> tuple[Scope, int]:
        query = self.request._request.GET
        days = self.number("days", query.get("days", "90"), most=400)
        since, until = journey_map.window(at=self.at, days=days)
        return Scope(self.merchant, since, until, self._segment(query.get("segment", ""))), days

    def number(self, name: str, said: str, *, most: int) -> int:
        if not (said.isascii() and said.isdecimal() and 1 <= int(said[:9]) <= most):
            raise _wrong(name, f"a whole number from 1 to {most}")
        return int(said)

    def _segment(self, said: str) -> int | None:
        if not said:
            return None
        number = public_ids.read("seg", said)
        named = {"code": said} if number is None else {"pk": number}
        found = Segment.objects.filter(merchant=self.merchant, **named).values_list("pk", flat=True).first()
        if found is None:
            raise fields.missing()
        return found


class Journeys(Report):
    @call(scopes=SCOPES, answers={200: JourneyOut}, parameters=QUERY)
    def get(self) -> Answer:
        """Show the journey map."""
        scope, days = self.asked()
        return Answer(200, journey_map.look(scope, days=days))


class Funnels(Report):
    @call(
        scopes=SCOPES,
        answers={200: FunnelOut},
        parameters={
            **QUERY,
            "steps": f"Two to {MOST_STEPS} kinds of touchpoints in their order, with commas between.",
            "within_days": "How many days after the first step the last one may be: 1 to 365; 7 if not said.",
        },
    )
    def get(self) -> Answer:
        """Count a funnel."""
        scope, days = self.asked()
        query = self.request._request.GET
        kinds = [kind.strip() for kind in query.get("steps", "").split(",")]
        if not (2 <= len(kinds) <= MOST_STEPS and all(map(is_kind, kinds))):
            raise _wrong("steps", f"2 to {MOST_STEPS} kinds, like page.viewed,purchase.recorded")
        within = timedelta(days=self.number("within_days", query.get("within_days", "7"), most=365))
        steps = {f"{place}. {kind}": [kind] for place, kind in enumerate(kinds, start=1)}
        return Answer(200, {"steps": journey_map.funnel(scope, steps, within=within, days=days)})


class Attribution(Report):
    @call(scopes=SCOPES, answers={200: AttributionOut}, parameters=QUERY)
    def get(self) -> Answer:
        """Share conversions out among channels, by seven models side by side. None of them is causal."""
        scope, days = self.asked()
        return Answer(200, {"channels": lead_ups.credit(scope, days=days)})


def _wrong(name: str, detail: str) -> Malformed:
    return Malformed(
        f"{name} must be {detail}.", faults=[Fault(f"/query/{name}", "out_of_range", f"must be {detail}")]
    )
