"""Ana brings Rui: what it pays, when, and what takes it back."""

import pytest

from customers import journey
from customers import referrals as claims
from customers.models import Customer
from lib import db
from loyalty import adjustments, balances, ledger, members, programs, purchases, referrals, statement, voids
from loyalty.earning.base import Tender
from loyalty.sale import Sale
from tests.cast import NOON
from tests.loyalty.bringing import DAY, buy, give_back, join, of, offer, points, relay

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def cafe(cafe):
    offer(cafe)
    return cafe


@pytest.fixture
def rui(cafe, ana):
    return join(cafe, "42", code=ana.referral_code)


# --- the story ----------------------------------------------------------------------------------------


def test_a_friend_who_buys_pays_both_after_the_return_window(cafe, ana, rui):
    assert of(rui).state == "joined"

    buy(rui, 1500)

    one = of(rui)
    assert (one.state, one.referrer_points, one.friend_points) == ("qualified", 200, 100)
    assert one.activates_at == NOON + 14 * DAY
    assert points(ana) == (0, 200)
    assert points(rui) == (15, 100)
    assert points(ana, NOON + 14 * DAY) == (200, 0)
    assert points(rui, NOON + 14 * DAY) == (115, 0)
    referrals.run(at=NOON + 14 * DAY)
    assert of(rui).state == "rewarded"
    assert list(ledger.differences()) == []


def test_the_statement_says_why(cafe, ana, rui):
    buy(rui)

    said = [
        statement.sentence(entry, language="en", points_name="beans")
        for customer in (ana, rui)
        for entry in statement.entries(customer=customer)
    ]

    assert said == ["Thank you for bringing a friend", "You came with a friend's code", "Purchase of €15.00"]


def test_it_pays_once_however_often_it_is_told(cafe, ana, rui):
    buy(rui)
    for customer in (ana, rui):
        customer.touchpoints.update(relayed_at=None)  # as if the worker had died before it wrote that down
    relay(NOON)
    referrals.run(at=NOON)
    buy(rui, reference="S-2")

    assert points(ana) == (0, 200)


def test_points_of_a_referral_lift_no_tier(cafe, ana, rui):
    offer(cafe, referrer_points=5000)
    buy(rui)

    assert members.membership(customer=ana).tier == "Bronze"


def test_without_return_days_it_is_paid_at_once(cafe, ana, rui):
    program = cafe.programs.get()
    program.refund_return_days = 0
    program.save()
    programs.publish(program=program, at=NOON - DAY, by="test")
    cafe.refresh_from_db()

    buy(Customer.objects.get(pk=rui.pk))

    assert of(rui).state == "rewarded"
    assert points(ana) == (200, 0)


def test_a_small_purchase_does_not_count_but_a_later_one_does(cafe, ana, rui):
    buy(rui, 999)
    assert of(rui).state == "joined"

    buy(rui, 1000, "S-2")
    assert of(rui).state == "joined"  # only first purchases are listened to; the sweep sees the others
    assert referrals.run(at=NOON) == 1

    assert of(rui).state == "qualified"


def test_what_is_paid_with_points_is_not_paid(cafe, ana, rui):
    buy(rui, 1500, tenders=(Tender("points", 600), Tender("other", 900)))

    assert of(rui).state == "joined"


def test_both_diaries_tell_it(cafe, ana, rui):
    buy(rui)
    referrals.run(at=NOON + 20 * DAY)

    for who in (ana, rui):
        kinds = who.touchpoints.filter(kind__startswith="referral.").order_by("pk")
        assert [one.kind for one in kinds] == ["referral.joined", "referral.qualified", "referral.rewarded"]


def test_a_sale_asks_nothing_of_referrals(cafe, rui, sale):
    with db.watching() as watch:
        purchases.record(merchant=cafe, sale=sale(1500, customer_id=rui.pk), at=NOON)

    assert watch.texts
    assert not any("customers_referral" in text for text in watch.texts)
    # A second sale is not even told to the listener.
    relay(NOON)
    purchases.record(merchant=cafe, sale=sale(1500, customer_id=rui.pk), at=NOON)
    assert journey.relay(at=NOON) == 0


def test_hearing_of_many_first_sales_costs_no_more_than_of_one(cafe, ana):
    counts = []
    for size in (1, 8):
        crowd = [join(cafe, f"{size}-{n}", code=ana.referral_code) for n in range(size)]
        sales = [Sale(f"S-{one.pk}", "EUR", 1500, NOON, customer_id=one.pk) for one in crowd]
        purchases.record_all(merchant=cafe, sales=sales, at=NOON)
        with db.watching() as watch:
            relay(NOON)
        counts.append(watch.statements)

    assert counts[0] == counts[1]


# --- refunds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [0, 20])
def test_a_full_refund_takes_both_back_also_after_activation(cafe, ana, rui, later):
    buy(rui)
    when = NOON + later * DAY
    referrals.run(at=when)

    give_back(cafe, at=when)

    one = of(rui)
    assert (one.state, one.ended_at) == ("clawed_back", when)
    assert points(ana, when) == (0, 0)
    assert points(rui, when) == (0, 0)
    assert list(ledger.differences()) == []


