"""
The desk of one command: everything that must be known of its sales, read under the lock, and every row
it will write. `purchases` and `refunds` work on it in memory. `people` are owners by purchase id; `said`
what the references asked for name, by kind; `waiting` the purchase references that parked refunds wait for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from customers import journey, segments
from lib import db
from loyalty import known, ledger, programs, purposes, standing, tiers
from loyalty.ledger import AccountState, Book
from loyalty.lookup import Person
from loyalty.models import Purchase, Refund, TierChange
from loyalty.plan import Plan
from loyalty.standing import Standing
from merchants.models import Merchant

Row = dict[str, Any]
AsOf = Literal["sale", "today", "history"]
# Up to so many sales travel in one round trip; more go by COPY, which cannot share one.
TOGETHER = 50
NO_SEGMENTS: frozenset[str] = frozenset()


@dataclass(slots=True)
class Desk:
    """
    What one command works with.

    `as_of` says by which time sales are judged: `sale` by their own, at most 30 days old; `today` by now;
    `history` by their own, however old.
    """

    merchant: Merchant
    source: str
    at: datetime
    by: str = ""
    as_of: AsOf = "sale"
    program_id: int | None = None
    book: Book = field(default_factory=Book)
    standings: dict[int, Standing] = field(default_factory=dict)
    people: dict[int, Person | None] = field(default_factory=dict)
    known: dict[str, Row] = field(default_factory=dict)
    said: dict[tuple[str, str], int] = field(default_factory=dict)
    parked: list[tuple[Any, ...]] = field(default_factory=list)
    earlier_tiers: dict[int, list[tuple[datetime, str, str]]] = field(default_factory=dict)
    expiring: db.Answer | None = None
    purchases: list[Row] = field(default_factory=list)
    changed_purchases: dict[int, Row] = field(default_factory=dict)
    refunds: list[Row] = field(default_factory=list)
    changed_refunds: list[Row] = field(default_factory=list)
    references: list[Row] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    segments: dict[int, frozenset[str]] | None = None
    notes: list[Row] = field(default_factory=list)
    plan: Plan = field(init=False)  # of now: for what is not judged by the time of a sale

    def __post_init__(self) -> None:
        self.plan = programs.current(merchant=self.merchant, program_id=self.program_id)

    def plan_at(self, when: datetime) -> Plan:
        if self.plan.starts_at <= when:
            return self.plan
        return programs.current(merchant=self.merchant, at=when, program_id=self.program_id)

    def judged_at(self, occurred_at: datetime) -> datetime:
        """Return the time by which a sale of `occurred_at` is judged."""
        return self.at if self.as_of == "today" else occurred_at

    def reviewed_at(self, occurred_at: datetime) -> datetime:
        """Return the time at which the tier is reviewed for it: now, unless history is told."""
        return occurred_at if self.as_of == "history" else self.at

    def account(self, membership_id: int) -> AccountState:
        return self.book[membership_id]

    def segments_of(self, plan: Plan, customer_id: int) -> frozenset[str]:
        """
        Return the segments somebody is in. Asked for everybody at the desk in one statement, and only where
        a rule of the program names one.
        """
        if not plan.names_segments:
            return NO_SEGMENTS
        if self.segments is None:
            people = {one.customer_id for one in self.standings.values()}
            self.segments = segments.of_customers(merchant_id=self.merchant.pk, customers=people)
        return self.segments.get(customer_id, NO_SEGMENTS)

    def balance(self, membership_id: int) -> Row:
        """Return the account of now, as the doors show it."""
        account, one = self.book[membership_id], self.standings[membership_id]
        return ledger.shape(
            account,
            tier=tiers.progress(self.plan, one, at=self.reviewed_at(self.at)),
            expiring=ledger.expiring(account, ledger.sums_of(account, self.expiring)),
            at=self.at,
        )

    def tier_at(self, one: Standing, when: datetime) -> str:
        """Return the tier somebody had at a time, from the changes since."""
        if one.tier_since is None or when >= one.tier_since:
            return one.tier
        name = one.tier
        for at, from_tier, _ in reversed(self.earlier_tiers.get(one.membership_id, [])):
            if at <= when:
                break
            name = from_tier
        return name

    def note(
        self, kind: str, *, customer_id: int, at: datetime, data: Row, channel: str = "", reference: str = ""
    ) -> None:
        self.notes.append(
            journey.row(
                merchant_id=self.merchant.pk,
                customer_id=customer_id,
                kind=kind,
                at=at,
                now=self.at,
                channel=channel,
                reference=reference,
                data=data,
            )
        )


Look = tuple[Person, datetime]


@db.inside_transaction
def gather(
    desk: Desk,
    *,
    looks: Sequence[Look],
    references: Iterable[str] = (),
    purchases: Iterable[int] = (),
    lots: bool = False,
    skip_busy: bool = False,
) -> dict[int, Row]:
    """
    Lock the accounts of these (person, time of sale) and read all that must be known behind the lock, in
    one round trip; then do what is due. Return the purchases asked for by id, locked too.

    With `skip_busy`, accounts that somebody else has locked are not waited for and not in the book.
    """
    plan, merchant_id = desk.plan, desk.merchant.pk
    members = {person.membership_id for person, _ in looks}
    days = {(person.membership_id, person.joined_at, *_days(desk, plan, when)) for person, when in looks}
    wanted, by_id = list(references), list(purchases)
    said = found = None
    with db.together(few=len(looks) < TOGETHER):
        if members:
            locked = ledger.ask_lock(merchant_id=merchant_id, memberships=members, skip_busy=skip_busy)
            figures = standing.ask_figures(plan, merchant_id=merchant_id, looks=days)
            counts = standing.ask_counts(
                plan, merchant_id=merchant_id, looks={(look[0], look[3]) for look in days}
            )
        if len(members) == 1:
            desk.expiring = ledger.ask_expiring(merchant_id=merchant_id, memberships=members)
        if wanted:
            said = known.ask_references(merchant_id=merchant_id, source=desk.source, references=wanted)
        if by_id:
            found = known.ask_locked(merchant_id=merchant_id, purchases=by_id)
    if said:
        desk.said = {(kind, reference): target for reference, kind, target in said.rows}
        desk.known = known.purchases(said, merchant_id=merchant_id)
        desk.parked = known.parked(said, merchant_id=merchant_id, source=desk.source)
    if members:
        desk.book = ledger.open_book(locked, at=desk.at)
        desk.standings = standing.read(figures, counts)
        lots = lots or bool(desk.parked) or plan.expiry.mode == "inactivity"
        ledger.settle(desk.book, merchant_id=merchant_id, at=_settled_to(desk, looks), lots=lots)
        _read_earlier_tiers(desk, looks)
    return known.read(found) if found else {}


def _days(desk: Desk, plan: Plan, when: datetime) -> tuple[date, date]:
    return plan.local(desk.reviewed_at(when)).date(), plan.local(desk.judged_at(when)).date()


def _settled_to(desk: Desk, looks: Sequence[Look]) -> datetime:
    # History is told in order: what expires after the sale must not expire before it is told.
    if desk.as_of == "history" and looks:
        return min(desk.at, max(when for _, when in looks))
    return desk.at


def _read_earlier_tiers(desk: Desk, looks: Sequence[Look]) -> None:
    """For sales older than somebody's present tier, read what the tier was before."""
    late = {
        person.membership_id
        for person, when in looks
        if (since := desk.standings[person.membership_id].tier_since) and desk.judged_at(when) < since
    }
    if late:
        changes = TierChange.objects.filter(membership_id__in=late).order_by("at", "id")
        for number, at, before, after in changes.values_list("membership_id", "at", "from_tier", "to_tier"):
            desk.earlier_tiers.setdefault(number, []).append((at, before, after))


