"""Joining, one at a time and by the thousand."""

from datetime import timedelta
from threading import Barrier, get_ident

import pytest
from django.db import connection

from customers import identifiers, people
from customers.consent import Choice
from customers.identifiers import Given, IdentifierTaken, InvalidIdentifier
from customers.models import Customer, Identifier
from lib import db
from lib.errors import DomainError, Malformed
from loyalty import members, programs, purchases
from loyalty.balances import balance
from loyalty.members import Newcomer
from loyalty.models import EarningRule, Membership, Purchase
from merchants.models import Merchant, Store

needs_many_writers = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer: nobody looks while another one writes"
)


def newcomer(number, **more):
    return Newcomer(
        identifiers=(Given("email", f"p{number}@example.com"), Given("card", f"C{number}")), **more
    )


def test_enroll_makes_a_member_at_the_lowest_level(cafe, ana, noon):
    membership = members.membership(customer=ana)

    assert (membership.tier, membership.tier_since, membership.joined_at) == ("Bronze", noon, noon)
    assert ana.touchpoints.get(kind="customer.enrolled").data == {"by": "test", "store": ""}
    assert balance(merchant=cafe, customer_id=ana.pk, at=noon)["active"] == 0


def test_enroll_keeps_what_was_said(cafe, noon):
    store = Store.objects.create(merchant=cafe, code="baixa", name="Baixa")
    rui = members.enroll(
        merchant=cafe,
        name=" Rui ",
        identifiers=[Given("email", " Rui@Example.com "), Given("phone", "912 000 111")],
        birthday="02-29",
        language="pt",
        consents=[Choice("email", "marketing", True, "till", "News?")],
        at=noon,
        by="till",
        store=store,
    )

    rui.refresh_from_db()
    assert (rui.name, rui.birthday, rui.birthday_set_at, rui.language) == ("Rui", "02-29", noon, "pt")
    assert set(rui.identifiers.values_list("value", flat=True)) == {"rui@example.com", "+351912000111"}
    assert rui.consents.get().wording == "News?"
    assert rui.touchpoints.get(kind="customer.enrolled").data["store"] == "baixa"
    assert len(rui.referral_code) == 8
    assert not set(rui.referral_code) & set("0O1I")


@pytest.mark.parametrize("said", ["ANA@EXAMPLE.COM ", "ana@example.com"])
def test_enroll_refuses_an_identifier_somebody_has(cafe, ana, noon, said):
    with pytest.raises(IdentifierTaken) as refused:
        members.enroll(
            merchant=cafe, identifiers=[Given("card", "8"), Given("email", said)], at=noon, by="till"
        )

    assert [fault.pointer for fault in refused.value.faults] == ["/email"]
    assert Customer.objects.filter(merchant=cafe).count() == 1
    assert identifiers.search(merchant=cafe, q="8") is None


def test_the_same_person_is_somebody_else_at_another_merchant(cafe, ana, bar_nilo, noon):
    twin = members.enroll(
        merchant=bar_nilo, identifiers=[Given("email", "ana@example.com")], at=noon, by="till"
    )

    assert identifiers.search(merchant=cafe, q="ana@example.com") == ana.pk
    assert identifiers.search(merchant=bar_nilo, q="ana@example.com") == twin.pk


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"identifiers": []}, Malformed),
        ({"identifiers": [Given("email", "nobody")]}, InvalidIdentifier),
        ({"identifiers": [Given("fax", "1")]}, InvalidIdentifier),
        ({"birthday": "31-05"}, Malformed),
        ({"name": "\x00"}, Malformed),
        ({"consents": [Choice("", "", True)]}, Malformed),
    ],
)
def test_enroll_refuses_what_cannot_be(cafe, noon, more, refusal):
    said = {"identifiers": [Given("card", "8")], **more}
    with pytest.raises(refusal):
        members.enroll(merchant=cafe, at=noon, by="till", **said)

    assert not Customer.objects.filter(merchant=cafe).exists()


def test_enroll_needs_a_program(db, noon):
    bare = Merchant.objects.create(slug="bare", name="Bare", currency="EUR", country="PT")
    with pytest.raises(programs.NoProgram):
        members.enroll(merchant=bare, identifiers=[Given("card", "8")], at=noon, by="till")


def test_what_was_only_typed_in_matches_nothing_yet(cafe, noon):
    typed = [Given("email", "rui@example.com")]
    members.enroll(merchant=cafe, identifiers=typed, at=noon, by="portal", verified=False)

    assert identifiers.resolve(merchant=cafe, given=typed, verified_only=True) == [None]


