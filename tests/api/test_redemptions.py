"""Rewards and redemptions, as tills and shops call them."""

import pytest

from lib.db import is_postgres, watching
from loyalty import ledger
from rewards.models import Redemption, Reward, Voucher
from tests.api.conftest import V1
from tests.cast import client_of
from tests.rewards.conftest import fill, put_up

pytestmark = pytest.mark.core


@pytest.fixture
def espresso(program):
    return put_up(program)


@pytest.fixture
def rich(ana):
    fill(ana, 250)
    return ana


@pytest.fixture
def redeem(till, rich, espresso):
    """`redeem()` redeems an espresso for Ana; say more to change it."""

    def act(query="", client=till, **more):
        said = {"customer": rich.public_id, "reward": espresso.public_id, "reference": "X-1", **more}
        body = {name: value for name, value in said.items() if value is not None}
        return client.post(f"{V1}/redemptions{query}", body, format="json")

    return act


def test_a_reward_is_redeemed_for_a_voucher_with_its_code(redeem, till):
    answer = redeem()

    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert (said["status"], said["points"], said["balance"]["active"]) == ("fulfilled", 100, 150)
    assert said["voucher"]["code"][-4:] == said["voucher"]["last_four"]
    assert said["voucher"]["expires_at"] == "2026-05-31T23:00:00Z"
    read = till.get(f"{V1}/redemptions/{said['id']}").json()
    assert read["voucher"]["code"] is None
    assert {name: read[name] for name in ("id", "status", "worth")} == {
        name: said[name] for name in ("id", "status", "worth")
    }


def test_told_twice_answers_the_same_with_the_code(redeem):
    first, again = redeem(), redeem()

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_told_twice_for_another_reward_names_it(redeem, program):
    redeem()

    answer = redeem(reward=put_up(program, "tea").public_id)

    assert (answer.status_code, answer.json()["code"]) == (409, "reference_reused")
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/reward"]


def test_a_customer_and_a_reward_may_be_named_as_people_know_them(redeem):
    answer = redeem(customer=None, identifier={"type": "card", "value": "4000 000001"}, reward="espresso")

    assert answer.status_code == 201, answer.content
    nobody = redeem(customer=None, identifier={"type": "card", "value": "999"}, reference="X-2")
    assert (nobody.status_code, nobody.json()["errors"][0]["pointer"]) == (404, "/identifier")


@pytest.mark.parametrize(
    ("reward", "code"),
    [
        ({"stock": 0}, "reward_out_of_stock"),
        ({"cost": 251}, "insufficient_points"),
        ({"is_active": False}, "reward_not_available"),
        ({"tiers": ["Gold"]}, "reward_not_available"),
    ],
)
def test_what_the_program_refuses_is_422_with_its_reason(redeem, program, reward, code):
    answer = redeem(reward=put_up(program, "other", **reward).public_id)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert Redemption.objects.count() == 0


def test_a_limit_is_refused_by_its_name(redeem, program):
    once = put_up(program, "once", cost=1, per_customer=1).public_id
    redeem(reward=once)

    answer = redeem(reward=once, reference="X-2")

    assert (answer.status_code, answer.json()["code"]) == (422, "reward_limit_reached")


def test_debt_is_refused_by_its_name(redeem, till, rich):
    said = {
        "customer": rich.public_id,
        "points": -300,
        "reason": "x",
        "reference": "A",
        "allow_negative": True,
    }
    till.post(f"{V1}/adjustments", said, format="json")

    assert redeem().json()["code"] == "account_in_debt"


def test_a_rehearsal_redeems_nothing(redeem):
    answer = redeem(query="?dry_run=true")

    assert (answer.status_code, answer.json()["balance"]["active"]) == (200, 150)
    assert Redemption.objects.count() == Voucher.objects.count() == 0


def test_points_pay_a_part_of_a_purchase(redeem, program):
    pay = put_up(
        program, "pay", kind="points_as_payment", cost=100, params={"amount_minor": 100, "max_percent": 50}
    )

    answer = redeem(reward=pay.public_id, basket_minor=3_50, purchase_reference="R-7")

    assert answer.status_code == 201, answer.content
    assert (answer.json()["points"], answer.json()["worth"]["amount_minor"]) == (100, 100)
    assert answer.json()["purchase_reference"] == "R-7"


def test_a_cancelled_redemption_gives_everything_back_once(redeem, till, rich):
    path = f"{V1}/redemptions/{redeem().json()['id']}/cancel"

    first, again = till.post(path), till.post(path, {"reason": "again"}, format="json")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["status"] == again.json()["status"] == "cancelled"
    assert again.json()["balance"]["active"] == 250
    assert first.json()["voucher"]["status"] == "cancelled"
    kinds = [one["kind"] for one in till.get(f"{V1}/customers/{rich.public_id}/entries").json()["results"]]
    assert kinds == ["return", "redeem", "earn"]


def test_the_statement_names_the_reward(redeem, till, rich):
    till.post(f"{V1}/redemptions/{redeem().json()['id']}/cancel")

    found = till.get(f"{V1}/customers/{rich.public_id}/entries").json()["results"]

    assert [one["reason"] for one in found[:2]] == ["Given back: Free espresso", "Redeemed: Free espresso"]


