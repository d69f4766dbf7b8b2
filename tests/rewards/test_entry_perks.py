"""What reaching a level gives: once, and back when a refund undoes the level."""

from datetime import timedelta

import pytest

from customers.identifiers import Given
from customers.models import Touchpoint
from lib.db import watching
from loyalty import ledger, members, merges, tier_reviews
from rewards import entry_perks, vouchers
from rewards.models import PerkGrant, Redemption, Voucher
from tests.cast import NOON
from tests.rewards.conftest import put_up
from tests.rewards.giving import COFFEE, WELCOME, buy, give_back, points, promise, relay, tell

pytestmark = [pytest.mark.core, pytest.mark.django_db]
DAY = timedelta(days=1)


@pytest.fixture
def club(cafe):
    """Silver gives 100 points."""
    promise(cafe, Silver=[WELCOME])
    return cafe


@pytest.fixture
def bar(cafe, program):
    """Silver gives an espresso, of which there are five."""
    put_up(program, stock=5)
    promise(cafe, Silver=[COFFEE])
    return cafe


def grants():
    return list(PerkGrant.objects.order_by("pk").values_list("perk", "status", "taken"))


def test_points_are_given_on_reaching_the_level(club, ana):
    buy(ana, 400, "S-1")
    assert points(ana) == (400, 0)

    buy(ana, 200, "S-2")

    assert points(ana) == (700, 0)
    assert grants() == [("silver-welcome-to-silver", "given", 0)]
    [entry] = ledger.entries(merchant_id=club.pk).filter(kind="bonus")
    assert entry.reason["name"] == "Welcome to Silver"
    assert ana.touchpoints.filter(kind="perk.given").count() == 1
    assert list(ledger.differences()) == []


def test_they_do_not_count_for_the_next_level(cafe, ana):
    promise(cafe, Silver=[WELCOME | {"points": 5000}])

    buy(ana, 600)

    assert members.membership(customer=ana).tier == "Silver"


def test_told_twice_it_is_given_once(club, ana):
    buy(ana, 600)

    tell(entry_perks.on_tiers, Touchpoint.objects.filter(kind__in=("tier.changed", "customer.converted")))

    assert points(ana) == (700, 0)
    assert len(grants()) == 1


def test_a_reward_is_a_voucher_without_its_cost(bar, ana):
    buy(ana, 600)

    [redemption] = Redemption.objects.all()
    assert (redemption.points, redemption.status, redemption.reference[:9]) == (0, "fulfilled", "perk:pkg_")
    assert redemption.voucher.origin == "perk"
    assert vouchers.code_of(redemption.voucher)
    assert redemption.reward.stock == 4
    assert points(ana) == (600, 0)


def test_goods_wait_to_be_handed_over(cafe, program, ana):
    put_up(program, "mug", kind="gift", cost=900)
    promise(cafe, Silver=[COFFEE | {"reward": "mug"}])

    buy(ana, 600)

    assert Redemption.objects.get().status == "pending"


@pytest.mark.parametrize("change", [{"stock": 0}, {"is_active": False}, {"kind": "points_as_payment"}])
def test_what_is_not_there_is_written_down_and_stops_nobody(cafe, program, ana, change):
    put_up(program, **change)
    promise(cafe, Silver=[COFFEE, WELCOME])

    buy(ana, 600)

    assert [status for _, status, _ in grants()] == ["missed", "given"]
    assert PerkGrant.objects.get(status="missed").note
    assert points(ana) == (700, 0)
    assert not Redemption.objects.exists()


def test_two_levels_at_once_give_what_both_promise(cafe, ana):
    promise(cafe, Silver=[WELCOME], Gold=[WELCOME | {"points": 500}])

    buy(ana, 2000)

    assert points(ana) == (2600, 0)


def test_the_level_everybody_starts_in_is_reached_with_the_first_purchase(cafe, ana):
    promise(cafe, Bronze=[WELCOME])
    relay()
    assert points(ana) == (0, 0)

    buy(ana, 10, "S-1")
    buy(ana, 10, "S-2")

    assert points(ana) == (120, 0)


def test_points_may_have_to_wait(cafe, ana):
    promise(cafe, Silver=[WELCOME | {"pending_days": 14}])

    buy(ana, 600)

    assert points(ana) == (600, 100)
    assert points(ana, NOON + 15 * DAY) == (700, 0)


def again(customer, at):
    """Staff lower the customer, then raise them again."""
    for tier in ("Bronze", "Silver"):
        tier_reviews.assign(customer=customer, tier=tier, until=None, reason="test", by="owner", at=at)
        relay(at)


def test_leaving_and_coming_back_gives_nothing(club, ana):
    buy(ana, 600)

    again(ana, NOON + DAY)

    assert points(ana) == (700, 0)


