"""The customer's pages in a real browser: readable by everybody, without a script, under the strict policy."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from customers.models import Referral
from customers.referrals import Claim
from lib import db
from loyalty import adjustments, members, programs, purchases
from loyalty.models import EarningRule, Program
from loyalty.sale import Given, Sale
from rewards import vouchers
from tests.portal.visitor import sign_in

pytest_plugins = ["tests.mail"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = {"phone": (390, 844), "desk": (1280, 900)}
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


@pytest.fixture
def shop(cafe, program):
    """The café with points that wait two weeks, a double weekday and points that expire."""
    cafe.is_test = False
    cafe.save()
    now = timezone.now()
    EarningRule.objects.update(params={"points": 1, "per_minor": {"EUR": 100}, "pending_days": 14})
    EarningRule.objects.create(
        merchant=cafe, program=program, code="oat-week", kind="fixed_bonus", params={"points": 25}
    )
    Program.objects.filter(pk=program.pk).update(
        expiry_mode="age",
        expiry_months=12,
        extras={"referral": {"referrer_points": 200, "friend_points": 100, "min_amount_minor": 1000}},
    )
    program.refresh_from_db()
    programs.publish(program=program, at=now - timedelta(days=200), by="test")
    cafe.refresh_from_db()
    return cafe


@pytest.fixture
def mia(shop):
    """Mia, who bought often: pending, usable and expiring points, and more than one page of history."""
    now = timezone.now()
    mia = members.enroll(
        merchant=shop,
        name="Mia",
        identifiers=[Given("email", "mia@example.com"), Given("card", "4000000002")],
        at=now - timedelta(days=100),
        by="test",
    )
    for number in range(14):
        at = now - timedelta(days=91 - 7 * number)
        sale = Sale(
            reference=f"M-{number}",
            currency="EUR",
            amount_minor=2990 + number,
            occurred_at=at,
            customer_id=mia.pk,
        )
        purchases.record(merchant=shop, sale=sale, at=at)
    bring(mia, "joined", now)
    bring(mia, "qualified", now)
    bring(mia, "rewarded", now)
    bring(mia, "expired", now)
    return mia


def bring(customer, state, now):
    friend = members.enroll(
        merchant=customer.merchant,
        identifiers=[Given("card", state)],
        at=now,
        by="test",
        claim=Claim(customer.referral_code),
    )
    Referral.objects.filter(friend=friend).update(
        state=state, referrer_points=200, activates_at=now + timedelta(days=14)
    )


@pytest.fixture
def coffees(mia):
    """Mia's vouchers: one that ends, one for several times, one that was used and one that ended."""
    now = timezone.now()

    def give(name, **more):
        said = {"merchant": mia.merchant, "customer": mia, "worth": {}, "origin": "perk", "by": "test"}
        return db.command(vouchers.issue)(name=name, reference=name, at=now, **(said | more)).code

    give("Free coffee", expires_at=now + timedelta(days=30))
    give("Five teas", uses=5)
    give("Old cake", expires_at=now - timedelta(days=1))
    vouchers.redeem(merchant=mia.merchant, code=give("Soup"), reference="U-1", at=now, by="till")
    return mia


@pytest.fixture
def zoe(shop):
    """Zoe, who has nothing but a debt."""
    now = timezone.now()
    zoe = members.enroll(merchant=shop, identifiers=[Given("email", "zoe@example.com")], at=now, by="test")
    adjustments.adjust(
        customer=zoe, points=-30, reason="Wrong card", reference="Z-1", by="test", at=now, allow_negative=True
    )
    return zoe


@pytest.fixture
def session_of(client):
    """`session_of(mia)` is the session key of a browser in which Mia is signed in."""

    def key(customer):
        client.cookies.clear()
        sign_in(client, customer)
        return client.cookies["sessionid"].value

    return key


@pytest.fixture
def visit(browser, live_server, session_of):
    """`visit(size, scheme, customer)` opens a page that remembers what the console complained of."""
    contexts = []

    def begin(size="phone", scheme="light", customer=None, **more):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            base_url=live_server.url,
            locale="en-GB",
            **more,
        )
        contexts.append(context)
        if customer is not None:
            cookie = {"name": "sessionid", "value": session_of(customer), "url": live_server.url}
            context.add_cookies([cookie])
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        return page

    yield begin
    for context in contexts:
        context.close()