def test_a_used_voucher_is_not_given_back(redeem, till):
    said = redeem().json()
    Voucher.objects.update(used=1, status="redeemed")

    answer = till.post(f"{V1}/redemptions/{said['id']}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (422, "voucher_redeemed")


def test_redemptions_are_listed_by_customer_reward_and_state(redeem, till, program, rich, espresso):
    redeem()
    redeem(reward=put_up(program, "mug", kind="gift").public_id, reference="X-2")

    def found(query):
        return [one["reference"] for one in till.get(f"{V1}/redemptions?{query}").json()["results"]]

    assert found("") == ["X-2", "X-1"]
    assert found("status=pending") == ["X-2"]
    assert found(f"reward={espresso.public_id}") == ["X-1"]
    assert found(f"customer={rich.public_id}&ordering=occurred_at") == ["X-1", "X-2"]
    assert found("customer=cus_0000000000001") == []
    assert till.get(f"{V1}/redemptions?status=lost").status_code == 400


def test_rewards_are_listed_as_one_customer_sees_them(till, rich, program, espresso):
    put_up(program, "machine", cost=900)
    put_up(program, "gold", tiers=["Gold"])

    everybody = till.get(f"{V1}/rewards").json()["results"]
    affordable = till.get(f"{V1}/rewards?affordable_for={rich.public_id}").json()["results"]
    theirs = till.get(f"{V1}/rewards?customer={rich.public_id}").json()["results"]

    assert sorted(one["code"] for one in everybody) == ["espresso", "gold", "machine"]
    assert [one["code"] for one in affordable] == ["espresso"]
    assert [(one["code"], one["missing_points"], one["reason"]) for one in theirs] == [
        ("espresso", 0, None),
        ("machine", 650, "insufficient_points"),
    ]
    assert till.get(f"{V1}/rewards?affordable_for=cus_0000000000001").status_code == 404


def test_a_batch_redeems_each_for_itself(till, rich, espresso):
    def event(number, **more):
        data = {"customer": rich.public_id, "reward": "espresso", "reference": f"B-{number}", **more}
        return {"event_id": str(number), "type": "redemption", "data": data}

    events = [event(1), event(2), event(3), event(1), event(4, reward="nothing")]
    found = till.post(f"{V1}/batches", {"events": events}, format="json").json()["results"]

    assert [one["status"] for one in found] == ["created", "created", "rejected", "replayed", "rejected"]
    assert found[2]["error"]["code"] == "insufficient_points"
    assert found[4]["error"]["errors"][0]["pointer"] == "/events/4/data/reward"
    assert found[0]["result"]["voucher"]["code"] == found[3]["result"]["voucher"]["code"]


def test_a_batch_needs_the_scope_of_a_redemption(cafe, rich, espresso, noon):
    client = client_of(cafe, scopes=["purchases:write"])
    data = {"customer": rich.public_id, "reward": "espresso", "reference": "B-1"}

    [result] = client.post(
        f"{V1}/batches", {"events": [{"event_id": "1", "type": "redemption", "data": data}]}, format="json"
    ).json()["results"]

    assert result["error"]["code"] == "insufficient_scope"


def test_anothers_reward_does_not_exist(redeem, bar_nilo, outsider_till, espresso, bo):
    theirs = put_up(bar_nilo.programs.get(), "theirs")

    answer = redeem(reward=theirs.public_id)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (404, "/reward")
    assert outsider_till.get(f"{V1}/redemptions").json()["results"] == []
    assert [one["code"] for one in outsider_till.get(f"{V1}/rewards").json()["results"]] == ["theirs"]


@pytest.mark.parametrize(
    "more",
    [
        {"reference": ""},
        {"reward": ""},
        {"points": 0},
        {"points": 5},
        {"basket_minor": 5},
        {"identifier": {"type": "card", "value": "1"}},
        {"amount": 5},
    ],
)
def test_what_makes_no_sense_is_refused(redeem, more):
    assert redeem(**more).status_code == 400


def test_a_redemption_costs_few_statements(redeem, program):
    reward = put_up(program, "tea", cost=1, stock=9, per_customer=9).public_id
    redeem(reward=reward, reference="X-0")
    with watching() as watch:
        redeem(reward=reward)

    # The key, the reward, who it is; the lock, what is known, the caps and the lots; the stock; and all writes.
    assert watch.statements <= (9 if is_postgres() else 20)
    assert watch.trips <= (7 if is_postgres() else 20)
    assert list(ledger.differences()) == []
    assert Reward.objects.get(code="tea").stock == 7


def test_the_list_costs_the_same_however_long_it_is(redeem, till, program):
    reward = put_up(program, "tea", cost=1).public_id
    costs = []
    for page in range(2):
        for number in range(10):
            redeem(reward=reward, reference=f"{page}-{number}")
        with watching() as watch:
            till.get(f"{V1}/redemptions")
        costs.append(watch.statements)

    assert costs[0] == costs[1]
