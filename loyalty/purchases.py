"""
A sale, from any door: recorded once, its points awarded, the tier following.

`record` is `record_all` with one sale. Everybody is looked up in one statement; the accounts are locked
once, in the order of their ids, with all that must be known read behind the lock; the rules run in
memory, sale by sale in the order they happened; what is new is written with one statement per table.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from customers import merging
from customers.identifiers import InvalidIdentifier
from lib import db, public_ids
from lib.errors import DomainError, Fault, Gone, Malformed, NotFound, ReferenceReused, Refused
from loyalty import awards, desk, known, lookup, programs, refunds, tiers
from loyalty.desk import AsOf, Desk
from loyalty.earning.base import Basket
from loyalty.ledger import AccountState, Cause, Grant
from loyalty.lookup import Person
from loyalty.plan import Plan
from loyalty.receipts import Receipt, differences, line_rows, tender_rows
from loyalty.sale import Given, Line, Sale, Tender
from loyalty.standing import Standing
from merchants.models import Merchant

__all__ = ["Given", "Line", "Receipt", "Sale", "Tender", "calculate", "record", "record_all"]

LATE = timedelta(days=30)
AHEAD = timedelta(minutes=5)
LARGEST = 10**15


class CustomerBlocked(Refused):
    code = "customer_blocked"


class WrongTime(Malformed):
    """Too old, or in the future: the till's clock may be wrong."""

    code = "occurred_at_out_of_range"


class AmountOutOfRange(Malformed):
    code = "amount_out_of_range"


def record(
    *, merchant: Merchant, sale: Sale, at: datetime, source: str = "api", by: str = "", as_of: AsOf = "sale"
) -> Receipt:
    """
    Record one sale and award its points, once. Saying it again answers the first result.

    :raises ReferenceReused: the reference is taken by a sale with other content
    :raises NotFound: the customer does not exist here
    :raises WrongTime: more than 30 days old or 5 minutes ahead (with `as_of="sale"`)
    """
    receipts = record_all(merchant=merchant, sales=[sale], source=source, at=at, by=by, as_of=as_of)
    return receipts[0].or_raise()


def record_all(
    *,
    merchant: Merchant,
    sales: Sequence[Sale],
    at: datetime,
    source: str = "api",
    by: str = "",
    as_of: AsOf = "sale",
    program_id: int | None = None,
    balances: bool = True,
) -> list[Receipt]:
    """
    Record sales and award their points, each once; return a receipt for each, in the order given.

    One bad sale never spoils the rest: its receipt is `rejected` and says why. `as_of` says by which
    time sales are judged (see `loyalty.desk.Desk`). Without `balances` the receipts leave out what the
    customers have now. Of many sales, those of accounts that somebody else
    works on just now are recorded in a second transaction: two batches of a thousand nearly always share
    an account, and would wait for each other from their first to their last line.
    """
    some = partial(
        _record,
        merchant=merchant,
        at=at,
        source=source,
        by=by,
        as_of=as_of,
        program_id=program_id,
        balances=balances and as_of == "sale",  # nobody prints receipts of history
    )
    receipts = some(sales=sales, skip_busy=len(sales) >= desk.TOGETHER)
    if left := [place for place, receipt in enumerate(receipts) if receipt is None]:
        for place, late in zip(left, some(sales=[sales[place] for place in left]), strict=True):
            receipts[place] = late
    return [receipt for receipt in receipts if receipt is not None]


