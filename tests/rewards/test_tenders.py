"""A sale that was paid with redeemed points or a voucher, and comes back."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.identifiers import Given
from loyalty import holds, ledger, members, merges, programs, purchases, refunds, voids
from loyalty.models import Program, Purchase
from loyalty.models.ledger import Entry, Lot
from loyalty.refunds import Return, ReturnLine
from loyalty.sale import Line, Sale, Tender
from rewards import holding, redemptions, vouchers
from rewards.models import Redemption, Voucher
from rewards.pricing import Asked
from tests.cast import NOON
from tests.rewards.conftest import put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def money(program):
    """Ten points pay fifty cents."""
    return put_up(
        program, "money", name="Pay", kind="points_as_payment", cost=10, params={"amount_minor": 50}
    )


@pytest.fixture
def pay(cafe, rich, money, redeem):
    """`pay("R-1")` is a sale of 12.00, of which 60 points that Ana redeemed paid 3.00."""

    def act(reference="R-1", *, customer=rich, lines=(), at=NOON):
        made = redeem(customer, money, f"X-{reference}", asked=Asked(points=60, basket_minor=1200), at=at)
        return buy(
            cafe, rich, reference, Tender("points", 300, made.redemption.public_id), lines=lines, at=at
        )

    return act


def buy(cafe, customer, reference, tender, *, lines=(), at=NOON):
    rest = Tender("card", 1200 - tender.amount_minor)
    sale = Sale(reference, "EUR", 1200, at, customer_id=customer.pk, tenders=(tender, rest), lines=lines)
    return purchases.record(merchant=cafe, sale=sale, at=at)


def refund(cafe, n, amount=None, *, reference="R-1", at=NOON, **more):
    said = Return(f"F-{n}", at, purchase_reference=reference, amount_minor=amount, **more)
    return refunds.record(merchant=cafe, refund=said, at=at)


def named(bought):
    entries = Entry.objects.filter(purchase_id=bought.purchase_id)
    return sum(entry.points + entry.pending for entry in entries)


def active(cafe):
    return ledger.totals(merchant_id=cafe.pk)["active"]


def test_a_full_refund_gives_redeemed_points_back(cafe, pay):
    bought = pay()
    assert active(cafe) == 250 - 60 + 9

    receipt = refund(cafe, 1)

    assert (receipt.returned, receipt.clawed_back) == (60, 9)
    assert active(cafe) == 250
    assert named(bought) == 0
    assert Redemption.objects.get().returned == 60
    assert Lot.objects.exclude(points=9).get().remaining == 250
    assert list(ledger.differences()) == []


def test_told_twice_they_come_back_once(cafe, pay):
    pay()

    first, again = refund(cafe, 1, 600), refund(cafe, 1, 600)

    assert (first.returned, again.status, Redemption.objects.get().returned) == (30, "replayed", 30)


@given(parts=st.lists(st.integers(1, 1200), max_size=5))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_in_whatever_parts_it_comes_back_nothing_drifts(cafe, pay, parts):
    run = Redemption.objects.count()
    reference = f"R-{run}"
    bought, left = pay(reference), 1200

    for n, part in enumerate(parts):
        if not (amount := min(part, left)):
            break
        refund(cafe, f"{run}-{n}", amount, reference=reference)
        left -= amount
        row = Redemption.objects.get(reference=f"X-{reference}")
        assert row.returned == 60 * (1200 - left) // 1200
    if left:
        refund(cafe, f"{run}-rest", reference=reference)

    assert named(bought) == 0
    assert active(cafe) == 250
    assert list(ledger.differences()) == []


def test_shipping_that_is_kept_keeps_no_points(cafe, pay):
    pay(lines=(Line("1", amount_minor=1000), Line("2", kind="shipping", amount_minor=200)))

    goods = refund(cafe, 1, lines=(ReturnLine("1", amount_minor=1000),))

    assert goods.returned == 60


def test_they_keep_their_expiry_but_last_thirty_days(cafe, program, ana, money, redeem):
    program.expiry_mode, program.expiry_months = "age", 2
    program.save()
    programs.publish(program=program, at=NOON - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    ana.merchant = cafe
    purchases.record(merchant=cafe, sale=Sale("FILL", "EUR", 6000, NOON, customer_id=ana.pk), at=NOON)
    lot = Lot.objects.get()
    made = redeem(ana, money, "X-1", asked=Asked(points=60, basket_minor=1200))
    buy(cafe, ana, "R-1", Tender("points", 300, made.redemption.public_id))

    refund(cafe, 1, 600, at=NOON + timedelta(days=1))
    late = lot.expires_at - timedelta(days=10)
    refund(cafe, 2, 600, at=late)

    lot.refresh_from_db()
    assert lot.remaining == 30
    assert Lot.objects.get(points=30).expires_at == late + timedelta(days=30)


def test_a_redemption_that_partly_came_back_is_cancelled_for_the_rest(cafe, pay):
    pay()
    refund(cafe, 1, 600)

    redemptions.cancel(redemption=Redemption.objects.select_related("reward").get(), at=NOON)

    assert active(cafe) == 250 + 9 - 4
    assert refund(cafe, 2).returned == 0
    assert active(cafe) == 250
    assert list(ledger.differences()) == []


def test_a_void_gives_them_back(cafe, pay):
    bought = pay()

    voids.void(merchant=cafe, purchase_id=bought.purchase_id, reference="V-1", at=NOON)

    assert active(cafe) == 250


def test_a_refund_that_failed_takes_them_again(cafe, pay):
    pay()
    refund(cafe, 1)

    refunds.undo(merchant=cafe, source="api", reference="F-1", at=NOON)

    assert active(cafe) == 250 - 60 + 9
    assert Redemption.objects.get().returned == 0
    assert list(ledger.differences()) == []


def test_they_go_back_to_whoever_redeemed_and_was_merged_since(cafe, rich, pay, noon):
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")
    bought = pay()
    merges.merge(source=rich, target=eva, reason="one person", at=noon, by="test")

    assert refund(cafe, 1).returned == 60

    assert active(cafe) == 250
    assert named(bought) == 0
    assert list(ledger.differences()) == []


def test_a_hold_of_somebody_who_was_merged_comes_back_too(cafe, rich, noon):
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")
    made = holds.create(customer=rich, points=60, reference="H-1", at=noon)
    buy(cafe, rich, "R-1", Tender("points", 300, made.hold.facts()["hold"]))
    holds.capture(merchant=cafe, hold_id=made.hold.id, at=noon)
    merges.merge(source=rich, target=eva, reason="one person", at=noon, by="test")

    assert (refund(cafe, 1, 600).returned, refund(cafe, 2).returned) == (30, 30)

    assert active(cafe) == 250
    assert list(ledger.differences()) == []


def test_a_reward_that_was_held_counts_in_one_place(cafe, rich, money):
    """Named by its hold, by its redemption, and cancelled: its points come back once."""
    made = holding.create(
        customer=rich, reward=money, reference="H-1", at=NOON, asked=Asked(points=60, basket_minor=1200)
    )
    used = holds.capture(merchant=cafe, hold_id=made.hold.id, at=NOON)
    redemption = used.promise.redemption
    buy(cafe, rich, "R-1", Tender("points", 300, redemption.public_id))

    assert refund(cafe, 1, 600).returned == 30
    redemptions.cancel(redemption=redemption, at=NOON)
    assert refund(cafe, 2).returned == 0

    assert active(cafe) == 250
    assert list(ledger.differences()) == []


def test_points_of_a_voucher_that_nobody_used_come_back_and_the_voucher_does_not(
    cafe, rich, espresso, redeem
):
    made = redeem(rich, espresso)
    buy(cafe, rich, "R-1", Tender("points", 300, made.redemption.public_id))

    assert refund(cafe, 1).returned == 100

    assert Voucher.objects.get().status == "cancelled"


def test_another_shops_redemption_gives_nothing_back(cafe, rich, bar_nilo, bo):
    theirs = put_up(Program.objects.get(merchant=bar_nilo), "rum", cost=0)
    made = redemptions.redeem(customer=bo, reward=theirs, reference="X", at=NOON)
    buy(cafe, rich, "R-1", Tender("points", 300, made.redemption.public_id))

    assert refund(cafe, 1).returned == 0


# --- vouchers -------------------------------------------------------------------------------------------


@pytest.fixture
def coupon(cafe, rich, issue, use):
    """A voucher of Ana's, used for a sale of 12.00 of which it paid 3.00."""
    made = issue()
    use(made.code, reference="U-9", purchase_reference="R-1")
    buy(cafe, rich, "R-1", Tender("voucher", 300, made.code))
    return made


