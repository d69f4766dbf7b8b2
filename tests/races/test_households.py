"""A pool that several spend, fill and leave at once. The twin shows what the lock is for."""

from threading import Barrier

import pytest
from django.db import IntegrityError

from customers.identifiers import Given
from loyalty import adjustments, households, ledger, members, transfers
from loyalty.ledger import NotEnoughPoints, rows
from loyalty.models import HouseholdMember, Program
from rewards import redemptions
from rewards.models import Redemption
from tests.cast import NOON
from tests.faults.killing import at_every_statement
from tests.races.test_last_one import outcomes
from tests.races.test_merges import needs_rows_locks
from tests.rewards.conftest import put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def family(cafe, program):
    """Eight members of one household, each with 100 points of their own; the pool is empty."""
    Program.objects.filter(pk=program.pk).update(extras={"transfers": {"household": True, "take_out": True}})
    found = [
        members.enroll(merchant=cafe, name=str(n), identifiers=[Given("card", f"9{n}")], at=NOON, by="test")
        for n in range(8)
    ]
    home = households.create(
        customer=found[0], name="", reference="HH", at=NOON, by="till", agreed="till"
    ).household
    for n, one in enumerate(found):
        adjustments.adjust(customer=one, points=100, reason="x", reference=f"A-{n}", by="test", at=NOON)
        households.accept(household=home, customer=one, at=NOON, by="till", agreed="till")
    return found


@pytest.fixture
def home(family):
    return households.of(customer=family[0]).household


def move(source, target, points, reference):
    return transfers.transfer(
        source=source, target=target, points=points, reference=reference, by="till", at=NOON
    )


def pool(home):
    return households.read(household=home, at=NOON).points


def test_what_eight_put_in_at_once_is_in_it(family, home, at_once):
    said = at_once(8, lambda n: move(family[n], home.holder, 30, f"T-{n}"))

    assert outcomes(said) == ["created"] * 8
    assert pool(home) == 240
    assert list(ledger.differences()) == []


def test_the_pool_is_spent_once(family, home, program, at_once):
    cake = put_up(program, "cake", cost=100)
    move(family[0], home.holder, 100, "T")

    said = at_once(
        8,
        lambda n: redemptions.redeem(
            customer=family[n], reward=cake, reference=f"X-{n}", at=NOON, pool=home.holder
        ),
    )

    assert outcomes(said) == ["NotEnoughPoints"] * 7 + ["created"]
    assert pool(home) == 0
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_without_the_lock_two_would_spend_it(family, home, at_once, monkeypatch):
    """Proves that the test above can fail: unlocked, both see the points, and only the numbers of entries differ."""
    move(family[0], home.holder, 100, "T")
    read, both = rows.open_book, Barrier(2)

    def slowly(locked, *, at):
        book = read(locked, at=at)
        both.wait(30)
        return book

    monkeypatch.setattr("lib.db.for_update", lambda alias, **_: "")
    monkeypatch.setattr(ledger, "open_book", slowly)
    said = at_once(2, lambda n: move(home.holder, family[n], 100, f"T-{n}"))

    assert not any(isinstance(one, NotEnoughPoints) for one in said)
    assert sum(isinstance(one, IntegrityError) for one in said) == 1, said


def test_points_and_places_add_up_when_all_leave_while_points_move(family, home, at_once):
    move(family[0], home.holder, 100, "T")

    def act(n):
        if n % 2:
            return households.leave(household=home, customer=family[n], at=NOON, by="till")
        return move(home.holder, family[n], 40, f"T-{n}")

    at_once(8, act)

    assert HouseholdMember.objects.filter(left_at=None).count() == 4
    assert ledger.totals(merchant_id=home.merchant_id)["active"] == 800
    assert list(ledger.differences()) == []


def test_a_customer_enters_one_of_two_households_at_once(cafe, family, at_once):
    eva, *others = [
        members.enroll(merchant=cafe, identifiers=[Given("card", f"8{n}")], at=NOON, by="test")
        for n in range(3)
    ]
    homes = [
        households.create(
            customer=one, name="", reference=f"HH-{n}", at=NOON, by="till", agreed="till"
        ).household
        for n, one in enumerate(others)
    ]

    said = at_once(
        8,
        lambda n: households.accept(household=homes[n % 2], customer=eva, at=NOON, by="till", agreed="till"),
    )

    assert outcomes(said).count("changed") == 1
    assert HouseholdMember.objects.filter(customer=eva, left_at=None).count() == 1


def test_killed_at_any_statement_a_redemption_from_the_pool_is_all_or_nothing(family, home, program):
    cake = put_up(program, "cake", cost=60, stock=1)
    move(family[0], home.holder, 100, "T")

    def redeem():
        return redemptions.redeem(customer=family[1], reward=cake, reference="X", at=NOON, pool=home.holder)

    def check():
        made = Redemption.objects.count()
        cake.refresh_from_db()
        assert (pool(home), cake.stock) == (100 - 60 * made, 1 - made)
        assert list(ledger.differences()) == []

    assert at_every_statement(redeem, check=check) > 7
    assert redeem().status == "replayed"