def test_a_void_takes_both_back(cafe, ana, rui):
    receipt = buy(rui)

    voids.void(merchant=cafe, purchase_id=receipt.row["id"], reference="V-1", at=NOON)
    relay(NOON)

    assert of(rui).state == "clawed_back"
    assert (points(ana), points(rui)) == ((0, 0), (0, 0))


def test_a_partial_refund_counts_only_below_the_minimum(cafe, ana, rui):
    buy(rui, 1500)

    give_back(cafe, 500)
    assert of(rui).state == "qualified"
    give_back(cafe, 1, reference="F-2")

    assert of(rui).state == "clawed_back"
    assert points(ana) == (0, 0)


def test_points_already_spent_become_debt(cafe, ana, rui):
    buy(rui)
    later = NOON + 20 * DAY
    adjustments.adjust(customer=ana, points=-150, reason="spent", reference="A", by="t", at=later)

    give_back(cafe, at=later)

    assert balances.balance(merchant=cafe, customer_id=ana.pk, at=later)["debt"] == 150
    assert list(ledger.differences()) == []


def test_a_refund_told_twice_takes_back_once(cafe, ana, rui):
    buy(rui)
    give_back(cafe)
    rui.touchpoints.update(relayed_at=None)
    relay(NOON)

    assert points(ana) == (0, 0)
    assert of(rui).state == "clawed_back"


def test_the_minimum_of_the_day_it_qualified_counts(cafe, ana, rui):
    buy(rui, 1500)
    offer(cafe, min_amount_minor=5000)

    give_back(cafe, 100)

    assert of(rui).state == "qualified"


def test_after_it_was_taken_back_no_other_purchase_counts(cafe, ana, rui):
    buy(rui)
    give_back(cafe)
    buy(rui, reference="S-2")
    referrals.run(at=NOON)

    assert of(rui).state == "clawed_back"
    assert points(ana) == (0, 0)


# --- caps and time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap", "told"),
    [("cap_per_month", "cap_per_month_reached"), ("cap_per_year", "cap_per_year_reached")],
)
def test_over_the_cap_the_friend_still_gets_theirs(cafe, ana, cap, told):
    offer(cafe, **{cap: 2})
    crowd = [join(cafe, f"{n}", code=ana.referral_code) for n in range(3)]
    for number, friend in enumerate(crowd):
        buy(friend, reference=f"S-{number}")

    assert [of(one).referrer_points for one in crowd] == [200, 200, 0]
    assert [of(one).friend_points for one in crowd] == [100, 100, 100]
    assert of(crowd[2]).refusal == told
    assert points(ana) == (0, 400)


def test_a_cap_holds_within_one_batch_too(cafe, ana):
    offer(cafe, cap_per_month=1)
    crowd = [join(cafe, f"{n}", code=ana.referral_code) for n in range(3)]
    sales = [Sale(f"S-{one.pk}", "EUR", 1500, NOON, customer_id=one.pk) for one in crowd]
    purchases.record_all(merchant=cafe, sales=sales, at=NOON)

    relay(NOON)

    assert sorted(of(one).referrer_points for one in crowd) == [0, 0, 200]


def test_a_new_month_has_room_again(cafe, ana):
    offer(cafe, cap_per_month=1)
    for number, when in enumerate((NOON, NOON + 31 * DAY)):
        buy(join(cafe, f"{number}", code=ana.referral_code, at=when), reference=f"S-{number}", at=when)

    assert points(ana, NOON + 31 * DAY) == (200, 200)


def test_what_was_taken_back_makes_room_again(cafe, ana):
    offer(cafe, cap_per_month=1)
    buy(join(cafe, "1", code=ana.referral_code))
    give_back(cafe)

    buy(join(cafe, "2", code=ana.referral_code), reference="S-2")

    assert points(ana) == (0, 200)


def test_who_never_buys_expires(cafe, ana, rui):
    assert referrals.run(at=NOON + 89 * DAY) == 0
    assert referrals.run(at=NOON + 90 * DAY) == 1
    assert of(rui).state == "expired"

    buy(rui, at=NOON + 91 * DAY)
    referrals.run(at=NOON + 91 * DAY)

    assert points(ana, NOON + 91 * DAY) == (0, 0)


def test_any_number_is_found_in_pieces(cafe, ana, monkeypatch):
    monkeypatch.setattr(referrals, "AT_ONCE", 4)
    monkeypatch.setattr(claims, "AT_ONCE", 2)
    crowd = [join(cafe, f"{n}", code=ana.referral_code) for n in range(7)]
    sales = [
        Sale(f"S-{n}-{one.pk}", "EUR", 1500, NOON, customer_id=one.pk) for one in crowd for n in range(3)
    ]
    purchases.record_all(merchant=cafe, sales=sales, at=NOON)

    assert referrals.run(at=NOON) == 7
    assert referrals.run(at=NOON + 14 * DAY) == 7
    assert points(ana, NOON + 14 * DAY) == (1400, 0)
