"""Two tills at once. Each race has a twin that removes the lock and shows what the lock is for."""

import time

import pytest
from django.db import IntegrityError, connection, transaction

from customers.identifiers import Given
from lib.errors import ReferenceReused
from loyalty import adjustments, desk, ledger, members, purchases
from loyalty.ledger import NotEnoughPoints, rows
from loyalty.models import Purchase
from tests.cast import NOON

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]
needs_rows_locks = pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite has one writer at a time: there is no race to lose"
)


def take(customer, points, n):
    return adjustments.adjust(
        customer=customer, points=-points, reason="spent", reference=f"V-{n}", by="till", at=NOON
    )


def test_the_same_sale_from_eight_tills_awards_once(cafe, ana, sale, at_once):
    same = sale(50_00, reference="R-1")

    said = at_once(8, lambda n: purchases.record(merchant=cafe, sale=same, at=NOON).status)

    assert sorted(said) == ["created"] + ["replayed"] * 7
    assert Purchase.objects.count() == 1
    assert list(ledger.differences()) == []


def test_one_reference_for_two_customers_belongs_to_one(cafe, ana, sale, at_once):
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=NOON, by="test")
    whose = [sale(50_00, reference="R-1"), sale(50_00, reference="R-1", customer_id=eva.pk)]

    said = at_once(2, lambda n: purchases.record(merchant=cafe, sale=whose[n], at=NOON))

    assert sum(isinstance(answer, ReferenceReused) for answer in said) == 1
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 50


def test_a_balance_is_spent_once(cafe, ana, sale, at_once):
    purchases.record(merchant=cafe, sale=sale(50_00), at=NOON)

    said = at_once(8, lambda n: take(ana, 50, n))

    assert sum(isinstance(answer, NotEnoughPoints) for answer in said) == 7
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 0
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_without_the_lock_only_the_constraints_are_left(cafe, ana, sale, at_once, monkeypatch):
    """Proves that the test above can fail: unlocked, a second till gets past the balance check."""
    purchases.record(merchant=cafe, sale=sale(50_00), at=NOON)

    def unlocked(alias, **_):
        return ""

    read = rows.open_book

    def slowly(locked, *, at):
        book = read(locked, at=at)
        time.sleep(0.3)
        return book

    monkeypatch.setattr("lib.db.for_update", unlocked)
    monkeypatch.setattr(ledger, "open_book", slowly)
    said = at_once(2, lambda n: take(ana, 50, n))

    assert sum(isinstance(answer, IntegrityError) for answer in said) == 1, said
    assert connection.vendor == "postgresql"


def test_batches_over_the_same_customers_in_other_orders_do_not_lock_each_other_out(cafe, noon, at_once):
    people = [
        members.enroll(merchant=cafe, name=str(n), identifiers=[Given("card", f"9{n}")], at=noon, by="test")
        for n in range(6)
    ]

    def batch(n):
        order = people if n % 2 else people[::-1]
        return purchases.record_all(
            merchant=cafe,
            sales=[
                purchases.Sale(
                    reference=f"B{n}-{person.pk}",
                    currency="EUR",
                    amount_minor=1000,
                    occurred_at=noon,
                    customer_id=person.pk,
                )
                for person in order
            ],
            at=noon,
        )

    said = at_once(6, batch)

    assert all({receipt.status for receipt in answer} == {"created"} for answer in said), said
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 6 * 6 * 10
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_a_long_batch_does_not_wait_for_one_busy_account_before_its_others(cafe, noon, at_once, monkeypatch):
    people = [
        members.enroll(merchant=cafe, name=str(n), identifiers=[Given("card", f"8{n}")], at=noon, by="test")
        for n in range(60)
    ]
    passes = []
    write = desk.write
    monkeypatch.setattr(
        desk, "write", lambda work, **how: passes.append(len(work.purchases)) or write(work, **how)
    )

    def till(n):
        if n == 0:
            with transaction.atomic():
                rows.lock(
                    merchant_id=cafe.pk, memberships=[members.membership(customer=people[7]).pk], at=noon
                )
                time.sleep(0.8)
            return None
        time.sleep(0.3)
        sold = [
            purchases.Sale(f"L-{person.pk}-{k}", "EUR", 1000, noon, customer_id=person.pk)
            for k in range(2)
            for person in people
        ]
        return purchases.record_all(merchant=cafe, sales=sold, at=noon)

    _, receipts = at_once(2, till)

    assert {receipt.status for receipt in receipts} == {"created"}
    assert [receipt.row["reference"] for receipt in receipts] == [
        f"L-{person.pk}-{k}" for k in range(2) for person in people
    ]
    assert passes == [118, 2]
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 120 * 10
    assert list(ledger.differences()) == []