def test_one_that_says_so_is_given_each_time(cafe, ana):
    promise(cafe, Silver=[WELCOME | {"again": "each_time"}])
    buy(ana, 600)

    again(ana, NOON + DAY)
    tell(entry_perks.on_tiers, Touchpoint.objects.filter(kind="tier.changed"))

    assert points(ana) == (800, 0)


def test_who_was_merged_with_somebody_who_had_it_gets_no_second(club, ana):
    other = members.enroll(merchant=club, identifiers=[Given("card", "77")], at=NOON, by="test")
    buy(other, 600, "S-1")
    merges.merge(source=other, target=ana, reason="one", at=NOON, by="test")
    relay()

    again(ana, NOON + DAY)

    assert points(ana) == (700, 0)


def test_another_shops_customers_are_given_nothing(club, bo):
    buy(bo, 600)

    assert grants() == []


# --- taken back -----------------------------------------------------------------------------------------


def test_a_refund_that_undoes_the_level_takes_the_points_back_once(club, ana):
    buy(ana, 600)

    give_back(club, 300)
    tell(entry_perks.on_refunds, Touchpoint.objects.filter(kind="purchase.refunded"))

    assert points(ana) == (300, 0)
    assert grants() == [("silver-welcome-to-silver", "taken_back", 100)]
    assert ana.touchpoints.filter(kind="perk.taken_back").count() == 1
    assert list(ledger.differences()) == []


def test_a_small_refund_takes_nothing(club, ana):
    buy(ana, 600)

    give_back(club, 50)

    assert points(ana) == (650, 0)


def test_what_was_bought_since_keeps_it(club, ana):
    buy(ana, 600, "S-1")
    buy(ana, 600, "S-2", NOON + DAY)

    give_back(club, 600, "S-1", NOON + 2 * DAY)

    assert points(ana, NOON + 2 * DAY) == (850, 0)  # 600 at a quarter more, and the welcome


def test_a_window_that_moved_on_is_no_refund(club, ana):
    later = NOON + 400 * DAY
    buy(ana, 600, "S-1")
    buy(ana, 20, "S-2", later)

    give_back(club, 20, "S-2", later)

    assert points(ana, later)[0] == 700


def test_used_points_are_not_owed(club, ana, program, redeem):
    buy(ana, 600)
    redeem(ana, put_up(program, cost=650))

    give_back(club, 10)
    give_back(club, 590, reference="F-2")

    grant = PerkGrant.objects.get()
    assert (grant.status, grant.taken) == ("kept", 0)
    assert list(ledger.differences()) == []


def test_an_unused_voucher_is_cancelled_and_its_stock_is_back(bar, ana):
    buy(ana, 600)

    give_back(bar)
    tell(entry_perks.on_refunds, Touchpoint.objects.filter(kind="purchase.refunded"))

    redemption = Redemption.objects.get()
    assert (redemption.status, redemption.voucher.status) == ("cancelled", "cancelled")
    assert redemption.reward.stock == 5
    assert [status for _, status, _ in grants()] == ["taken_back"]


def test_a_used_voucher_stays_used(bar, ana, use):
    buy(ana, 600)
    use(vouchers.code_of(Voucher.objects.get()))

    give_back(bar)

    assert Redemption.objects.get().status == "fulfilled"
    assert [status for _, status, _ in grants()] == ["kept"]


def test_what_came_back_is_given_when_the_level_is_reached_again(club, ana):
    buy(ana, 600)
    give_back(club)

    again(ana, NOON + DAY)

    assert points(ana) == (100, 0)
    assert [status for _, status, _ in grants()] == ["taken_back", "given"]


def test_a_level_that_staff_gave_is_no_refunds_business(club, ana):
    buy(ana, 10)
    tier_reviews.assign(customer=ana, tier="Silver", until=None, reason="friend", by="owner", at=NOON)
    relay()

    give_back(club)

    assert points(ana) == (100, 0)


def test_many_rises_cost_as_many_statements_as_one(club, noon):
    people = [
        members.enroll(merchant=club, identifiers=[Given("card", f"9{n}")], at=noon, by="test")
        for n in range(6)
    ]
    for number, one in enumerate(people):
        buy(one, 10, f"B-{number}")

    def told(some):
        for one in some:
            tier_reviews.assign(customer=one, tier="Silver", until=None, reason="x", by="o", at=noon)
        rows = list(Touchpoint.objects.filter(kind="tier.changed", customer__in=some))
        for row in rows:
            row.merchant = club
        with watching() as seen:
            tell(entry_perks.on_tiers, rows)
        return seen.statements

    assert told(people[:2]) == told(people[2:])
