"""
What the facts of messages mean here: sales become purchases, people customers, refunds give points back.

A batch is posted with as few commands as there are kinds of facts. Every command is repeatable by its
reference, so that posting a message twice, or half of a batch again, changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from connectors import connections, numbers, people
from connectors.batch import DONE, IGNORED, Batch, Inbound, Outcome
from connectors.models import Connection
from connectors.numbers import Family
from connectors.sources.base import (
    Fact,
    Happened,
    Left,
    Linked,
    Met,
    RefundedInAll,
    Returned,
    ReturnUndone,
    Sold,
    Source,
    Unread,
    Unreadable,
    Voided,
)
from customers import touchpoints
from customers.touchpoints import Told
from lib import db
from loyalty import matching, parking, purchases, refunds, voids
from loyalty.purchases import Line, Sale, Tender
from loyalty.refunds import Return, ReturnLine
from merchants.models import Store

# What is said about a sale that is on file is not compared with it: another message knew more, or less.
NOTHING_COMPARED: frozenset[str] = frozenset()


def post(*, connection: Connection, source: Source, events: Sequence[Inbound], at: datetime) -> list[Outcome]:
    """Read the messages and do what they say; return what became of each, in order."""
    batch = Batch(connection, at)
    options = connections.read_options(source, connection.options)
    for place, event in enumerate(events):
        facts, outcome = _read(source, event, options=options, is_sandbox=connection.merchant.is_test)
        batch.facts += [(place, fact) for fact in facts]
        batch.outcomes.append(outcome)
    if batch.facts:
        _look_up(batch)
        _meet(batch)
        _sell(batch)
        _give_back(batch)
        _note(batch)
        _check(batch)
    return batch.outcomes


def _read(source: Source, event: Inbound, *, options: Any, is_sandbox: bool) -> tuple[list[Fact], Outcome]:
    if not event.body:
        return [], Outcome("ignored", "Its body was emptied.")
    body = orjson.loads(event.body)
    if "\\u0000" in event.body:
        body = _without_nul(body)
    try:
        facts = source.read(event=body, occurred_at=event.occurred_at, options=options, is_sandbox=is_sandbox)
    except Unreadable as error:
        return [], Outcome.attention(str(error))
    return facts, DONE if facts else IGNORED


def _without_nul(value: Any) -> Any:
    """JSON may hold the character 0, which no database text can."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_without_nul(one) for one in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(one) for name, one in value.items()}
    return value


# --- what is known before ---------------------------------------------------------------------------------


def _look_up(batch: Batch) -> None:
    """Remember new links, then find the families of all numbers and the customers of all people."""
    links = [fact.ids for _, fact in batch.of(Linked) if len(fact.ids) > 1]
    if links:
        numbers.link(merchant_id=batch.merchant.pk, connection_id=batch.connection.pk, families=links)
    named = [
        fact.ids
        for _, fact in batch.facts
        if isinstance(fact, Sold | Returned | Linked | Voided | RefundedInAll | Happened) and fact.ids
    ]
    # Sales alone, each with its own numbers, are looked up by the command that records them.
    if links or len(batch.of(Sold)) != len(named) or _has_links(batch):
        batch.families = numbers.families(
            merchant_id=batch.merchant.pk,
            connection_id=batch.connection.pk,
            source=batch.source,
            ids=dict.fromkeys(name for ids in named for name in ids),
        )
    whos = [fact.who for _, fact in batch.facts if isinstance(fact, Sold | Happened)]
    met = [fact for _, fact in batch.of(Met)]
    batch.known = people.find(connection=batch.connection, whos=whos, met=met, at=batch.at)
    people.remember(connection=batch.connection, known=batch.known, at=batch.at)


def _has_links(batch: Batch) -> bool:
    answer = db.ask(
        "SELECT 1 FROM connectors_salelink WHERE merchant_id = %s AND connection_id = %s LIMIT 1",
        [batch.merchant.pk, batch.connection.pk],
    )
    return answer.one is not None


def _meet(batch: Batch) -> None:
    for _, met in batch.of(Met):
        customer_id = batch.known.get(met.who)
        if customer_id is not None:
            people.meet(connection=batch.connection, met=met, customer_id=customer_id, at=batch.at)
    for _, left in batch.of(Left):
        people.part(connection=batch.connection, left=left)
    for place, unread in batch.of(Unread):
        batch.settle(place, Outcome.attention(unread.reason))


