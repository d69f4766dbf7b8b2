"""Points spent on rewards, and given back."""

from datetime import timedelta

import pytest
from django.db import transaction

from customers.identifiers import Given
from customers.models import Customer, Touchpoint
from lib import db
from lib.db import watching
from lib.errors import ReferenceReused
from loyalty import adjustments, ledger, members, programs, refunds
from loyalty.ledger import AccountInDebt, NotEnoughPoints
from loyalty.models import Tier
from loyalty.purchases import CustomerBlocked
from loyalty.refunds import Return
from rewards import catalogue, pricing, redemptions, vouchers
from rewards.catalogue import RewardLimitReached, RewardNotAvailable, RewardOutOfStock
from rewards.models import Redemption, Voucher
from rewards.pricing import Asked
from rewards.redemptions import RedemptionClosed
from rewards.vouchers import VoucherExpired, VoucherRedeemed
from tests.rewards.conftest import fill, put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db]


def open_lots(customer):
    found = ledger.lots(
        merchant_id=customer.merchant_id, membership_id=members.membership(customer=customer).pk
    )
    return [(lot.remaining, lot.expires_at) for lot in found]


@pytest.fixture
def expiring(cafe, program, noon):
    """Points of the café live for a year."""
    program.expiry_mode, program.expiry_months = "age", 12
    program.save()
    programs.publish(program=program, at=noon - timedelta(days=400), by="test")
    cafe.refresh_from_db()


def test_points_buy_a_voucher(rich, espresso, redeem, noon):
    receipt = redeem(rich, espresso)

    assert (receipt.status, receipt.redemption.status) == ("created", "fulfilled")
    assert receipt.balance["active"] == 150
    voucher = Voucher.objects.get()
    assert (voucher.customer_id, voucher.redemption_id) == (rich.pk, receipt.redemption.pk)
    assert vouchers.code_of(voucher) == receipt.code
    # Thirty whole days: to the midnight after the last, in Lisbon.
    assert voucher.expires_at == (noon + timedelta(days=31)).replace(hour=23) - timedelta(days=1)
    assert voucher.worth == {"kind": "voucher", "name": "Free espresso"}


def test_it_stands_in_the_statement_and_in_the_diary(rich, espresso, redeem):
    receipt = redeem(rich, espresso)

    entry = ledger.entries(merchant_id=rich.merchant_id).get(kind="redeem")
    assert (entry.points, entry.reason["reward"]) == (-100, "Free espresso")
    note = Touchpoint.objects.get(kind="reward.redeemed")
    assert note.data["redemption"] == receipt.redemption.public_id
    assert list(ledger.differences()) == []


def test_told_twice_is_done_once(rich, espresso, redeem):
    first, again = redeem(rich, espresso, "X"), redeem(rich, espresso, "X")

    assert (again.status, again.redemption.pk, again.code) == ("replayed", first.redemption.pk, first.code)
    assert again.balance["active"] == 150
    assert Redemption.objects.count() == 1


def test_told_twice_with_another_reward_names_it(rich, espresso, program, redeem):
    redeem(rich, espresso, "X")

    with pytest.raises(ReferenceReused) as refused:
        redeem(rich, put_up(program, "tea"), "X")

    assert [fault.pointer for fault in refused.value.faults] == ["/reward"]


def test_a_rehearsal_takes_nothing(rich, program, redeem):
    cake = put_up(program, "cake", stock=1)

    with db.dry_run():
        assert redeem(rich, cake).balance["active"] == 150

    cake.refresh_from_db()
    assert (cake.stock, Redemption.objects.count(), Voucher.objects.count()) == (1, 0, 0)
    assert redeem(rich, cake).status == "created"


def test_what_is_out_of_stock_is_refused_and_comes_back_with_a_cancellation(rich, program, redeem, noon):
    cake = put_up(program, "cake", stock=1)
    first = redeem(rich, cake).redemption
    cake.refresh_from_db()

    with pytest.raises(RewardOutOfStock):
        redeem(rich, cake)

    redemptions.cancel(redemption=first, at=noon)
    cake.refresh_from_db()
    assert cake.stock == 1
    assert redeem(rich, cake).status == "created"


