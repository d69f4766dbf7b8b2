"""The admin in a real browser: nothing breaks the content policy, nothing stands in a reader's way."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from customers.identifiers import Given
from lib import db
from loyalty import members, purchases
from loyalty.models import TierSet
from rewards import gift_cards, perks, pools, vouchers
from rewards.models import CodePool, PerkGrant, PerkUse
from tests.rewards.giving import WELCOME, buy, promise

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = {"desk": (1280, 900, "light"), "phone": (390, 844, "dark")}
CAKE = {"kind": "benefit", "name": "Free cake", "id": "cake", "limit": {"times": 2, "per": "month"}}
# Known in the theme's own templates: the list of the filter sheet, and parts outside of landmarks.
THEME = {"region", "list", "landmark-one-main", "landmark-unique"}


@pytest.fixture(params=SIZES)
def page(request, browser, live_server):
    width, height, scheme = SIZES[request.param]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, base_url=live_server.url
    )
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: message.type == "error" and page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    context.close()


def sign_in(page, staff):
    page.goto("/admin/login/")
    page.fill("[name=username]", staff.username)
    page.fill("[name=password]", "open sesame")
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")


def check(page, address):
    answer = page.goto(address)
    assert answer.status == 200, address
    page.wait_for_timeout(300)
    assert page.said == [], address
    is_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not is_wide, f"{address} scrolls sideways"
    found = Axe().run(page).response["violations"]
    ours = [
        (one["id"], [node["html"][:160] for node in one["nodes"][:3]])
        for one in found
        if one["id"] not in THEME
    ]
    assert ours == [], address


def test_every_page_of_the_desk_is_clean(page, cafe, ana, sale, noon, owner):
    receipt = purchases.record(merchant=cafe, sale=sale(60_000), at=noon)
    sign_in(page, owner)
    addresses = [
        "/admin/",
        "/admin/customers/customer/",
        reverse("admin:customers_customer_change", args=[ana.pk]),
        reverse("admin:customers_customer_adjust", args=[ana.pk]),
        reverse("admin:customers_customer_statement", args=[ana.pk]),
        "/admin/customers/customer/add/",
        "/admin/loyalty/purchase/",
        reverse("admin:loyalty_purchase_change", args=[receipt.purchase_id]),
        "/admin/loyalty/earningrule/add/",
        "/admin/loyalty/earningrule/add/?kind=per_amount",
        reverse("admin:loyalty_tierset_preview", args=[TierSet.objects.get().pk]),
        "/admin/merchants/apikey/add/",
    ]
    for address in addresses:
        check(page, address)


def test_vouchers_pools_and_gift_cards_are_clean(page, cafe, ana, noon, owner):
    voucher = db.command(vouchers.issue)(
        merchant=cafe,
        name="Coffee",
        worth={},
        at=noon,
        by="t",
        origin="perk",
        reference="P",
        customer=ana,
        uses=3,
    )
    vouchers.redeem(merchant=cafe, code=voucher.code, reference="U-1", at=noon, by="till")
    other = db.command(vouchers.issue)(
        merchant=cafe, name="Tea", worth={}, at=noon, by="t", origin="perk", reference="T", customer=ana
    )
    pool = CodePool.objects.create(merchant=cafe, code="cinema", name="Cinema tickets")
    pools.upload(pool=pool, given=["a", "b"], at=noon)
    card = gift_cards.buy(merchant=cafe, amount_minor=5000, currency="EUR", reference="G", at=noon, by="till")
    gift_cards.charge(merchant=cafe, code=card.code, amount_minor=1999, reference="C", at=noon, by="till")
    sign_in(page, owner)

    for address in (
        "voucher/",
        "voucher/add/",
        f"voucher/{voucher.voucher.pk}/change/",
        f"voucher/{other.voucher.pk}/change/",
        f"voucher/{other.voucher.pk}/cancel/",
        "codepool/",
        "codepool/add/",
        f"codepool/{pool.pk}/change/",
        f"codepool/{pool.pk}/upload/",
        "giftcard/",
        f"giftcard/{card.card.pk}/change/",
    ):
        check(page, f"/admin/rewards/{address}")


def test_perks_are_clean(page, cafe, ana, noon, owner):
    promise(cafe, Bronze=[CAKE], Silver=[WELCOME])
    buy(ana, 600)
    perks.use(customer=ana, perk="cake", reference="P-1", at=noon, by="till")
    use, grant = PerkUse.objects.get(), PerkGrant.objects.get()
    sign_in(page, owner)

    for address in (
        "rewards/perkuse/",
        f"rewards/perkuse/{use.pk}/change/",
        f"rewards/perkuse/{use.pk}/undo/",
        "rewards/perkgrant/",
        f"rewards/perkgrant/{grant.pk}/change/",
    ):
        check(page, f"/admin/{address}")
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{address.replace('/', '-')}.png", full_page=True)


def test_points_are_adjusted_with_the_keyboard_alone(page, cafe, ana, owner):
    sign_in(page, owner)
    page.goto(reverse("admin:customers_customer_adjust", args=[ana.pk]))

    page.focus("[name=points]")
    page.keyboard.type("25")
    page.keyboard.press("Tab")
    page.keyboard.type("broken cup")
    page.keyboard.press("Enter")

    page.wait_for_url(f"**/{ana.pk}/change/")
    assert "Booked, once." in page.content()
    assert "Adjusted by the shop: broken cup" in page.content()


def test_the_pages_are_there_without_scripts(browser, live_server, cafe, ana, owner, client):
    client.force_login(owner)
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page = context.new_page()

    page.goto(reverse("admin:customers_customer_change", args=[ana.pk]))

    expect(page.get_by_role("heading", name="Ana", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Adjust points")).to_be_visible()
    context.close()


def test_two_likely_duplicates_and_their_merge_are_clean(page, cafe, ana, sale, noon, owner):
    purchases.record(merchant=cafe, sale=sale(60_000), at=noon)
    twin = members.enroll(
        merchant=cafe, name="Ana S.", identifiers=[Given("email", "ana+club@example.com")], at=noon, by="test"
    )
    sign_in(page, owner)

    check(page, reverse("admin:loyalty_merge_likely"))
    page.get_by_role("main").get_by_role("link", name="Merge", exact=False).last.click()
    page.wait_for_url(f"**{reverse('admin:loyalty_merge_pair', args=[ana.pk, twin.pk])}")
    check(page, page.url)
    page.fill("[name=reason]", "same e-mail")
    page.get_by_role("button", name="Merge").click()
    page.wait_for_url(f"**{reverse('admin:customers_customer_change', args=[ana.pk])}")

    expect(page.get_by_text("Merged. It can be undone for 90 days.")).to_be_visible()
    check(page, reverse("admin:loyalty_merge_changelist"))
    check(page, reverse("admin:customers_customer_unmerge", args=[twin.pk]))
