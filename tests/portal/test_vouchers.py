"""My vouchers: what can be used comes first with its code, and nobody sees another's."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from lib import db
from lib.db import watching
from portal.vouchers import image
from rewards import vouchers
from tests.portal.test_home import text
from tests.portal.visitor import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def give(cafe, ana):
    def issue(name, **more):
        said = {
            "merchant": cafe,
            "customer": ana,
            "worth": {},
            "origin": "perk",
            "reference": name,
            "by": "test",
        }
        said |= {"at": timezone.now()}
        return db.command(vouchers.issue)(name=name, **(said | more))

    return issue


def test_a_voucher_is_shown_with_its_code_its_image_and_its_end(client, ana, give):
    issued = give("Free coffee", expires_at=timezone.now() + timedelta(days=400))
    sign_in(client, ana)

    response = client.get("/cafe-mira/vouchers")

    page = response.content.decode()
    assert issued.code in text(response)
    assert re.search('<svg[^>]* role="img"[^>]* class="qr"', page)
    assert "Valid until" in text(response)
    assert "style=" not in page


def test_what_ends_first_comes_first_and_what_is_over_comes_last(client, ana, give):
    now = timezone.now()
    give("Tea")
    give("Cake", expires_at=now + timedelta(days=2))
    give("Soup", expires_at=now + timedelta(days=1))
    give("Old", expires_at=now - timedelta(seconds=1))
    spent = give("Spent")
    vouchers.redeem(merchant=ana.merchant, code=spent.code, reference="U", at=now, by="till")
    sign_in(client, ana)

    page = text(client.get("/cafe-mira/vouchers"))

    places = [page.index(name) for name in ("Soup", "Cake", "Tea", "Used and expired", "Spent", "Old")]
    assert places == sorted(places)
    assert spent.code not in page


def test_without_one_the_page_says_so(client, ana):
    sign_in(client, ana)

    assert "No voucher waits for you" in text(client.get("/cafe-mira/vouchers"))


def test_the_navigation_leads_there_only_where_there_are_vouchers(client, ana, bo, give):
    give("Tea")
    sign_in(client, ana)
    sign_in(client, bo)

    assert 'href="/cafe-mira/vouchers"' in client.get("/cafe-mira").content.decode()
    assert "/vouchers" not in client.get("/bar-nilo").content.decode()


def test_nobody_sees_anothers_voucher(client, bo, give):
    issued = give("Tea")
    sign_in(client, bo)

    assert issued.code not in client.get("/bar-nilo/vouchers").content.decode()
    assert client.get("/cafe-mira/vouchers").status_code == 302


def test_the_page_costs_as_many_statements_for_one_as_for_many(client, ana, give):
    costs = []
    for number in range(2):
        for one in range(1 + number * 20):
            give(f"Tea {number} {one}")
        sign_in(client, ana)
        client.get("/cafe-mira/vouchers")
        with watching() as watch:
            client.get("/cafe-mira/vouchers")
        costs.append(watch.statements)

    assert costs[0] == costs[1] <= 5


def test_a_name_is_text_and_a_long_foreign_code_has_its_image_too(client, ana, give):
    give("<b>Tea</b>", code="x" * 120)
    sign_in(client, ana)

    page = client.get("/cafe-mira/vouchers").content.decode()

    assert "<b>Tea" not in page
    assert "x" * 120 in page
    assert 'class="qr"' in page
    assert image("A", '"><script>').count("<script>") == 0
