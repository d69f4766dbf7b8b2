"""What the answers of one survey come to: in all, and by tier, segment, channel and month."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncMonth

from engagement.models import Survey, SurveyAnswer, SurveyInvitation
from engagement.surveys.kinds import KINDS
from engagement.surveys.scores import Score

MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class Group:
    """One group of answers: how many there are of each score, and what they come to."""

    name: str
    counts: Mapping[int, int]
    score: Score | None

    @property
    def answers(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Results:
    """`asked` and `answered` count invitations made in the time, `words` the answers that have a comment."""

    everybody: Group
    tiers: list[Group]
    segments: list[Group]
    channels: list[Group]
    months: list[Group]
    asked: int
    answered: int
    words: int


def of(survey: Survey, *, since: datetime | None) -> Results:
    """
    Return the results of a survey. Seven statements, whatever the number of answers.

    Tier and channel are those of the moment of the answer, segments those the customer is in now.
    """
    rows = SurveyAnswer.objects.filter(survey=survey)
    invitations = SurveyInvitation.objects.filter(survey=survey)
    if since is not None:
        rows, invitations = rows.filter(at__gte=since), invitations.filter(created_at__gte=since)
    asked = invitations.aggregate(
        asked=Count("pk"), answered=Count("pk", filter=Q(answered_at__isnull=False))
    )
    month = TruncMonth("at", tzinfo=survey.merchant.zone)
    return Results(
        everybody=_group(survey, "", _counts(rows)),
        tiers=_groups(survey, rows.values_list("tier", "score")),
        segments=_groups(
            survey,
            rows.filter(customer__segments__segment__is_active=True).values_list(
                "customer__segments__segment__name", "score"
            ),
        ),
        channels=_groups(survey, rows.values_list("channel", "score")),
        months=_groups(survey, rows.annotate(month=month).values_list("month", "score")),
        words=rows.exclude(comment="").count(),
        **asked,
    )


def _counts(rows: "QuerySet[SurveyAnswer]") -> dict[int, int]:
    found = rows.filter(score__isnull=False).values_list("score").annotate(n=Count("pk")).order_by("score")
    return {int(score): count for score, count in found if score is not None}


def _groups(survey: Survey, rows: Any) -> list[Group]:
    """Return the groups of (name, score) rows, by name; months by time."""
    found: dict[Any, dict[int, int]] = {}
    for name, score, count in rows.filter(score__isnull=False).annotate(n=Count("pk")).order_by():
        found.setdefault(name, {})[score] = count
    names = sorted(name for name in found if name)[-MOST_GROUPS:]
    if "" in found:
        names.append("")
    return [_group(survey, _named(name), found[name]) for name in names]


def _named(name: Any) -> str:
    return f"{name:%Y-%m}" if isinstance(name, datetime) else str(name)


def _group(survey: Survey, name: str, counts: Mapping[int, int]) -> Group:
    return Group(name, counts, KINDS[survey.kind].measure(counts))
