"""Every movement of a customer's points, newest first, each with its reason and the balance after it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from loyalty import programs, statement
from loyalty.plan import Plan
from portal import why, words
from portal.visits import Visit, member_door, show

PAGE = 20

# What a customer picks from: a word for it, and the kinds of entries behind the word.
FILTERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "all": (_("All"), ()),
    "earned": (_("Earned"), ("earn", "bonus", "activate", "reinstate", "transfer_in", "merge_in")),
    "used": (_("Used"), ("redeem", "hold_capture", "return", "transfer_out", "merge_out")),
    "refunds": (_("Refunds"), ("refund", "clawback", "write_off")),
    "expired": (_("Expired"), ("expire", "extend")),
    "corrections": (_("Corrections"), ("adjust",)),
}


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry as the page shows it. `waiting` are points that are not usable yet."""

    sentence: str
    points: int
    waiting: int
    balance_after: int
    occurred_at: datetime
    why: why.Account | None


@require_safe
@member_door
def page(visit: Visit) -> HttpResponse:
    try:
        plan = programs.current(merchant=visit.merchant)
    except programs.NoProgram:
        return show(visit, "no_program", here="history")
    chosen = visit.request.GET.get("show", "all")
    chosen = chosen if chosen in FILTERS else "all"
    before = _number(visit.request.GET.get("before", ""))
    entries = statement.entries(customer=visit.member, program_id=plan.program_id)
    if kinds := FILTERS[chosen][1]:
        entries = entries.filter(kind__in=kinds)
    if before is not None:
        entries = entries.filter(sequence__lt=before)
    rows = list(entries[: PAGE + 1])
    return show(
        visit,
        "history",
        here="history",
        plan=plan,
        filters=[(code, label) for code, (label, _kinds) in FILTERS.items()],
        chosen=chosen,
        is_first=before is None,
        older=rows[PAGE - 1].sequence if len(rows) > PAGE else None,
        months=list(by_month(movements(visit, plan, rows[:PAGE]), locale=visit.locale)),
    )


def latest(visit: Visit, *, plan: Plan, limit: int) -> list[Movement]:
    """Return the newest movements for the first page."""
    return movements(
        visit, plan, statement.entries(customer=visit.member, program_id=plan.program_id)[:limit]
    )


def movements(visit: Visit, plan: Plan, entries: Iterable[Any]) -> list[Movement]:
    """Return entries as the page shows them."""
    tag = visit.locale.replace("_", "-")
    return [
        Movement(
            sentence=statement.sentence(entry, language=tag, points_name=plan.points_name),
            points=entry.points,
            waiting=entry.pending if entry.kind != "activate" else 0,
            balance_after=entry.balance_after,
            occurred_at=entry.occurred_at,
            why=why.explain(entry, plan=plan, locale=visit.locale),
        )
        for entry in entries
    ]


def by_month(found: list[Movement], *, locale: str) -> Iterator[tuple[str, list[Movement]]]:
    """Group movements by the local month they happened in, in the order they come."""
    for _month, group in groupby(found, key=lambda one: timezone.localtime(one.occurred_at).strftime("%Y%m")):
        inside = list(group)
        yield words.month(inside[0].occurred_at, locale=locale), inside


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
