"""A hold that names a reward: price, caps and stock kept for a checkout, and given free when it ends."""

from datetime import timedelta

import pytest

from customers.identifiers import Given
from customers.models import Touchpoint
from lib.errors import ReferenceReused
from loyalty import adjustments, expiry, holds, ledger, members
from loyalty.holds import HoldCancelled, HoldExpired, NotDivisible
from loyalty.ledger import NotEnoughPoints
from loyalty.models.ledger import Entry, Hold
from rewards import catalogue, holding, redemptions
from rewards.catalogue import RewardLimitReached, RewardOutOfStock
from rewards.holding import NothingToHold
from rewards.models import Redemption, Reservation, Reward, Voucher
from rewards.pricing import Asked
from tests.cast import NOON
from tests.rewards.conftest import fill, put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db]
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
def cake(program):
    """The last piece of cake, for 100 points."""
    return put_up(program, "cake", name="Cake", stock=1)


@pytest.fixture
def ben(cafe, program):
    """Somebody else with points."""
    found = members.enroll(merchant=cafe, name="Ben", identifiers=[Given("card", "4711")], at=NOON, by="test")
    fill(found, 250, reference="FILL-BEN")
    return found


def hold(customer, reward, reference="H-1", *, at=NOON, **more):
    return holding.create(customer=customer, reward=reward, reference=reference, at=at, by="till", **more)


@pytest.fixture
def verb(cafe):
    """`verb(holds.capture, receipt)` calls a verb of a hold at noon, or later."""
    return lambda act, made, at=NOON, **more: act(merchant=cafe, hold_id=made.hold.id, at=at, **more)


def left(reward):
    return Reward.objects.values_list("stock", flat=True).get(pk=reward.pk)


def test_a_hold_takes_the_piece_and_the_points(rich, cake):
    made = hold(rich, cake)

    assert (made.status, made.hold.points, made.balance["available"]) == ("created", 100, 150)
    assert left(cake) == 0
    assert made.promise.reservation.status == "held"
    assert made.promise.changed == []
    assert Redemption.objects.count() == 0


def test_told_twice_is_held_once(rich, cake):
    first, again = hold(rich, cake), hold(rich, cake)

    assert (again.status, again.hold.id, left(cake)) == ("replayed", first.hold.id, 0)
    assert Reservation.objects.count() == 1


def test_capture_makes_the_redemption_and_its_voucher(rich, cake, verb):
    made = hold(rich, cake)

    used = verb(holds.capture, made, purchase_reference="R-1")

    redemption = Redemption.objects.get()
    assert (redemption.points, redemption.hold_id, redemption.status) == (100, made.hold.id, "fulfilled")
    assert redemption.entry_id == Entry.objects.get(kind="hold_capture").pk
    assert redemption.purchase_reference == "R-1"
    assert used.promise.code
    assert Voucher.objects.get().redemption_id == redemption.pk
    assert (used.balance["active"], left(cake)) == (150, 0)
    assert list(ledger.differences()) == []


def test_captured_again_it_answers_the_same(rich, cake, verb):
    made = hold(rich, cake)

    first, again = verb(holds.capture, made), verb(holds.capture, made)

    assert (again.status, again.promise.code) == ("replayed", first.promise.code)
    assert Redemption.objects.count() == Voucher.objects.count() == 1


def test_a_part_of_a_reward_is_refused(rich, cake, verb):
    made = hold(rich, cake)

    with pytest.raises(NotDivisible):
        verb(holds.capture, made, points=50)


def test_a_cancelled_hold_puts_the_piece_back_once(rich, cake, verb):
    made = hold(rich, cake)

    verb(holds.cancel, made)
    verb(holds.cancel, made)

    assert left(cake) == 1
    with pytest.raises(HoldCancelled):
        verb(holds.capture, made)


def test_the_job_puts_the_piece_of_an_ended_hold_back_once(rich, cake):
    hold(rich, cake)

    for minutes in (31, 32):
        expiry.run(at=NOON + timedelta(minutes=minutes))

    assert left(cake) == 1
    assert Reservation.objects.get().status == "freed"


