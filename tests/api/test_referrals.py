"""Codes at the counter: claimed with the enrollment or after it, and listed."""

from datetime import timedelta

import pytest

from customers.models import Customer, Referral
from lib import db
from tests.api.conftest import V1, buy
from tests.cast import NOON
from tests.loyalty.bringing import offer, relay

pytestmark = pytest.mark.core


@pytest.fixture(autouse=True)
def offered(cafe):
    offer(cafe)


@pytest.fixture
def join(till):
    def act(card="42", **more):
        return till.post(f"{V1}/customers", {"card": card, **more})

    return act


@pytest.fixture
def claim(till):
    def act(code, customer, **more):
        return till.post(f"{V1}/referrals/claim", {"code": code, "customer": customer, **more})

    return act


def faults(answer):
    return [(one["pointer"], one["code"]) for one in answer.json()["errors"]]


def test_a_code_at_the_enrollment(join, till, ana, bought):
    answer = join(referral_code=ana.referral_code.lower())

    assert answer.status_code == 201, answer.content
    rui = answer.json()["id"]
    [one] = till.get(f"{V1}/referrals").json()["results"]
    assert (one["state"], one["referrer"], one["friend"]) == ("joined", ana.public_id, rui)
    sold = buy(till, bought(1500, customer=rui)).json()
    relay(NOON)
    [one] = till.get(f"{V1}/referrals?state=qualified").json()["results"]
    assert (one["points"], one["purchase"]) == ({"referrer": 200, "friend": 100}, sold["id"])
    assert one["activates_at"].startswith("2026-05-15")


def test_a_bad_code_enrolls_nobody_and_says_where(join):
    answer = join(referral_code="XXXXXXXX")

    assert (answer.status_code, answer.json()["code"]) == (422, "referral_code_unknown")
    assert faults(answer) == [("/referral_code", "not_found")]
    assert not Customer.objects.exists()
    assert join().status_code == 201


def test_the_own_code_enrolls_nobody(till, ana):
    answer = till.post(f"{V1}/customers", {"email": "ana+2@example.com", "referral_code": ana.referral_code})

    assert (answer.status_code, answer.json()["code"]) == (422, "self_referral")
    assert Customer.objects.count() == 1


def test_a_code_in_a_batch_spoils_only_its_own(till, ana):
    events = [
        {"event_id": f"{n}", "type": "customer", "data": {"card": f"{n}", "referral_code": code}}
        for n, code in enumerate((ana.referral_code, "XXXXXXXX"))
    ]

    results = till.post(f"{V1}/batches", {"events": events}).json()["results"]

    assert [one["status"] for one in results] == ["created", "rejected"]
    assert results[1]["error"]["code"] == "referral_code_unknown"
    assert Referral.objects.count() == 1


def test_staff_claim_afterwards_once(join, claim, ana):
    rui = join().json()["id"]

    first, again = claim(ana.referral_code, rui), claim(ana.referral_code, rui)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_the_same_request_key_answers_the_same(join, till, ana):
    said = {"code": ana.referral_code, "customer": join().json()["id"]}

    answers = [till.post(f"{V1}/referrals/claim", said, HTTP_IDEMPOTENCY_KEY="K-1") for _ in range(2)]

    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


def test_another_code_is_a_conflict(join, claim, ana):
    eva, rui = join("77").json(), join(referral_code=ana.referral_code).json()["id"]

    answer = claim(eva["referral_code"], rui)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_referred")
    assert faults(answer) == [("/code", "already_referred")]


def test_nobodys_code_is_not_found(join, claim, ana, bo):
    rui = join().json()["id"]
    for code in ("XXXXXXXX", bo.referral_code):
        answer = claim(code, rui)
        assert (answer.status_code, faults(answer)) == (404, [("/code", "not_found")])


def test_who_is_not_new_is_refused(join, claim, till, ana, bought):
    rui = join().json()["id"]
    buy(till, bought(1500, customer=rui))

    answer = claim(ana.referral_code, rui)

    assert (answer.status_code, answer.json()["code"]) == (422, "friend_not_new")
    assert faults(answer) == [("/customer", "friend_not_new")]


def test_the_same_device_is_refused(join, claim, ana):
    eva = join("77", device="phone-1").json()
    rui = join().json()["id"]

    answer = claim(eva["referral_code"], rui, device="phone-1")

    assert (answer.status_code, answer.json()["code"]) == (422, "self_referral")


def test_a_shop_without_referrals_says_so(bo, outsider_till, bar_nilo):
    answer = outsider_till.post(f"{V1}/referrals/claim", {"code": bo.referral_code, "customer": bo.public_id})

    assert (answer.status_code, answer.json()["code"]) == (422, "no_referrals")


def test_the_list_is_filtered_by_either_side_and_by_state(join, till, ana):
    rui = join("1", referral_code=ana.referral_code).json()["id"]
    eva = join("2", referral_code=ana.referral_code).json()["id"]
    Referral.objects.filter(friend__identifiers__value="2").update(state="expired")

    def found(query):
        return [one["friend"] for one in till.get(f"{V1}/referrals?{query}").json()["results"]]

    assert found(f"customer={ana.public_id}") == [eva, rui]
    assert found(f"customer={rui}") == [rui]
    assert found("state=expired") == [eva]
    assert found("customer=nobody") == []
    assert till.get(f"{V1}/referrals?state=lost").status_code == 400


def test_nobody_sees_another_merchants_referrals(join, outsider_till, ana):
    join(referral_code=ana.referral_code)

    for query in ("", f"?customer={ana.public_id}", "?state=joined"):
        assert outsider_till.get(f"{V1}/referrals{query}").json()["results"] == []


def test_the_list_costs_the_same_for_any_number(join, till, ana):
    counts = []
    for size in (1, 5):
        for n in range(size):
            join(f"{size}-{n}", referral_code=ana.referral_code)
        till.get(f"{V1}/referrals")
        with db.watching() as watch:
            till.get(f"{V1}/referrals")
        counts.append(watch.statements)

    assert counts[0] == counts[1]


def test_long_after_joining_it_is_too_late(join, till, ana):
    rui = join().json()["id"]
    till.credentials(**till._credentials | {"HTTP_X_TEST_CLOCK": (NOON + timedelta(days=31)).isoformat()})

    answer = till.post(f"{V1}/referrals/claim", {"code": ana.referral_code, "customer": rui})

    assert (answer.status_code, answer.json()["code"]) == (422, "friend_not_new")
