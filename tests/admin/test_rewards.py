"""Rewards are edited with the settings of their kind; redemptions are closed by commands, with a reason."""

import pytest
from django.urls import reverse
from django.utils import timezone

from loyalty import balances
from rewards import holding, redemptions
from rewards.models import Redemption, Reservation, Reward
from tests.rewards.conftest import fill, put_up

pytestmark = pytest.mark.django_db
ADD = "/admin/rewards/reward/add/"


@pytest.fixture
def said(program):
    """What is typed for five euro off."""
    return {
        "program": program.pk, "code": "five", "name": "5 EUR off", "description": "", "cost": "450",
        "set_amount_minor": "5.00", "set_min_basket_minor": "", "stock_total": "20", "per_customer": "2",
        "per_day": "", "valid_days": "30", "tiers": "Silver, Gold", "segments": "", "starts_at_0": "",
        "starts_at_1": "", "ends_at_0": "", "ends_at_1": "", "image_url": "", "position": "0",
        "is_active": "on",
    }  # fmt: skip


@pytest.fixture
def mug(ana, program, noon):
    fill(ana, 250)
    reward = put_up(program, "mug", name="Mug", kind="gift", stock=5)
    return redemptions.redeem(customer=ana, reward=reward, reference="X", at=noon, by="till").redemption


def door(row, name):
    return reverse(f"admin:rewards_redemption_{name}", args=[row.pk])


def test_the_kind_is_chosen_first(desk, cafe):
    page = desk.get(ADD).content.decode()

    for kind in (
        "voucher",
        "amount_off",
        "percent_off",
        "free_item",
        "gift",
        "points_as_payment",
        "donation",
    ):
        assert f"?kind={kind}" in page


def test_money_is_typed_as_people_write_it(desk, cafe, said):
    answer = desk.post(f"{ADD}?kind=amount_off", said)

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    reward = Reward.objects.get()
    assert (reward.kind, reward.params, reward.merchant_id) == ("amount_off", {"amount_minor": 500}, cafe.pk)
    assert (reward.stock, reward.stock_total, reward.tiers) == (20, 20, ["Silver", "Gold"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("set_amount_minor", ""),
        ("set_amount_minor", "0"),
        ("per_customer", "0"),
        ("stock_total", "-1"),
        ("cost", "-1"),
    ],
)
def test_what_makes_no_sense_is_said_beside_it(desk, cafe, said, name, value):
    answer = desk.post(f"{ADD}?kind=amount_off", said | {name: value})

    assert answer.status_code == 200
    assert name in answer.context["adminform"].form.errors
    assert not Reward.objects.exists()


def test_an_edit_keeps_what_was_redeemed_meanwhile(desk, cafe, said):
    desk.post(f"{ADD}?kind=amount_off", said)
    reward = Reward.objects.get()
    page = reverse("admin:rewards_reward_change", args=[reward.pk])
    desk.get(page)
    Reward.objects.update(stock=17)  # three are redeemed while the form is open

    desk.post(page, said | {"name": "Five off"})
    reward.refresh_from_db()
    assert (reward.name, reward.stock, reward.stock_total) == ("Five off", 17, 20)

    desk.post(page, said | {"stock_total": "30"})
    reward.refresh_from_db()
    assert (reward.stock, reward.stock_total) == (27, 30)


def test_pieces_at_a_checkout_are_told_apart_from_what_is_left(desk, program, ana):
    fill(ana, 250)
    cake = put_up(program, "cake", name="Cake", stock=5)
    now = timezone.now()
    holding.create(customer=ana, reward=cake, reference="H-1", at=now, by="till")
    assert "4 of 5, 1 at a checkout" in desk.get("/admin/rewards/reward/").content.decode()

    Reservation.objects.update(expires_at=now)

    page = desk.get("/admin/rewards/reward/").content.decode()
    assert "5 of 5" in page
    assert "at a checkout" not in page


def test_goods_are_handed_over_from_the_queue(desk, mug):
    assert "status__exact=pending" in desk.get("/admin/").content.decode()
    page = desk.get(reverse("admin:rewards_redemption_change", args=[mug.pk])).content.decode()
    assert door(mug, "fulfill") in page

    answer = desk.post(door(mug, "fulfill"), {"reason": ""})

    assert answer.status_code == 302
    mug.refresh_from_db()
    assert mug.status == "fulfilled"


@pytest.mark.parametrize(("name", "status"), [("fail", "failed"), ("cancel", "cancelled")])
def test_points_are_given_back_with_a_reason(desk, mug, ana, cafe, noon, name, status):
    assert desk.post(door(mug, name), {"reason": ""}).status_code == 200
    assert Redemption.objects.get().status == "pending"

    desk.post(door(mug, name), {"reason": "Broken"})

    mug.refresh_from_db()
    assert (mug.status, mug.note) == (status, "Broken")
    assert balances.balance(merchant=cafe, customer_id=ana.pk, at=noon)["active"] == 250


def test_a_cashier_hands_over_but_gives_nothing_back(sit_down, cashier, mug):
    browser = sit_down(cashier)

    assert browser.post(door(mug, "cancel"), {"reason": "x"}).status_code == 403
    assert browser.get(ADD).status_code == 403
    assert browser.post(door(mug, "fulfill"), {"reason": ""}).status_code == 302


def test_an_analyst_only_reads(sit_down, analyst, mug):
    browser = sit_down(analyst)

    assert browser.get(reverse("admin:rewards_redemption_changelist")).status_code == 200
    assert browser.post(door(mug, "fulfill"), {"reason": ""}).status_code == 403


def test_the_customers_page_lists_what_was_redeemed(desk, mug, ana):
    page = desk.get(reverse("admin:customers_customer_change", args=[ana.pk])).content.decode()

    assert reverse("admin:rewards_redemption_change", args=[mug.pk]) in page