# --- sales ------------------------------------------------------------------------------------------------


def _sell(batch: Batch) -> None:
    """Record all sales at once; links of a sale on file travel along: its other numbers find it too."""
    told: list[tuple[int, Sale]] = []
    stores = _stores(batch)
    for place, sold in batch.of(Sold):
        sale = _sale(batch, sold, stores)
        if sale is None:
            batch.settle(place, Outcome("ignored", "It names nobody, so nobody can have the points."))
        elif sold.store and not sale.store_id:
            batch.settle(place, Outcome.attention(f"There is no store {sold.store!r}: add it first."))
        else:
            told.append((place, sale))
    for place, linked in batch.of(Linked):
        family = batch.family(linked.ids)
        if family.purchase is not None and family.unfiled:
            told.append((place, _alias(batch, family)))
    if not told:
        return
    receipts = purchases.record_all(
        merchant=batch.merchant,
        sales=[sale for _, sale in told],
        source=batch.source,
        at=batch.at,
        by=batch.connection.public_id,
        balances=False,
    )
    for (place, sale), receipt in zip(told, receipts, strict=True):
        if receipt.error is not None:
            batch.refuse(place, receipt.error)
        elif receipt.status == "unmatched" and sale.customer_id is not None:
            _match(batch, receipt.purchase_id, sale.customer_id)
    _unpark(batch)


def _stores(batch: Batch) -> dict[str, int]:
    """Return the stores of this batch by their code."""
    codes = {sold.store for _, sold in batch.of(Sold) if sold.store}
    if not codes:
        return {}
    return dict(Store.objects.filter(merchant=batch.merchant, code__in=codes).values_list("code", "pk"))


def _sale(batch: Batch, sold: Sold, stores: Mapping[str, int]) -> Sale | None:
    """Return the sale; None when it names nobody."""
    customer_id = batch.known.get(sold.who)
    country = batch.merchant.country
    waits_under = None if customer_id else people.waits_under(sold.who, country=country)
    family = batch.family(sold.ids)
    if customer_id is None and waits_under is None and family.purchase is None:
        return None
    store = batch.connection.store
    others = [name for name in (*sold.ids, *sorted(family.ids)) if name != sold.ids[0]]
    return Sale(
        reference=sold.ids[0],
        currency=sold.currency,
        amount_minor=sold.amount_minor,
        occurred_at=sold.occurred_at,
        customer_id=customer_id,
        identifier=waits_under,
        lines=tuple(
            Line(
                one.id,
                one.amount_minor,
                one.kind,
                one.quantity,
                one.sku,
                one.name,
                one.category,
                one.tax_minor,
            )
            for one in sold.items
        ),
        tenders=tuple(Tender(one.kind, one.amount_minor, one.ref) for one in sold.payments),
        tax_minor=sold.tax_minor,
        store_id=stores.get(sold.store) if sold.store else store.pk if store else None,
        store=sold.store or (store.code if store else ""),
        till=sold.till,
        staff_ref=sold.staff_ref,
        channel=sold.channel,
        basket=sold.basket,
        aliases=tuple(dict.fromkeys(others)),
        sent=sold.sent,
    )


def _alias(batch: Batch, family: Family) -> Sale:
    """Return a repeat of the sale on file that says nothing but its other numbers."""
    filed = family.purchase
    assert filed is not None
    name = min(filed.names)
    return Sale(
        name, batch.merchant.currency, 0, batch.at, aliases=tuple(family.unfiled), sent=NOTHING_COMPARED
    )


def _unpark(batch: Batch) -> None:
    """Numbers that a sale got just now may be those that its refunds wait for."""
    new = [name for _, linked in batch.of(Linked) for name in batch.family(linked.ids).unfiled]
    if new:
        parking.unpark(
            merchant=batch.merchant,
            source=batch.source,
            references=new,
            at=batch.at,
            by=batch.connection.public_id,
        )


def _match(batch: Batch, purchase_id: int, customer_id: int) -> None:
    """A later message of the same sale knows whose it is."""
    matching.match_some(
        merchant=batch.merchant,
        purchase_ids=[purchase_id],
        customer_id=customer_id,
        at=batch.at,
        by=batch.connection.public_id,
    )


# --- what goes back ---------------------------------------------------------------------------------------


