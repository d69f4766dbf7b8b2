"""Customers who are likely one person."""

import pytest

from customers import duplicates, erasure, people
from customers.identifiers import Given
from customers.models import NotTheSame
from lib import db
from lib.errors import NotFound
from loyalty import members

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def joins(cafe, noon):
    """`joins("Ana", "a@x.org", birthday="05-31")` is a new customer; `+351…` is a phone."""

    def act(name, *contacts, merchant=cafe, birthday=""):
        given = [Given("email" if "@" in one else "phone", one) for one in contacts]
        return members.enroll(
            merchant=merchant, name=name, identifiers=given, birthday=birthday, at=noon, by="test"
        )

    return act


def found(merchant):
    return {(one.first, one.second): one.reasons for one in duplicates.find(merchant=merchant)}


@pytest.mark.parametrize(
    ("one", "other", "reasons"),
    [
        ("ana.silva@gmail.com", "anasilva+shop@googlemail.com", ("email",)),
        ("ana+cafe@firm.pt", "ana@firm.pt", ("email",)),
        ("+351912345000", "+34912345000", ("phone",)),
        ("ana.silva@firm.pt", "anasilva@firm.pt", None),
        ("ana@gmail.com", "ana@firm.pt", None),
        ("+351912345000", "+351912345001", None),
    ],
)
def test_contacts_spelled_differently(cafe, joins, one, other, reasons):
    first, second = joins("A", one), joins("B", other)

    assert found(cafe) == ({(first.pk, second.pk): reasons} if reasons else {})


def test_the_same_name_and_birthday(cafe, joins):
    first = joins("Rui Costa", "r1@firm.pt", birthday="05-31")
    second = joins("rui costa ", "r2@firm.pt", birthday="05-31")
    joins("Rui Costa", "r3@firm.pt", birthday="06-01")
    joins("Rui Costa", "r4@firm.pt")

    assert found(cafe) == {(first.pk, second.pk): ("name",)}


def test_two_reasons_are_one_pair_and_come_first(cafe, joins):
    joins("Eva", "+351912345000")
    joins("Eve", "+34912345000")
    first = joins("Rui", "rui@firm.pt", birthday="05-31")
    second = joins("Rui", "rui+x@firm.pt", birthday="05-31")

    pairs = duplicates.find(merchant=cafe)

    assert (pairs[0].first, pairs[0].second) == (first.pk, second.pk)
    assert pairs[0].reasons == ("email", "name")
    assert len(pairs) == 2


def test_a_name_of_many_makes_no_pairs_of_all_with_all(cafe, joins):
    for n in range(12):
        joins("Maria", f"maria{n}@firm.pt", birthday="01-01")

    assert len(duplicates.find(merchant=cafe)) == 11
    assert len(duplicates.find(merchant=cafe, limit=5)) == 5


def test_it_is_one_statement_however_many_there_are(cafe, joins, django_assert_num_queries):
    for n in range(6):
        joins("Maria", f"maria{n}@firm.pt", birthday="01-01")

    with db.watching() as watch:
        duplicates.find(merchant=cafe)
    assert watch.statements == 1


def test_who_was_told_apart_is_not_offered_again(cafe, joins, noon):
    first, second = joins("A", "ana@firm.pt"), joins("B", "ana+x@firm.pt")

    for _ in range(2):
        duplicates.set_apart(first=second, second=first, at=noon, by="owner")

    assert found(cafe) == {}
    assert NotTheSame.objects.count() == 1
    erasure.erase(customer=first, at=noon, by="test")
    assert not NotTheSame.objects.exists()


def test_only_who_is_there_and_ones_own(cafe, bar_nilo, joins, noon):
    first, second = joins("A", "ana@firm.pt"), joins("B", "ana+x@firm.pt")
    stranger = joins("C", "ana+y@firm.pt", merchant=bar_nilo)

    assert found(bar_nilo) == {}
    with pytest.raises(NotFound):
        duplicates.set_apart(first=first, second=stranger, at=noon, by="owner")
    with pytest.raises(duplicates.SamePerson):
        duplicates.set_apart(first=first, second=first, at=noon, by="owner")
    people.block(customer=second, at=noon, by="test", reason="theft")
    assert found(cafe) == {}