def test_a_stock_that_was_read_a_moment_ago_decides_nothing(rich, program, redeem):
    cake = put_up(program, "cake", stock=1)
    seen_by_another_till = type(cake).objects.get(pk=cake.pk)
    redeem(rich, cake)

    with pytest.raises(RewardOutOfStock):
        redeem(rich, seen_by_another_till)


def test_one_customer_has_it_as_often_as_one_may(rich, cafe, program, redeem, noon):
    tea = put_up(program, "tea", cost=10, per_customer=1)
    first = redeem(rich, tea).redemption

    with pytest.raises(RewardLimitReached):
        redeem(rich, tea, at=noon + timedelta(days=9))

    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")
    fill(eva, 10, reference="EVA")
    assert redeem(eva, tea).status == "created"
    redemptions.cancel(redemption=first, at=noon)
    assert redeem(rich, tea).status == "created"


def test_everybody_has_it_so_often_a_day_and_tomorrow_again(rich, cafe, program, redeem, noon):
    tea = put_up(program, "tea", cost=10, per_day=2)
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")
    fill(eva, 10, reference="EVA")
    redeem(rich, tea)
    redeem(eva, tea)

    with pytest.raises(RewardLimitReached, match="tomorrow"):
        redeem(rich, tea)

    # Midnight in Lisbon is 23:00 UTC in May.
    with pytest.raises(RewardLimitReached):
        redeem(rich, tea, at=noon + timedelta(hours=10, minutes=59))
    assert redeem(rich, tea, at=noon + timedelta(hours=11)).status == "created"


def test_too_few_points_and_debt_are_two_things(ana, espresso, redeem, noon):
    fill(ana, 99)
    with pytest.raises(NotEnoughPoints, match="100 points are needed, 99"):
        redeem(ana, espresso)

    adjustments.adjust(
        customer=ana, points=-150, reason="x", reference="D", by="t", at=noon, allow_negative=True
    )
    with pytest.raises(AccountInDebt, match="51"):
        redeem(ana, espresso)


def test_who_owes_points_may_still_have_what_costs_nothing(ana, program, redeem, noon):
    adjustments.adjust(
        customer=ana, points=-5, reason="x", reference="D", by="t", at=noon, allow_negative=True
    )

    receipt = redeem(ana, put_up(program, "water", cost=0))

    assert (receipt.status, receipt.redemption.entry_id) == ("created", None)
    assert receipt.balance["debt"] == 5
    assert redemptions.cancel(redemption=receipt.redemption, at=noon).status == "changed"


def test_only_for_its_tiers(rich, program, redeem):
    gold = put_up(program, "gold", tiers=["Gold"])
    bronze = put_up(program, "bronze", tiers=["Bronze", "Silver"])

    with pytest.raises(RewardNotAvailable):
        redeem(rich, gold)
    assert redeem(rich, bronze).status == "created"


@pytest.mark.parametrize(("hours", "is_open"), [(-2, False), (-1, True), (0, True), (1, False)])
def test_only_within_its_dates(rich, program, redeem, noon, hours, is_open):
    week = put_up(program, "week", starts_at=noon - timedelta(hours=1), ends_at=noon + timedelta(hours=1))
    fill(rich, 250, at=noon - timedelta(hours=3), reference="EARLY")

    if is_open:
        assert redeem(rich, week, at=noon + timedelta(hours=hours)).status == "created"
    else:
        with pytest.raises(RewardNotAvailable):
            redeem(rich, week, at=noon + timedelta(hours=hours))


def test_switched_off_and_blocked_are_refused(rich, program, espresso, redeem):
    with pytest.raises(RewardNotAvailable):
        redeem(rich, put_up(program, "off", is_active=False))
    Customer.objects.filter(pk=rich.pk).update(status="blocked")
    with pytest.raises(CustomerBlocked):
        redeem(rich, espresso)


def test_spending_never_lowers_a_tier(ana, program, redeem, noon):
    fill(ana, 600)
    redeem(ana, put_up(program, "machine", cost=600))

    membership = members.membership(customer=ana)
    assert membership.tier == Tier.objects.get(name="Silver").name


# --- given back -------------------------------------------------------------------------------------------


