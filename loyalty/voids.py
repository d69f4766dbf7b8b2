"""A sale undone as if it had not been, and points that waited for a release."""

from datetime import datetime
from typing import Any

from lib import db, public_ids
from lib.errors import NotFound
from loyalty import desk, known, lookup, returns
from loyalty.desk import Desk, Row
from loyalty.ledger import Cause
from loyalty.models import Purchase, Reference
from loyalty.receipts import Receipt
from merchants.models import Merchant


@db.command
def void(
    *, merchant: Merchant, purchase_id: int, reference: str, at: datetime, by: str = "", source: str = "api"
) -> Receipt:
    """
    Undo a sale: every point it still counts for is taken back, its day and its visit are uncounted.

    Voiding a voided purchase again answers the same.

    :raises NotFound: there is no such purchase here
    """
    work = Desk(merchant=merchant, source=source, at=at, by=by)
    row, person = _open(work, purchase_id)
    if row["status"] != "voided":
        returns.give_back(work, row | {"status": "voided"}, when=at, reference=reference)
        if person is not None:
            _take_back(work, row, person, reference)
        row |= {"status": "voided", "waits_for": "", "clawed_back": row["points_earned"]}
        work.changed_purchases[row["id"]] = row
        if not Reference.objects.filter(
            merchant_id=merchant.pk, source=source, kind="void", reference=reference
        ).exists():
            work.references.append(
                known.reference_row(
                    merchant_id=merchant.pk,
                    source=source,
                    kind="void",
                    reference=reference,
                    target_id=row["id"],
                    at=at,
                )
            )
    return _close(work, row, person)


def _take_back(work: Desk, row: Row, person: lookup.Person, reference: str) -> None:
    account, one = work.account(person.membership_id), work.standings[person.membership_id]
    left = row["points_earned"] - row["clawed_back"]
    if left:
        work.book.claw_back(
            account,
            left,
            purchase_id=row["id"],
            policy=work.plan.refund_policy,
            cause=Cause(
                work.at, reference, row["id"], {"code": "void", "purchase": row["reference"]}, work.by
            ),
        )
    was_full = row["refunded_minor"] == row["amount_minor"] > 0
    qualifying = row["why"].get("qualifying", 0)
    earned = row["points_earned"] or 1
    account.purchases = max(0, account.purchases - 1)
    account.is_changed = True
    one.count_day(
        work.plan.local(row["occurred_at"]).date(),
        row["currency"],
        orders=0 if was_full else -1,
        revenue_minor=-row["merchandise_minor"],
        spend_minor=row["refunded_basis_minor"] - row["basis_minor"],
        points=qualifying * row["clawed_back"] // earned - qualifying,
    )
    data = {"purchase": public_ids.show("pur", row["id"]), "points": -left}
    work.note("purchase.voided", customer_id=person.customer_id, at=work.at, data=data)


@db.command
def release(*, merchant: Merchant, purchase_id: int, at: datetime, by: str = "") -> Receipt:
    """
    Make the points of a sale that wait (for a release or a date) usable now. Repeating changes nothing.

    :raises NotFound: there is no such purchase here
    """
    work = Desk(merchant=merchant, source="release", at=at, by=by)
    row, person = _open(work, purchase_id)
    if person is not None:
        account = work.account(person.membership_id)
        for lot in account.lots or ():
            if lot.purchase_id == row["id"] and lot.state == "pending":
                lot.expires_at = work.plan.expiry.ends(at, zone=work.plan.zone)
                work.book.activate(account, lot, at=at, by=by)
                row |= {"points_pending": 0, "activates_at": at}
                work.changed_purchases[row["id"]] = row
        work.book.refresh_due(account)
    return _close(work, row, person)


def _open(work: Desk, purchase_id: int) -> tuple[Row, lookup.Person | None]:
    owner = Purchase.objects.filter(merchant=work.merchant, pk=purchase_id).values_list(
        "customer_id", "program_id", "tenders"
    )
    found = owner.first()
    if found is None:
        raise NotFound("There is no such purchase.")
    work.program_id = found[1]
    person = None
    if found[0] is not None:
        person = lookup.people(merchant=work.merchant, plan=work.plan, asked=[(found[0], None)], at=work.at)[
            0
        ]
    looks = [(one, work.at) for one in {person, *returns.who_paid(work, [found[2]])} if one]
    rows = desk.gather(work, looks=looks, purchases=[purchase_id], lots=True)
    return rows[purchase_id], person


def _close(work: Desk, row: dict[str, Any], person: lookup.Person | None) -> Receipt:
    balance = work.balance(person.membership_id) if person else None
    desk.write(work)
    tier = work.standings[person.membership_id].tier if person else ""
    return Receipt("created", row, balance=balance, tier=tier)
