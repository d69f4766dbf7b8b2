"""
A server process that is killed in the middle of a command: points, stock, vouchers and money always add up,
and the till that asks again gets the one answer. Killed at each statement in turn, and at the commit.
"""

import pytest
from django.db import connections

from lib import db
from loyalty import holds, ledger, purchases, refunds
from loyalty.models.ledger import Hold
from loyalty.refunds import Return
from loyalty.sale import Sale, Tender
from rewards import gift_cards, holding, redemptions, vouchers
from rewards.models import GiftCard, GiftCardEntry, Redemption, Reservation, Reward, Voucher, VoucherUse
from tests.cast import NOON
from tests.faults.killing import at_every_statement
from tests.rewards.conftest import fill, put_up

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.core]
STOCK, POINTS, PRICE, PAID = 3, 250, 100, 50_00


@pytest.fixture
def rich(ana):
    fill(ana, POINTS)
    return ana


@pytest.fixture
def cake(program):
    return put_up(program, "cake", name="Cake", cost=PRICE, stock=STOCK)


@pytest.fixture
def adds_up(cafe, rich, cake):
    """`adds_up()` compares what is left, kept, spent and handed out, by the rows as they are committed."""

    def check():
        assert list(ledger.differences()) == []
        assert list(gift_cards.differences()) == []
        made = Redemption.objects.filter(status__in=("pending", "fulfilled"))
        kept = Reservation.objects.filter(status="held")
        left = Reward.objects.get(pk=cake.pk).stock
        assert left + kept.count() + made.count() == STOCK
        assert Voucher.objects.exclude(status="cancelled").count() == made.count()
        totals = ledger.totals(merchant_id=cafe.pk)
        assert totals["active"] + PRICE * made.count() == POINTS
        assert totals["held"] == PRICE * kept.count()
        assert (
            Hold.objects.filter(status="captured").count()
            == Reservation.objects.filter(status="used").count()
        )
        for voucher in Voucher.objects.all():
            uses = VoucherUse.objects.filter(voucher=voucher, undoes=None).count()
            assert (
                voucher.used == uses - VoucherUse.objects.filter(voucher=voucher).exclude(undoes=None).count()
            )

    return check


def redeem(rich, cake):
    return redemptions.redeem(customer=rich, reward=cake, reference="X-1", at=NOON, by="till")


def hold(rich, cake):
    return holding.create(customer=rich, reward=cake, reference="H-1", at=NOON, by="till")


def test_a_redemption(rich, cake, adds_up):
    statements = at_every_statement(lambda: redeem(rich, cake), check=adds_up)

    assert statements > 6
    assert redeem(rich, cake).status == "replayed"
    assert Redemption.objects.count() == 1


def test_a_cancelled_redemption(rich, cake, adds_up):
    made = redeem(rich, cake)
    act = lambda: redemptions.cancel(redemption=made.redemption, at=NOON)  # noqa: E731

    assert at_every_statement(act, check=adds_up) > 8

    assert act().status == "replayed"
    assert Redemption.objects.get().status == "cancelled"


def test_a_hold_of_a_reward(rich, cake, adds_up):
    assert at_every_statement(lambda: hold(rich, cake), check=adds_up) > 8

    assert hold(rich, cake).status == "replayed"


@pytest.mark.parametrize(("verb", "status"), [(holds.capture, "captured"), (holds.cancel, "cancelled")])
def test_the_end_of_a_hold(cafe, rich, cake, adds_up, verb, status):
    made = hold(rich, cake)
    act = lambda: verb(merchant=cafe, hold_id=made.hold.id, at=NOON)  # noqa: E731

    assert at_every_statement(act, check=adds_up) > 5

    assert act().status == "replayed"
    assert Hold.objects.get().status == status
    assert Redemption.objects.count() == (status == "captured")


def test_a_hold_that_replaces_another(rich, cake, program, adds_up):
    hold(rich, put_up(program, "tea", cost=PRICE))
    Reservation.objects.update(status="freed")  # tea has no shelf to count

    at_every_statement(lambda: hold(rich, cake), check=lambda: list(ledger.differences()) == [])

    adds_up()


def test_a_voucher_used_and_given_back(cafe, rich, cake, adds_up):
    code = redeem(rich, cake).code
    said = {"merchant": cafe, "code": code, "reference": "U-1", "at": NOON, "by": "till"}

    assert at_every_statement(lambda: vouchers.redeem(**said), check=adds_up) > 5
    assert vouchers.redeem(**said).status == "replayed"
    assert at_every_statement(lambda: vouchers.rollback(**said), check=adds_up) > 5
    assert vouchers.rollback(**said).status == "replayed"

    assert VoucherUse.objects.count() == 2


def test_a_refund_that_gives_points_and_a_voucher_back(cafe, rich, cake):
    made = redeem(rich, cake)
    vouchers.redeem(
        merchant=cafe, code=made.code, reference="U-1", at=NOON, by="till", purchase_reference="R-1"
    )
    plain = redemptions.redeem(customer=rich, reward=cake, reference="X-2", at=NOON)
    tenders = (
        Tender("voucher", 300, made.code),
        Tender("points", 300, plain.redemption.public_id),
        Tender("card", 600),
    )
    sale = Sale("R-1", "EUR", 1200, NOON, customer_id=rich.pk, tenders=tenders)
    purchases.record(merchant=cafe, sale=sale, at=NOON)
    act = lambda: refunds.record(  # noqa: E731
        merchant=cafe, refund=Return("F-1", NOON, purchase_reference="R-1"), at=NOON
    )

    def check():
        assert list(ledger.differences()) == []
        back = Redemption.objects.get(pk=plain.redemption.pk).returned
        used = Voucher.objects.get(pk=made.voucher.pk).used
        active = ledger.totals(merchant_id=cafe.pk)["active"]
        assert (back, used, active) in ((0, 1, POINTS - 2 * PRICE + 6), (PRICE, 0, POINTS - PRICE))

    assert at_every_statement(act, check=check) > 10

    assert act().status == "replayed"
    assert Redemption.objects.get(pk=plain.redemption.pk).returned == PRICE


def test_a_gift_card(cafe):
    said = {"merchant": cafe, "at": NOON, "by": "till"}

    def check():
        assert list(gift_cards.differences()) == []
        assert GiftCard.objects.count() == GiftCardEntry.objects.filter(kind="issue").count()

    def buy():
        return gift_cards.buy(amount_minor=PAID, currency="EUR", reference="G-1", **said)

    assert at_every_statement(buy, check=check) > 5
    code = buy().code
    assert code
    for verb, reference, left in ((gift_cards.charge, "C-1", 30_00), (gift_cards.refund, "B-1", PAID)):
        act = lambda: verb(code=code, amount_minor=20_00, reference=reference, **said)  # noqa: E731, B023
        assert at_every_statement(act, check=check) > 5
        assert (act().status, act().card.balance_minor) == ("replayed", left)

    assert GiftCardEntry.objects.count() == 3


def test_two_transactions_for_one_redemption_would_be_found(rich, cake, adds_up, monkeypatch):
    """Proves that the tests above can fail: the piece taken in a transaction of its own stays taken."""
    from rewards import catalogue

    take = db.command(catalogue.take_one)

    def redeem_in_two():
        take(cake, at=NOON)
        monkeypatch.setattr(catalogue, "take_one", lambda *args, **more: None)
        redeem(rich, cake)

    with pytest.raises(AssertionError):
        at_every_statement(redeem_in_two, check=adds_up)
    connections.close_all()
