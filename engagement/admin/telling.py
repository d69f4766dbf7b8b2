"""Results in words: what an experiment has come to, for people who read no statistics."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as say

from engagement.campaigns import HOLDOUT
from engagement.experiments import LEAST_PEOPLE, Comparison
from engagement.measuring import ArmResult, Outcome
from lib import money


@dataclass(frozen=True, slots=True)
class Told:
    """A headline, a warning where the arms cannot be trusted, and the lines of the table."""

    headline: str
    warning: str
    rows: list[dict[str, Any]]


def result(outcome: Outcome, *, currency: str) -> Told:
    """Say what came of an experiment. Money is in minor units of the currency."""
    warning = (
        say(
            "The groups are not of the sizes that were meant (p = %(p).5f): something keeps people out of one of them. "
            "Find that first; the differences below may be its doing."
        )
        % {"p": outcome.skew}
        if outcome.is_skewed
        else ""
    )
    rows = [_row(arm, currency) for arm in outcome.arms]
    return Told(say("Nothing can be said.") if warning else headline(outcome, currency), warning, rows)


def headline(outcome: Outcome, currency: str) -> str:
    """Return one sentence: the best arm that is more than chance, or that there is none, or not enough data."""
    compared = [arm for arm in outcome.arms if arm.goal is not None]
    if not compared:
        return say("There is nothing to compare with: nobody is held out, and there is one text.")
    known = [arm for arm in compared if arm.goal is not None and arm.goal.is_enough]
    if not known:
        return say(
            "Not enough data: each group needs %(people)s people, and a few who reach the goal and a few who do not."
        ) % {"people": LEAST_PEOPLE}
    clear = [arm for arm in known if arm.goal is not None and arm.goal.is_lasting]
    if not clear:
        return say("No difference so far that could not be chance.")
    best = max(clear, key=lambda arm: abs(arm.goal.difference or 0) if arm.goal else 0)
    assert best.goal is not None
    said = {
        "arm": name(best.name),
        "base": name(outcome.base),
        "points": f"{abs(100 * (best.goal.difference or 0)):.1f}",
    }
    if (best.goal.difference or 0) > 0:
        text = say("%(arm)s: %(points)s more of 100 customers reached the goal than in %(base)s.") % said
    else:
        text = say("%(arm)s: %(points)s fewer of 100 customers reached the goal than in %(base)s.") % said
    if best.caused is None or best.revenue is None or not best.revenue.is_lasting:
        return text
    worth = money.show(round(best.caused), currency)
    return f"{text} {say('It changed revenue by about %(worth)s.') % {'worth': worth}}"


def name(arm: str) -> str:
    return say("Held out") if arm == HOLDOUT else say("Arm %(arm)s") % {"arm": arm}


def _row(arm: ArmResult, currency: str) -> dict[str, Any]:
    share, mean = arm.rate.share, arm.revenue_mean
    return {
        "name": name(arm.name),
        "people": arm.rate.people,
        "reached": arm.rate.reached,
        "rate": "–" if share is None else f"{100 * share:.1f} %",
        "goal": points(arm.goal),
        "better": "–" if arm.better is None else f"{100 * arm.better:.0f} %",
        "mean": "–" if mean is None else money.show(round(mean), currency),
        "revenue": _worth(arm.revenue, currency),
        "p": _p(arm.goal),
    }


def points(one: Comparison | None) -> str:
    """Say a difference of rates in percentage points, with the interval that holds however often one looks."""
    if one is None:
        return "–"
    if one.difference is None or one.lasting_low is None or one.lasting_high is None:
        return say("not enough data")
    low, high = 100 * one.lasting_low, 100 * one.lasting_high
    return _judged(f"{100 * one.difference:+.1f} ({low:+.1f} … {high:+.1f})", one)


def _worth(one: Comparison | None, currency: str) -> str:
    if one is None:
        return "–"
    if one.difference is None or one.lasting_low is None or one.lasting_high is None:
        return say("not enough data")
    difference, low, high = (
        money.show(round(value), currency) for value in (one.difference, one.lasting_low, one.lasting_high)
    )
    return _judged(f"{difference} ({low} … {high})", one)


def _judged(text: str, one: Comparison) -> str:
    return text if one.is_lasting else say("%(difference)s: may be chance") % {"difference": text}


def _p(one: Comparison | None) -> str:
    if one is None or one.lasting_p is None:
        return "–"
    return "< 0.001" if one.lasting_p < 0.001 else f"{one.lasting_p:.3f}"


def worth(arm: ArmResult | None, *, currency: str) -> str:
    """Say what a flow changed in revenue, or why that is not known."""
    if arm is None or arm.revenue is None:
        return say("Nobody is held out: what this flow changes in revenue cannot be known.")
    if arm.caused is None:
        return say("Not enough data to know what this flow changes in revenue.")
    return say("Revenue per customer: %(difference)s. Over %(people)s customers: about %(worth)s.") % {
        "difference": _worth(arm.revenue, currency),
        "people": f"{arm.rate.people:,}",
        "worth": money.show(round(arm.caused), currency),
    }
