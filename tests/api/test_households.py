"""Households through the API: opened, joined at the till, and a pool that members fill and spend."""

import pytest

from customers.identifiers import Given
from customers.models import Customer
from loyalty import members
from tests.api.conftest import V1
from tests.rewards.conftest import put_up

pytestmark = pytest.mark.core


@pytest.fixture
def eva(cafe, program, noon):
    return members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")


@pytest.fixture
def opened(till, ana, program, bought):
    """`opened()` opens Ana's household; she has 100 points."""
    program.extras = {"transfers": {"household": True}}
    program.save()
    till.post(f"{V1}/purchases", bought(100_00))

    def act(**more):
        said = {"customer": ana.public_id, "name": "The Silvas", "reference": "HH-1"}
        return till.post(f"{V1}/households", said | more)

    return act


@pytest.fixture
def home(opened):
    return opened().json()


@pytest.fixture
def move(till):
    def act(source, target, points, reference="T-1"):
        said = {"source": source, "target": target, "points": points, "reference": reference}
        return till.post(f"{V1}/transfers", said)

    return act


def test_a_household_is_opened_once_and_read(opened, till, ana):
    first, again = opened(), opened()

    assert (first.status_code, again.status_code) == (201, 200), first.content
    assert first.json() == again.json()
    assert first.json()["id"].startswith("hsh_")
    [member] = first.json()["members"]
    assert (member["customer"], member["status"], member["agreed"]) == (ana.public_id, "member", "till")
    assert till.get(f"{V1}/households/{first.json()['id']}").json() == first.json()
    assert till.get(f"{V1}/customers/{ana.public_id}/household").json() == first.json()
    assert opened(name="Others").status_code == 409


def test_where_the_program_has_none_it_is_refused(opened, program):
    program.extras = {}
    program.save()

    assert (opened().status_code, opened().json()["code"]) == (422, "households_not_allowed")


def test_its_holder_is_no_customer_of_the_list(home, till):
    found = till.get(f"{V1}/customers").json()["results"]

    assert {one["status"] for one in found} == {"active"}


def test_its_holder_is_nobody_a_call_may_name(home, till, ana):
    holder = Customer.objects.get(status="household").public_id
    gift = {"customer": holder, "points": 1, "reason": "x", "reference": "A-1"}
    merge = {"source": ana.public_id, "target": holder, "reason": "x"}

    assert till.get(f"{V1}/customers/{holder}").status_code == 404
    assert till.delete(f"{V1}/customers/{holder}").status_code == 404
    assert till.post(f"{V1}/adjustments", gift).status_code == 404
    assert till.post(f"{V1}/merges", merge).status_code == 404


def test_members_come_and_go(home, till, eva):
    path = f"{V1}/households/{home['id']}/members"
    asked = till.post(path, {"customer": eva.public_id, "invite": True}).json()
    assert [one["status"] for one in asked["members"]] == ["member", "invited"]
    assert till.get(f"{V1}/customers/{eva.public_id}/household").status_code == 404

    assert [one["status"] for one in till.post(path, {"customer": eva.public_id}).json()["members"]] == [
        "member",
        "member",
    ]
    left = till.delete(f"{path}/{eva.public_id}")

    assert (left.status_code, len(left.json()["members"])) == (200, 1)
    assert till.delete(f"{path}/{eva.public_id}").json() == left.json()


def test_the_pool_is_filled_and_spent(home, till, ana, eva, program, move):
    put_up(program, "cake", name="Cake", cost=60)
    till.post(f"{V1}/households/{home['id']}/members", {"customer": eva.public_id})

    moved, again = (move(ana.public_id, home["id"], 90) for _ in range(2))
    assert (moved.status_code, again.status_code, moved.json()["target"]) == (201, 200, home["id"])
    assert moved.json()["balance"]["active"] == 10
    said = {"customer": eva.public_id, "reward": "cake", "reference": "X-1", "household": home["id"]}
    made = till.post(f"{V1}/redemptions", said)

    assert (made.status_code, made.json()["household"]) == (201, home["id"])
    assert made.json()["voucher"]["code"]
    assert till.get(f"{V1}/households/{home['id']}").json()["points"] == 30
    assert move(home["id"], eva.public_id, 5, "T-2").json()["code"] == "transfers_not_allowed"


def test_a_stranger_spends_nothing(home, till, ana, eva, program, move):
    put_up(program, "cake", name="Cake", cost=60)
    move(ana.public_id, home["id"], 90)
    said = {"customer": eva.public_id, "reward": "cake", "reference": "X-1", "household": home["id"]}

    answer = till.post(f"{V1}/redemptions", said)

    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_household_member")


def test_anothers_household_does_not_exist(home, outsider_till, bo):
    said = {"source": bo.public_id, "target": home["id"], "points": 1, "reference": "T-1"}

    answer = outsider_till.post(f"{V1}/transfers", said)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (404, "/target")