@db.command
def _record(
    *, sales: Sequence[Sale], merchant: Merchant, balances: bool, skip_busy: bool = False, **how: Any
) -> list[Receipt | None]:
    """Return a receipt for each sale; None for those of busy accounts, if they are to be skipped."""
    work = Desk(merchant=merchant, **how)
    asked = [(sale.customer_id, sale.identifier) for sale in sales]
    people = lookup.people(merchant=work.merchant, plan=work.plan, asked=asked, at=work.at)
    desk.gather(
        work,
        looks=[(person, sale.occurred_at) for person, sale in zip(people, sales, strict=True) if person],
        references=dict.fromkeys(name for sale in sales for name in (sale.reference, *sale.aliases)),
        skip_busy=skip_busy,
    )
    order = sorted(range(len(sales)), key=lambda place: sales[place].occurred_at)
    receipts: list[Receipt | None] = [None] * len(sales)
    for place in order:
        person = people[place]
        if person is not None and person.membership_id not in work.book.accounts:
            continue
        try:
            receipts[place] = _tell(work, sales[place], person)
        except DomainError as refusal:
            receipts[place] = Receipt("rejected", error=refusal)
    refunds.apply_parked(work)
    if balances:
        _show_balances(work, receipts, people)
    desk.write(work, answer=receipts)
    return receipts


def calculate(*, merchant: Merchant, sale: Sale, at: datetime, program_id: int | None = None) -> Receipt:
    """
    Return what a sale would earn, and why, for this customer now. Saves nothing; the reference is not used.

    Without a known customer it is what anybody would earn who has just joined.

    :raises NotFound: a customer id was said that does not exist here
    """
    asked = replace(sale, reference=f"calculate {public_ids.new()}")
    with db.dry_run():
        receipts = record_all(
            merchant=merchant, sales=[asked], source="calculate", at=at, program_id=program_id
        )
    receipt = receipts[0].or_raise()
    if receipt.status == "unmatched":
        plan = programs.current(merchant=merchant, at=sale.occurred_at, program_id=program_id)
        first = plan.tiers.reached(0)
        award = awards.compute(plan, _basket(plan, sale, sale.occurred_at, tier=first.name if first else ""))
        receipt.row |= {
            "points_earned": award.points,
            "basis_minor": award.basis_minor,
            "why": _why(plan, award),
        }
    return receipt


def _tell(work: Desk, sale: Sale, person: Person | None) -> Receipt:
    """Decide about one sale, in memory."""
    first = next((work.known[name] for name in (sale.reference, *sale.aliases) if name in work.known), None)
    if first is not None:
        return _repeat(work, first, sale, person)
    _check(work, sale)
    row = _new_row(work, sale)
    if person is None:
        row |= _unmatched(work, sale)
    else:
        admit(person)
        award(work, row, sale, person)
    work.purchases.append(row)
    _keep_names(work, sale, row)
    return Receipt("unmatched" if person is None else "created", row)


def _repeat(work: Desk, first: dict[str, Any], sale: Sale, person: Person | None) -> Receipt:
    now = person.customer_id if person else None
    # Who bought it may have been merged into who answers for them now.
    is_theirs = merging.is_now(merchant_id=work.merchant.pk, earlier=first["customer_id"], now=now)
    differ = differences(first, sale, customer_id=first["customer_id"] if is_theirs else now)
    if differ:
        raise ReferenceReused(sale.reference, of="another sale", differ=differ)
    _keep_names(work, sale, first)
    return Receipt("unmatched" if first["status"] == "unmatched" else "replayed", first)


def _check(work: Desk, sale: Sale) -> None:
    if work.as_of == "sale" and not (work.at - LATE <= sale.occurred_at <= work.at + AHEAD):
        raise WrongTime(
            "The sale is more than 30 days old or lies in the future; check the till's clock.",
            faults=[Fault("/occurred_at", "out_of_range", "30 days back to 5 minutes ahead")],
        )
    told = sum(line.amount_minor for line in sale.lines)
    if sale.lines and told != sale.amount_minor:
        raise AmountOutOfRange(
            f"The lines add up to {told}, not to {sale.amount_minor}.",
            faults=[Fault("/amount_minor", "amount_mismatch", "is not the sum of the lines")],
        )
    if not 0 <= sale.amount_minor < LARGEST:
        raise AmountOutOfRange(
            "The amount is negative or too large.",
            faults=[Fault("/amount_minor", "out_of_range", "0 to 10^15")],
        )