def test_points_return_to_the_lots_they_came_from(expiring, ana, program, redeem, noon):
    early, late = noon - timedelta(days=20), noon - timedelta(days=10)
    fill(ana, 60, at=early, reference="1")
    fill(ana, 60, at=late, reference="2")
    before = open_lots(ana)
    receipt = redeem(ana, put_up(program, "cake"))
    assert [points for points, _ in open_lots(ana)] == [20]

    answer = redemptions.cancel(
        redemption=receipt.redemption, at=noon + timedelta(days=3), reason="Changed mind"
    )

    assert (answer.status, answer.redemption.status, answer.balance["active"]) == (
        "changed",
        "cancelled",
        120,
    )
    assert open_lots(ana) == before
    assert [entry.kind for entry in ledger.entries(merchant_id=ana.merchant_id).order_by("-pk")[:1]] == [
        "return"
    ]
    assert list(ledger.differences()) == []


def test_points_come_back_with_time_to_use_them(expiring, ana, espresso, redeem, noon):
    fill(ana, 150)
    [(_, ends)] = open_lots(ana)
    receipt = redeem(ana, espresso, at=ends - timedelta(days=20))

    at = ends - timedelta(days=10)
    redemptions.cancel(redemption=receipt.redemption, at=at)

    # What was left in the old lot lives no longer than before; what came back has thirty days.
    assert open_lots(ana) == [(50, ends), (100, at + timedelta(days=30))]
    assert list(ledger.differences()) == []


def test_points_come_back_after_the_old_ones_expired(expiring, ana, espresso, redeem, noon):
    fill(ana, 150)
    [(_, ends)] = open_lots(ana)
    receipt = redeem(ana, espresso, at=ends - timedelta(days=5))

    at = ends + timedelta(days=1)
    answer = redemptions.cancel(redemption=receipt.redemption, at=at)

    assert answer.balance["active"] == 100
    assert open_lots(ana) == [(100, at + timedelta(days=30))]
    assert list(ledger.differences()) == []


def test_points_that_come_back_pay_debt_first(ana, espresso, redeem, cafe, noon):
    fill(ana, 120)
    receipt = redeem(ana, espresso)
    refunds.record(merchant=cafe, refund=Return("F", noon, purchase_reference="FILL"), at=noon)

    answer = redemptions.cancel(redemption=receipt.redemption, at=noon)

    assert (answer.balance["active"], answer.balance["debt"]) == (0, 0)
    assert list(ledger.differences()) == []


def test_cancelling_twice_gives_back_once(rich, espresso, redeem, noon):
    receipt = redeem(rich, espresso)
    redemptions.cancel(redemption=receipt.redemption, at=noon)

    again = redemptions.cancel(redemption=receipt.redemption, at=noon)

    assert (again.status, again.balance["active"]) == ("replayed", 250)
    assert Voucher.objects.get().status == "cancelled"


def test_a_used_or_expired_voucher_is_not_given_back(rich, espresso, redeem, noon):
    used, old = redeem(rich, espresso), redeem(rich, espresso)
    Voucher.objects.filter(pk=used.voucher.pk).update(used=1, status="redeemed")

    with pytest.raises(VoucherRedeemed):
        redemptions.cancel(redemption=used.redemption, at=noon)
    with pytest.raises(VoucherExpired):
        redemptions.cancel(redemption=old.redemption, at=noon + timedelta(days=60))

    assert ledger.totals(merchant_id=rich.merchant_id)["active"] == 50
    assert list(Redemption.objects.values_list("status", flat=True)) == ["fulfilled"] * 2


# --- goods ------------------------------------------------------------------------------------------------


def test_goods_wait_until_they_are_handed_over(rich, program, redeem, noon):
    mug = redeem(rich, put_up(program, "mug", kind="gift", stock=3)).redemption
    assert mug.status == "pending"
    assert not Voucher.objects.exists()

    done = redemptions.fulfill(redemption=mug, at=noon, by="mira")

    assert (done.redemption.status, done.balance["active"]) == ("fulfilled", 150)
    assert redemptions.fulfill(redemption=mug, at=noon, by="mira").status == "replayed"
    with pytest.raises(RedemptionClosed):
        redemptions.fail(redemption=mug, at=noon, by="mira")


