"""Two tills with one voucher, sixteen customers at one pool, two charges of one card; each with its unlocked twin."""

import time

import pytest
from django.db import IntegrityError, connection

from lib import db
from loyalty import known
from rewards import bearers, gift_cards, pools, vouchers
from rewards.bearers import AlreadyIssued
from rewards.gift_cards import InsufficientBalance
from rewards.models import CodePool, GiftCard, GiftCardEntry, PoolCode, Voucher, VoucherUse
from rewards.pools import PoolEmpty
from rewards.vouchers import VoucherRedeemed
from tests.races.test_double_tap import needs_rows_locks

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def code(cafe, ana, noon):
    return db.command(vouchers.issue)(
        merchant=cafe, name="Coffee", worth={}, at=noon, by="t", origin="perk", reference="P", customer=ana
    ).code


@pytest.fixture
def unlocked(monkeypatch):
    """No row is locked, and everybody takes a while between reading and writing."""

    def no_lock(alias, **_):
        return ""

    remember = known.remember

    def slowly(rows):
        time.sleep(0.3)
        return remember(rows)

    monkeypatch.setattr("lib.db.for_update", no_lock)
    monkeypatch.setattr(known, "remember", slowly)


def take(cafe, code, noon, reference):
    return vouchers.redeem(merchant=cafe, code=code, reference=reference, at=noon, by="till")


def test_of_two_tills_with_one_voucher_one_gets_it(cafe, code, noon, at_once):
    said = at_once(8, lambda n: take(cafe, code, noon, f"U-{n}"))

    assert sum(isinstance(answer, VoucherRedeemed) for answer in said) == 7, said
    assert (Voucher.objects.get().used, VoucherUse.objects.count()) == (1, 1)


def test_one_use_told_by_two_tills_at_once_is_one(cafe, code, noon, at_once):
    said = at_once(6, lambda n: take(cafe, code, noon, "U").status)

    assert sorted(said) == ["created"] + ["replayed"] * 5
    assert VoucherUse.objects.count() == 1


@needs_rows_locks
def test_without_the_lock_two_tills_use_it_both(cafe, code, noon, at_once, unlocked):
    """Proves that the first test can fail: both pass the check, and the voucher counts one use of two."""
    said = at_once(2, lambda n: take(cafe, code, noon, f"U-{n}").status)

    assert said == ["created", "created"]
    assert (Voucher.objects.get().used, VoucherUse.objects.count()) == (1, 2)


def test_a_use_and_its_rollback_by_two_tills_leave_one_row_each(cafe, code, noon, at_once):
    take(cafe, code, noon, "U")

    said = at_once(
        4,
        lambda n: vouchers.rollback(merchant=cafe, code=code, reference="U", at=noon, by="till").status,
    )

    assert sorted(said) == ["created"] + ["replayed"] * 3
    assert Voucher.objects.get().used == 0


@pytest.fixture
def pool(cafe, noon):
    made = CodePool.objects.create(merchant=cafe, code="cinema", name="Cinema")
    pools.upload(pool=made, given=[f"code-{n}" for n in range(200)], at=noon)
    return made


def hand_out(pool, ana, noon, reference):
    return db.command(pools.hand_out)(
        pool=pool, name="Cinema", worth={}, reference=reference, customer=ana, at=noon, by="t"
    ).code


def test_sixteen_at_a_pool_are_given_no_code_twice(pool, ana, noon, at_once):
    def take_some(n):
        return [hand_out(pool, ana, noon, f"H-{n}-{k}") for k in range(10)]

    given = [code for codes in at_once(16, take_some) for code in codes]

    assert len(given) == len(set(given)) == 160
    assert pools.left(pool, at=noon) == 40
    assert PoolCode.objects.exclude(voucher=None).count() == Voucher.objects.count() == 160


def test_the_last_codes_of_a_pool_go_to_so_many(pool, ana, noon, at_once):
    PoolCode.objects.filter(pk__in=PoolCode.objects.order_by("pk")[5:].values("pk")).delete()

    said = at_once(16, lambda n: hand_out(pool, ana, noon, f"H-{n}"))

    assert sum(isinstance(answer, PoolEmpty) for answer in said) == 11, said
    assert len({answer for answer in said if isinstance(answer, str)}) == 5


@needs_rows_locks
def test_without_the_lock_only_the_constraints_are_left_of_a_pool(pool, ana, noon, at_once, monkeypatch):
    def no_lock(alias, **_):
        return ""

    take_one = pools._take

    def slowly(*args, **kwargs):
        taken = take_one(*args, **kwargs)
        time.sleep(0.3)
        return taken

    monkeypatch.setattr("lib.db.for_update", no_lock)
    monkeypatch.setattr(pools, "_take", slowly)

    said = at_once(2, lambda n: hand_out(pool, ana, noon, f"H-{n}"))

    assert sum(isinstance(answer, IntegrityError) for answer in said) == 1, said


@pytest.fixture
def card(cafe, noon):
    return gift_cards.buy(
        merchant=cafe, amount_minor=50_00, currency="EUR", reference="G", at=noon, by="till"
    ).code


def charge(cafe, card, noon, reference):
    return gift_cards.charge(
        merchant=cafe, code=card, amount_minor=50_00, reference=reference, at=noon, by="till"
    ).status


def test_a_card_is_paid_with_once(cafe, card, noon, at_once):
    said = at_once(8, lambda n: charge(cafe, card, noon, f"C-{n}"))

    assert sum(isinstance(answer, InsufficientBalance) for answer in said) == 7, said
    assert GiftCard.objects.get().balance_minor == 0
    assert list(gift_cards.differences()) == []


@needs_rows_locks
def test_without_the_lock_only_the_constraints_are_left_of_a_card(cafe, card, noon, at_once, unlocked):
    said = at_once(2, lambda n: charge(cafe, card, noon, f"C-{n}"))

    assert connection.vendor == "postgresql"
    assert sum(isinstance(answer, IntegrityError) for answer in said) == 1, said
    assert GiftCardEntry.objects.count() == 2


def test_a_card_told_by_two_tills_at_once_is_bought_once(cafe, noon, at_once):
    def buy(n):
        return gift_cards.buy(
            merchant=cafe, amount_minor=1000, currency="EUR", reference="G-1", at=noon, by="till"
        )

    said = at_once(4, buy)

    assert sorted(receipt.status for receipt in said) == ["created"] + ["replayed"] * 3
    assert len({receipt.code for receipt in said}) == 1


def test_two_clicks_make_one_lot_of_codes(cafe, noon, at_once):
    def click(n):
        return bearers.issue(
            merchant=cafe, count=50, name="Flyer", worth={}, reference="flyer", at=noon, by="owner"
        )

    said = at_once(3, click)

    assert sum(isinstance(answer, AlreadyIssued) for answer in said) == 2, said
    assert Voucher.objects.count() == 50
