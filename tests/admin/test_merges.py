"""Staff find two customers who are one person, look at both, and merge them; or undo it."""

import pytest
from django.urls import reverse

from customers.identifiers import Given
from customers.models import NotTheSame
from lib import db
from loyalty import members, purchases
from loyalty.models import Merge
from loyalty.sale import Sale

pytestmark = pytest.mark.django_db


def page(name, *args):
    return reverse(f"admin:loyalty_merge_{name}", args=args)


def about(customer, door="change"):
    return reverse(f"admin:customers_customer_{door}", args=[customer.pk])


@pytest.fixture
def twin(cafe, noon):
    """Ana again, with a plus sign in her address and 600 points."""
    found = members.enroll(
        merchant=cafe, name="Ana S.", identifiers=[Given("email", "ana+club@example.com")], at=noon, by="test"
    )
    sale = Sale("R-1", "EUR", 600_00, noon, customer_id=found.pk)
    purchases.record(merchant=cafe, sale=sale, at=noon)
    return found


def test_likely_duplicates_stand_side_by_side(desk, ana, twin):
    said = desk.get(page("likely")).content.decode()

    assert "The same e-mail address, spelled differently" in said
    assert "ana@example.com" in said
    assert "ana+club@example.com" in said
    assert "600 points" in said
    assert page("pair", ana.pk, twin.pk) in said


def test_the_sidebar_leads_there(desk, cashier, sit_down):
    assert page("likely") in desk.get("/admin/").content.decode()
    assert page("likely") not in sit_down(cashier).get("/admin/").content.decode()


def test_the_page_asks_as_much_for_ten_pairs_as_for_one(desk, cafe, ana, twin, noon):
    def asked():
        with db.watching() as watch:
            desk.get(page("likely"))
        return watch.statements

    asked()
    few = asked()
    for n in range(10):
        given = [Given("email", f"ana+{n}@example.com")]
        members.enroll(merchant=cafe, name="Ana", identifiers=given, at=noon, by="test")

    assert asked() == few


def test_two_people_are_told_apart_for_good(desk, ana, twin):
    answer = desk.post(page("apart", ana.pk, twin.pk))

    assert answer.headers["Location"] == page("likely")
    assert NotTheSame.objects.get().by == "owner-cafe-mira"
    assert "ana+club@example.com" not in desk.get(page("likely")).content.decode()


def test_a_merge_is_shown_before_it_is_done(desk, ana, twin):
    said = desk.get(page("pair", ana.pk, twin.pk)).content.decode()

    assert said.count("If this one stays: 600 points") == 2
    assert "Silver" in said
    assert not Merge.objects.exists()


def test_merged_by_a_form(desk, ana, twin):
    missing = desk.post(page("pair", ana.pk, twin.pk), {"target": ana.pk, "reason": ""})
    assert missing.status_code == 200
    assert not Merge.objects.exists()

    answer = desk.post(page("pair", ana.pk, twin.pk), {"target": ana.pk, "reason": "same e-mail"})

    assert answer.headers["Location"] == about(ana)
    merge = Merge.objects.get()
    assert (merge.source_id, merge.target_id, merge.by) == (twin.pk, ana.pk, "owner-cafe-mira")
    shown = desk.get(about(ana)).content.decode()
    assert "R-1" in shown or "600.00" in shown
    assert "Merged with another customer" in shown
    assert "same e-mail" in desk.get(page("changelist")).content.decode()


def test_from_the_customers_page_to_the_other_one_and_back(desk, ana, twin):
    assert about(ana, "merge") in desk.get(about(ana)).content.decode()
    nobody = desk.post(about(ana, "merge"), {"customer": "ana@example.com"})
    assert "Nobody else is found by this." in nobody.content.decode()
    there = desk.post(about(ana, "merge"), {"customer": "ANA+club@example.com"})
    assert there.headers["Location"] == page("pair", ana.pk, twin.pk)
    desk.post(there.headers["Location"], {"target": ana.pk, "reason": "same"})

    assert about(twin, "unmerge") in desk.get(about(twin)).content.decode()
    asked = desk.post(about(twin, "unmerge"), {})
    assert asked.status_code == 200
    assert Merge.objects.get().undone_at is None
    desk.post(about(twin, "unmerge"), {"is_sure": "on"})

    assert Merge.objects.get().undone_at is not None
    twin.refresh_from_db()
    assert twin.status == "active"
    assert desk.post(about(twin, "unmerge"), {"is_sure": "on"}).status_code == 404


@pytest.mark.parametrize("role", ["cashier", "analyst"])
def test_who_may_not_move_points_may_not_merge(request, sit_down, ana, twin, role):
    browser = sit_down(request.getfixturevalue(role))

    assert browser.get(page("likely")).status_code == 403
    assert browser.get(page("pair", ana.pk, twin.pk)).status_code == 404
    assert browser.post(page("apart", ana.pk, twin.pk)).status_code == 404
    assert browser.post(page("pair", ana.pk, twin.pk), {"target": ana.pk, "reason": "x"}).status_code == 404
    assert browser.get(about(ana, "merge")).status_code == 403
    assert not Merge.objects.exists()


def test_another_merchants_customers_do_not_exist(desk, ana, bo, twin):
    missing = 7
    for first, second in (
        (bo.pk, missing),
        (ana.pk, bo.pk),
        (bo.pk, ana.pk),
        (ana.pk, missing),
        (ana.pk, ana.pk),
    ):
        for name in ("pair", "apart"):
            assert desk.get(page(name, first, second)).status_code == 404
            said = {"target": first, "reason": "mine"}
            assert desk.post(page(name, first, second), said).status_code == 404
    assert not Merge.objects.exists()
    assert not NotTheSame.objects.exists()
    found = desk.post(about(ana, "merge"), {"customer": bo.public_id})
    assert "Nobody else is found by this." in found.content.decode()