def _give_back(batch: Batch) -> None:
    told = [(place, _return(batch, fact)) for place, fact in batch.of(Returned)]
    if told:
        receipts = refunds.record_all(
            merchant=batch.merchant,
            refunds=[refund for _, refund in told],
            source=batch.source,
            at=batch.at,
            by=batch.connection.public_id,
        )
        for (place, _), receipt in zip(told, receipts, strict=True):
            if receipt.error is not None:
                batch.refuse(place, receipt.error)
    for place, undone in batch.of(ReturnUndone):
        given_back = refunds.undo(
            merchant=batch.merchant,
            source=batch.source,
            reference=undone.reference,
            at=batch.at,
            by=batch.connection.public_id,
        )
        if given_back is None:
            # It may have come before what it undoes; if that never comes, nothing was taken either.
            batch.settle(place, Outcome.again("Waiting for the refund that it undoes.", may_end=True))
    for _, voided in batch.of(Voided):
        filed = batch.family(voided.ids).purchase
        if filed is not None:
            _void(batch, filed.id, reference=voided.reference)


def _return(batch: Batch, fact: Returned) -> Return:
    filed = batch.family(fact.ids).purchase
    return Return(
        reference=fact.reference,
        occurred_at=fact.occurred_at,
        purchase_id=filed.id if filed else None,
        purchase_reference=fact.ids[0],
        amount_minor=fact.amount_minor,
        lines=tuple(ReturnLine(*item) for item in fact.items),
        sent=fact.sent,
    )


def _void(batch: Batch, purchase_id: int, *, reference: str) -> None:
    voids.void(
        merchant=batch.merchant,
        purchase_id=purchase_id,
        reference=reference,
        source=batch.source,
        at=batch.at,
        by=batch.connection.public_id,
    )


# --- the diary, and looking back --------------------------------------------------------------------------


def _note(batch: Batch) -> None:
    told: list[tuple[int, Told]] = []
    for place, fact in batch.of(Happened):
        filed = batch.family(fact.ids).purchase if fact.ids else None
        customer_id = batch.known.get(fact.who) or (filed.customer_id if filed else None)
        if customer_id is not None or fact.anonymous_id:
            told.append((place, _told(fact, customer_id)))
        elif fact.ids and filed is None:
            batch.settle(place, Outcome.again("Waiting for the sale that it is about.", may_end=True))
        else:
            batch.settle(place, Outcome("ignored", "It names nobody who is known here."))
    if not told:
        return
    answers = touchpoints.record_all(merchant=batch.merchant, told=[one for _, one in told], at=batch.at)
    for (place, _), answer in zip(told, answers, strict=True):
        if answer.error is not None:
            batch.refuse(place, answer.error)


def _told(fact: Happened, customer_id: int | None) -> Told:
    return Told(
        kind=fact.kind,
        occurred_at=fact.occurred_at,
        channel=fact.channel,
        customer_id=customer_id,
        anonymous_id=fact.anonymous_id,
        reference=fact.reference,
        data=fact.data,
    )


def _check(batch: Batch) -> None:
    """Look at what is on file now: one sale filed twice is voided once, a missing refund is shown."""
    claims = batch.of(RefundedInAll)
    doubled = [family for family in batch.families.values() if len(family.filed) > 1]
    if not claims and not doubled:
        return
    fresh = numbers.families(
        merchant_id=batch.merchant.pk,
        connection_id=batch.connection.pk,
        source=batch.source,
        ids=dict.fromkeys(
            [name for _, claim in claims for name in claim.ids] + [min(family.ids) for family in doubled]
        ),
    )
    for family in fresh.values():
        _void_doubles(batch, family)
    for place, claim in claims:
        filed = fresh[claim.ids[0]].purchase
        if filed is not None and filed.refunded_minor < claim.amount_minor:
            batch.settle(
                place,
                Outcome.attention(
                    f"Of {claim.amount_minor} refunded in all (minor units), only {filed.refunded_minor} "
                    "came as refunds. Let the webhook endpoint send refund.created too; for this one, "
                    "record the rest by hand."
                ),
            )


def _void_doubles(batch: Batch, family: Family) -> None:
    """Two messages of one sale were filed before anything linked them: the later one never was."""
    good = [one for one in family.filed.values() if one.status != "voided"]
    # The one that has refunds stays: they were told once and must keep counting.
    good.sort(key=lambda one: (one.refunded_minor == 0, one.id))
    for double in good[1:]:
        _void(batch, double.id, reference=f"double:{min(double.names)}")
        double.status = "voided"
