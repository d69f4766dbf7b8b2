"""
Where each customer of a command stands: the tier, the figure that decides it, and what capped rules gave.

`ask_*` send their statements (usable inside `together()`, after the lock), `Standing` keeps what they
answered and follows the command's own sales in memory, so that a thousand sales are judged one after
another and written together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lib import db, public_ids
from loyalty import calendar
from loyalty.models import CustomerDay, Membership, RuleCount, TierChange
from loyalty.plan import Level, Plan, PlanRule

FIGURES = {
    "spend": "SUM(d.spend_minor)",
    "points_earned": "SUM(d.points)",
    "purchases": "SUM(d.orders)",
    "visits": "SUM(CASE WHEN d.orders > 0 THEN 1 ELSE 0 END)",
}
FIRST_DAY = date(1970, 1, 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVER = date(2000, 1, 1)


@dataclass(slots=True)
class Standing:
    """One membership as the command sees it. `figures` are by review day; `days` what the command adds."""

    membership_id: int
    customer_id: int
    joined_at: datetime
    tier: str = ""
    tier_since: datetime | None = None
    tier_until: datetime | None = None
    is_manual: bool = False
    figures: dict[date, int] = field(default_factory=dict)
    busy_days: set[date] = field(default_factory=set)
    days: dict[tuple[date, str], dict[str, int]] = field(default_factory=dict)
    times: dict[tuple[str, str, date], int] = field(default_factory=dict)
    counts: dict[tuple[str, str, date], list[int]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    is_changed: bool = False

    def count_day(self, day: date, currency: str, **sums: int) -> None:
        """Add to the sums of one local day: orders, revenue_minor, refunds_minor, spend_minor, points."""
        row = self.days.setdefault((day, currency), dict.fromkeys(SUMS, 0))
        for name, amount in sums.items():
            row[name] += amount

    def figure(self, plan: Plan, day: date) -> int:
        """Return the metric's sum in the window that ends on `day`, with what the command added."""
        total = self.figures.get(day, 0)
        if self.days:
            starts = plan.window_starts(day, joined_at=self.joined_at)
            for (on, currency), sums in self.days.items():
                if starts <= on <= day and (plan.tiers.metric != "spend" or currency == plan.currency):
                    total += _measure(plan, sums, is_busy=on in self.busy_days)
        return total

    def times_of(self, rule: PlanRule, day: date) -> dict[tuple[str, str], int]:
        """Return how often a capped rule gave points in the periods that hold `day`."""
        found = {}
        for period in rule.caps:
            at = (rule.code, period, period_starts(period, day))
            found[rule.code, period] = self.times.get(at, 0) + self.counts.get(at, [0, 0])[0]
        return found

    def count_rule(self, rule: PlanRule, points: int, day: date) -> None:
        for period in rule.caps:
            row = self.counts.setdefault((rule.code, period, period_starts(period, day)), [0, 0])
            row[0] += 1
            row[1] += points

    def move(
        self, plan: Plan, *, to: Level | None, at: datetime, now: datetime, reason: str, **more: Any
    ) -> None:
        """Change the tier and keep the figures it was decided on."""
        name = to.name if to else ""
        self.changes.append(
            {
                "id": public_ids.new(),
                "membership_id": self.membership_id,
                "from_tier": self.tier,
                "to_tier": name,
                "reason": reason,
                "figures": more.pop("figures", {}),
                "by": more.pop("by", ""),
                "at": at,
                "created_at": now,
            }
        )
        self.tier, self.tier_since, self.is_changed = name, at, True
        self.is_manual = more.pop("is_manual", False)
        self.tier_until = more.pop("until", None) or status_ends(plan, self, at)


SUMS = ("orders", "revenue_minor", "refunds_minor", "spend_minor", "points")


def _measure(plan: Plan, sums: dict[str, int], *, is_busy: bool) -> int:
    match plan.tiers.metric:
        case "spend":
            return sums["spend_minor"]
        case "points_earned":
            return sums["points"]
        case "purchases":
            return sums["orders"]
    return 0 if is_busy or sums["orders"] <= 0 else 1


def period_starts(period: str, day: date) -> date:
    """Return the first day of the cap's period (day, month, year, ever) that holds `day`."""
    match period:
        case "day":
            return day
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)
    return EVER


def status_ends(plan: Plan, standing: Standing, at: datetime) -> datetime | None:
    """Return the check date of a status reached at `at`: until then nothing lowers it. None: for ever."""
    last = plan.tiers.status_ends(plan.local(at).date(), joined=plan.local(standing.joined_at).date())
    return calendar.midnight(last + timedelta(days=1), plan.zone) if last else None


# --- reading ------------------------------------------------------------------------------------------


