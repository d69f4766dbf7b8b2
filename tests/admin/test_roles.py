"""What each role may do, at its own merchant."""

import pytest

from loyalty import purchases
from merchants import staff
from merchants.models import Role
from tests.cast import staff_of

OWNER, MANAGER, CASHIER, ANALYST = "owner", "manager", "cashier", "analyst"
EVERYBODY = {OWNER, MANAGER, CASHIER, ANALYST}
ALLOWED = {
    "customers.view_customer": EVERYBODY,
    "customers.add_customer": {OWNER, MANAGER, CASHIER},
    "customers.change_customer": {OWNER, MANAGER},
    "customers.delete_customer": {OWNER, MANAGER},
    "customers.export_customer": {OWNER, MANAGER},
    "customers.add_identifier": {OWNER, MANAGER, CASHIER},
    "loyalty.view_purchase": EVERYBODY,
    "loyalty.change_purchase": {OWNER, MANAGER},
    "loyalty.adjust_points": {OWNER, MANAGER},
    "loyalty.assign_tier": {OWNER, MANAGER},
    "loyalty.view_program": {OWNER, MANAGER, ANALYST},
    "loyalty.change_program": {OWNER, MANAGER},
    "loyalty.change_earningrule": {OWNER, MANAGER},
    "rewards.view_voucher": {OWNER, MANAGER, ANALYST},
    "rewards.add_voucher": {OWNER, MANAGER},
    "rewards.change_voucher": {OWNER, MANAGER},
    "rewards.change_codepool": {OWNER, MANAGER},
    "rewards.view_giftcard": {OWNER, MANAGER, ANALYST},
    "merchants.view_merchant": EVERYBODY,
    "merchants.change_merchant": {OWNER},
    "merchants.change_store": {OWNER, MANAGER},
    "merchants.view_role": {OWNER, MANAGER, ANALYST},
    "merchants.change_role": {OWNER},
    "merchants.view_apikey": {OWNER},
    "merchants.add_apikey": {OWNER},
    "merchants.view_job": {OWNER, MANAGER, ANALYST},
    "merchants.add_job": {OWNER, MANAGER},
    "config.view_periodictask": {OWNER},
    "merchants.add_merchant": set(),
    "merchants.view_staff": set(),
    "auth.view_group": set(),
    "axes.view_accessattempt": set(),
}


@pytest.mark.parametrize("permission", ALLOWED)
def test_who_may(cafe, permission):
    people = {kind: staff_of(cafe, kind) for kind in EVERYBODY}

    may = {kind for kind, person in people.items() if person.has_perm(permission, cafe)}

    assert may == ALLOWED[permission]


def test_a_role_says_nothing_about_another_merchant(owner, bar_nilo, bo):
    assert not owner.has_perm("customers.view_customer", bo)
    assert not owner.has_perm("merchants.view_merchant", bar_nilo)


def test_one_person_with_two_roles_has_each_at_its_shop(cafe, bar_nilo, ana, bo):
    person = staff_of(cafe, OWNER)
    Role.objects.create(merchant=bar_nilo, staff=person, kind=CASHIER)

    assert person.has_perm("loyalty.adjust_points", ana)
    assert not person.has_perm("loyalty.adjust_points", bo)
    assert staff.merchants_where(person, "customers.view_customer") == {cafe.pk, bar_nilo.pk}
    assert staff.merchants_where(person, "merchants.view_apikey") == {cafe.pk}


def test_a_cashier_cannot_adjust_points(sit_down, cashier, ana):
    browser = sit_down(cashier)

    assert browser.post(f"/admin/customers/customer/{ana.pk}/adjust/", {"points": 5}).status_code == 403
    page = browser.get(f"/admin/customers/customer/{ana.pk}/change/").content.decode()
    assert "Adjust points" not in page
    assert "Erase" not in page


def test_a_cashier_starts_with_the_search_and_sees_no_revenue(sit_down, cashier, cafe, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(60_000), at=noon)

    page = sit_down(cashier).get("/admin/").content.decode()

    assert "Find a customer" in page
    assert "Points outstanding" not in page
    assert "Purchases per day" not in page


def test_an_analyst_reads_and_changes_nothing(sit_down, analyst, cafe, ana, program):
    browser = sit_down(analyst)

    assert browser.get(f"/admin/loyalty/program/{program.pk}/change/").status_code == 200
    assert browser.post(f"/admin/loyalty/program/{program.pk}/change/", {"name": "Mine"}).status_code == 403
    assert browser.get("/admin/loyalty/earningrule/add/").status_code == 403
    assert browser.get("/admin/customers/customer/add/").status_code == 403
    for door in ("adjust", "block", "erase", "edit", "identify", "download"):
        assert browser.get(f"/admin/customers/customer/{ana.pk}/{door}/").status_code == 403, door


def test_a_manager_sees_neither_keys_nor_other_peoples_accounts(sit_down, manager, cafe):
    browser = sit_down(manager)

    assert browser.get("/admin/merchants/apikey/").status_code == 403
    assert browser.get("/admin/merchants/staff/").status_code == 403
    assert browser.get("/admin/merchants/role/add/").status_code == 403
    menu = browser.get("/admin/").content.decode()
    assert "API keys" not in menu
    assert "Earning rules" in menu


def test_somebody_without_a_role_sees_nothing(sit_down, cafe, ana, django_user_model):
    nobody = django_user_model.objects.create_user("nobody", password="open sesame", is_staff=True)
    browser = sit_down(nobody)

    assert browser.get("/admin/").status_code == 200
    assert browser.get("/admin/customers/customer/").status_code == 403
    assert browser.get(f"/admin/customers/customer/{ana.pk}/change/").status_code in (302, 403)


def test_a_role_that_was_taken_away_opens_nothing_more(sit_down, owner, ana):
    browser = sit_down(owner)
    assert browser.get(f"/admin/customers/customer/{ana.pk}/change/").status_code == 200

    owner.roles.all().delete()

    assert browser.get("/admin/customers/customer/").status_code == 403