def status():
    return Voucher.objects.get().status


def test_a_voucher_comes_back_whole_or_not_at_all(cafe, coupon, use):
    refund(cafe, 1, 1199)
    assert status() == "redeemed"

    refund(cafe, 2)

    assert status() == "issued"
    assert use(coupon.code).status == "created"


def test_a_kept_shipping_fee_does_not_keep_the_voucher(cafe, rich, issue, use):
    made = issue()
    use(made.code, purchase_reference="R-1")
    lines = (Line("1", amount_minor=1000), Line("2", kind="shipping", amount_minor=200))
    buy(cafe, rich, "R-1", Tender("voucher", 300, made.code), lines=lines)

    refund(cafe, 1, lines=(ReturnLine("1", amount_minor=1000),))

    assert status() == "issued"


def test_a_voucher_comes_back_once(cafe, coupon, use):
    refund(cafe, 1)
    refund(cafe, 1)
    use(coupon.code, purchase_reference="R-2")

    bought = Purchase.objects.get(reference="R-1")
    voids.void(merchant=cafe, purchase_id=bought.pk, reference="V-1", at=NOON)

    assert status() == "redeemed"
    assert Voucher.objects.get().trail.exclude(undoes=None).count() == 1


def test_a_use_that_named_no_sale_comes_back_once_too(cafe, rich, issue, use):
    made = issue()
    use(made.code)
    bought = buy(cafe, rich, "R-1", Tender("voucher", 300, made.code))
    refund(cafe, 1)
    assert status() == "issued"
    use(made.code)

    voids.void(merchant=cafe, purchase_id=bought.purchase_id, reference="V-1", at=NOON)

    assert status() == "redeemed"


def test_the_redemption_names_its_voucher(cafe, rich, espresso, redeem, use):
    made = redeem(rich, espresso)
    use(made.code, purchase_reference="R-1")
    buy(cafe, rich, "R-1", Tender("voucher", 300, made.redemption.public_id))

    assert refund(cafe, 1).returned == 0

    assert status() == "issued"


def test_a_refund_that_failed_takes_the_voucher_again(cafe, coupon):
    refund(cafe, 1)

    refunds.undo(merchant=cafe, source="api", reference="F-1", at=NOON)
    assert status() == "redeemed"

    refund(cafe, 2)
    assert status() == "issued"


def test_a_voucher_used_elsewhere_meanwhile_stays_used_there(cafe, coupon, use):
    refund(cafe, 1)
    use(coupon.code, purchase_reference="R-2")

    refunds.undo(merchant=cafe, source="api", reference="F-1", at=NOON)

    assert Voucher.objects.get().used == 1


def test_an_unused_voucher_has_nothing_to_give_back(cafe, rich, issue):
    made = issue()
    buy(cafe, rich, "R-1", Tender("voucher", 300, made.code))

    refund(cafe, 1)

    assert (status(), vouchers.find(merchant=cafe, code=made.code).used) == ("issued", 0)
