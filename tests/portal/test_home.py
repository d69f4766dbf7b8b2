"""The first page says what the ledger says, in plain words, in few statements."""

import re
from datetime import timedelta

import pytest
from django.utils import formats, timezone

from customers import people
from lib.db import watching
from loyalty import adjustments, programs, purchases, refunds
from loyalty.models import CustomerDay, EarningRule, Membership, Program
from merchants.models import Merchant
from tests.portal.visitor import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def buy(cafe, sale, now):
    """`buy(1299)` records a sale of 12.99 to Ana at this moment."""

    def record(amount_minor=1299, at=None, **more):
        at = at or now
        return purchases.record(merchant=cafe, sale=sale(amount_minor, occurred_at=at, **more), at=at)

    return record


def text(response):
    """The page's words, without tags, with plain spaces."""
    words = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", words.replace("\xa0", " "))


def publish(program, now, **fields):
    Program.objects.filter(pk=program.pk).update(**fields)
    program.refresh_from_db()
    programs.publish(program=program, at=now - timedelta(days=1), by="test")


def test_nothing_yet_says_how_to_begin(client, ana):
    sign_in(client, ana)

    page = text(client.get("/cafe-mira"))

    assert "Hello, Ana" in page
    assert "0 beans" in page
    assert "500 more beans to Silver." in page
    assert "your first beans appear here" in page


def test_the_balance_the_worth_and_the_way_up(client, ana, buy):
    buy(123_456)
    sign_in(client, ana)

    page = text(client.get("/cafe-mira"))

    assert "1,234 beans" in page
    assert "worth €12.34" in page
    assert "Silver" in page
    assert "766 more beans to Gold." in page
    assert "Silver is yours until" in page
    assert "Purchase of €1,234.56" in page


def test_the_bar_is_as_far_as_the_figure(client, ana, buy):
    buy(125_00)
    sign_in(client, ana)

    assert '<progress value="125" max="500"' in client.get("/cafe-mira").content.decode()


def test_what_keeps_the_level_is_said_with_its_day(client, ana, cafe, buy, now):
    buy(600_00, at=now - timedelta(days=300))
    # The year of the points passes before the year of the status: what keeps it is to be earned again.
    membership = Membership.objects.get()
    membership.tier_until = now + timedelta(days=90)
    membership.save()
    CustomerDay.objects.update(points=380)
    sign_in(client, ana)

    last_day = timezone.localtime(membership.tier_until, cafe.zone)
    page = text(client.get("/cafe-mira"))
    assert f"120 more beans by {last_day.day} {formats.date_format(last_day, 'F Y')} keep Silver." in page


def test_pending_points_show_the_day_they_become_usable(client, ana, cafe, program, buy, now):
    EarningRule.objects.update(params={"points": 1, "per_minor": {"EUR": 100}, "pending_days": 14})
    publish(program, now)
    cafe.refresh_from_db()
    buy(12_99)
    sign_in(client, ana)

    page = text(client.get("/cafe-mira"))

    usable = timezone.localtime(now + timedelta(days=14), cafe.zone)
    assert "0 beans" in page
    assert f"Yours to use on {usable.day} " in page
    assert "+12" in page


def test_points_that_expire_show_their_last_day(client, ana, cafe, program, buy, now):
    publish(program, now, expiry_mode="fixed_day", expiry_day="12-31")
    cafe.refresh_from_db()
    buy(12_99)
    sign_in(client, ana)

    assert f"Good until 31 December {timezone.localtime(now, cafe.zone).year}" in text(
        client.get("/cafe-mira")
    )


def test_debt_is_said_in_plain_words(client, ana, cafe, buy, now):
    purchase = buy(100_00)
    adjustments.adjust(
        customer=ana, points=-90, reason="Correction", reference="A-1", by="test", at=now, allow_negative=True
    )
    refunds.record(
        merchant=cafe,
        refund=refunds.Return(reference="F-1", purchase_id=purchase.purchase_id, occurred_at=now),
        at=now,
    )
    sign_in(client, ana)

    page = text(client.get("/cafe-mira"))

    assert "You owe 90 beans." in page
    assert "The next beans you earn pay this first." in page


def test_the_page_speaks_the_customers_language_and_writes_its_money(client, ana, buy):
    buy(123_456)
    sign_in(client, ana)
    client.post("/cafe-mira/language", {"language": "pt", "next": "/cafe-mira"})

    response = client.get("/cafe-mira")

    assert response.headers["Content-Language"] == "pt"
    assert '<html lang="pt">' in response.content.decode()
    assert "12,34 €" in text(response)
    ana.refresh_from_db()
    assert ana.language == "pt"


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/cafe-mira/history?show=used", "/cafe-mira/history?show=used"),
        ("//evil.example", "/cafe-mira"),
        ("https://evil.example/cafe-mira", "/cafe-mira"),
        ("/cafe-mirage", "/cafe-mira"),
        ("/bar-nilo", "/cafe-mira"),
    ],
)
def test_choosing_a_language_leads_back_inside_only(client, cafe, target, place):
    answer = client.post("/cafe-mira/language", {"language": "de", "next": target})

    assert answer.headers["Location"] == place
    assert answer.cookies["django_language"].value == "de"


def test_a_merchant_without_a_program_says_so(client, cafe, ana, program):
    Program.objects.update(is_active=False)
    Merchant.objects.filter(pk=cafe.pk).update(config_version=cafe.config_version + 1)
    sign_in(client, ana)

    assert "Not open yet" in text(client.get("/cafe-mira"))


def test_names_are_written_as_text(client, ana, now):
    people.change(customer=ana, at=now, by="test", name="<b>Ana</b>")
    sign_in(client, ana)

    assert "<b>Ana" not in client.get("/cafe-mira").content.decode()


def test_the_first_page_costs_eight_statements_at_most(client, ana, buy):
    for _ in range(5):
        buy(12_99)
    sign_in(client, ana)
    client.get("/cafe-mira")

    with watching() as watch:
        response = client.get("/cafe-mira")

    assert response.status_code == 200
    assert watch.statements <= 8, watch.texts
