"""The shop's own settings: keys, people, stores, the merchant; and the start page."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.identifiers import Given
from lib import db
from loyalty import purchases
from loyalty.sale import Sale
from merchants import keys
from merchants.models import ApiKey, Merchant, Role, Staff
from tests.cast import staff_of


def test_a_key_is_shown_once_and_opens_the_api(desk, cafe, noon):
    page = desk.post("/admin/merchants/apikey/add/", {"name": "till 2", "scopes": ["customers:read"]})

    token = re.search(r"lk_test_[\w-]+", page.content.decode()).group()
    assert "no-store" in page.headers["Cache-Control"]
    assert keys.find(token, at=timezone.now()).scopes == {"customers:read"}
    key = ApiKey.objects.get(name="till 2")
    assert key.created_by == "owner-cafe-mira"
    later = desk.get(reverse("admin:merchants_apikey_change", args=[key.pk])).content.decode()
    assert token not in later
    assert token not in desk.get("/admin/merchants/apikey/").content.decode()


def test_a_revoked_key_is_shut_out_at_once(desk, cafe):
    token = keys.issue(merchant=cafe)
    key = ApiKey.objects.get()

    desk.post("/admin/merchants/apikey/", {"action": "revoke", "_selected_action": [key.pk]})

    assert keys.find(token, at=timezone.now()) is None
    assert "Revoked" in desk.get("/admin/merchants/apikey/").content.decode()


def test_a_key_without_a_right_is_refused(desk, cafe):
    page = desk.post("/admin/merchants/apikey/add/", {"name": "till 2"})

    assert "scopes" in page.context["form"].errors
    assert not ApiKey.objects.exists()


def test_a_new_person_sets_a_password_from_the_mail(desk, cafe):
    desk.post("/admin/merchants/role/add/", {"email": "Rita@Example.com", "kind": "cashier"})

    rita = Staff.objects.get(username="rita@example.com")
    assert rita.roles.get().kind == "cashier"
    assert not rita.has_usable_password()
    [letter] = mail.outbox
    assert letter.to == ["rita@example.com"]
    link = re.search(r"https?://[^/]+(/admin/\S+)", letter.body).group(1)
    browser = Client()
    form = browser.get(link, follow=True)
    assert "Set your password" in form.content.decode()
    password = "a long sentence of mine"
    browser.post(form.redirect_chain[-1][0], {"new_password1": password, "new_password2": password})
    rita.refresh_from_db()
    assert rita.check_password(password)
    assert "This link was used already" in browser.get(link, follow=True).content.decode()


def test_who_works_elsewhere_is_not_told(desk, cafe, bar_nilo, django_user_model):
    django_user_model.objects.create_user("max@example.com", "max@example.com", "open sesame", is_staff=True)

    known = desk.post(
        "/admin/merchants/role/add/", {"email": "max@example.com", "kind": "cashier"}, follow=True
    )
    new = desk.post(
        "/admin/merchants/role/add/", {"email": "eva@example.com", "kind": "cashier"}, follow=True
    )

    def sentences(page):
        return [str(message).split(" ", 1)[1] for message in page.context["messages"]]

    assert sentences(known) == sentences(new)
    assert Staff.objects.get(username="max@example.com").check_password("open sesame")


def test_the_last_owner_stays(desk, cafe, owner):
    role = owner.roles.get()
    address = reverse("admin:merchants_role_change", args=[role.pk])

    page = desk.post(address, {"kind": "cashier", "store": ""})
    assert "at least one owner" in page.content.decode()
    assert (
        desk.post(reverse("admin:merchants_role_delete", args=[role.pk]), {"post": "yes"}).status_code == 403
    )
    Staff.objects.filter(pk=owner.pk).update(username="owner@example.com")
    page = desk.post("/admin/merchants/role/add/", {"email": "owner@example.com", "kind": "cashier"})
    assert "at least one owner" in str(page.context["form"].errors)
    role.refresh_from_db()
    assert role.kind == "owner"

    Role.objects.create(
        merchant=cafe, staff=Staff.objects.create_user("second", is_staff=True), kind=Role.Kind.OWNER
    )
    assert desk.post(address, {"kind": "cashier", "store": ""}).status_code == 302


def test_an_owner_edits_the_shop_but_not_its_currency(desk, cafe):
    address = reverse("admin:merchants_merchant_change", args=[cafe.pk])
    before = cafe.config_version

    desk.post(
        address,
        {
            "name": "Café Mira II", "language": "pt", "color": "#123456", "country": "PT",
            "timezone": "Europe/Lisbon", "is_active": "on", "currency": "USD", "slug": "mine",
        },
    )  # fmt: skip

    cafe.refresh_from_db()
    assert (cafe.name, cafe.currency, cafe.slug) == ("Café Mira II", "EUR", "cafe-mira")
    assert cafe.config_version != before
    assert desk.get("/admin/merchants/merchant/add/").status_code == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [("timezone", "Lisbon"), ("color", "red"), ("country", "Portugal"), ("language", "xx")],
)
def test_a_wrong_setting_is_refused_beside_its_input(desk, cafe, field, value):
    said = {
        "name": "Café", "language": "en", "color": "#123456", "country": "PT",
        "timezone": "Europe/Lisbon", "is_active": "on", field: value,
    }  # fmt: skip

    page = desk.post(reverse("admin:merchants_merchant_change", args=[cafe.pk]), said)

    assert field in page.context["adminform"].form.errors


def test_a_store_takes_its_merchant_from_its_owner(desk, cafe):
    desk.post("/admin/merchants/store/add/", {"name": "Alfama", "code": "alfama", "is_active": "on"})
    again = desk.post("/admin/merchants/store/add/", {"name": "Two", "code": "alfama", "is_active": "on"})

    assert cafe.stores.get().name == "Alfama"
    assert again.status_code == 200


def test_who_has_two_shops_chooses_among_them(sit_down, cafe, bar_nilo, next_door):
    other = Merchant.objects.create(slug="third", name="Third", currency="EUR", country="PT")
    person = staff_of(cafe, "owner")
    Role.objects.create(merchant=bar_nilo, staff=person, kind="owner")
    browser = sit_down(person)

    page = browser.get("/admin/merchants/store/add/")
    offered = set(page.context["adminform"].form.fields["merchant"].queryset)
    assert offered == {cafe, bar_nilo}
    assert other not in offered
    browser.post(
        "/admin/merchants/store/add/",
        {"merchant": bar_nilo.pk, "name": "Pier", "code": "pier", "is_active": "on"},
    )
    assert bar_nilo.stores.filter(code="pier").exists()
    mixed = browser.post(
        "/admin/merchants/apikey/add/",
        {"merchant": cafe.pk, "store": bar_nilo.stores.first().pk, "name": "x", "scopes": ["*"]},
    )
    assert "store" in mixed.context["form"].errors


def test_the_start_page_begins_with_the_first_steps(sit_down, bar_nilo):
    Merchant.objects.filter(pk=bar_nilo.pk).update(is_active=True)
    new = Merchant.objects.create(slug="new", name="New", currency="EUR", country="PT")
    browser = sit_down(staff_of(new, "owner"))

    page = browser.get("/admin/")

    assert "Name your program and its points" in page.content.decode()
    assert page.context["start"]["steps_done"] == 0


def test_the_start_page_says_what_needs_attention(desk, cafe, ana, sale, noon, time_machine):
    time_machine.move_to(noon, tick=False)
    purchases.record(merchant=cafe, sale=sale(60_000), at=noon)
    unknown = Sale(
        reference="U-1",
        currency="EUR",
        amount_minor=1000,
        occurred_at=noon,
        identifier=Given("card", "4111111111"),
    )
    purchases.record(merchant=cafe, sale=unknown, at=noon)

    page = desk.get("/admin/").content.decode()

    assert "Purchases wait for their customer" in page
    assert "Points outstanding" in page
    assert "€600.00" in page
    assert "Silver" in page


def test_the_start_page_says_that_messages_are_stuck(sit_down, cafe, next_door):
    neighbor = Role.objects.get(merchant=next_door).staff

    theirs = sit_down(neighbor).get("/admin/").content.decode()
    ours = sit_down(staff_of(cafe, "owner")).get("/admin/").content.decode()

    assert "Messages from other machines failed" in theirs
    assert "Messages from other machines failed" not in ours


def test_the_start_page_is_bounded_and_kept_for_a_minute(desk, cafe, ana, sale, noon):
    purchases.record_all(merchant=cafe, sales=[sale() for _ in range(30)], at=noon)
    with db.watching() as first:
        desk.get("/admin/")
    with db.watching() as second:
        desk.get("/admin/")

    assert first.statements <= 36
    assert second.statements <= 5


def test_times_are_those_of_the_shop(desk, cafe, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(), at=noon)

    page = desk.get("/admin/loyalty/entry/").content.decode()

    assert "1 p.m." in page  # 12:00 UTC is 13:00 in Lisbon in May