def test_without_the_job_the_piece_of_an_ended_hold_is_there_for_the_next(cafe, rich, ben, cake):
    hold(rich, cake)
    with pytest.raises(RewardOutOfStock):
        hold(ben, cake, "H-2")

    later = NOON + HALF_HOUR
    seen = {one.reward.pk: one for one in catalogue.offers(merchant=cafe, customer_id=ben.pk, at=later)}
    assert seen[cake.pk].can_be_redeemed
    redemptions.redeem(customer=ben, reward=cake, reference="X-1", at=later)

    assert left(cake) == 0
    expiry.run(at=later)
    assert left(cake) == 0


def test_a_late_capture_works_while_the_piece_is_there(rich, cake, verb):
    made = hold(rich, cake)
    expiry.run(at=NOON + HALF_HOUR)
    assert left(cake) == 1

    used = verb(holds.capture, made, at=NOON + 2 * HALF_HOUR)

    assert (used.status, used.promise.redemption.points, left(cake)) == ("changed", 100, 0)


def test_a_late_capture_before_any_job_uses_the_piece_it_kept(rich, cake, verb):
    made = hold(rich, cake)

    verb(holds.capture, made, at=NOON + 2 * HALF_HOUR)

    assert left(cake) == 0
    expiry.run(at=NOON + 3 * HALF_HOUR)
    assert left(cake) == 0


def test_a_late_capture_is_refused_where_somebody_else_had_the_piece(rich, ben, cake, verb):
    made = hold(rich, cake)
    later = NOON + HALF_HOUR
    redemptions.redeem(customer=ben, reward=cake, reference="X-1", at=later)

    with pytest.raises(RewardOutOfStock):
        verb(holds.capture, made, at=later)

    assert Hold.objects.get(pk=made.hold.id).captured == 0


def test_a_late_capture_is_refused_where_the_points_are_gone(rich, cake, verb):
    made = hold(rich, cake)
    later = NOON + HALF_HOUR
    adjustments.adjust(customer=rich, points=-200, reason="x", reference="A-9", by="test", at=later)

    with pytest.raises(HoldExpired):
        verb(holds.capture, made, at=later)


def test_a_promise_is_kept_and_says_what_has_changed(rich, cake, verb):
    made = hold(rich, cake)
    Reward.objects.filter(pk=cake.pk).update(cost=500, name="Big cake", is_active=False)

    used = verb(holds.capture, made)

    assert used.promise.changed == ["cost", "name", "offer"]
    assert (used.promise.redemption.points, used.promise.redemption.reward_name) == (100, "Cake")


def test_a_repeat_keeps_the_first_price(rich, cake):
    hold(rich, cake)
    cake.cost = 200
    cake.save()

    assert hold(rich, cake).hold.points == 100


def test_another_reward_replaces_it_and_puts_the_piece_back(rich, cake, espresso):
    first = hold(rich, cake)

    again = hold(rich, espresso)

    assert (again.status, again.hold.id) == ("replaced", first.hold.id)
    assert left(cake) == 1
    assert Reservation.objects.get().reward_id == espresso.pk


def test_the_same_reward_replaced_for_another_customer_moves_the_piece(rich, ben, cake):
    hold(rich, cake)

    again = hold(ben, cake)

    assert (again.status, again.customer_id, left(cake)) == ("replaced", ben.pk, 0)
    assert members.membership(customer=rich).pk
    assert ledger.totals(merchant_id=rich.merchant_id)["held"] == 100


def test_points_replace_a_reward_and_put_the_piece_back(rich, cake, verb):
    made = hold(rich, cake)

    again = holds.create(customer=rich, points=10, reference="H-1", at=NOON)

    assert (again.status, again.promise, left(cake)) == ("replaced", None, 1)
    verb(holds.capture, made)
    assert Redemption.objects.count() == 0