def assert_fit_for_everybody(page, path):
    """No accessibility finding, nothing refused by the policy, nothing wider than the screen."""
    page.goto(path)
    if page.locator("summary").count():
        page.locator("summary").first.click()
    found = Axe().run(page, options=RULES).response["violations"]
    told = [(one["id"], one["impact"], [node["target"] for node in one["nodes"]][:4]) for one in found]
    assert not told, (path, told)
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1], (path, width)
    assert not page.complaints, (path, page.complaints)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_every_page_of_a_member_is_fit_for_everybody(visit, mia, size, scheme):
    page = visit(size, scheme, mia)

    for path in ("", "/history", "/history?show=expired", "/refer", "/me", "/me/leave"):
        assert_fit_for_everybody(page, f"/cafe-mira{path}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_vouchers_are_fit_for_everybody(visit, coffees, size, scheme):
    page = visit(size, scheme, coffees)

    assert_fit_for_everybody(page, "/cafe-mira/vouchers")
    assert page.locator("svg.qr").count() == 2
    # Dark modules on a light ground in every scheme, or a scanner finds nothing.
    assert (
        page.locator("svg.qr path").first.evaluate("one => getComputedStyle(one).fill")
        == "rgb(255, 255, 255)"
    )


def test_a_page_without_vouchers_is_fit_for_everybody(visit, zoe):
    assert_fit_for_everybody(visit("phone", "dark", zoe), "/cafe-mira/vouchers")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_every_page_of_a_guest_is_fit_for_everybody(visit, shop, post_office, size, scheme):
    page = visit(size, scheme)

    for path in ("/", "/cafe-mira"):
        assert_fit_for_everybody(page, path)
    page.get_by_label("E-mail address").fill("new@example.com")
    page.get_by_role("button", name="Send me a code").click()
    page.wait_for_url("**/cafe-mira/code")
    assert_fit_for_everybody(page, "/cafe-mira/code")
    page.get_by_label("Six-digit code").fill(post_office.code())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/cafe-mira/join")
    assert_fit_for_everybody(page, "/cafe-mira/join")


@pytest.mark.parametrize("color", ["#ffffff", "#ffd400", "#000000", "#808080"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_debt_and_any_color_are_fit_for_everybody(visit, shop, zoe, color, scheme):
    shop.color = color
    shop.save()

    assert_fit_for_everybody(visit("phone", scheme, zoe), "/cafe-mira")
    assert_fit_for_everybody(visit("phone", scheme, zoe), "/cafe-mira/refer")


def test_an_unknown_page_is_fit_for_everybody(visit, shop):
    page = visit()
    page.goto("/nobody-here")

    assert not Axe().run(page, options=RULES).response["violations"]
    expect(page.get_by_role("heading", name="This page is not here")).to_be_visible()


def test_everything_works_without_a_script(visit, shop, post_office):
    page = visit(java_script_enabled=False)
    page.goto("/cafe-mira")
    page.get_by_label("E-mail address").fill("new@example.com")
    page.get_by_role("button", name="Send me a code").click()
    page.wait_for_url("**/cafe-mira/code")
    page.get_by_label("Six-digit code").fill(post_office.code())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Your name").fill("Nia")
    page.get_by_role("button", name="Join now").click()
    expect(page.get_by_role("heading", name="Hello, Nia")).to_be_visible()

    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    page.get_by_role("link", name="My data").click()
    page.get_by_label("Day").select_option("31")
    page.get_by_label("Month").select_option("May")
    page.get_by_role("button", name="Save birthday").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("heading", name="Meine Daten")).to_be_visible()
    page.get_by_role("button", name="Abmelden").click()
    expect(page.get_by_text("Sie sind abgemeldet.")).to_be_visible()


def test_the_bill_opens_with_the_keyboard_and_shows_its_focus(visit, mia):
    page = visit(customer=mia)
    page.goto("/cafe-mira/history")
    page.keyboard.press("Tab")
    assert page.get_by_role("link", name="Skip to content").evaluate(
        "link => link === document.activeElement"
    )
    summary = page.locator("summary").first

    summary.focus()
    page.keyboard.press("Enter")

    expect(page.locator("details[open] .account").first).to_be_visible()
    outline = summary.evaluate(
        "one => [getComputedStyle(one).outlineStyle, getComputedStyle(one).outlineWidth]"
    )
    assert outline == ["solid", "3px"]


def test_nothing_moves_for_who_wants_no_motion(visit, mia):
    page = visit(customer=mia, reduced_motion="reduce")
    page.goto("/cafe-mira/history")

    page.locator("summary").first.click()

    moves = page.locator("details[open] .account").first.evaluate(
        "one => getComputedStyle(one).animationName"
    )
    assert moves == "none"


def test_the_page_is_light(visit, mia):
    page = visit(customer=mia)
    sizes = []
    page.on("response", lambda response: sizes.append(len(response.body())))

    page.goto("/cafe-mira", wait_until="networkidle")

    assert sum(sizes) < 160_000
    assert len(sizes) <= 6
