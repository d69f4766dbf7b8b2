"""Gift cards: money on a card, moved once per reference, and the entries prove the balance."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction

from customers import erasure
from customers.models import Touchpoint
from lib.errors import ReferenceReused
from rewards import codes, gift_cards
from rewards.gift_cards import (
    AmountOutOfRange,
    GiftCardExpired,
    InsufficientBalance,
    OtherCurrency,
    RefundExceedsCharges,
)
from rewards.models import GiftCard, GiftCardEntry

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def buy(cafe, noon):
    def make(amount_minor=50_00, reference="G-1", **more):
        said = {"merchant": cafe, "currency": "EUR", "at": noon, "by": "till"}
        return gift_cards.buy(amount_minor=amount_minor, reference=reference, **(said | more))

    return make


@pytest.fixture
def pay(cafe, noon):
    def make(card, amount_minor, reference, **more):
        said = {"merchant": cafe, "code": card.code, "at": noon, "by": "till"}
        return gift_cards.charge(amount_minor=amount_minor, reference=reference, **(said | more))

    return make


@pytest.fixture
def give_back(cafe, noon):
    def make(card, amount_minor, reference, **more):
        said = {"merchant": cafe, "code": card.code, "at": noon, "by": "till"}
        return gift_cards.refund(amount_minor=amount_minor, reference=reference, **(said | more))

    return make


def test_bought_paid_with_and_given_back(buy, pay, give_back, cafe):
    card = buy()

    assert pay(card, 20_00, "C-1").card.balance_minor == 30_00
    assert give_back(card, 5_00, "B-1").card.balance_minor == 35_00

    assert gift_cards.find(merchant=cafe, code=card.code).balance_minor == 35_00
    assert list(GiftCardEntry.objects.order_by("pk").values_list("kind", "amount_minor", "balance_after_minor")) == [
        ("issue", 50_00, 50_00), ("charge", -20_00, 30_00), ("refund", 5_00, 35_00),
    ]  # fmt: skip
    assert list(gift_cards.differences()) == []
    assert Touchpoint.objects.filter(kind__startswith="gift_card.").count() == 3


def test_more_than_is_there_is_refused_or_taken_as_far_as_it_goes(buy, pay):
    card = buy()

    with pytest.raises(InsufficientBalance):
        pay(card, 50_01, "C-1")
    assert pay(card, 80_00, "C-2", up_to=True).entry.amount_minor == -50_00
    with pytest.raises(InsufficientBalance):
        pay(card, 1, "C-3", up_to=True)


def test_told_twice_is_moved_once(buy, pay, give_back):
    card = buy()
    again = buy()
    assert (again.status, again.card, again.code) == ("replayed", card.card, card.code)

    for move, name in ((pay, "C-1"), (give_back, "B-1")):
        first, second = move(card, 10_00, name), move(card, 10_00, name)
        assert (first.status, second.status, second.entry) == ("created", "replayed", first.entry)

    assert GiftCardEntry.objects.count() == 3
    assert buy().code == ""  # it was paid with: the code is not told again
    assert list(gift_cards.differences()) == []


def test_told_twice_up_to_answers_what_was_taken(buy, pay):
    card = buy()

    pay(card, 80_00, "C-1", up_to=True)

    assert pay(card, 80_00, "C-1", up_to=True).entry.amount_minor == -50_00


def test_one_reference_is_one_movement(buy, pay, give_back):
    card, other = buy(), buy(reference="G-2")
    pay(card, 10_00, "C-1")

    with pytest.raises(ReferenceReused) as amount:
        pay(card, 11_00, "C-1")
    with pytest.raises(ReferenceReused) as another:
        pay(other, 10_00, "C-1")
    with pytest.raises(ReferenceReused):
        give_back(card, 10_00, "C-1")
    with pytest.raises(ReferenceReused):
        buy(60_00)

    assert [fault.pointer for fault in amount.value.faults] == ["/amount_minor"]
    assert [fault.pointer for fault in another.value.faults] == ["/code"]


def test_no_more_comes_back_than_was_paid(buy, pay, give_back):
    card = buy()
    pay(card, 10_00, "C-1")

    with pytest.raises(RefundExceedsCharges):
        give_back(card, 10_01, "B-1")


def test_past_its_time_nothing_is_paid_but_a_refund_comes_back(buy, pay, give_back, noon):
    card = buy(expires_at=noon + timedelta(days=1))
    pay(card, 10_00, "C-1")
    later = noon + timedelta(days=1)

    with pytest.raises(GiftCardExpired):
        pay(card, 1_00, "C-2", at=later)
    assert give_back(card, 10_00, "B-1", at=later).status == "created"


def test_another_currency_and_nothing_are_refused(buy, pay):
    card = buy()

    with pytest.raises(OtherCurrency):
        pay(card, 1_00, "C-1", currency="USD")
    for amount in (0, -1, 10**12 + 1):
        with pytest.raises(AmountOutOfRange):
            pay(card, amount, "C-2")


def test_another_merchants_card_does_not_exist(buy, pay, bar_nilo):
    card = buy()

    with pytest.raises(codes.UnknownCode):
        pay(card, 1_00, "C-1", merchant=bar_nilo)
    with pytest.raises(codes.UnknownCode):
        gift_cards.find(merchant=bar_nilo, code=card.code)


def test_an_entry_is_never_changed(buy):
    buy()

    with pytest.raises(DatabaseError, match="write a refund"), transaction.atomic():
        GiftCardEntry.objects.update(amount_minor=1)


def test_the_books_notice_a_balance_that_somebody_changed(buy, pay, cafe, bar_nilo, capsys):
    pay(buy(), 10_00, "C-1")
    call_command("verify_ledger")
    GiftCard.objects.update(balance_minor=41_00)

    with pytest.raises(SystemExit):
        call_command("verify_ledger")

    assert "balance 4100, its 2 entries say 4000" in capsys.readouterr().out
    assert list(gift_cards.differences(merchant_id=bar_nilo.pk)) == []
    assert len(list(gift_cards.differences(merchant_id=cafe.pk))) == 1


def test_who_leaves_leaves_the_money_on_the_card(buy, pay, ana, noon):
    card = buy(customer=ana)
    exported = erasure.export(customer=ana)
    erasure.erase(customer=ana, at=noon, by="test")

    assert exported["giftcard"][0]["balance_minor"] == 50_00
    assert len(exported["giftcardentry"]) == 1
    assert GiftCard.objects.get().sealed_code == ""
    assert pay(card, 10_00, "C-1").status == "created"
