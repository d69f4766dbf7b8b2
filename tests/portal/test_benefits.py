"""The card of the benefits: what the level gives, what is left, and what the next one adds."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lib.db import watching
from rewards import perks
from tests.portal.test_home import text
from tests.portal.visitor import sign_in
from tests.rewards.giving import OAT, WELCOME, buy, promise

pytestmark = pytest.mark.django_db
CAKE = {"kind": "benefit", "name": "Free cake", "id": "cake", "limit": {"times": 2, "per": "lifetime"}}
DAILY = {"kind": "benefit", "name": "Free tea", "id": "tea", "limit": {"times": 1, "per": "day"}}


@pytest.fixture
def page(client, ana):
    def read():
        sign_in(client, ana)
        return text(client.get("/cafe-mira"))

    return read


def use(customer, perk, reference="P-1"):
    perks.use(customer=customer, perk=perk, reference=reference, at=timezone.now(), by="till")


def test_without_perks_there_is_no_card(page):
    assert "Your benefits" not in page()


def test_what_is_left_is_said(page, cafe, ana):
    promise(cafe, Bronze=[OAT, CAKE, DAILY])
    use(ana, "cake")

    said = page()

    assert "Your benefits" in said
    assert "Oat milk As often as you like" in said
    assert "Free cake 1 left" in said
    assert "Free tea 1 left until" in said


def test_what_is_used_up_says_when_there_is_more(page, cafe, ana):
    promise(cafe, Bronze=[CAKE, DAILY])
    use(ana, "cake", "P-1")
    use(ana, "cake", "P-2")
    use(ana, "tea", "P-3")

    said = page()

    assert "Free cake All used Free tea All used, again from" in said


def test_what_the_level_gave_and_what_the_next_adds(page, cafe, ana):
    promise(cafe, Silver=[WELCOME], Gold=[OAT, CAKE])
    assert "With Silver you also get: Welcome to Silver" in page()

    buy(ana, 600, at=timezone.now() - timedelta(minutes=1))

    said = page()
    assert "Welcome to Silver Yours since you reached Silver" in said
    assert "With Gold you also get: Oat milk, Free cake" in said


def test_the_card_costs_four_statements(client, cafe, ana):
    sign_in(client, ana)
    client.get("/cafe-mira")
    with watching() as before:
        client.get("/cafe-mira")
    promise(cafe, Bronze=[OAT, CAKE, DAILY, WELCOME])
    client.get("/cafe-mira")

    with watching() as after:
        client.get("/cafe-mira")

    assert after.statements - before.statements <= 4, after.texts


def test_another_shops_customer_sees_none_of_it(client, cafe, bo):
    promise(cafe, Bronze=[OAT])
    sign_in(client, bo)

    assert "Oat milk" not in text(client.get("/bar-nilo"))