def test_goods_that_cannot_be_handed_over_give_points_and_stock_back(rich, program, redeem, noon):
    reward = put_up(program, "mug", kind="gift", stock=3)
    mug = redeem(rich, reward).redemption

    failed = redemptions.fail(redemption=mug, at=noon, by="mira", reason="Broken")

    reward.refresh_from_db()
    assert (failed.redemption.status, failed.redemption.note, reward.stock) == ("failed", "Broken", 3)
    assert failed.balance["active"] == 250
    with pytest.raises(RedemptionClosed):
        redemptions.cancel(redemption=mug, at=noon)


def test_a_donation_is_done_at_once(rich, program, redeem):
    receipt = redeem(rich, put_up(program, "trees", kind="donation", params={"recipient": "Trees"}))

    assert (receipt.redemption.status, receipt.voucher) == ("fulfilled", None)
    assert receipt.redemption.worth["recipient"] == "Trees"


# --- points as payment --------------------------------------------------------------------------------------


@pytest.fixture
def pay(program):
    params = {"amount_minor": 50, "min_points": 40, "max_percent": 50}
    return put_up(program, "pay", name="Pay with beans", kind="points_as_payment", cost=20, params=params)


@pytest.mark.parametrize(
    ("asked", "points", "money"),
    [
        (Asked(points=79, basket_minor=100_00), 60, 150),
        (Asked(basket_minor=3_10), 60, 150),
        (Asked(basket_minor=100_00), 240, 600),
    ],
)
def test_points_pay_in_whole_steps(rich, pay, redeem, asked, points, money):
    receipt = redeem(rich, pay, asked=asked)

    assert (receipt.redemption.points, receipt.redemption.worth["amount_minor"]) == (points, money)
    assert receipt.balance["active"] == 250 - points


def test_points_pay_nothing_below_the_minimum(rich, pay, redeem):
    with pytest.raises(pricing.PaymentTooSmall):
        redeem(rich, pay, asked=Asked(basket_minor=1_90))
    with pytest.raises(pricing.BasketMissing):
        redeem(rich, pay, asked=Asked(points=100))


def test_a_payment_told_twice_with_another_basket_names_it(rich, pay, redeem):
    redeem(rich, pay, "P", asked=Asked(basket_minor=10_00))

    with pytest.raises(ReferenceReused) as refused:
        redeem(rich, pay, "P", asked=Asked(basket_minor=11_00))
    assert [fault.pointer for fault in refused.value.faults] == ["/basket_minor"]


# --- the shelf ----------------------------------------------------------------------------------------------


def test_a_customer_sees_what_is_theirs_and_why_not_now(rich, program, noon, redeem):
    put_up(program, "gold", tiers=["Gold"])
    put_up(program, "machine", cost=300)
    put_up(program, "gone", cost=5, stock=0)
    put_up(program, "espresso")

    found = catalogue.offers(merchant=rich.merchant, customer_id=rich.pk, at=noon)

    assert [(one.reward.code, one.missing_points, getattr(one.refusal, "code", "")) for one in found] == [
        ("espresso", 0, ""),
        ("gone", 0, "reward_out_of_stock"),
        ("machine", 50, "insufficient_points"),
    ]


def test_the_shelf_costs_the_same_however_long_it_is(rich, program, noon):
    costs = []
    for _ in range(2):
        for number in range(20):
            put_up(program, f"r{len(costs)}-{number}", per_customer=1, per_day=5)
        catalogue.offers(merchant=rich.merchant, customer_id=rich.pk, at=noon)
        with watching() as watch:
            catalogue.offers(merchant=rich.merchant, customer_id=rich.pk, at=noon)
        costs.append(watch.statements)

    assert costs[0] == costs[1] <= 3


def test_restocking_keeps_what_was_redeemed(rich, program, redeem):
    cake = put_up(program, "cake", cost=10, stock=5)
    redeem(rich, cake)
    for total, left in ((8, 7), (8, 7), (1, 0), (None, None), (4, 4)):
        with transaction.atomic():
            catalogue.restock(reward=cake, total=total)
        cake.refresh_from_db()
        assert (cake.stock_total, cake.stock) == (total, left)
