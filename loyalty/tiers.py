"""Tiers: up at once, down only at the check date. The figure that decides is never the balance."""

from datetime import datetime
from typing import Any

from loyalty.plan import Plan
from loyalty.standing import Standing, status_ends


def lift(plan: Plan, standing: Standing, *, at: datetime, now: datetime) -> bool:
    """
    Move the standing up if its figure at `at` reaches a higher level; return whether it moved.

    Reaching the present level again in a later year makes the status last longer. A tier given by hand
    is never lowered here, and is raised only by a figure that reaches more.
    """
    if not plan.tiers.levels:
        return False
    figure = standing.figure(plan, plan.local(at).date())
    reached = plan.tiers.reached(figure)
    if reached is None:
        return False
    if plan.tiers.rank(reached.name) > plan.tiers.rank(standing.tier):
        standing.move(
            plan, to=reached, at=at, now=now, reason="reached", figures=figures(plan, figure, reached.name)
        )
        return True
    if reached.name == standing.tier and plan.tiers.window in ("calendar_year", "membership_year"):
        ends = status_ends(plan, standing, at)
        if ends and standing.tier_until and ends > standing.tier_until:
            standing.tier_until, standing.is_changed = ends, True
    return False


def figures(plan: Plan, figure: int, level: str) -> dict[str, Any]:
    """Return what a tier change was decided on, as it is kept on the change."""
    return {
        "metric": plan.tiers.metric,
        "figure": figure,
        "levels": {one.name: one.at for one in plan.tiers.levels},
        "reached": level,
        "version": plan.version,
    }


def progress(plan: Plan, standing: Standing, *, at: datetime) -> dict[str, Any]:
    """
    Return the tier as the reads say it: name, next, to_next, to_stay, until, metric.

    `to_next` and `to_stay` are in the metric's unit; None when there is no next level or nothing to lose.
    """
    figure = standing.figure(plan, plan.local(at).date())
    level = plan.tiers.level(standing.tier)
    place = plan.tiers.rank(standing.tier)
    following = plan.tiers.levels[place + 1] if place + 1 < len(plan.tiers.levels) else None
    lasts = standing.tier_until is None or level is None or level.at == 0 or standing.is_manual
    return {
        "name": standing.tier,
        "next": following.name if following else None,
        "to_next": max(0, following.at - figure) if following else None,
        "to_stay": None if lasts or level is None else max(0, level.at - figure),
        "until": standing.tier_until,
        "metric": plan.tiers.metric,
    }