def test_a_refused_replacement_changes_nothing(rich, cake, program):
    hold(rich, cake)
    dear = put_up(program, "dear", cost=10_000)

    with pytest.raises(NotEnoughPoints):
        hold(rich, dear)

    assert (left(cake), Reservation.objects.get().status) == (0, "held")


def test_a_used_reference_is_not_replaced(rich, cake, espresso, verb):
    verb(holds.capture, hold(rich, cake))

    with pytest.raises(ReferenceReused) as refusal:
        hold(rich, espresso)

    assert [fault.pointer for fault in refusal.value.faults] == ["/reward"]


def test_extending_keeps_the_piece_longer(rich, ben, cake, verb):
    made = hold(rich, cake)
    verb(holds.extend, made, at=NOON + timedelta(minutes=20))

    with pytest.raises(RewardOutOfStock):
        hold(ben, cake, "H-2", at=NOON + timedelta(minutes=40))


def test_extending_an_ended_hold_takes_a_piece_again_or_is_refused(rich, ben, cake, verb):
    made = hold(rich, cake)
    expiry.run(at=NOON + HALF_HOUR)
    verb(holds.extend, made, at=NOON + HALF_HOUR)
    assert left(cake) == 0

    later = NOON + 3 * HALF_HOUR
    redemptions.redeem(customer=ben, reward=cake, reference="X-1", at=later)
    with pytest.raises(RewardOutOfStock):
        verb(holds.extend, made, at=later)


def test_a_held_reward_counts_for_the_caps(rich, ben, program, verb):
    tea = put_up(program, "tea", cost=10, per_customer=1, per_day=2)
    made = hold(rich, tea)

    with pytest.raises(RewardLimitReached):
        redemptions.redeem(customer=rich, reward=tea, reference="X-1", at=NOON)
    hold(ben, tea, "H-2")
    with pytest.raises(RewardLimitReached):
        hold(rich, tea, "H-3")

    assert hold(rich, tea).status == "replayed"
    assert hold(rich, tea, ttl_seconds=60).status == "replaced"
    verb(holds.capture, made)


def test_a_cap_that_was_used_up_meanwhile_refuses_a_late_capture(rich, program, verb):
    tea = put_up(program, "tea", cost=10, per_customer=1)
    made = hold(rich, tea)
    later = NOON + HALF_HOUR
    redemptions.redeem(customer=rich, reward=tea, reference="X-1", at=later)

    with pytest.raises(RewardLimitReached):
        verb(holds.capture, made, at=later)


def test_points_that_are_clawed_back_end_the_hold_and_free_the_piece(rich, cake):
    hold(rich, cake)

    adjustments.adjust(
        customer=rich, points=-200, reason="x", reference="A-9", by="test", at=NOON, allow_negative=True
    )

    assert left(cake) == 1
    assert Touchpoint.objects.filter(kind="hold.expired").count() == 1


def test_points_as_payment_are_held_for_a_basket(rich, program, verb):
    money = put_up(
        program, "money", name="Pay", kind="points_as_payment", cost=10, params={"amount_minor": 50}
    )
    made = hold(rich, money, asked=Asked(basket_minor=520))

    assert (made.hold.points, made.promise.reservation.worth["amount_minor"]) == (100, 500)
    assert hold(rich, money, asked=Asked(basket_minor=520)).status == "replayed"
    assert verb(holds.capture, made).promise.redemption.worth["amount_minor"] == 500


def test_goods_wait_to_be_handed_over(rich, program, verb):
    mug = put_up(program, "mug", kind="gift", cost=50)

    assert verb(holds.capture, hold(rich, mug)).promise.redemption.status == "pending"


def test_what_costs_nothing_is_not_held(rich, program):
    with pytest.raises(NothingToHold):
        hold(rich, put_up(program, "free", cost=0))


def test_a_redemption_of_a_hold_is_given_back_as_any_other(rich, cake, verb):
    made = verb(holds.capture, hold(rich, cake))

    receipt = redemptions.cancel(redemption=made.promise.redemption, at=NOON)

    assert (receipt.balance["active"], left(cake)) == (250, 1)
    assert list(ledger.differences()) == []
