"""Points held during a checkout, as a till does it."""

import pytest

from loyalty.models import Program
from tests.api.conftest import V1
from tests.rewards.conftest import put_up

pytestmark = pytest.mark.core


@pytest.fixture
def rich(till, ana):
    """Ana has 100 points."""
    said = {"customer": ana.public_id, "points": 100, "reason": "gift", "reference": "A-1"}
    assert till.post(f"{V1}/adjustments", said).status_code == 201
    return ana


@pytest.fixture
def hold(till, rich):
    def act(points=60, reference="H-1", query="", headers=None, **more):
        said = {"customer": rich.public_id, "points": points, "reference": reference} | more
        said = {name: value for name, value in said.items() if value is not None}
        return till.post(f"{V1}/holds{query}", said, headers=headers)

    return act


@pytest.fixture
def act(till):
    """`act(hold, "capture", points=5)` calls one of a hold's verbs."""
    return lambda hold, verb, query="", **said: till.post(f"{V1}/holds/{hold['id']}/{verb}{query}", said)


def later(till, at):
    till.credentials(**till._credentials | {"HTTP_X_TEST_CLOCK": at})


def test_points_are_held_and_read(hold, till, rich):
    answer = hold()

    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert made["id"].startswith("hld_")
    assert (made["status"], made["points"], made["captured"]) == ("active", 60, 0)
    assert (made["customer"], made["reference"]) == (rich.public_id, "H-1")
    assert made["expires_at"] == "2026-05-01T12:30:00Z"
    assert (made["balance"]["held"], made["balance"]["available"]) == (60, 40)
    found = till.get(f"{V1}/holds/{made['id']}").json()
    assert found == {name: value for name, value in made.items() if name != "balance"}


def test_the_customer_may_be_named_by_a_card(hold):
    card = {"type": "card", "value": "4000 000 001"}

    assert hold(customer=None, identifier=card).status_code == 201
    stranger = hold(reference="H-2", customer=None, identifier=card | {"value": "999"})
    assert (stranger.status_code, stranger.json()["errors"][0]["pointer"]) == (404, "/identifier")