@db.inside_transaction
def write(desk: Desk, *, answer: Any = None) -> None:
    """
    Write all that the command made, one statement per table; few sales in one round trip.

    :param answer: what the command will return, if it is complete: kept in the same round trip
    """
    merchant_id = desk.merchant.pk
    _note_lapsed(desk)
    purposes.let_go_of_ended(merchant_id=merchant_id, accounts=desk.book.accounts.values())
    with db.together(len(desk.purchases) + len(desk.refunds) < TOGETHER):
        known.remember(desk.references)
        known.expect(desk.waiting, merchant_id=merchant_id, source=desk.source, at=desk.at)
        db.insert(Purchase, desk.purchases)
        db.update(Purchase, [_changed(row) for row in desk.changed_purchases.values()], key=["id"])
        db.insert(Refund, desk.refunds)
        db.update(Refund, desk.changed_refunds, key=["id"])
        ledger.write(desk.book)
        standing.write(list(desk.standings.values()), merchant_id=merchant_id)
        journey.note_all(desk.notes)
        if answer is not None:
            db.answer(answer)


def _note_lapsed(desk: Desk) -> None:
    """Note the holds that ended by themselves when the accounts were settled, or lost their points."""
    for account in desk.book.accounts.values():
        for hold in account.holds:
            if hold.has_lapsed and hold.ended_at is not None:
                hold.has_lapsed = False
                desk.note(
                    "hold.expired",
                    customer_id=desk.standings[account.id].customer_id,
                    at=hold.ended_at,
                    data=hold.facts(),
                )


_CHANGING = (
    "id",
    "customer_id",
    "program_id",
    "status",
    "waits_for",
    "merchandise_minor",
    "basis_minor",
    "net_minor",
    "tier",
    "points_earned",
    "points_pending",
    "activates_at",
    "why",
    "refunded_minor",
    "refunded_basis_minor",
    "refunded_lines",
    "clawed_back",
)


def _changed(row: Row) -> Row:
    return {name: row[name] for name in _CHANGING}
