"""The reports in the admin: with data, with little, with none; one merchant's only; made anew on a click."""

import csv
import json
from datetime import date, timedelta

import numpy as np
import pytest
from django.urls import reverse

from insights import snapshots
from insights.models import ClvScore, MerchantInsight
from loyalty.models import RevenueDay
from tests.insights.shops import fill, random_days

pytestmark = pytest.mark.django_db(transaction=True)
VALUE, RETENTION = "admin:insights_clvrun_changelist", "admin:insights_retentionsnapshot_changelist"
PAGES = [VALUE, RETENTION]


@pytest.fixture
def busy(cafe, noon, ana):
    """The café after two years and a bit, with Ana among its buyers."""
    who, day, spent = random_days(1, rows=3_000)
    who = np.where(who == 1, ana.pk, who)
    fill(cafe, who, day, np.abs(spent) + 100, starts=noon.date() - timedelta(days=800))
    snapshots.refresh(merchant=cafe, at=noon)
    return cafe


@pytest.mark.parametrize("page", PAGES)
def test_before_the_first_refresh(desk, cafe, page):
    assert "Not made yet" in desk.get(reverse(page)).content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_with_no_purchase(desk, cafe, noon, page):
    snapshots.refresh(merchant=cafe, at=noon)

    said = desk.get(reverse(page)).content.decode()

    assert ("History only" if page == VALUE else "Too early to say") in said or "Not made yet" in said


def test_the_value_page_says_what_when_and_how(desk, busy):
    said = desk.get(reverse(VALUE)).content.decode()

    for words in ("MBG/NBD", "As of 1 May 2026", "Whom a message may still win", "How good the forecast was"):
        assert words in said or words.replace("1 May 2026", "May 1, 2026") in said, words


def test_the_retention_page_says_it_in_a_sentence(desk, busy):
    said = desk.get(reverse(RETENTION)).content.decode()

    assert "Net churn is" in said
    for words in ("What became of the revenue", "Who came back", "Points used in this window"):
        assert words in said, words


@pytest.mark.parametrize(
    "query", ["", "?by=cohort&days=91", "?ends_on=2026-01-01", "?by=nonsense&ends_on=x&days=-1"]
)
def test_any_filter_is_answered(desk, busy, query):
    for page in PAGES:
        assert desk.get(reverse(page) + query).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_report_takes_few_statements(desk, busy, page, django_assert_max_num_queries):
    desk.get(reverse(page))
    with django_assert_max_num_queries(24):
        desk.get(reverse(page))


@pytest.mark.parametrize("page", PAGES)
def test_a_table_is_downloaded(desk, busy, page):
    rows = list(
        csv.DictReader(desk.get(reverse(page) + "?format=csv&by=cohort").content.decode().splitlines())
    )

    assert rows
    assert len(json.loads(desk.get(reverse(page) + "?format=json&by=cohort").content)) == len(rows)


def test_another_merchant_is_out_of_reach(desk, busy, next_door):
    for page in PAGES:
        said = desk.get(reverse(page) + f"?merchant={next_door.slug}").content.decode()
        assert next_door.name not in said
        mine = desk.get(reverse(page) + "?format=csv&by=cohort").content
        assert desk.get(reverse(page) + f"?merchant={next_door.slug}&format=csv&by=cohort").content == mine
    desk.post(reverse("admin:insights_clvrun_refresh"), {"merchant": next_door.slug})
    assert MerchantInsight.objects.get(merchant=next_door).wanted_at is None


def test_refresh_asks_once_and_says_how_far_it_is(desk, busy, noon):
    desk.post(reverse("admin:insights_clvrun_refresh"), {"query": "by=tier"})

    assert "Waiting for its turn" in desk.get(reverse(VALUE)).content.decode()
    assert desk.get(reverse("admin:insights_clvrun_refresh")).status_code == 403


def test_a_cashier_sees_no_report(sit_down, cashier, busy):
    for page in PAGES:
        assert sit_down(cashier).get(reverse(page)).status_code == 403


def test_an_analyst_reads_them(sit_down, analyst, busy):
    for page in PAGES:
        assert sit_down(analyst).get(reverse(page)).status_code == 200


def test_a_customers_page_says_what_they_are_worth(desk, busy, ana):
    assert ClvScore.objects.filter(customer_id=ana.pk).exists()
    said = desk.get(reverse("admin:customers_customer_change", args=[ana.pk])).content.decode()

    assert "Outlook" in said


def test_the_start_page_has_both_figures(desk, busy):
    said = desk.get(reverse("admin:index")).content.decode()

    assert reverse(VALUE) in said
    assert "Net churn" in said


def test_an_erased_customer_has_no_score(busy, ana, noon):
    from customers import erasure

    assert RevenueDay.objects.filter(customer_id=ana.pk).exists()
    erasure.erase(customer=ana, at=noon, by="test")
    assert not ClvScore.objects.filter(customer_id=ana.pk).exists()
    snapshots.refresh(merchant=busy, at=noon + timedelta(days=1))
    assert not ClvScore.objects.filter(customer_id=ana.pk).exists()


def test_the_lapse_window_is_a_setting(desk, busy):
    page = reverse("admin:insights_merchantinsight_change", args=[busy.pk])
    desk.post(page, {"lapse_override": "45"})

    assert MerchantInsight.objects.get(merchant=busy).window == 45
    assert date(2026, 5, 1) == MerchantInsight.objects.get(merchant=busy).lapse_found_on