def test_enroll_all_spoils_nothing_for_one_refused(cafe, ana, noon):
    results = members.enroll_all(
        merchant=cafe,
        people=[
            newcomer(1),
            Newcomer(identifiers=(Given("email", "ana@example.com"),)),
            Newcomer(identifiers=()),
            newcomer(1),
            newcomer(2),
        ],
        at=noon,
        by="import",
    )

    said = [one.code if isinstance(one, DomainError) else "added" for one in results]
    assert said == ["added", "identifier_taken", "invalid_request", "identifier_taken", "added"]
    assert Membership.objects.filter(customer__merchant=cafe).count() == 3


def test_enroll_all_again_adds_nobody(cafe, noon):
    crowd = [newcomer(number) for number in range(10)]
    members.enroll_all(merchant=cafe, people=crowd, at=noon, by="import")
    again = members.enroll_all(merchant=cafe, people=crowd, at=noon, by="import")

    assert {one.code for one in again} == {"identifier_taken"}
    assert Customer.objects.filter(merchant=cafe).count() == 10


def test_enroll_all_keeps_when_they_joined(cafe, noon):
    joined = noon - timedelta(days=400)
    [rui] = members.enroll_all(merchant=cafe, people=[newcomer(1, joined_at=joined)], at=noon, by="import")

    membership = members.membership(customer=rui)
    assert (membership.joined_at, membership.tier_since, rui.created_at) == (joined, joined, joined)


def test_a_thousand_take_as_many_statements_as_ten(cafe, noon):
    def statements(first, count):
        crowd = [newcomer(number) for number in range(first, first + count)]
        with db.watching() as watch:
            results = members.enroll_all(merchant=cafe, people=crowd, at=noon, by="import")
        assert all(isinstance(one, Customer) for one in results)
        return watch.statements

    programs.current(merchant=cafe)
    assert abs(statements(0, 10) - statements(10, 1000)) <= 2
    # Each got their own membership, in the order they were given.
    for identifier in Identifier.objects.filter(merchant=cafe, type="card")[:50]:
        assert Membership.objects.filter(customer=identifier.customer_id).count() == 1


def test_joining_brings_the_sales_that_waited(cafe, sale, noon):
    waiting = sale(5000, customer_id=None, identifier=Given("card", "4000 7777"))
    assert purchases.record(merchant=cafe, sale=waiting, at=noon).status == "unmatched"

    rui = members.enroll(merchant=cafe, identifiers=[Given("card", "40007777")], at=noon, by="till")

    assert Purchase.objects.get(reference=waiting.reference).customer_id == rui.pk
    assert balance(merchant=cafe, customer_id=rui.pk, at=noon)["active"] == 50


def all_look_before_anybody_writes(monkeypatch, doors):
    """Make each door's first look wait for all others': the worst that timing can do."""
    line, looked, look = Barrier(doors), set(), people._taken

    def slow(merchant, wanted, *, verified):
        found = look(merchant, wanted, verified=verified)
        if get_ident() not in looked:
            looked.add(get_ident())
            line.wait(20)
        return found

    monkeypatch.setattr(people, "_taken", slow)


def join_at_once(cafe, noon, at_once):
    def join(number):
        given = [Given("card", f"own-{number}"), Given("email", "rui@example.com")]
        return members.enroll(merchant=cafe, identifiers=given, at=noon, by=f"till {number}")

    return at_once(4, join)


@needs_many_writers
@pytest.mark.django_db(transaction=True)
def test_doors_that_enroll_the_same_person_at_once_make_one(cafe, noon, at_once, monkeypatch):
    all_look_before_anybody_writes(monkeypatch, 4)

    results = join_at_once(cafe, noon, at_once)

    [made] = [one for one in results if isinstance(one, Customer)]
    assert {type(one) for one in results} == {Customer, IdentifierTaken}
    assert Identifier.objects.filter(merchant=cafe, customer=made).count() == 2
    assert Customer.objects.filter(merchant=cafe).count() == 1


@needs_many_writers
@pytest.mark.django_db(transaction=True)
def test_without_the_second_look_each_door_makes_one(cafe, noon, at_once, monkeypatch):
    """The twin: what `_insist` prevents is customers without the e-mail they were told they have."""
    all_look_before_anybody_writes(monkeypatch, 4)
    monkeypatch.setattr(people, "_insist", lambda merchant, rows: None)

    join_at_once(cafe, noon, at_once)

    assert Customer.objects.filter(merchant=cafe).count() == 4
    assert Identifier.objects.filter(merchant=cafe, value="rui@example.com").count() == 1


def test_membership_of_nobody_is_refused(bo, cafe):
    EarningRule.objects.filter(merchant=cafe).delete()
    with pytest.raises(members.NotAMember):
        members.membership(customer=bo, program=cafe.programs.get())
