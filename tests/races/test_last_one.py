"""Two tills at once at the shelf. Each race has a twin that removes the lock and shows what it is for."""

import time
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.db.models import F

from customers.identifiers import Given
from loyalty import expiry, holds, ledger, members
from rewards import catalogue, holding, redemptions
from rewards.catalogue import RewardOutOfStock
from rewards.models import Redemption, Reservation, Reward, Voucher
from tests.cast import NOON
from tests.races.test_double_tap import needs_rows_locks
from tests.rewards.conftest import fill, put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def people(cafe):
    """Eight customers with 100 points each."""
    found = [
        members.enroll(merchant=cafe, name=str(n), identifiers=[Given("card", f"9{n}")], at=NOON, by="test")
        for n in range(8)
    ]
    for number, customer in enumerate(found):
        fill(customer, 100, reference=f"F-{number}")
    return found


def redeem(customer, reward, reference):
    return redemptions.redeem(customer=customer, reward=reward, reference=reference, at=NOON, by="till")


def outcomes(said):
    return sorted(getattr(one, "status", type(one).__name__) for one in said)


def test_the_last_ones_are_had_by_so_many(people, program, at_once):
    cake = put_up(program, "cake", cost=10, stock=3)

    said = at_once(8, lambda n: redeem(people[n], cake, f"X-{n}"))

    assert outcomes(said) == ["RewardOutOfStock"] * 5 + ["created"] * 3
    cake.refresh_from_db()
    assert cake.stock == 0
    assert ledger.totals(merchant_id=cake.merchant_id)["active"] == 8 * 100 - 3 * 10
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_a_look_before_the_write_would_sell_the_last_one_twice(people, program, at_once, monkeypatch):
    """Proves that the test above can fail: looking and taking apart, both tills see the last one."""
    cake = put_up(program, "cake", cost=10, stock=1)

    def look_then_write(reward, **_):
        left = Reward.objects.values_list("stock", flat=True).get(pk=reward.pk)
        time.sleep(0.3)
        if not left:
            raise catalogue.out_of_stock(reward)
        Reward.objects.filter(pk=reward.pk).update(stock=F("stock") - 1)

    monkeypatch.setattr(catalogue, "take_one", look_then_write)
    said = at_once(2, lambda n: redeem(people[n], cake, f"X-{n}"))

    # Only the database's own check is left: it fails the second till instead of refusing it.
    assert sum(isinstance(one, IntegrityError) for one in said) == 1, said


def test_points_are_spent_once(people, program, at_once):
    espresso = put_up(program)

    said = at_once(8, lambda n: redeem(people[0], espresso, f"X-{n}"))

    assert outcomes(said) == ["NotEnoughPoints"] * 7 + ["created"]
    assert Voucher.objects.count() == 1
    assert list(ledger.differences()) == []


def test_the_same_redemption_from_eight_tills_is_one(people, program, at_once):
    espresso = put_up(program, cost=10)

    said = at_once(8, lambda n: redeem(people[0], espresso, "X"))

    assert outcomes(said) == ["created"] + ["replayed"] * 7
    assert len({one.code for one in said}) == 1
    assert Redemption.objects.count() == 1


def test_a_cap_of_the_day_holds_for_everybody_together(people, program, at_once):
    tea = put_up(program, "tea", cost=10, per_day=3)

    said = at_once(8, lambda n: redeem(people[n], tea, f"X-{n}"))

    assert outcomes(said) == ["RewardLimitReached"] * 5 + ["created"] * 3


@needs_rows_locks
def test_without_the_reward_as_lock_the_cap_of_the_day_is_overrun(people, program, at_once, monkeypatch):
    """Proves that the test above can fail: two accounts are two locks."""
    tea = put_up(program, "tea", cost=10, per_day=1)
    count = catalogue.times

    def slowly(*args, **kwargs):
        found = count(*args, **kwargs)
        time.sleep(0.3)
        return found

    monkeypatch.setattr(catalogue, "times", slowly)
    monkeypatch.setattr(type(Reward.objects.all()), "select_for_update", lambda rows, **_: rows)
    said = at_once(2, lambda n: redeem(people[n], tea, f"X-{n}"))

    assert outcomes(said) == ["created"] * 2
    assert connection.vendor == "postgresql"


def test_a_redemption_is_given_back_once(people, program, at_once):
    receipt = redeem(people[0], put_up(program, "cake", stock=5), "X")

    said = at_once(8, lambda n: redemptions.cancel(redemption=receipt.redemption, at=NOON))

    assert outcomes(said) == ["changed"] + ["replayed"] * 7
    assert ledger.totals(merchant_id=people[0].merchant_id)["active"] == 8 * 100
    assert Reward.objects.get(code="cake").stock == 5
    assert list(ledger.differences()) == []


def hold(customer, reward, reference):
    return holding.create(customer=customer, reward=reward, reference=reference, at=NOON, by="till")


def test_the_last_one_is_held_or_redeemed_once(people, program, at_once):
    cake = put_up(program, "cake", cost=10, stock=3)

    said = at_once(8, lambda n: (hold if n % 2 else redeem)(people[n], cake, f"X-{n}"))

    assert outcomes(said) == ["RewardOutOfStock"] * 5 + ["created"] * 3
    cake.refresh_from_db()
    assert cake.stock == 0
    kept = Reservation.objects.filter(status="held").count() + Redemption.objects.count()
    assert kept == 3
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_a_look_before_the_write_would_hold_the_last_one_twice(people, program, at_once, monkeypatch):
    """Proves that the test above can fail: looking and taking apart, both tills hold the last one."""
    cake = put_up(program, "cake", cost=10, stock=1)

    def look_then_write(reward, **_):
        left = Reward.objects.values_list("stock", flat=True).get(pk=reward.pk)
        time.sleep(0.3)
        if not left:
            raise catalogue.out_of_stock(reward)
        Reward.objects.filter(pk=reward.pk).update(stock=0)

    monkeypatch.setattr(catalogue, "take_one", look_then_write)
    said = at_once(2, lambda n: hold(people[n], cake, f"X-{n}"))

    assert outcomes(said) == ["created"] * 2
    assert Reservation.objects.filter(status="held").count() == 2


def test_the_piece_of_an_ended_hold_goes_to_one(cafe, people, program, at_once):
    """Its own late capture, a sweep, and six other tills: one of them has it."""
    cake = put_up(program, "cake", cost=10, stock=1)
    made = hold(people[0], cake, "H")
    later = NOON + timedelta(minutes=40)

    def act(n):
        if n == 0:
            return holds.capture(merchant=cafe, hold_id=made.hold.id, at=later)
        if n == 1:
            return expiry.run(at=later)
        return redemptions.redeem(customer=people[n], reward=cake, reference=f"X-{n}", at=later)

    said = at_once(8, act)

    assert Redemption.objects.count() == 1, said
    expiry.run(at=later)
    cake.refresh_from_db()
    assert cake.stock == 0
    assert sum(isinstance(one, RewardOutOfStock) for one in said) == 6
    assert list(ledger.differences()) == []


def test_a_held_reward_is_captured_or_cancelled_once(cafe, people, program, at_once):
    cake = put_up(program, "cake", cost=10, stock=1)
    made = hold(people[0], cake, "H")

    said = at_once(
        8,
        lambda n: (holds.capture if n % 2 else holds.cancel)(merchant=cafe, hold_id=made.hold.id, at=NOON),
    )

    cake.refresh_from_db()
    assert Redemption.objects.count() + cake.stock == 1
    assert outcomes(said).count("changed") == 1
    assert list(ledger.differences()) == []
