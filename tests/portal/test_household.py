"""Shared points in the portal: an own yes, the pool, points moved, and the way out."""

import re

import pytest
from django.utils import timezone

from customers.identifiers import Given
from loyalty import adjustments, balances, households, members
from loyalty.models import HouseholdMember
from tests.portal.test_home import text
from tests.portal.visitor import sign_in

pytestmark = pytest.mark.django_db
PAGE = "/cafe-mira/household"


@pytest.fixture
def home(ana, program):
    """Ana's household; she has 100 points."""
    program.extras = {"transfers": {"household": True}}
    program.save()
    at = timezone.now()
    adjustments.adjust(customer=ana, points=100, reason="x", reference="A-1", by="test", at=at)
    return households.create(
        customer=ana, name="The Silvas", reference="HH-1", at=at, by="till", agreed="till"
    ).household


@pytest.fixture
def eva(cafe, program):
    at = timezone.now()
    return members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=at, by="test")


def invite(home, customer):
    households.invite(household=home, customer=customer, at=timezone.now(), by="till")


def move(client, points, way="in", token=""):
    token = token or re.search(r'name="token" value="(\w+)"', client.get(PAGE).content.decode())[1]
    return client.post(f"{PAGE}/points", {"points": points, "token": token, way: ""})


def pool(home):
    return households.read(household=home, at=timezone.now()).points


def test_who_was_asked_says_yes(client, home, eva):
    invite(home, eva)
    sign_in(client, eva)
    assert "Somebody wants to share points with you." in text(client.get("/cafe-mira/me"))
    assert "Do you want to share points?" in text(client.get(PAGE))

    assert client.post(f"{PAGE}/join").status_code == 302

    assert HouseholdMember.objects.get(customer=eva).agreed == "portal"
    assert "In the pool" in text(client.get(PAGE))


def test_who_was_asked_says_no(client, home, eva):
    invite(home, eva)
    sign_in(client, eva)

    client.post(f"{PAGE}/leave")

    assert client.get(PAGE).status_code == 404
    assert "Shared points" not in text(client.get("/cafe-mira/me"))


def test_points_are_moved_in_once(client, home, ana):
    sign_in(client, ana)
    token = "0" * 32

    assert move(client, 60, token=token).status_code == 302
    assert move(client, 60, token=token).status_code == 302

    assert pool(home) == 60
    assert "The points are in the pool." in text(client.get(PAGE))
    mine = balances.balance(merchant=home.merchant, customer_id=ana.pk, at=timezone.now())
    assert mine["available"] == 40


@pytest.mark.parametrize("points", ["", "0", "-1", "x", "101"])
def test_what_cannot_be_moved_is_said_beside_the_field(client, home, ana, points):
    sign_in(client, ana)

    answer = move(client, points)

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()
    assert pool(home) == 0


def test_taking_out_is_for_who_is_alone_unless_the_program_allows_it(client, home, ana, eva, program):
    sign_in(client, ana)
    move(client, 60)
    assert move(client, 10, "out").status_code == 302
    households.accept(household=home, customer=eva, at=timezone.now(), by="till", agreed="till")
    assert "Out of the pool" not in text(client.get(PAGE))

    assert move(client, 10, "out").status_code == 422

    assert pool(home) == 50


def test_the_last_one_takes_the_points_first(client, home, ana):
    sign_in(client, ana)
    move(client, 60)

    client.post(f"{PAGE}/leave")
    assert "Take the points out of the pool first" in text(client.get(PAGE))
    move(client, 60, "out")
    client.post(f"{PAGE}/leave")

    assert client.get(PAGE).status_code == 404


def test_nobody_sees_or_enters_anothers(client, home, eva):
    sign_in(client, eva)

    assert client.get(PAGE).status_code == 404
    assert client.post(f"{PAGE}/join").status_code == 404
    assert move(client, 5, token="1" * 32).status_code == 404


def test_without_signing_in_there_is_nothing(client, home):
    assert client.get(PAGE).status_code == 302