def ask_figures(
    plan: Plan, *, merchant_id: int, looks: Iterable[tuple[int, datetime, date, date]]
) -> db.Answer:
    """
    Ask for the tier and its figure, for each (membership, joined at, review day, day of sale).

    Behind the lock, in a statement of its own, so that both are fresh. The answer's rows are: membership,
    customer, joined at, tier, since, until, by hand, review day, figure, day of sale, whether that day has
    a sale already (asked where visits count).
    """
    rows = []
    for membership_id, joined_at, day, sale_day in looks:
        starts = plan.window_starts(day, joined_at=joined_at)
        rows.append((membership_id, day, max(starts, FIRST_DAY), sale_day))
    source, params = db.given({"id": "bigint", "day": "date", "starts": "date", "sale_day": "date"}, rows)
    only = "AND d.currency = %s" if plan.tiers.metric == "spend" else ""
    is_busy = (
        "EXISTS (SELECT 1 FROM loyalty_customerday d WHERE d.merchant_id = m.merchant_id "
        "AND d.membership_id = given.id AND d.day = given.sale_day AND d.orders > 0)"
        if plan.tiers.metric == "visits"
        else "FALSE"
    )
    return db.look(
        f"""
        SELECT m.id, m.customer_id, m.joined_at, m.tier, m.tier_since, m.tier_until, m.is_manual, given.day,
               (SELECT {FIGURES[plan.tiers.metric]} FROM loyalty_customerday d
                WHERE d.merchant_id = %s AND d.membership_id = given.id
                  AND d.day >= given.starts AND d.day <= given.day {only}),
               given.sale_day, {is_busy} AS is_busy
        FROM {source} JOIN loyalty_membership m ON m.merchant_id = %s AND m.id = given.id
        """,
        [merchant_id, *([plan.currency] if only else []), *params, merchant_id],
    )


def ask_counts(plan: Plan, *, merchant_id: int, looks: Iterable[tuple[int, date]]) -> db.Answer | None:
    """Ask how often capped rules gave points to (membership, on day); None when no rule is capped."""
    if not plan.capped:
        return None
    wanted = {
        (membership_id, rule.code, period, period_starts(period, day))
        for membership_id, day in looks
        for rule in plan.capped
        for period in rule.caps
    }
    source, params = db.given(
        {"id": "bigint", "rule": "varchar", "period": "varchar", "starts": "date"}, list(wanted)
    )
    return db.look(
        "SELECT c.membership_id, c.rule, c.period, c.starts, c.times "
        f"FROM {source} JOIN loyalty_rulecount c ON c.merchant_id = %s AND c.membership_id = given.id "
        "AND c.rule = given.rule AND c.period = given.period AND c.starts = given.starts",
        [*params, merchant_id],
    )


def read(figures: db.Answer, counts: db.Answer | None = None) -> dict[int, Standing]:
    """Return the standings, by membership, that the questions answered."""
    standings: dict[int, Standing] = {}
    for row in figures.rows:
        one = standings.get(row[0])
        if one is None:
            one = standings[row[0]] = Standing(
                membership_id=row[0],
                customer_id=row[1],
                joined_at=db.time(row[2]) or EPOCH,
                tier=row[3],
                tier_since=db.time(row[4]),
                tier_until=db.time(row[5]),
                is_manual=bool(row[6]),
            )
        one.figures[db.day(row[7])] = int(row[8] or 0)
        if row[10]:
            one.busy_days.add(db.day(row[9]))
    for membership_id, rule, period, starts, times in counts.rows if counts else ():
        standings[membership_id].times[rule, period, db.day(starts)] = times
    return standings


# --- writing ------------------------------------------------------------------------------------------


@db.inside_transaction
def write(standings: Sequence[Standing], *, merchant_id: int) -> None:
    """Write day sums, cap counts, tiers and tier changes: one statement per table."""
    db.insert(
        CustomerDay,
        [
            {
                "merchant_id": merchant_id,
                "membership_id": one.membership_id,
                "day": day,
                "currency": currency,
                **sums,
            }
            for one in standings
            for (day, currency), sums in sorted(one.days.items())
        ],
        on_conflict="(merchant_id, membership_id, day, currency) DO UPDATE SET "
        + ", ".join(f"{name} = loyalty_customerday.{name} + excluded.{name}" for name in SUMS),
    )
    db.insert(
        RuleCount,
        [
            {
                "merchant_id": merchant_id,
                "membership_id": one.membership_id,
                "rule": rule,
                "period": period,
                "starts": starts,
                "times": times,
                "points": points,
            }
            for one in standings
            for (rule, period, starts), (times, points) in sorted(one.counts.items())
        ],
        on_conflict="(merchant_id, membership_id, rule, period, starts) DO UPDATE SET "
        "times = loyalty_rulecount.times + excluded.times, "
        "points = loyalty_rulecount.points + excluded.points",
    )
    db.insert(
        TierChange, [change | {"merchant_id": merchant_id} for one in standings for change in one.changes]
    )
    db.update(
        Membership,
        [
            {
                "id": one.membership_id,
                "tier": one.tier,
                "tier_since": one.tier_since,
                "tier_until": one.tier_until,
                "is_manual": one.is_manual,
                "warned_days": 0,
            }
            for one in standings
            if one.is_changed
        ],
        key=["id"],
    )
