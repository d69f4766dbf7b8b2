"""The shelf, redeeming after one more question, the voucher, and giving it back."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from insights import recommendations
from lib.db import watching
from loyalty import ledger
from rewards.models import Redemption, Voucher
from tests.portal.test_home import text
from tests.portal.visitor import sign_in
from tests.rewards.conftest import fill, put_up

pytestmark = pytest.mark.django_db


@pytest.fixture
def rich(ana, client):
    fill(ana, 250, at=timezone.now())
    sign_in(client, ana)
    return ana


@pytest.fixture
def espresso(program):
    return put_up(program)


def address(reward):
    return f"/cafe-mira/rewards/{reward.public_id}"


def token_of(response):
    return re.search(r'name="token" value="([0-9a-f]{32})"', response.content.decode())[1]


@pytest.fixture
def redeem(client, rich, espresso):
    def act(reward=espresso):
        return client.post(address(reward), {"token": token_of(client.get(address(reward)))})

    return act


def test_what_is_affordable_comes_first_and_the_rest_says_what_is_missing(client, rich, program):
    put_up(program, "machine", name="Machine", cost=300)
    put_up(program, "gone", name="Cake", cost=1, stock=0)
    put_up(program, "gold", name="For Gold", tiers=["Gold"])
    put_up(program)

    page = text(client.get("/cafe-mira/rewards"))

    assert re.search(r"Free espresso 100 beans .*Cake .*All are gone .*Machine 300 beans 50 more beans", page)
    assert "For Gold" not in page


def test_nothing_on_the_shelf_is_said_kindly(client, rich):
    assert "No rewards yet" in text(client.get("/cafe-mira/rewards"))


def test_redeeming_shows_the_code(client, redeem, rich):
    answer = redeem()

    row = Redemption.objects.get()
    assert answer.headers["Location"] == f"/cafe-mira/rewards/mine/{row.public_id}"
    page = text(client.get(answer.headers["Location"]))
    assert row.voucher.last_four in page
    assert "Ready to use" in page
    assert "Redeemed: Free espresso" in text(client.get("/cafe-mira/history?show=used"))


def test_pressing_twice_redeems_once(client, espresso, rich):
    token = token_of(client.get(address(espresso)))

    first, again = (client.post(address(espresso), {"token": token}) for _ in range(2))

    assert first.headers["Location"] == again.headers["Location"]
    assert Redemption.objects.count() == 1


def test_without_the_forms_number_it_is_asked_again(client, espresso, rich):
    assert client.post(address(espresso), {"token": "x"}).status_code == 200
    assert not Redemption.objects.exists()


def test_what_went_meanwhile_is_said_in_plain_words(client, rich, program):
    cake = put_up(program, "cake", stock=1)
    token = token_of(client.get(address(cake)))
    type(cake).objects.update(stock=0)

    answer = client.post(address(cake), {"token": token})

    assert answer.status_code == 422
    assert "All are gone" in text(answer)


def test_an_unused_voucher_is_given_back(client, redeem, rich):
    there = redeem().headers["Location"]

    answer = client.post(f"{there}/give-back", follow=True)

    assert "Your points are here again" in text(answer)
    assert ledger.totals(merchant_id=rich.merchant_id)["active"] == 250
    assert "Give back" not in text(client.get(there)).replace("Given back", "")
    assert client.post(f"{there}/give-back").status_code == 302


@pytest.mark.parametrize(
    "change", [{"used": 1, "status": "redeemed"}, {"expires_at": timezone.now() - timedelta(days=1)}]
)
def test_a_used_or_old_voucher_is_kept_without_its_code(client, redeem, rich, change):
    there = redeem().headers["Location"]
    last_four = Voucher.objects.get().last_four
    Voucher.objects.update(**change)

    page = text(client.get(there))
    client.post(f"{there}/give-back")

    assert last_four not in page
    assert ledger.totals(merchant_id=rich.merchant_id)["active"] == 150


def test_points_as_payment_are_for_the_till(client, rich, program):
    pay = put_up(program, "pay", name="Pay", kind="points_as_payment", cost=1, params={"amount_minor": 1})

    assert "Say at the till" in text(client.get("/cafe-mira/rewards"))
    assert client.get(address(pay)).status_code == 404


@pytest.mark.parametrize("path", ["rewards/rwd_0000000000001", "rewards/x", "rewards/mine/red_0000000000001"])
def test_what_is_not_there_is_answered_kindly(client, rich, path):
    assert client.get(f"/cafe-mira/{path}").status_code == 404


def test_bo_never_sees_or_gives_back_what_is_anas(client, redeem, rich, espresso, bo):
    there = redeem().headers["Location"]
    sign_in(client, bo)

    theirs = there.replace("cafe-mira", "bar-nilo")
    assert client.get(theirs).status_code == 404
    assert client.post(f"{theirs}/give-back").status_code == 404
    assert client.get(address(espresso).replace("cafe-mira", "bar-nilo")).status_code == 404


def test_who_is_not_signed_in_is_asked_to(client, cafe, espresso):
    for path in ("/cafe-mira/rewards", address(espresso)):
        assert client.get(path).status_code == 302


def test_the_shelf_costs_the_same_however_long_it_is(client, rich, program):
    costs = []
    for turn in range(2):
        for number in range(15):
            put_up(program, f"r{turn}-{number}", per_customer=3)
        client.get("/cafe-mira/rewards")
        with watching() as watch:
            client.get("/cafe-mira/rewards")
        costs.append(watch.statements)

    assert costs[0] == costs[1] <= 8


def test_what_is_recommended_stands_above_a_long_shelf(client, rich, cafe, program):
    for number in range(6):
        put_up(program, f"treat-{number}", name=f"Treat {number}", cost=10 + number)
    assert "Recommended for you" not in text(client.get("/cafe-mira/rewards"))

    recommendations.refresh(merchant=cafe, at=timezone.now())
    page = text(client.get("/cafe-mira/rewards"))

    assert re.search(r"Recommended for you Treat 0 .*Treat 2 .*All rewards Treat 0", page)


def test_a_short_shelf_needs_no_recommendation(client, rich, cafe, espresso):
    recommendations.refresh(merchant=cafe, at=timezone.now())

    assert "Recommended for you" not in text(client.get("/cafe-mira/rewards"))
