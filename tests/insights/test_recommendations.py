"""Recommendations: the order of last night, with what can be had now; nobody else's, and nothing that is barred."""

from datetime import timedelta

import pytest

from customers import erasure
from customers.identifiers import Given
from insights import recommendations
from insights.models import Recommendation
from lib import db
from loyalty import members, purchases
from loyalty.earning.base import Line
from loyalty.sale import Sale
from rewards import redemptions
from rewards.models import Reward
from tests.rewards.conftest import fill, put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def join(cafe, noon):
    """`join("1", 500)` is a new customer with 500 points."""

    def enroll(card, points):
        one = members.enroll(merchant=cafe, identifiers=[Given("card", card)], at=noon, by="test")
        one.merchant = cafe
        fill(one, points, reference=f"FILL-{card}")
        return one

    return enroll


@pytest.fixture
def shelf(program):
    """Espresso for 100 points, cake for 150, tea for 150, a machine for 5000."""
    return {
        code: put_up(program, code, name=code.title(), cost=cost)
        for code, cost in {"espresso": 100, "cake": 150, "tea": 150, "machine": 5000}.items()
    }


@pytest.fixture
def take(noon):
    count = iter(range(1, 1000))

    def redeem(customer, reward, *, days_ago):
        at = noon - timedelta(days=days_ago)
        redemptions.redeem(customer=customer, reward=reward, reference=f"X-{next(count)}", at=noon, by="till")
        rows = customer.redemptions.filter(reward=reward)
        rows.update(occurred_at=at)

    return redeem


def shown(customer, at, most=9):
    found = recommendations.rewards_for(merchant=customer.merchant, customer_id=customer.pk, at=at, most=most)
    return [offer.reward.code for offer in found]


def test_what_others_took_together_comes_first(cafe, ana, shelf, join, take, noon):
    fill(ana, 400)
    for card in ("41", "42", "43"):
        friend = join(card, 450)
        take(friend, shelf["espresso"], days_ago=20)
        take(friend, shelf["tea"], days_ago=20)
    take(ana, shelf["espresso"], days_ago=30)

    assert recommendations.refresh(merchant=cafe, at=noon) == 4
    assert shown(ana, noon) == ["tea", "espresso", "cake"]


def test_what_was_just_redeemed_waits(cafe, ana, shelf, take, noon):
    fill(ana, 400)
    take(ana, shelf["espresso"], days_ago=3)
    recommendations.refresh(merchant=cafe, at=noon)

    assert "espresso" not in shown(ana, noon)
    assert "cake" in shown(ana, noon)


def test_only_what_can_be_had_now_is_shown(cafe, ana, shelf, noon):
    fill(ana, 400)
    recommendations.refresh(merchant=cafe, at=noon)
    Reward.objects.filter(code="cake").update(stock=0, stock_total=1)
    Reward.objects.filter(code="tea").update(tiers=["Gold"])

    assert shown(ana, noon) == ["espresso"]


def test_almost_there_is_what_thirty_days_bring(cafe, ana, shelf, noon):
    fill(ana, 90)
    recommendations.refresh(merchant=cafe, at=noon)

    made = Recommendation.objects.get(customer_id=ana.pk)
    assert made.coming == 30  # 90 points in 90 days
    assert shown(ana, noon) == ["espresso"]


def test_products_are_what_others_bought_with_them(cafe, ana, join, noon):
    def buy(customer, number, *skus):
        lines = tuple(Line(str(n), 300, sku=sku, name=sku.title()) for n, sku in enumerate(skus))
        sale = Sale(f"P-{number}", "EUR", 300 * len(skus), noon, customer_id=customer.pk, lines=lines)
        purchases.record(merchant=cafe, sale=sale, at=noon)

    for n in range(3):
        buy(join(f"5{n}", 1), n, "beans", "filter", "mug")
    buy(join("59", 1), 9, "tea")
    buy(ana, 10, "beans")
    recommendations.refresh(merchant=cafe, at=noon)

    made = Recommendation.objects.get(customer_id=ana.pk)
    assert made.products == [["filter", "Filter"], ["mug", "Mug"], ["tea", "Tea"]]


def test_again_is_the_same_and_takes_the_same_statements(cafe, ana, shelf, join, noon):
    def statements():
        with db.watching() as watch:
            recommendations.refresh(merchant=cafe, at=noon)
        return watch.statements

    few = statements()
    before = list(Recommendation.objects.values("customer_id", "rewards", "coming"))
    assert statements() == few
    assert list(Recommendation.objects.values("customer_id", "rewards", "coming")) == before
    for number in range(20):
        join(f"6{number}", 10)
    assert statements() == few


def test_nobody_is_told_what_another_shop_knows(cafe, ana, shelf, bar_nilo, bo, noon):
    put_up(bar_nilo.programs.get(), "beer", cost=0)
    recommendations.refresh_all(at=noon)

    assert shown(bo, noon) == ["beer"]
    assert recommendations.of(merchant=bar_nilo, customer_id=ana.pk) is None
    assert recommendations.of(merchant=cafe, customer_id=bo.pk) is None


def test_whoever_just_joined_has_none_and_whoever_left_neither(cafe, ana, shelf, join, noon):
    recommendations.refresh(merchant=cafe, at=noon)
    assert shown(join("71", 500), noon) == []

    erasure.erase(customer=ana, at=noon, by="customer")
    assert not Recommendation.objects.filter(customer_id=ana.pk).exists()


def test_a_shop_without_customers_or_rewards(bar_nilo, noon):
    assert recommendations.refresh(merchant=bar_nilo, at=noon) == 0
