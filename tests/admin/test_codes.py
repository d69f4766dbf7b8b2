"""Staff and codes: cancelled with a question, made once in a file, pools filled, gift cards only read."""

import io

import pytest

from lib import db
from lib.db import watching
from rewards import gift_cards, pools, vouchers
from rewards.models import CodePool, GiftCard, Voucher

pytestmark = pytest.mark.django_db


@pytest.fixture
def voucher(cafe, ana, noon):
    return db.command(vouchers.issue)(
        merchant=cafe, name="Coffee", worth={}, at=noon, by="t", origin="perk", reference="P", customer=ana
    )


@pytest.fixture
def pool(cafe, noon):
    made = CodePool.objects.create(merchant=cafe, code="cinema", name="Cinema tickets")
    pools.upload(pool=made, given=["a"], at=noon)
    return made


def test_a_voucher_is_cancelled_after_a_question(desk, voucher):
    address = f"/admin/rewards/voucher/{voucher.voucher.pk}"
    page = desk.get(f"{address}/change/").content.decode()

    desk.post(f"{address}/cancel/", {})
    before = Voucher.objects.get().status
    desk.post(f"{address}/cancel/", {"is_sure": "on"})

    assert f"{address}/cancel/" in page
    assert voucher.code not in page
    assert (before, Voucher.objects.get().status) == ("issued", "cancelled")
    assert "/cancel/" not in desk.get(f"{address}/change/").content.decode()


def test_a_used_voucher_stays_used(desk, voucher, cafe, noon):
    vouchers.redeem(merchant=cafe, code=voucher.code, reference="U-1", at=noon, by="till")

    desk.post(f"/admin/rewards/voucher/{voucher.voucher.pk}/cancel/", {"is_sure": "on"})

    assert Voucher.objects.get().status == "redeemed"
    assert "U-1" in desk.get(f"/admin/rewards/voucher/{voucher.voucher.pk}/change/").content.decode()


def test_codes_for_bearers_are_in_one_file_and_nowhere_else(desk, cafe, noon):
    said = {"name": "Flyer", "count": "25", "uses": "1", "batch": "lot_1"}

    answer = desk.post("/admin/rewards/voucher/add/", said)
    again = desk.post("/admin/rewards/voucher/add/", said)

    lines = answer.content.decode().split()
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "no-store" in answer["Cache-Control"]
    assert (lines[0], len(set(lines[1:]))) == ("code", 25)
    assert "cannot be shown again" in again.content.decode()
    assert Voucher.objects.filter(merchant=cafe).count() == 25
    found = vouchers.find(merchant=cafe, code=lines[1])
    assert (found.name, found.sealed_code, found.by) == ("Flyer", "", "owner-cafe-mira")
    assert lines[1] not in desk.get("/admin/rewards/voucher/").content.decode()


@pytest.mark.parametrize("more", [{"count": "0"}, {"count": "10001"}, {"expires_at": "2020-01-01T00:00"}])
def test_what_makes_no_sense_makes_no_codes(desk, cafe, more):
    said = {"name": "Flyer", "count": "5", "uses": "1", "batch": "lot_1"} | more

    assert desk.post("/admin/rewards/voucher/add/", said)["Content-Type"].startswith("text/html")
    assert not Voucher.objects.exists()


def test_at_the_counter_and_in_the_office_no_codes_are_made(sit_down, cashier, analyst, cafe):
    for person in (cashier, analyst):
        assert sit_down(person).get("/admin/rewards/voucher/add/").status_code == 403


def test_codes_for_another_shop_are_not_made(desk, cafe, next_door):
    before = Voucher.objects.filter(merchant=next_door).count()
    said = {"merchant": next_door.pk, "name": "Mine", "count": "2", "uses": "1", "batch": "lot_1"}

    desk.post("/admin/rewards/voucher/add/", said)

    assert Voucher.objects.filter(merchant=next_door).count() == before
    assert Voucher.objects.filter(merchant=cafe).count() == 2


def test_a_pool_is_filled_by_text_and_by_file(desk, pool, noon):
    file = io.BytesIO("code;value\nb;1\nc;2".replace("code;value", "Code").encode())
    file.name = "codes.csv"

    page = desk.post(
        f"/admin/rewards/codepool/{pool.pk}/upload/", {"codes": "a\nd", "file": file}, follow=True
    )

    said = page.content.decode()
    assert "3 codes were added." in said
    assert "1 were there before and left out" in said
    assert pools.left(pool, at=noon) == 4


@pytest.mark.parametrize("said", [{}, {"codes": "x" * 200}, {"file": b"\xff\xfe\x00"}])
def test_what_is_no_list_of_codes_is_said(desk, pool, noon, said):
    if "file" in said:
        file = io.BytesIO(said["file"])
        file.name = "codes.bin"
        said = {"file": file}

    page = desk.post(f"/admin/rewards/codepool/{pool.pk}/upload/", said)

    assert page.status_code == 200
    assert pools.left(pool, at=noon) == 1


def test_a_pool_that_runs_low_stands_on_the_start_page(desk, pool, noon):
    assert "Pools of codes run low" in desk.get("/admin/").content.decode()
    assert "codepool" in desk.get("/admin/").content.decode()


def test_the_list_of_pools_costs_the_same_for_many(desk, pool, cafe):
    costs = []
    for number in range(2):
        with watching() as watch:
            desk.get("/admin/rewards/codepool/")
        costs.append(watch.statements)
        for one in range(5):
            CodePool.objects.create(merchant=cafe, code=f"p{number}{one}", name="P")

    assert costs[0] == costs[1]


def test_a_gift_card_is_read_with_its_movements_and_never_edited(desk, cafe, noon):
    card = gift_cards.buy(merchant=cafe, amount_minor=5000, currency="EUR", reference="G", at=noon, by="till")
    gift_cards.charge(merchant=cafe, code=card.code, amount_minor=1999, reference="C-77", at=noon, by="till")
    address = f"/admin/rewards/giftcard/{card.card.pk}/change/"

    page = desk.get(address).content.decode()

    assert "C-77" in page
    assert "30.01" in page
    assert card.code not in page
    assert desk.post(address, {"balance_minor": "1"}).status_code == 403
    assert GiftCard.objects.get().balance_minor == 3001