def test_told_twice_is_done_once(hold):
    first, again = hold(), hold()

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_the_same_key_answers_the_very_same(hold, act, till):
    headers = {"Idempotency-Key": "k-1"}
    first, again = hold(headers=headers), hold(headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    path = f"{V1}/holds/{first.json()['id']}/capture"
    used, repeated = (till.post(path, {}, headers={"Idempotency-Key": "k-2"}) for _ in range(2))
    assert (used.json(), repeated["Idempotency-Replayed"]) == (repeated.json(), "true")


def test_the_reference_of_a_live_hold_may_say_something_else(hold):
    first, again = hold(), hold(80)

    assert (again.status_code, again.json()["id"], again.json()["points"]) == (200, first.json()["id"], 80)
    assert again.json()["balance"]["available"] == 20


@pytest.mark.parametrize("verb", ["capture", "cancel"])
def test_the_reference_of_a_used_hold_may_not(hold, act, verb):
    assert act(hold().json(), verb).status_code == 200

    answer = hold(80)

    assert (answer.status_code, answer.json()["code"]) == (409, "reference_reused")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/points"]
    assert hold().status_code == 200


def test_more_than_is_available_is_not_held(hold):
    answer = hold(101)

    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_points")


def test_who_owes_points_holds_none(till, ana, hold):
    said = {"customer": ana.public_id, "points": -130, "reason": "x", "reference": "A-2"}
    till.post(f"{V1}/adjustments", said | {"allow_negative": True})

    answer = hold(1)

    assert (answer.status_code, answer.json()["code"]) == (422, "account_in_debt")


def test_a_part_is_captured_and_the_rest_is_free(hold, act, till, rich):
    made = hold().json()

    answers = [act(made, "capture", points=25) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["status"], answers[0].json()["captured"]) == ("captured", 25)
    assert answers[0].json()["balance"]["available"] == 75
    entry = till.get(f"{V1}/customers/{rich.public_id}/entries").json()["results"][0]
    assert (entry["kind"], entry["points"], entry["reason"]) == ("hold_capture", -25, "Used to pay")
    other = act(made, "capture", points=26)
    assert (other.status_code, other.json()["code"]) == (409, "hold_captured")
    assert [error["pointer"] for error in other.json()["errors"]] == ["/points"]
    assert act(made, "cancel").json()["code"] == "hold_captured"


def test_more_than_is_held_is_not_captured(hold, act):
    answer = act(hold().json(), "capture", points=61)

    assert (answer.status_code, answer.json()["code"]) == (422, "capture_exceeds_hold")


def test_a_cancelled_hold_is_over(hold, act):
    made = hold().json()

    assert [act(made, "cancel").json()["status"] for _ in range(2)] == ["cancelled"] * 2
    assert (act(made, "capture").status_code, act(made, "capture").json()["code"]) == (409, "hold_cancelled")
    assert act(made, "extend").status_code == 409


def test_a_hold_ends_by_itself(hold, act, till, rich):
    made = hold(ttl_seconds=60).json()
    later(till, "2026-05-01T12:01:00Z")

    assert till.get(f"{V1}/holds/{made['id']}").json()["status"] == "expired"
    balance = till.get(f"{V1}/customers/{rich.public_id}/balance").json()
    assert (balance["held"], balance["available"]) == (0, 100)
    said = {"customer": rich.public_id, "points": -50, "reason": "x", "reference": "A-2"}
    assert till.post(f"{V1}/adjustments", said).status_code == 201
    late = act(made, "capture")
    assert (late.status_code, late.json()["code"]) == (422, "hold_expired")
    assert act(made, "capture", points=50).json()["captured"] == 50


def test_a_hold_is_extended(hold, act):
    made = hold().json()

    answers = [act(made, "extend", ttl_seconds=7200).json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0]["expires_at"] == "2026-05-01T14:00:00Z"


def test_a_rehearsal_holds_and_uses_nothing(hold, act, till, rich):
    rehearsed = hold(query="?dry_run=true")
    assert (rehearsed.status_code, rehearsed.json()["balance"]["held"]) == (200, 60)
    assert rehearsed.json()["dry_run"] is True
    made = hold(10).json()
    for verb in ("capture", "cancel", "extend"):
        assert act(made, verb, query="?dry_run=true").json()["dry_run"] is True

    found = till.get(f"{V1}/holds/{made['id']}").json()
    assert (found["status"], found["expires_at"]) == ("active", made["expires_at"])
    assert till.get(f"{V1}/customers/{rich.public_id}/balance").json()["held"] == 10


@pytest.mark.parametrize(
    "more",
    [
        {"points": 0},
        {"points": 1.5},
        {"points": 10**10},
        {"ttl_seconds": 0},
        {"ttl_seconds": 7 * 24 * 3600 + 1},
        {"customer": None},
        {"identifier": {"type": "card", "value": "4000000001"}},
        {"reference": ""},
        {"colour": "red"},
    ],
)
def test_what_makes_no_sense_is_refused(hold, more):
    assert hold(more.pop("points", 1), **more).status_code == 400


def test_a_hold_is_in_the_export(hold, till, rich):
    hold()

    export = till.get(f"{V1}/customers/{rich.public_id}/export").json()

    assert [row["reference"] for row in export["hold"]] == ["H-1"]


# --- a hold that names a reward -------------------------------------------------------------------------


@pytest.fixture
def cake(program):
    return put_up(program, "cake", name="Cake", cost=60, stock=1)


def test_a_reward_is_held_and_captured(hold, act, till, cake):
    made = hold(points=None, reward="cake")

    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["points"], body["redemption"]) == (60, None)
    assert body["reward"] == {
        "id": cake.public_id,
        "name": "Cake",
        "points": 60,
        "worth": {"kind": "voucher", "name": "Cake"},
        "changed": [],
    }
    assert till.get(f"{V1}/rewards").json()["results"][0]["stock"] == 0
    assert hold(points=None, reward=cake.public_id).status_code == 200

    used = act(body, "capture", purchase_reference="R-1").json()

    assert used["redemption"]["voucher"]["code"]
    assert used["redemption"]["purchase_reference"] == "R-1"
    assert till.get(f"{V1}/holds/{body['id']}").json()["redemption"]["id"] == used["redemption"]["id"]
    assert till.get(f"{V1}/redemptions").json()["results"][0]["id"] == used["redemption"]["id"]


def test_the_same_key_answers_a_captured_reward_the_very_same(hold, act, till, cake):
    made = hold(points=None, reward="cake").json()
    path, headers = f"{V1}/holds/{made['id']}/capture", {"Idempotency-Key": "k-3"}

    used, repeated = (till.post(path, {}, headers=headers) for _ in range(2))

    assert (used.status_code, repeated["Idempotency-Replayed"]) == (200, "true")
    assert repeated.json() == used.json()


def test_a_held_reward_is_out_of_stock_for_others(hold, cake):
    hold(points=None, reward="cake")

    answer = hold(points=None, reward="cake", reference="H-2")

    assert (answer.status_code, answer.json()["code"]) == (422, "reward_out_of_stock")


def test_an_ended_hold_leaves_its_piece_in_the_list(hold, till, rich, cake):
    hold(points=None, reward="cake")
    later(till, "2026-05-01T12:30:00+00:00")

    [shown] = till.get(f"{V1}/rewards?customer={rich.public_id}").json()["results"]

    assert (shown["stock"], shown["can_be_redeemed"]) == (1, True)


def test_a_withdrawn_reward_is_still_kept_for_who_holds_it(hold, act, cake):
    made = hold(points=None, reward="cake").json()
    cake.is_active = False
    cake.save()

    assert act(made, "extend", ttl_seconds=3600).json()["reward"]["changed"] == ["offer"]
    assert act(made, "capture").json()["redemption"]["status"] == "fulfilled"


def test_a_hold_names_points_or_a_reward_of_the_own_shop(hold, bar_nilo, cake):
    assert hold(points=None).status_code == 400
    assert hold(basket_minor=100).status_code == 400
    theirs = put_up(Program.objects.get(merchant=bar_nilo), "rum")
    answer = hold(points=None, reward=theirs.public_id)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (404, "/reward")