def admit(person: Person) -> None:
    """:raises CustomerBlocked: or Gone: nothing is done for them any more"""
    if person.status == "blocked":
        raise CustomerBlocked("This customer is blocked; the shop can lift that in the admin.")
    if person.status == "erased":
        raise Gone("This customer has been erased.", faults=[Fault("/customer", "gone", "erased")])


def _new_row(work: Desk, sale: Sale) -> dict[str, Any]:
    return {
        "id": public_ids.new(),
        "merchant_id": work.merchant.pk,
        "program_id": work.plan.program_id,
        "customer_id": None,
        "status": "recorded",
        "source": work.source,
        "reference": sale.reference,
        "currency": sale.currency,
        "amount_minor": sale.amount_minor,
        "tax_minor": sale.tax_minor,
        "merchandise_minor": sale.merchandise_minor,
        "basis_minor": 0,
        "net_minor": 0,
        "lines": line_rows(sale),
        "tenders": tender_rows(sale),
        "waits_for": "",
        "store_id": sale.store_id,
        "till": sale.till,
        "staff_ref": sale.staff_ref,
        "channel": sale.channel,
        "basket": sale.basket,
        "tier": "",
        "points_earned": 0,
        "points_pending": 0,
        "activates_at": None,
        "why": {},
        "refunded_minor": 0,
        "refunded_basis_minor": 0,
        "refunded_lines": {},
        "clawed_back": 0,
        "occurred_at": sale.occurred_at,
        "recorded_at": work.at,
    }


def _unmatched(work: Desk, sale: Sale) -> dict[str, Any]:
    if sale.identifier is None:
        raise NotFound(
            "There is no such customer.", faults=[Fault("/customer", "not_found", "no such customer")]
        )
    try:
        return {
            "status": "unmatched",
            "waits_for": lookup.waits_for(sale.identifier, country=work.merchant.country),
        }
    except InvalidIdentifier as refusal:
        raise InvalidIdentifier(
            str(refusal), faults=[Fault("/identifier/value", refusal.code, refusal.faults[0].detail)]
        ) from None


def award(work: Desk, row: dict[str, Any], sale: Sale, person: Person) -> None:
    """Give the sale's points, count it, and let the tier follow."""
    judged = work.judged_at(sale.occurred_at)
    plan = work.plan_at(judged)
    account, one = work.account(person.membership_id), work.standings[person.membership_id]
    work.people[row["id"]] = person
    tier = work.tier_at(one, judged)
    basket = _basket(plan, sale, judged, tier=tier)
    basket.purchases_before = account.purchases
    basket.segments = work.segments_of(plan, person.customer_id)
    basket.times = {
        name: times for rule in plan.capped for name, times in one.times_of(rule, basket.local.date()).items()
    }
    award = awards.compute(plan, basket)
    grants = [_grant(plan, judged, *grant) for grant in award.grants]
    row |= {
        "customer_id": person.customer_id,
        "program_id": plan.program_id,
        "basis_minor": award.basis_minor,
        "net_minor": awards.net_minor(sale, basis_minor=award.basis_minor, tax_excluded=plan.tax_excluded),
        "tier": tier,
        "points_earned": award.points,
        "points_pending": sum(grant.points for grant in grants if grant.waits or grant.activates_at),
        "activates_at": min((grant.activates_at for grant in grants if grant.activates_at), default=None),
        "why": _why(plan, award),
    }
    if grants:
        work.book.earn(account, grants, cause=_cause(work, row, sale, award, judged))
    _count(work, plan, account, one, sale, award, judged)
    if account.purchases == 1:
        # Told once per customer, so that nobody has to listen to every purchase to hear of the first.
        work.note("customer.converted", customer_id=person.customer_id, at=sale.occurred_at, data={})
    work.note(
        "purchase.recorded",
        customer_id=person.customer_id,
        at=sale.occurred_at,
        channel=sale.channel or "store",
        data={
            "purchase": public_ids.show("pur", row["id"]),
            "points": award.points,
            "amount_minor": sale.amount_minor,
            "currency": sale.currency,
            **({"basket": sale.basket} if sale.basket else {}),
        },
    )
    _follow(work, one, person, sale)


