"""Merges and tills at once. Each race has a twin that removes the lock and shows what the lock is for."""

import threading

import pytest
from django.db import connection

from customers.identifiers import Given
from customers.models import Customer
from loyalty import balances, ledger, lookup, members, merges, purchases
from loyalty.ledger import rows
from loyalty.models import Membership
from loyalty.models.ledger import Account
from loyalty.sale import Sale
from tests.cast import NOON

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]
needs_rows_locks = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer at a time: there is no race to lose"
)


@pytest.fixture
def eva(cafe):
    return members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=NOON, by="test")


def join(source, target):
    return merges.merge(source=source, target=target, reason="one person", at=NOON, by="owner")


def sell(cafe, n):
    sale = Sale(f"R-{n}", "EUR", 10_00, NOON, identifier=Given("card", "77"))
    return purchases.record(merchant=cafe, sale=sale, at=NOON)


def points(customer):
    return Account.objects.get(membership__customer=customer).active


def test_tills_that_sell_to_the_source_of_a_merge_lose_nothing(cafe, ana, eva, at_once):
    def act(n):
        return join(eva, ana).status if n == 3 else sell(cafe, n).status

    said = at_once(8, act)

    assert said == ["created"] * 8
    assert (points(ana), points(eva)) == (70, 0)
    assert list(ledger.differences()) == []


@pytest.fixture
def looked_up_before(cafe, ana, eva, monkeypatch, at_once):
    """A till that has looked Eva up, waits until she is merged, and only then locks her account."""
    looked, merged = threading.Event(), threading.Event()
    people = lookup.people

    def slowly(**said):
        found = people(**said)
        if not looked.is_set():
            looked.set()
            merged.wait(10)
        return found

    def race():
        monkeypatch.setattr(lookup, "people", slowly)

        def act(n):
            if n == 0:
                return sell(cafe, 1).status
            looked.wait(10)
            try:
                return join(eva, ana).status
            finally:
                merged.set()

        return at_once(2, act)

    return race


@needs_rows_locks
def test_a_till_that_looked_the_source_up_before_the_merge_finds_the_target(ana, eva, looked_up_before):
    assert looked_up_before() == ["created", "created"]

    assert (points(ana), points(eva)) == (10, 0)
    assert Membership.objects.count() == 2


@needs_rows_locks
def test_without_the_mark_on_the_account_its_points_stay_behind(ana, eva, looked_up_before, monkeypatch):
    """Proves that the test above can fail."""
    read = rows.open_book
    monkeypatch.setattr(
        ledger, "open_book", lambda locked, *, at, merged=False: read(locked, at=at, merged=True)
    )

    assert looked_up_before() == ["created", "created"]

    assert (points(ana), points(eva)) == (0, 10)
    assert balances.balance(merchant=ana.merchant, customer_id=eva.pk, at=NOON)["active"] == 0


def test_two_merges_that_cross_leave_one_target(cafe, ana, eva, at_once):
    sell(cafe, 1)
    pairs = [(eva, ana), (ana, eva)]

    said = at_once(2, lambda n: join(*pairs[n]))

    assert sum(isinstance(answer, merges.AlreadyMerged) for answer in said) == 1, said
    assert sorted(Customer.objects.values_list("status", flat=True)) == ["active", "merged"]
    assert points(ana) + points(eva) == 10
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_without_the_lock_two_that_cross_are_both_gone(cafe, ana, eva, at_once, monkeypatch):
    """Proves that the test above can fail: unlocked, each becomes the other's alias, and nobody is left."""
    line = threading.Barrier(2)
    admit = merges._admit

    def together(source, target):
        admit(source, target)
        line.wait(10)

    def unlocked(source, target):
        found = Customer.objects.select_related("merchant").in_bulk([source.pk, target.pk])
        return found[source.pk], found[target.pk]

    monkeypatch.setattr(merges, "_admit", together)
    monkeypatch.setattr(merges, "_lock", unlocked)
    monkeypatch.setattr("lib.db.for_update", lambda alias, **_: "")
    pairs = [(eva, ana), (ana, eva)]

    at_once(2, lambda n: join(*pairs[n]))

    assert list(Customer.objects.values_list("status", flat=True)) == ["merged", "merged"]


def test_a_merge_told_from_eight_doors_is_one(cafe, ana, eva, at_once):
    sell(cafe, 1)

    said = at_once(8, lambda n: join(eva, ana).status)

    assert sorted(said) == ["created"] + ["replayed"] * 7
    assert points(ana) == 10
    assert list(ledger.differences()) == []
