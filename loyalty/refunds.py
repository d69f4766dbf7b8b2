"""
A refund, from any door: recorded once, its points taken back; parked while its purchase is not here.

The points come from the purchase's own pending lot, its own open lot, then other lots, earliest expiry
first; what is missing becomes debt or is written off, as the program says (see `loyalty.ledger.Book`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lib import db, public_ids
from lib.errors import Conflict, DomainError, Fault, Malformed, NotFound, ReferenceReused
from loyalty import desk, known, lookup, refunding, returns
from loyalty.desk import Desk, Row
from loyalty.ledger import Cause, Grant
from loyalty.lookup import Person
from loyalty.models import Purchase, Reference, Refund
from loyalty.refunding import ReturnLine
from merchants.models import Merchant

__all__ = ["RefundReceipt", "Return", "ReturnLine", "record", "record_all", "undo"]

LATE, AHEAD = timedelta(days=30), timedelta(minutes=5)


class WrongTime(Malformed):
    code = "occurred_at_out_of_range"


class RefundOfNothing(Conflict):
    """The purchase was voided: there is nothing to give back."""

    code = "purchase_voided"


@dataclass(frozen=True, slots=True)
class Return:
    """
    One refund. Say `purchase_id` or `purchase_reference`; `amount_minor` or `lines`; neither means all of it.

    `sent` names the fields that were said: a repeat is compared on those; None compares all.
    """

    reference: str
    occurred_at: datetime
    purchase_id: int | None = None
    purchase_reference: str = ""
    amount_minor: int | None = None
    lines: tuple[ReturnLine, ...] = ()
    sent: frozenset[str] | None = None


@dataclass(slots=True)
class RefundReceipt:
    """
    One refund's answer: status created, replayed, parked or rejected; points clawed back, returned and
    written off; the account of now.
    """

    status: str
    refund_id: int = 0
    purchase_id: int | None = None
    reference: str = ""
    amount_minor: int | None = None
    occurred_at: datetime | None = None
    clawed_back: int = 0
    returned: int = 0
    written_off: int = 0
    balance: Row | None = None
    error: DomainError | None = None

    def or_raise(self) -> "RefundReceipt":
        """Return the receipt; raise what refused it."""
        if self.error is not None:
            raise self.error
        return self


def record(
    *,
    merchant: Merchant,
    refund: Return,
    at: datetime,
    source: str = "api",
    by: str = "",
    as_of: desk.AsOf = "sale",
) -> RefundReceipt:
    """
    Record one refund and take its points back, once. Saying it again answers the first result.

    :raises NotFound: `purchase_id` does not exist here (an unknown `purchase_reference` parks the refund)
    :raises RefundExceedsPurchase: more than was paid
    :raises ReferenceReused: the reference is taken by a refund with other content
    """
    said = record_all(merchant=merchant, refunds=[refund], at=at, source=source, by=by, as_of=as_of)
    return said[0].or_raise()


@db.command
def record_all(
    *,
    merchant: Merchant,
    refunds: Sequence[Return],
    at: datetime,
    source: str = "api",
    by: str = "",
    as_of: desk.AsOf = "sale",
) -> list[RefundReceipt]:
    """Record refunds, each once, in the order given; a bad one is `rejected` and never spoils the rest."""
    work = Desk(merchant=merchant, source=source, at=at, by=by, as_of=as_of)
    found = purchases_of(work, refunds)
    rows = open_purchases(work, [number for number in found if number is not None])
    earlier = _earlier(work, refunds)
    receipts = []
    for refund, purchase_id in zip(refunds, found, strict=True):
        try:
            purchase = rows.get(purchase_id) if purchase_id is not None else None
            receipts.append(_tell(work, refund, purchase, earlier))
        except DomainError as refusal:
            receipts.append(RefundReceipt("rejected", reference=refund.reference, error=refusal))
    for receipt in receipts:
        purchase = rows.get(receipt.purchase_id) if receipt.purchase_id else None
        if receipt.status in ("created", "replayed") and purchase:
            receipt.balance = _balance(work, purchase)
    desk.write(work, answer=receipts)
    return receipts


def purchases_of(work: Desk, refunds: Sequence[Return]) -> list[int | None]:
    """Return the purchase each refund is of, by id or by reference, in one statement."""
    wanted = {one.purchase_reference for one in refunds if one.purchase_id is None}
    given, params = db.given({"reference": "varchar"}, [(text,) for text in wanted])
    named = dict(
        db.ask(
            f"SELECT r.reference, r.target_id FROM {given} JOIN loyalty_reference r ON r.merchant_id = %s "
            "AND r.source = %s AND r.kind = 'purchase' AND r.reference = given.reference",
            [*params, work.merchant.pk, work.source],
        ).rows
    )
    return [one.purchase_id or named.get(one.purchase_reference) for one in refunds]


def open_purchases(work: Desk, purchases: Sequence[int]) -> dict[int, Row]:
    """Lock the accounts of these purchases, then the purchases, and return their rows by id."""
    owners = Purchase.objects.filter(merchant=work.merchant, pk__in=set(purchases)).values_list(
        "pk", "customer_id", "tenders", "program_id"
    )
    owned = list(owners)
    if owned:
        work.program_id = work.program_id or owned[0][3]
    asked = [(customer_id, None) for _, customer_id, _, _ in owned]
    people = lookup.people(merchant=work.merchant, plan=work.plan, asked=asked, at=work.at) if asked else []
    payers = returns.who_paid(work, [tenders for _, _, tenders, _ in owned])
    rows = desk.gather(
        work,
        looks=[(person, work.at) for person in {*people, *payers} if person],
        purchases=[number for number, *_ in owned],
        lots=True,
    )
    work.people = {number: person for (number, *_), person in zip(owned, people, strict=True)}
    return rows


def _earlier(work: Desk, refunds: Sequence[Return]) -> dict[str, Refund]:
    """Return the refunds that have one of these references already."""
    targets = Reference.objects.filter(
        merchant_id=work.merchant.pk,
        source=work.source,
        kind="refund",
        reference__in=[one.reference for one in refunds],
    ).values_list("target_id", flat=True)
    return {one.reference: one for one in Refund.objects.filter(merchant=work.merchant, pk__in=list(targets))}


def _tell(work: Desk, refund: Return, purchase: Row | None, earlier: dict[str, Refund]) -> RefundReceipt:
    if first := earlier.get(refund.reference):
        return _repeat(first, refund, purchase)
    if work.as_of == "sale" and not (work.at - LATE <= refund.occurred_at <= work.at + AHEAD):
        raise WrongTime(
            "The refund is more than 30 days old or lies in the future; check the till's clock.",
            faults=[Fault("/occurred_at", "out_of_range", "30 days back to 5 minutes ahead")],
        )
    row = _new_row(work, refund)
    if purchase is None:
        if refund.purchase_id is not None:
            raise NotFound("There is no such purchase.")
    else:
        apply(work, row, purchase, refund)
    work.refunds.append(row)
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=work.source,
            kind="refund",
            reference=refund.reference,
            target_id=row["id"],
            at=work.at,
        )
    )
    if purchase is None:
        work.waiting.add(refund.purchase_reference)
    earlier[refund.reference] = Refund(**row)
    return _receipt("parked" if purchase is None else "created", Refund(**row))


def _repeat(first: Refund, refund: Return, purchase: Row | None) -> RefundReceipt:
    said = {"amount_minor": refund.amount_minor, "occurred_at": refund.occurred_at}
    names = said.keys() if refund.sent is None else refund.sent & said.keys()
    differ = [
        name
        for name in sorted(names)
        if said[name] is not None and getattr(first, name) != said[name] and not refund.lines
    ]
    if purchase is not None and first.purchase_id not in (None, purchase["id"]):
        differ.append("purchase_reference")
    if differ:
        raise ReferenceReused(refund.reference, of="another refund", differ=differ)
    return _receipt("parked" if first.status == "parked" else "replayed", first)


def _receipt(status: str, refund: Refund) -> RefundReceipt:
    return RefundReceipt(
        status,
        refund_id=refund.pk,
        purchase_id=refund.purchase_id,
        reference=refund.reference,
        amount_minor=refund.amount_minor,
        occurred_at=refund.occurred_at,
        clawed_back=refund.clawed_back,
        returned=refund.returned,
        written_off=refund.written_off,
    )


def _new_row(work: Desk, refund: Return) -> Row:
    return {
        "id": public_ids.new(),
        "merchant_id": work.merchant.pk,
        "purchase_id": None,
        "status": "parked",
        "source": work.source,
        "reference": refund.reference,
        "purchase_reference": refund.purchase_reference,
        "amount_minor": refund.amount_minor,
        "lines": [
            {"id": one.id, "quantity": one.quantity, "amount_minor": one.amount_minor} for one in refund.lines
        ],
        "basis_minor": 0,
        "clawed_back": 0,
        "returned": 0,
        "written_off": 0,
        "occurred_at": refund.occurred_at,
        "recorded_at": work.at,
    }


def apply(work: Desk, row: Row, purchase: Row, refund: Return, *, is_new: bool = False) -> None:
    """
    Take back what the refund takes of the purchase, in memory: points, day sums, the purchase's own sums.

    `is_new` says that the purchase is recorded by this same command.
    """
    if purchase["status"] == "voided":
        raise RefundOfNothing("The purchase was voided; there is nothing to refund.")
    taken = refunding.take(purchase, amount_minor=refund.amount_minor, lines=refund.lines)
    person = work.people.get(purchase["id"])
    row |= {
        "status": "applied",
        "purchase_id": purchase["id"],
        "purchase_reference": row["purchase_reference"] or purchase["reference"],
        "amount_minor": taken.amount_minor,
        "basis_minor": taken.basis_minor,
        "clawed_back": taken.points,
    }
    after = {"refunded_minor": taken.refunded_minor, "refunded_lines": taken.refunded_lines}
    # Given back before points are taken back: a customer who gets points need not go into debt.
    row["returned"] = returns.give_back(
        work, purchase | after, when=refund.occurred_at, reference=refund.reference
    )
    if person is not None and taken.points:
        row["written_off"] = work.book.claw_back(
            work.account(person.membership_id),
            taken.points,
            purchase_id=purchase["id"],
            policy=work.plan.refund_policy,
            cause=Cause(
                occurred_at=refund.occurred_at,
                reference=refund.reference,
                purchase_id=purchase["id"],
                by=work.by,
                reason={
                    "code": "refund",
                    "amount_minor": taken.amount_minor,
                    "currency": purchase["currency"],
                    "purchase": purchase["reference"],
                },
            ),
        )
    purchase |= after | {
        "refunded_basis_minor": taken.refunded_basis_minor,
        "clawed_back": purchase["clawed_back"] + taken.points,
    }
    if not is_new:
        work.changed_purchases[purchase["id"]] = purchase
    if person is not None:
        _count(work, purchase, person, taken, refund.occurred_at, returned=row["returned"])


def _count(
    work: Desk, purchase: Row, person: Person, taken: refunding.Taken, when: datetime, *, returned: int
) -> None:
    """Book the refund on its own day, and take what qualified off the day of the sale."""
    one, plan = work.standings[person.membership_id], work.plan
    sale_day = plan.local(work.judged_at(purchase["occurred_at"])).date()
    one.count_day(plan.local(when).date(), purchase["currency"], refunds_minor=taken.merchandise_minor)
    one.count_day(
        sale_day,
        purchase["currency"],
        orders=-1 if taken.is_full else 0,
        spend_minor=-taken.basis_minor,
        points=-taken.qualifying,
    )
    work.note(
        "purchase.refunded",
        customer_id=person.customer_id,
        at=when,
        data={
            "purchase": public_ids.show("pur", purchase["id"]),
            "amount_minor": taken.amount_minor,
            "currency": purchase["currency"],
            "points": -taken.points,
            "returned": returned,
        },
    )


def apply_parked(work: Desk) -> None:
    """Apply the refunds that waited for purchases this command has just recorded; oldest first."""
    new = {row["id"]: row for row in work.purchases}
    for number, purchase_reference, reference, amount_minor, lines, occurred_at in work.parked:
        purchase = work.known.get(purchase_reference)
        if purchase is None or purchase["id"] not in new:
            continue
        when = db.time(occurred_at) or work.at
        refund = Return(
            reference=reference,
            occurred_at=when,
            purchase_reference=purchase_reference,
            amount_minor=amount_minor,
            lines=tuple(ReturnLine(**line) for line in db.loaded(lines)),
        )
        row: Row = {"id": number, "written_off": 0, "purchase_reference": purchase_reference}
        try:
            apply(work, row, purchase, refund, is_new=True)
        except DomainError:
            continue  # It stays parked and visible: more than was paid is for a person to look at.
        work.changed_refunds.append(row)


def _balance(work: Desk, purchase: Row) -> Row | None:
    person = work.people.get(purchase["id"])
    return work.balance(person.membership_id) if person else None


@db.command
def undo(
    *, merchant: Merchant, source: str, reference: str, at: datetime, by: str = ""
) -> RefundReceipt | None:
    """
    Give back what a refund took, because the refund itself failed or a dispute was won. Once; None when
    there is no such refund.
    """
    work = Desk(merchant=merchant, source=source, at=at, by=by)
    told = Refund.objects.filter(merchant=merchant, source=source, reference=reference)
    refund = told.select_for_update().first()
    if refund is None:
        return None
    if refund.purchase_id is None:
        told.update(status="undone")
        return RefundReceipt("created", refund_id=refund.pk, reference=reference)
    purchase = open_purchases(work, [refund.purchase_id])[refund.purchase_id]
    refund.refresh_from_db()
    if refund.status == "undone":
        return _receipt("replayed", refund)
    person = work.people.get(purchase["id"])
    given_back = refund.clawed_back - refund.written_off
    was_full = purchase["refunded_minor"] == purchase["amount_minor"]
    qualified = purchase["why"].get("qualifying", 0) * refund.clawed_back // (purchase["points_earned"] or 1)
    purchase |= {
        "refunded_minor": purchase["refunded_minor"] - (refund.amount_minor or 0),
        "refunded_basis_minor": purchase["refunded_basis_minor"] - refund.basis_minor,
        "clawed_back": purchase["clawed_back"] - refund.clawed_back,
    }
    work.changed_purchases[purchase["id"]] = purchase
    took = returns.take_again(work, purchase, reference=reference, at_most=refund.returned)
    if person is not None and given_back:
        ends = work.plan.expiry.ends(at, zone=work.plan.zone)
        cause = Cause(
            at, reference, purchase["id"], {"code": "refund_undone", "purchase": purchase["reference"]}, by
        )
        account = work.account(person.membership_id)
        work.book.earn(account, [Grant(given_back, expires_at=ends)], cause=cause, kind="return")
        account.lifetime_earned -= given_back
        one, day = work.standings[person.membership_id], work.plan.local(purchase["occurred_at"]).date()
        one.count_day(
            day,
            purchase["currency"],
            orders=1 if was_full else 0,
            spend_minor=refund.basis_minor,
            points=qualified,
        )
    work.changed_refunds.append({"id": refund.pk, "status": "undone"})
    if person is not None:
        work.note(
            "refund.undone",
            customer_id=person.customer_id,
            at=at,
            data={
                "purchase": public_ids.show("pur", purchase["id"]),
                "amount_minor": refund.amount_minor or 0,
                "currency": purchase["currency"],
                "points": given_back,
            },
        )
    desk.write(work)
    return RefundReceipt("created", refund_id=refund.pk, reference=reference, returned=given_back - took)
