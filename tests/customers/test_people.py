"""Changing, blocking, recognizing."""

from datetime import timedelta

import pytest

from customers import identifiers, people
from customers.identifiers import Given, IdentifierTaken
from customers.models import Customer, Identifier
from lib.errors import Malformed, NotFound
from loyalty import members


def kinds(customer):
    return list(customer.touchpoints.order_by("pk").values_list("kind", flat=True))


def test_change_writes_what_is_new_and_notes_it(ana, noon):
    changed = people.change(customer=ana, at=noon, by="till", name=" Ana Maria ", language="pt-BR")

    assert (changed.name, changed.language) == ("Ana Maria", "pt-BR")
    note = ana.touchpoints.get(kind="customer.changed")
    assert note.data == {"fields": ["language", "name"], "by": "till"}


def test_change_told_twice_notes_once(ana, noon):
    for _ in range(2):
        people.change(customer=ana, at=noon, by="till", name="Ana Maria")

    assert kinds(ana).count("customer.changed") == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 121),
        ("name", "nul\x00"),
        ("name", "half \ud800"),
        ("birthday", "02-30"),
        ("birthday", "13-01"),
        ("birthday", "1990-05-31"),
        ("language", "klingon language"),
    ],
)
def test_change_refuses_what_cannot_be(ana, noon, field, value):
    with pytest.raises(Malformed) as refused:
        people.change(customer=ana, at=noon, by="till", **{field: value})

    assert [fault.pointer for fault in refused.value.faults] == [f"/{field}"]


def test_a_birthday_on_29_february_is_one(ana, noon):
    assert people.change(customer=ana, at=noon, by="till", birthday="02-29").birthday == "02-29"


def test_a_birthday_is_changed_once_a_year(ana, noon):
    people.change(customer=ana, at=noon, by="till", birthday="05-31")

    with pytest.raises(people.BirthdayChanged):
        people.change(customer=ana, at=noon + timedelta(days=364), by="till", birthday="06-30")

    later = noon + timedelta(days=365)
    assert people.change(customer=ana, at=later, by="till", birthday="06-30").birthday_set_at == later


def test_a_birthday_may_go_any_time_but_not_come_back_sooner(ana, noon):
    people.change(customer=ana, at=noon, by="till", birthday="05-31")
    people.change(customer=ana, at=noon + timedelta(days=1), by="ana", birthday="")

    with pytest.raises(people.BirthdayChanged):
        people.change(customer=ana, at=noon + timedelta(days=2), by="ana", birthday="06-30")


def test_add_identifiers_are_found_afterwards(cafe, ana, noon):
    people.add_identifiers(customer=ana, given=[Given("card", "4000 0000-02")], at=noon, by="till")

    assert identifiers.search(merchant=cafe, q="4000000002") == ana.pk
    assert "identifier.verified" in kinds(ana)


def test_add_identifiers_told_twice_notes_once(ana, noon):
    for _ in range(2):
        people.add_identifiers(customer=ana, given=[Given("card", "77")], at=noon, by="till")

    assert kinds(ana).count("identifier.verified") == 1


def test_add_identifiers_refuses_one_that_somebody_has(cafe, ana, noon):
    rui = members.enroll(merchant=cafe, identifiers=[Given("email", "rui@example.com")], at=noon, by="till")

    with pytest.raises(IdentifierTaken):
        people.add_identifiers(customer=rui, given=[Given("email", "ANA@example.com")], at=noon, by="till")


def test_what_was_only_typed_in_gives_way_to_who_proves_it(cafe, ana, noon):
    typed = [Given("email", "rui@example.com")]
    squatter = members.enroll(merchant=cafe, identifiers=typed, at=noon, by="portal", verified=False)
    people.add_identifiers(customer=squatter, given=[Given("card", "9")], at=noon, by="till")

    people.add_identifiers(customer=ana, given=typed, at=noon, by="till")

    assert identifiers.search(merchant=cafe, q="rui@example.com") == ana.pk
    assert Identifier.objects.filter(customer=squatter).count() == 1


def test_what_was_only_typed_in_becomes_verified(cafe, noon):
    typed = [Given("email", "rui@example.com")]
    rui = members.enroll(merchant=cafe, identifiers=typed, at=noon, by="portal", verified=False)
    assert identifiers.resolve(merchant=cafe, given=typed, verified_only=True) == [None]

    people.add_identifiers(customer=rui, given=typed, at=noon, by="portal")

    assert identifiers.resolve(merchant=cafe, given=typed, verified_only=True) == [rui.pk]
    assert "identifier.verified" in kinds(rui)


def test_remove_identifier_forgets_it(cafe, ana, noon):
    card = ana.identifiers.get(type="card")

    people.remove_identifier(customer=ana, identifier_id=card.pk, at=noon, by="ana")

    assert identifiers.search(merchant=cafe, q="4000000001") is None


def test_remove_identifier_refuses_the_last_one(cafe, noon):
    rui = members.enroll(merchant=cafe, identifiers=[Given("card", "5")], at=noon, by="till")

    with pytest.raises(people.LastIdentifier):
        people.remove_identifier(customer=rui, identifier_id=rui.identifiers.get().pk, at=noon, by="rui")


def test_remove_identifier_reaches_nobody_elses(ana, bo, noon):
    with pytest.raises(NotFound):
        people.remove_identifier(customer=ana, identifier_id=bo.identifiers.get().pk, at=noon, by="ana")


def test_block_and_unblock_are_noted_once(ana, noon):
    for _ in range(2):
        people.block(customer=ana, at=noon, by="owner", reason="fraud")
    assert Customer.objects.get(pk=ana.pk).status == "blocked"
    for _ in range(2):
        people.unblock(customer=ana, at=noon, by="owner")

    assert Customer.objects.get(pk=ana.pk).status == "active"
    assert kinds(ana)[-2:] == ["customer.blocked", "customer.unblocked"]
