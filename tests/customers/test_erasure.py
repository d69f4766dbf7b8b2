"""Leaving for good removes the person and keeps the books."""

import io
import zipfile
from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

from customers import consent, erasure, identifiers, journey, people
from customers.consent import Choice
from customers.identifiers import Given
from customers.models import Consent, Customer, Identifier, Touchpoint
from loyalty import ledger, members, purchases
from loyalty.models import Membership, Purchase

ROOMS = ("merchants", "customers", "loyalty", "connectors", "api", "portal", "config")


def tables():
    return [
        model for room in ROOMS for model in apps.get_app_config(room).get_models(include_auto_created=True)
    ]


def columns(model):
    return [
        field.attname
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField | models.JSONField)
    ]


def everything(customer):
    """All texts in all tables that name the customer or its memberships."""
    memberships = list(Membership.objects.filter(customer=customer).values_list("pk", flat=True))
    keys = {"customer_id": [customer.pk], "membership_id": memberships, "account_id": memberships}
    found = [str(Customer.objects.filter(pk=customer.pk).values().get())]
    for model in tables():
        for key, numbers in keys.items():
            if key in {field.attname for field in model._meta.concrete_fields}:
                found += map(
                    str, model._default_manager.filter(**{f"{key}__in": numbers}).values(*columns(model))
                )
    return "\n".join(found)


def test_every_table_is_in_the_registry():
    assert erasure.unlisted(tables()) == []


def test_a_table_nobody_lists_is_found():
    class Diary(models.Model):
        class Meta:
            app_label = "diaries"

    assert erasure.unlisted([Customer, Diary]) == ["diaries.Diary"]


def test_the_registry_names_only_tables_that_exist():
    for label in erasure.registry():
        assert apps.get_model(label)._meta.label == label


def test_erase_removes_the_person_from_every_table(cafe, ana, sale, noon):
    people.change(customer=ana, at=noon, by="till", birthday="05-31", language="pt")
    consent.choose(customer=ana, choices=[Choice("email", "marketing", True, "till", "News, yes.")], at=noon)
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)
    told(ana, noon, data={"text": "Ana was here"}, reference="ana@example.com")

    erasure.erase(customer=ana, at=noon, by="customer")

    left = everything(ana)
    for trace in ("Ana", "ana@example.com", "912345678", "4000000001", "05-31"):
        assert trace not in left
    assert ana.status == "erased"
    assert ana.erased_at == noon
    assert not Identifier.objects.filter(customer=ana).exists()


def told(customer, at, **more):
    from lib.db import command

    command(journey.note)(customer=customer, kind="review.posted", at=at, **more)


def test_erase_keeps_the_books(cafe, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)
    membership = members.membership(customer=ana)
    before = list(ledger.entries(merchant_id=cafe.pk, memberships=[membership.pk]).values())

    erasure.erase(customer=ana, at=noon, by="customer")

    assert list(ledger.entries(merchant_id=cafe.pk, memberships=[membership.pk]).values()) == before
    assert Purchase.objects.get(customer=ana).amount_minor == 5000


def test_erase_keeps_consents_as_proof(ana, noon):
    consent.choose(customer=ana, choices=[Choice("email", "marketing", True, "till", "News, yes.")], at=noon)

    erasure.erase(customer=ana, at=noon, by="customer")

    assert Consent.objects.get(customer=ana).wording == "News, yes."


def test_erase_told_twice_changes_nothing(ana, noon):
    erasure.erase(customer=ana, at=noon, by="customer")
    erasure.erase(customer=ana, at=noon + timedelta(days=1), by="staff")

    ana.refresh_from_db()
    assert ana.erased_at == noon
    assert Touchpoint.objects.filter(customer=ana, kind="customer.erased").count() == 1


def test_erase_takes_the_identifier_off_a_sale_that_waits(cafe, ana, sale, noon):
    purchases.record(
        merchant=cafe, sale=sale(900, customer_id=None, identifier=Given("card", "999")), at=noon
    )
    people.add_identifiers(customer=ana, given=[Given("card", "999")], at=noon, by="till")

    erasure.erase(customer=ana, at=noon, by="customer")

    assert not Purchase.objects.filter(waits_for__contains="999").exists()


def test_erase_empties_the_message_that_told_of_them(cafe, ana, noon):
    from connectors.models import Connection, InboundEvent

    connection = Connection.objects.create(merchant=cafe, code="main", kind="plain")
    about_ana, about_bo = (
        InboundEvent.objects.create(
            merchant=cafe,
            connection=connection,
            event_id=body,
            type="sale",
            body=body,
            status="done",
            due_at=noon,
            occurred_at=noon,
            received_at=noon,
        )
        for body in ('{"email": "ANA@example.com"}', '{"email": "bo@example.com"}')
    )

    exported = erasure.export(customer=ana)
    erasure.erase(customer=ana, at=noon, by="customer")

    assert [row["body"] for row in exported["inboundevent"]] == ['{"email": "ANA@example.com"}']
    about_ana.refresh_from_db()
    about_bo.refresh_from_db()
    assert (about_ana.body, about_bo.body) == ("", '{"email": "bo@example.com"}')


def test_the_erased_contact_may_join_again_as_somebody_new(cafe, ana, noon):
    erasure.erase(customer=ana, at=noon, by="customer")

    again = members.enroll(merchant=cafe, identifiers=[Given("email", "ana@example.com")], at=noon, by="till")

    assert again.pk != ana.pk
    assert identifiers.search(merchant=cafe, q="ana@example.com") == again.pk


def test_change_refuses_who_is_erased(ana, noon):
    erasure.erase(customer=ana, at=noon, by="customer")

    with pytest.raises(people.CustomerErased):
        people.change(customer=ana, at=noon, by="till", name="Ana")


def test_erase_and_export_leave_the_outsider_alone(cafe, ana, bo, noon):
    before = everything(bo)

    erasure.erase(customer=ana, at=noon, by="customer")

    assert everything(bo) == before
    assert "bo@example.com" not in str(erasure.export(customer=ana))


def test_export_shows_what_is_kept(cafe, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)

    exported = erasure.export(customer=ana)

    assert exported["customer"][0]["name"] == "Ana"
    assert {row["value"] for row in exported["identifier"]} == {
        "ana@example.com",
        "+351912345678",
        "4000000001",
    }
    assert exported["purchase"][0]["amount_minor"] == 5000
    assert [row["points"] for row in exported["entry"]] == [50]
    assert exported["membership"][0]["tier"] == "Bronze"
    assert exported["entry"][0]["id"].startswith("ent_")


def test_archive_is_safe_to_open_in_a_spreadsheet(ana, noon):
    people.change(customer=ana, at=noon, by="till", name="=HYPERLINK(1)")

    with zipfile.ZipFile(io.BytesIO(erasure.archive(erasure.export(customer=ana)))) as pack:
        text = pack.read("customer.csv").decode("utf-8-sig")

    assert "'=HYPERLINK(1)" in text
    assert ",=HYPERLINK" not in text


def test_the_guide_says_what_erasure_does_to_each_table():
    page = (settings.BASE_DIR / "docs" / "guides" / "privacy.md").read_text()

    for holding in erasure.registry().values():
        shown = "yes" if holding.export else "no"
        assert f"| `{holding.model}` | {holding.why} | {shown} |" in page
