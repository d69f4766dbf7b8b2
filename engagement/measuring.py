"""
What experiments have come to: the sums of each arm, made again from purchases and touchpoints, set-based.

Everybody counts in the arm they were put into, whatever reached them. The goal counts from the moment of the
assignment on; revenue counts whole local days, the first one included, for the days of the experiment, and the
same number of days before it is what it is compared with (CUPED). Somebody merged meanwhile is who they are now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from engagement import experiments
from engagement.campaigns import HOLDOUT
from engagement.experiments import NOT_ENOUGH, SKEWED_BELOW, Comparison, Rate, Sums
from engagement.models import Campaign, Experiment, ExperimentDay, Flow, Holdout
from lib import db
from merchants.models import Merchant

GOAL, REVENUE = "goal", "revenue"
EVERY = timedelta(minutes=30)
# Days after the last one that counts in which late purchases and refunds still come in.
LATE = timedelta(days=3)
LONGEST = timedelta(days=365) + LATE


@dataclass(frozen=True, slots=True)
class ArmResult:
    """
    What one arm came to. Money is in minor units. `goal` and `revenue` compare with the base: who was held
    out, or else the first arm; `better` is the probability that more of this arm reach the goal.
    """

    name: str
    rate: Rate
    revenue_mean: float | None
    goal: Comparison | None = None
    revenue: Comparison | None = None
    better: float | None = None

    @property
    def caused(self) -> float | None:
        """The revenue that would not have been there: the difference times the people."""
        one = self.revenue
        return None if one is None or one.difference is None else one.difference * self.rate.people


@dataclass(frozen=True, slots=True)
class Outcome:
    """The arms of an experiment, the base last. `skew` is the p-value that their sizes come from the shares."""

    arms: Sequence[ArmResult]
    base: str
    skew: float

    @property
    def is_skewed(self) -> bool:
        return self.skew < SKEWED_BELOW

    @property
    def people(self) -> int:
        return sum(arm.rate.people for arm in self.arms)


# --- summing --------------------------------------------------------------------------------------------


def measure_due(*, at: datetime, merchant: Merchant | None = None) -> int:
    """Sum up the experiments that are due; return how many were."""
    rows = Experiment.objects.filter(Q(measured_at__isnull=True) | Q(measured_at__lte=at - EVERY)).exclude(
        Q(ended_at__lt=at - LONGEST) | Q(campaign__ended_at__lt=at - LONGEST)
    )
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    count = 0
    for experiment in rows.select_related("merchant", "campaign"):
        if not _is_over(experiment, at):
            measure(experiment=experiment, at=at)
            count += 1
    return count


def _is_over(experiment: Experiment, at: datetime) -> bool:
    campaign: Campaign | None = getattr(experiment, "campaign", None)
    if campaign is not None and campaign.started_at is None:
        return True
    ended_at = campaign.ended_at if campaign is not None else experiment.ended_at
    return ended_at is not None and ended_at + timedelta(days=experiment.days) + LATE < at


@db.command
def measure(*, experiment: Experiment, at: datetime) -> None:
    """Make the sums of today again: one statement. Those of earlier days stay, to be drawn."""
    merchant = experiment.merchant
    people = (
        "SELECT a.arm, a.customer_id, a.assigned_on, a.assigned_at, a.until FROM engagement_assignment a "
        "WHERE a.merchant_id = %s AND a.experiment_id = %s",
        [merchant.pk, experiment.pk],
    )
    text, params = _sums(people, merchant=merchant, goal=experiment.goal, days=experiment.days)
    day = at.astimezone(merchant.zone).date()
    ExperimentDay.objects.filter(merchant=merchant, experiment=experiment, day=day).delete()
    moment = "CAST(%s AS date)" if db.is_postgres() else "%s"
    db.ask(
        "INSERT INTO engagement_experimentday (merchant_id, experiment_id, day, metric, arm, n, sum_y, sum_yy, sum_x, "
        f"sum_xx, sum_xy) SELECT CAST(%s AS bigint), CAST(%s AS bigint), {moment}, made.* FROM ({text}) AS made "
        "WHERE true ON CONFLICT (experiment_id, day, metric, arm) DO NOTHING",
        [merchant.pk, experiment.pk, day, *params],
    )
    Experiment.objects.filter(pk=experiment.pk).update(measured_at=at)
    experiment.measured_at = at


Query = tuple[str, list[Any]]


def _sums(people: Query, *, merchant: Merchant, goal: str, days: int) -> Query:
    """Return the sums per metric and arm of these people (arm, customer_id, assigned_on, assigned_at, until)."""
    since, until = _shifted("p.assigned_on", -days), _shifted("p.assigned_on", days)
    real = "double precision" if db.is_postgres() else "real"
    text = f"""
        WITH people AS (
            SELECT a.arm, a.customer_id, a.assigned_on, a.assigned_at, a.until,
                   COALESCE(c.merged_into_id, c.id) AS owner
            FROM ({people[0]}) AS a JOIN customers_customer c ON c.id = a.customer_id
        ), worth AS (
            SELECT p.customer_id,
                   SUM(CASE WHEN r.day >= p.assigned_on THEN r.net_revenue_minor ELSE 0 END) AS y,
                   SUM(CASE WHEN r.day < p.assigned_on THEN r.net_revenue_minor ELSE 0 END) AS x
            FROM people p JOIN loyalty_revenueday r ON r.merchant_id = %s AND r.customer_id = p.owner
                 AND r.currency = %s AND r.day >= {since} AND r.day < {until}
            GROUP BY p.customer_id
        ), reached AS (
            SELECT DISTINCT p.customer_id FROM people p JOIN customers_touchpoint t ON t.merchant_id = %s
                   AND t.customer_id IN (p.customer_id, p.owner) AND t.kind = %s
                   AND t.occurred_at >= p.assigned_at AND t.occurred_at < p.until
        ), facts AS (
            SELECT '{REVENUE}' AS metric, p.arm, CAST(COALESCE(w.y, 0) AS {real}) AS y,
                   CAST(COALESCE(w.x, 0) AS {real}) AS x
            FROM people p LEFT JOIN worth w ON w.customer_id = p.customer_id
            UNION ALL
            SELECT '{GOAL}', p.arm, CASE WHEN g.customer_id IS NULL THEN 0 ELSE 1 END, 0
            FROM people p LEFT JOIN reached g ON g.customer_id = p.customer_id
        )
        SELECT metric, arm, COUNT(*), SUM(y), SUM(y * y), SUM(x), SUM(x * x), SUM(x * y)
        FROM facts GROUP BY metric, arm
        """
    return text, [*people[1], merchant.pk, merchant.currency, merchant.pk, goal]


def _shifted(column: str, days: int) -> str:
    return f"({column} + {days})" if db.is_postgres() else f"date({column}, '{days:+d} days')"


# --- reading --------------------------------------------------------------------------------------------


def outcome(experiment: Experiment) -> Outcome:
    """Return what an experiment has come to when it was measured last: two statements."""
    rows = list(
        ExperimentDay.objects.filter(merchant=experiment.merchant_id, experiment=experiment).order_by("-day")[
            : 2 * (len(experiment.arms) + 1)
        ]
    )
    found: dict[str, dict[str, Sums]] = {GOAL: {}, REVENUE: {}}
    for row in rows:
        if row.day == rows[0].day:
            sums = Sums(row.n, row.sum_y, row.sum_yy, row.sum_x, row.sum_xx, row.sum_xy)
            found[row.metric][row.arm] = sums
    return judged(found, shares=shares(experiment))


def shares(experiment: Experiment) -> dict[str, float]:
    """Return which part of the people each arm should have, those held out included."""
    campaign: Campaign | None = Campaign.objects.filter(experiment=experiment).first()
    row = None
    if campaign is not None and campaign.purpose == "marketing":
        row = Holdout.objects.filter(merchant=experiment.merchant_id).first()
    rest = (1 - (row.percent if row else 0) / 100) * (1 - experiment.holdout / 100)
    whole = sum(arm["weight"] for arm in experiment.arms) or 1
    return {
        **{arm["name"]: rest * arm["weight"] / whole for arm in experiment.arms},
        HOLDOUT: 1 - rest,
    }


def judged(found: dict[str, dict[str, Sums]], *, shares: dict[str, float]) -> Outcome:
    """Return the arms compared with who was held out; where nobody was, with the first arm."""
    people = found[GOAL] or found[REVENUE]
    held = people.get(HOLDOUT)
    base = HOLDOUT if held is not None and held.n else next(iter(shares), "")
    names = [name for name in shares if name != base and people.get(name)] + (
        [base] if base in people else []
    )
    rates = {name: Rate(round(sums.y), sums.n) for name, sums in found[GOAL].items()}
    arms = []
    for name in names:
        worth, rate = found[REVENUE].get(name, Sums()), rates.get(name, Rate(0, 0))
        if name == base or base not in people:
            arms.append(ArmResult(name, rate, worth.mean))
            continue
        goal = experiments.compare(rate, rates[base]) if base in rates else NOT_ENOUGH
        revenue = experiments.compare_sums(worth, found[REVENUE].get(base, Sums()))
        better = experiments.chance_better(rate, rates[base]) if goal.is_enough else None
        arms.append(ArmResult(name, rate, worth.mean, goal, revenue, better))
    sizes = [people[name].n if name in people else 0 for name in shares]
    return Outcome(arms, base, experiments.skew(sizes, list(shares.values())))


def of_flow(flow: Flow, *, days: int) -> ArmResult | None:
    """
    Return what a flow changed: all who started it against those held out. None when nobody was.

    Counted from somebody's first start. One statement over all who ever started: for a page.
    """
    merchant = flow.merchant
    is_zoned = db.is_postgres()
    day = "CAST(MIN(r.started_at) AT TIME ZONE %s AS date)" if is_zoned else "date(MIN(r.started_at))"
    people = (
        f"SELECT MAX(CASE WHEN r.state = 'held_out' THEN '{HOLDOUT}' ELSE '' END) AS arm, r.customer_id, "
        f"{day} AS assigned_on, MIN(r.started_at) AS assigned_at, MIN(r.started_at) AS until "
        "FROM engagement_flowrun r WHERE r.merchant_id = %s AND r.flow_id = %s GROUP BY r.customer_id",
        [*([merchant.timezone] if is_zoned else []), merchant.pk, flow.pk],
    )
    text, params = _sums(people, merchant=merchant, goal="", days=days)
    rows = db.ask(text, params).rows
    worth = {arm: Sums(*numbers) for metric, arm, *numbers in rows if metric == REVENUE}
    if HOLDOUT not in worth or "" not in worth:
        return None
    told, held = worth[""], worth[HOLDOUT]
    return ArmResult("", Rate(0, told.n), told.mean, revenue=experiments.compare_sums(told, held))
