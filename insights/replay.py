"""
One customer's past lived again under a plan: the real arithmetic of sales, refunds, tiers and lots, in memory.

Nothing here reads or writes the database. What is kept as it was: what customers bought, gave back and
spent, as far as their points allow under this plan.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from insights.pasts import Appointed, GivenBack, Moved, Past, Sold, TakenBack
from loyalty import awards, refunding, tier_reviews, tiers
from loyalty.earning.base import Basket
from loyalty.ledger import AccountState, Cause, Grant, TrialBook, trial_account
from loyalty.plan import Plan, PlanRule
from loyalty.standing import Standing, period_starts, status_ends

SPENDING = ("redeem", "hold_capture", "transfer_out")
MONTH = "%Y-%m"


@dataclass(slots=True)
class Ledger:
    """What one plan gave, took and let expire, by month and by rule, over all customers."""

    plan: Plan
    months: dict[str, Counter[str]] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    short: int = 0  # points that were spent really and could not be under this plan
    book: TrialBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = TrialBook(self._tell)

    def _tell(self, kind: str, points: int, pending: int, when: datetime) -> None:
        if name := NAMES.get(kind):
            month = self.plan.local(when).strftime(MONTH)
            self.months.setdefault(month, Counter())[name] += points + pending

    def give(self, rule: str, points: int) -> None:
        self.rules[rule] += points
        self.times[rule] += 1


NAMES = {
    "earn": "issued",
    "bonus": "issued",
    "clawback": "taken_back",
    "write_off": "taken_back",
    "redeem": "spent",
    "return": "spent",
    "expire": "expired",
    "adjust": "other",
}


@dataclass(slots=True)
class Life(Standing):
    """One customer under one plan. `gained` are points earned less what refunds took back."""

    plan: Plan = field(kw_only=True)
    ledger: Ledger = field(kw_only=True)
    account: AccountState = field(kw_only=True)
    segments: frozenset[str] = frozenset()
    purchases_before: int = 0
    gained: int = 0
    spent: int = 0
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    worth: dict[date, list[int]] = field(default_factory=dict)
    order: list[date] = field(default_factory=list)
    window: date | None = None
    total: int = 0

    # The figure that decides tiers: kept as a running sum, because a year has many sales ------------------

    def count_day(self, day: date, currency: str, **sums: int) -> None:
        row = self.worth.get(day)
        if row is None:
            row = self.worth[day] = [0, 0, 0]
            insort(self.order, day)
        before = self._measure(row)
        row[0] += sums.get("orders", 0)
        if currency == self.plan.currency:
            row[1] += sums.get("spend_minor", 0)
        row[2] += sums.get("points", 0)
        if self.window is not None and day >= self.window:
            self.total += self._measure(row) - before

    def _measure(self, row: list[int]) -> int:
        match self.plan.tiers.metric:
            case "spend":
                return row[1]
            case "points_earned":
                return row[2]
            case "purchases":
                return row[0]
        return 1 if row[0] > 0 else 0

    def figure(self, plan: Plan, day: date) -> int:
        starts = plan.window_starts(day, joined_at=self.joined_at)
        if self.order and self.order[-1] > day:  # told late: rare, and summed anew
            return sum(self._measure(row) for on, row in self.worth.items() if starts <= on <= day)
        if self.window is None or starts < self.window:
            self.total = sum(self._measure(row) for on, row in self.worth.items() if on >= starts)
        elif starts > self.window:
            gone = self.order[bisect_left(self.order, self.window) : bisect_left(self.order, starts)]
            self.total -= sum(self._measure(self.worth[on]) for on in gone)
        self.window = starts
        return self.total

    # What happens ----------------------------------------------------------------------------------------

    def tier_at(self, when: datetime) -> str:
        if self.tier_since is None or when >= self.tier_since:
            return self.tier
        name = self.tier
        for change in reversed(self.changes):
            if change["at"] <= when:
                break
            name = change["from_tier"]
        return name

    def pass_time(self, at: datetime) -> None:
        """Let points activate and expire, and review the tier, where their time has come."""
        self.ledger.book.catch_up(self.account, at=at)
        if not self.plan.tiers.levels:
            return
        grace = timedelta(days=self.plan.tiers.grace_days)
        while self.tier_until is not None and (due := self.tier_until + grace) <= at:
            before = self.tier_until
            tier_reviews.check(self.plan, self, at=due)
            if self.tier_until == before:
                break

    def sell(self, one: Sold) -> awards.Award:
        """Return what the sale earns, and give it."""
        plan, when = self.plan, one.when
        basket = awards.basket_of(plan, one.sale, at=when, tier=self.tier_at(when))
        basket.purchases_before, basket.segments = self.purchases_before, self.segments
        day = basket.local.date()
        if plan.capped:
            basket.times = {
                (rule.code, period): self.times.get((rule.code, period, period_starts(period, day)), 0)
                for rule in plan.capped
                for period in rule.caps
            }
        award = awards.compute(plan, basket)
        if award.grants:
            self._earn(awards.grants_of(plan, award, at=when), when, purchase_id=one.key[0])
        self.gained += award.points
        self.purchases_before += 1
        self.count_day(
            day, one.sale.currency, orders=1, spend_minor=award.basis_minor, points=award.qualifying
        )
        for rule, _ in award.counted:
            self._count(rule, day)
        if plan.expiry.mode == "inactivity":
            self.ledger.book.move_expiry(self.account, to=plan.expiry.ends(when, zone=plan.zone))
        if one.row is not None:
            self.rows[one.key[0]] = one.row | {
                "basis_minor": award.basis_minor,
                "points_earned": award.points,
                "why": {"lines": award.line_shares, "qualifying": award.qualifying},
            }
        tiers.lift(plan, self, at=one.reviewed_at, now=one.reviewed_at)
        return award

    def _earn(self, grants: list[Grant], when: datetime, *, purchase_id: int) -> None:
        cause = Cause(when, purchase_id=purchase_id)
        self.ledger.book.earn(self.account, grants, cause=cause)
        for grant in grants:
            self.ledger.give(grant.rule, grant.points)

    def _count(self, rule: PlanRule, day: date) -> None:
        for period in rule.caps:
            at = (rule.code, period, period_starts(period, day))
            self.times[at] = self.times.get(at, 0) + 1

    def give_back(self, one: GivenBack) -> None:
        row = self.rows[one.purchase_id]
        taken = refunding.take(row, amount_minor=None if one.lines else one.amount_minor, lines=one.lines)
        self._take(taken.points, one.purchase_id, one.when)
        row |= {
            "refunded_minor": taken.refunded_minor,
            "refunded_lines": taken.refunded_lines,
            "refunded_basis_minor": taken.refunded_basis_minor,
            "clawed_back": row["clawed_back"] + taken.points,
        }
        self.count_day(
            self.plan.local(row["judged_at"]).date(),
            row["currency"],
            orders=-1 if taken.is_full else 0,
            spend_minor=-taken.basis_minor,
            points=-taken.qualifying,
        )

    def take_back(self, one: TakenBack) -> None:
        self._take(one.points, one.purchase_id, one.when)
        self.count_day(
            one.day, one.currency, orders=-one.orders, spend_minor=-one.spend_minor, points=-one.qualifying
        )

    def _take(self, points: int, purchase_id: int, when: datetime) -> None:
        if points:
            self.gained -= points
            self.ledger.book.claw_back(
                self.account,
                points,
                policy=self.plan.refund_policy,
                purchase_id=purchase_id,
                cause=Cause(when, purchase_id=purchase_id),
            )

    def move_points(self, one: Moved) -> None:
        """Spend as far as the points allow; give what was given; a bonus gives what its rule says here."""
        book, cause = self.ledger.book, Cause(one.when)
        if one.kind == "activate":
            ends = self.plan.expiry.ends(one.when, zone=self.plan.zone)
            book.release(self.account, one.purchase_id or 0, at=one.when, ends=ends)
        elif one.kind in SPENDING:
            points = 0 if self.account.debt else min(-one.points, self.account.available)
            self.ledger.short += -one.points - points
            self.spent += points
            if points:
                book.spend(self.account, points, cause=cause)
        elif one.kind == "return":
            points = min(one.points, self.spent)
            self.spent -= points
            self._give([Grant(points, expires_at=self._ends(one.when))], cause, kind="return")
        elif one.points < 0:
            book.take(self.account, -one.points, cause=cause, kind="adjust")
        elif one.rule:
            self._give_bonus(one, cause)
        else:
            kind = "bonus" if one.kind == "bonus" else "adjust"
            self.gained += one.points if kind == "bonus" else 0
            self._give([Grant(one.points, expires_at=self._ends(one.when))], cause, kind=kind)

    def _give_bonus(self, one: Moved, cause: Cause) -> None:
        rule = next((rule for rule in self.plan.rules if rule.code == one.rule), None)
        if rule is None or rule.plugin.role != "event":
            return
        basket = Basket(currency=self.plan.currency, lines=[], local=self.plan.local(one.when))
        points = int(rule.plugin.worth(basket, rule.params) or 0)
        if rule.params.max_points is not None:
            points = min(points, rule.params.max_points)
        if not points:
            return
        self.gained += points
        self.ledger.give(rule.code, points)
        grant = awards.grant_of(self.plan, points, rule.code, at=one.when, days=rule.days_pending)
        self._give([grant], cause, kind="bonus")
        if rule.qualifies:
            self.count_day(basket.local.date(), self.plan.currency, points=points)
            tiers.lift(self.plan, self, at=one.when, now=one.when)

    def _give(self, grants: list[Grant], cause: Cause, *, kind: str) -> None:
        if grants[0].points:
            self.ledger.book.earn(self.account, grants, cause=cause, kind=kind)

    def _ends(self, when: datetime) -> datetime | None:
        return self.plan.expiry.ends(when, zone=self.plan.zone)

    def appoint(self, one: Appointed) -> None:
        level = self.plan.tiers.level(one.tier)
        if level is not None:
            self.move(
                self.plan, to=level, at=one.when, now=one.when, reason="", is_manual=True, until=one.until
            )


def begin(past: Past, ledger: Ledger, *, at: datetime, is_draft: bool) -> Life:
    """
    Return the customer as they stood at `at`, under this plan.

    A draft begins as if it had been published then: up at once, and nobody lowered.
    """
    plan = ledger.plan
    life = Life(
        membership_id=past.membership_id,
        customer_id=past.customer_id,
        joined_at=past.joined_at,
        plan=plan,
        ledger=ledger,
        account=trial_account(past.membership_id, merchant_id=0, lots=past.lots, debt=past.debt),
        segments=past.segments,
        purchases_before=past.purchases_before,
    )
    life.times = dict(past.times)
    for day, currency, orders, spend, points in past.days:
        life.count_day(day, currency, orders=orders, spend_minor=spend, points=points)
    reached = plan.tiers.reached(life.figure(plan, plan.local(at).date()))
    level = plan.tiers.level(past.tier)
    if level is None or (is_draft and reached is not None and reached.at > level.at):
        level = reached
    if level is not None:
        life.tier, life.tier_since = level.name, past.tier_since or past.joined_at
        if level.name != past.tier:
            life.tier_since = max(at, past.joined_at)
        life.tier_until = status_ends(plan, life, life.tier_since)
        again = life.tier_until is not None and (
            life.tier_until <= at
            or (plan.tiers.window in ("calendar_year", "membership_year") and level is reached)
        )
        if again:  # it was kept at the checks before, or reached again this year
            life.tier_until = status_ends(plan, life, at)
    return life


Each = Callable[[Sold, awards.Award], None]


def live(past: Past, life: Life, *, until: datetime, each: Each | None = None) -> None:
    """Live the whole past, in the order it was recorded, up to `until`; `each` hears what each sale earned."""
    for event in past.events:
        life.pass_time(event.when)
        match event:
            case Sold():
                award = life.sell(event)
                if each is not None:
                    each(event, award)
            case GivenBack():
                life.give_back(event)
            case TakenBack():
                life.take_back(event)
            case Moved():
                life.move_points(event)
            case Appointed():
                life.appoint(event)
    life.pass_time(until)
