"""The liability page: what it says is what the ledger says, also as files, and only of one's own shops."""

import csv
import io

import pytest
from django.urls import reverse

from loyalty import adjustments, purchases
from merchants.models import Role

URL = reverse("admin:insights_pointsreading_changelist")
MAY = {"since": "2026-05-01", "until": "2026-05-31"}


@pytest.fixture
def busy(cafe, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(30_000), at=noon)
    adjustments.adjust(customer=ana, points=-100, reason="spent", reference="A-1", at=noon, by="test")
    return cafe


def rows(answer):
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.content.decode())))


def test_it_shows_a_period(desk, busy):
    page = desk.get(URL, MAY)

    assert page.status_code == 200
    assert page.context["report"].forward.closing.points == 200
    text = page.content.decode()
    for said in ("Issued", "Adjusted by staff", "Journal lines", "points-per-day", "redeemed-by-age"):
        assert said in text
    assert "too little history" in text


def test_it_is_downloaded(desk, busy):
    lines = {row[0]: row[1] for row in rows(desk.get(URL, {**MAY, "format": "csv"}))}
    assert (lines["opening"], lines["issued"], lines["adjusted"], lines["closing"]) == (
        "0",
        "300",
        "-100",
        "200",
    )

    assert ["2026-05-01", "issued", "300", "0"] in rows(
        desk.get(URL, {**MAY, "format": "csv", "part": "days"})
    )
    assert rows(desk.get(URL, {**MAY, "format": "csv", "part": "months"}))[1][:5] == [
        "2026-05",
        "200",
        "0",
        "0",
        "200",
    ]
    assert rows(desk.get(URL, {**MAY, "format": "csv", "part": "journal"}))[1][0] == "cost"
    assert desk.get(URL, {**MAY, "format": "json"}).json()["closing"]["points"] == 200


def test_a_period_that_makes_no_sense_is_refused_aloud(desk, busy):
    for said in ({"since": "2026-06-01", "until": "2026-05-01"}, {"since": "yesterday"}):
        page = desk.get(URL, {**said, "format": "csv"})
        assert page.status_code == 200
        assert page.context["refusal"]


def test_an_empty_program_says_so(desk, cafe):
    assert "No points moved in this period." in desk.get(URL, MAY).content.decode()


def test_a_shop_without_a_program_says_so(desk, cafe):
    cafe.programs.all().update(is_active=False)
    assert desk.get(URL).status_code == 200


def test_another_merchants_report_is_not_found(desk, busy, bar_nilo):
    assert desk.get(URL, {"merchant": bar_nilo.pk}).status_code == 404
    theirs = {"merchant": busy.pk, "program": bar_nilo.programs.get().pk}
    assert desk.get(URL, theirs).status_code == 404


def test_whoever_has_two_shops_chooses(desk, owner, busy, bar_nilo):
    Role.objects.create(merchant=bar_nilo, staff=owner, kind="owner")

    page = desk.get(URL, {**MAY, "merchant": bar_nilo.pk})

    assert page.context["report"].forward.closing.points == 0
    assert "Café Mira" in page.content.decode()


def test_the_counter_does_not_see_it(sit_down, cashier, analyst):
    assert sit_down(cashier).get(URL).status_code == 403
    assert sit_down(analyst).get(URL).status_code == 200
