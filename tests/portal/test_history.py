"""Every movement, with its reason and the balance after it, in pages, in few statements."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from lib.db import watching
from loyalty import adjustments, programs, purchases
from loyalty.models import EarningRule
from tests.portal.test_home import text
from tests.portal.visitor import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def buy(cafe, sale, now):
    def record(amount_minor=1299, at=None):
        at = at or now
        return purchases.record(merchant=cafe, sale=sale(amount_minor, occurred_at=at), at=at)

    return record


def test_a_purchase_says_why_so_many(client, ana, buy):
    buy(600_00)
    buy(12_99)
    sign_in(client, ana)

    page = text(client.get("/cafe-mira/history"))

    assert "Purchase of €12.99" in page
    # 12.99 beans, times 1.25 with Silver, is 16.2375: sixteen.
    bill = page.split("Why 16?")[1].split("Balance")[0]
    assert "Paid, as far as it earns €12.99" in bill
    assert "1 per €1.00 12.99" in bill
    assert "Your level Silver × 1.25" in bill
    assert "Makes, in whole points 16 beans" in bill
    assert "Balance 616" in page


def test_bonuses_stand_on_lines_of_their_own(client, ana, cafe, program, buy, now):
    EarningRule.objects.create(
        merchant=cafe, program=program, code="oat-week", kind="fixed_bonus", params={"points": 25}
    )
    programs.publish(program=program, at=now - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    buy(12_00)
    sign_in(client, ana)

    bill = text(client.get("/cafe-mira/history")).split("Why 37?")[1]

    assert "Oat week +25" in bill
    assert "Together, in whole points +12" in bill
    assert "Makes, in whole points 37 beans" in bill


def test_the_running_balance_goes_down_with_the_page(client, ana, buy):
    for amount in (10_00, 20_00, 30_00):
        buy(amount)
    sign_in(client, ana)

    balances = re.findall(r"Balance (\d+)", text(client.get("/cafe-mira/history")))

    assert balances == ["60", "30", "10"]


def test_a_correction_says_its_reason_and_has_its_filter(client, ana, buy, now):
    buy(10_00)
    adjustments.adjust(customer=ana, points=-3, reason="Wrong table", reference="A-1", by="test", at=now)
    sign_in(client, ana)

    page = text(client.get("/cafe-mira/history?show=corrections"))

    assert "Wrong table" in page
    assert "−3" in page
    assert "Purchase" not in page
    assert "Nothing of this kind" in text(client.get("/cafe-mira/history?show=expired"))


def test_nothing_yet_is_said_kindly(client, ana):
    sign_in(client, ana)

    assert "Nothing here yet" in text(client.get("/cafe-mira/history"))


def test_pages_lead_from_the_newest_to_the_oldest_without_gaps(client, ana, buy, now):
    for number in range(45):
        buy(100 + number * 100, at=now - timedelta(minutes=45 - number))
    sign_in(client, ana)
    seen, path = [], "/cafe-mira/history"

    while path:
        response = client.get(path)
        seen += re.findall(r"Purchase of €(\d+\.\d\d)", text(response))
        found = re.search(r'rel="next" href="([^"]+)"', response.content.decode())
        path = found[1].replace("&amp;", "&") if found else None

    assert seen == [f"{number + 1}.00" for number in reversed(range(45))]


@pytest.mark.parametrize(
    "query", ["before=x", "before=-1", "before=99999999999999999999", "show=<b>", "before=²"]
)
def test_a_broken_address_shows_the_newest_or_nothing_and_never_fails(client, ana, buy, query):
    buy(10_00)
    sign_in(client, ana)

    assert client.get(f"/cafe-mira/history?{query}").status_code == 200


def test_the_history_costs_five_statements_however_long_it_is(client, ana, buy, now):
    costs = []
    for _ in range(2):
        for _ in range(25):
            buy(10_00)
        sign_in(client, ana)
        client.get("/cafe-mira/history")
        with watching() as watch:
            client.get("/cafe-mira/history")
        costs.append(watch.statements)

    assert costs[0] == costs[1] <= 5


def test_ana_never_sees_what_is_bos(client, ana, bo, bar_nilo, buy, now):
    buy(10_00)
    sign_in(client, bo)

    assert "Nothing here yet" in text(client.get("/bar-nilo/history"))
    assert client.get("/cafe-mira/history").status_code == 302