def _basket(plan: Plan, sale: Sale, judged: datetime, *, tier: str) -> Basket:
    return Basket(
        currency=sale.currency,
        lines=awards.earning_lines(sale, tax_excluded=plan.tax_excluded),
        local=plan.local(judged),
        tier=tier,
        store=sale.store,
        channel=sale.channel,
    )


def _grant(plan: Plan, judged: datetime, points: int, rule: str, days: int | None) -> Grant:
    starts = judged + timedelta(days=days) if days else None
    ends = None if days is None else plan.expiry.ends(starts or judged, zone=plan.zone)
    return Grant(points=points, rule=rule, activates_at=starts, expires_at=ends, waits=days is None)


def _why(plan: Plan, award: awards.Award) -> dict[str, Any]:
    return {
        "version": plan.version,
        "rules": award.why,
        "qualifying": award.qualifying,
        "lines": award.line_shares,
    }


def _cause(work: Desk, row: dict[str, Any], sale: Sale, award: awards.Award, judged: datetime) -> Cause:
    return Cause(
        occurred_at=judged,
        reference=sale.reference,
        purchase_id=row["id"],
        by=work.by,
        reason={
            "code": "purchase",
            "amount_minor": sale.amount_minor,
            "basis_minor": award.basis_minor,
            "currency": sale.currency,
            "tier": row["tier"],
            "version": row["why"]["version"],
            "rules": [item for item in award.why if item["applied"]],
            "lines": award.line_shares,
        },
    )


def _count(
    work: Desk,
    plan: Plan,
    account: AccountState,
    one: Standing,
    sale: Sale,
    award: awards.Award,
    judged: datetime,
) -> None:
    day = plan.local(judged).date()
    account.purchases += 1
    account.is_changed = True
    account.active_at = max(judged, account.active_at or judged)
    one.count_day(
        day,
        sale.currency,
        orders=1,
        revenue_minor=sale.merchandise_minor,
        spend_minor=award.basis_minor,
        points=award.qualifying,
    )
    for rule, points in award.counted:
        one.count_rule(rule, points, day)
    if plan.expiry.mode == "inactivity":
        work.book.move_expiry(account, to=plan.expiry.ends(judged, zone=plan.zone))


def _follow(work: Desk, one: Standing, person: Person, sale: Sale) -> None:
    """Let the tier follow the sale; up at once, never down here."""
    before = one.tier
    when = work.reviewed_at(sale.occurred_at)
    if tiers.lift(work.plan_at(when), one, at=when, now=work.at):
        work.note(
            "tier.changed", customer_id=person.customer_id, at=when, data={"from": before, "to": one.tier}
        )


def _keep_names(work: Desk, sale: Sale, row: dict[str, Any]) -> None:
    """Remember every number of the sale, so that any of them finds it again."""
    for name in dict.fromkeys((sale.reference, *sale.aliases)):
        if name not in work.known:
            work.known[name] = row
            work.references.append(
                known.reference_row(
                    merchant_id=work.merchant.pk,
                    source=work.source,
                    kind="purchase",
                    reference=name,
                    target_id=row["id"],
                    at=work.at,
                )
            )


def _show_balances(work: Desk, receipts: Sequence[Receipt | None], people: Sequence[Person | None]) -> None:
    shown: dict[int, dict[str, Any]] = {}
    for receipt, person in zip(receipts, people, strict=True):
        if person is None or receipt is None or receipt.status not in ("created", "replayed"):
            continue
        if person.membership_id not in shown:
            shown[person.membership_id] = work.balance(person.membership_id)
        receipt.balance = shown[person.membership_id]
        receipt.tier = work.standings[person.membership_id].tier
