"""Vouchers at the till: looked at, used, undone, guessed at, and taken while offline."""

from datetime import timedelta

import pytest

from customers.identifiers import Given
from lib import db
from lib.db import watching
from loyalty import members
from rewards import codes, vouchers
from tests.api.conftest import V1
from tests.cast import client_of

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def code(cafe, ana, noon):
    return issue(cafe, ana, noon)


def issue(merchant, customer, at, **more):
    said = {"merchant": merchant, "name": "Free coffee", "worth": {"kind": "free_item"}, "origin": "perk"}
    said |= {"at": at, "by": "test", "reference": str(more), "customer": customer}
    return db.command(vouchers.issue)(**(said | more)).code


def redeem(till, code, reference="U-1", query="", **more):
    return till.post(f"{V1}/vouchers/{code}/redeem{query}", {"reference": reference} | more)


def test_a_till_looks_uses_and_undoes(till, code, ana):
    seen = till.get(f"{V1}/vouchers/{code.lower()}")
    used = redeem(till, code, customer=ana.public_id, purchase_reference="R-1")
    spent = till.get(f"{V1}/vouchers/{code}").json()
    undone = till.post(f"{V1}/vouchers/{code}/rollback", {"reference": "U-1"})

    assert (seen.status_code, seen.json()["status"], seen.json()["uses_left"]) == (200, "issued", 1)
    assert seen.json()["customer"] == ana.public_id
    assert (used.status_code, used.json()["purchase_reference"]) == (201, "R-1")
    assert (spent["status"], spent["uses_left"]) == ("redeemed", 0)
    assert (undone.status_code, undone.json()["rolled_back"]) == (201, True)
    assert till.get(f"{V1}/vouchers/{code}").json()["status"] == "issued"
    assert till.post(f"{V1}/vouchers/{code}/rollback", {"reference": "U-1"}).status_code == 200


def test_told_twice_is_used_once(till, code):
    first, again = redeem(till, code), redeem(till, code)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_told_twice_about_another_voucher_names_it(till, code, cafe, ana, noon):
    redeem(till, code)

    answer = redeem(till, issue(cafe, ana, noon, name="Cake"))

    assert (answer.status_code, answer.json()["code"]) == (409, "reference_reused")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/code"]


def test_used_expired_and_somebody_elses_are_told_apart(till, code, cafe, ana, noon):
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")
    ends = issue(cafe, ana, noon, expires_at=noon)

    theirs = redeem(till, code, customer=eva.public_id)
    redeem(till, code)

    assert (theirs.status_code, theirs.json()["code"]) == (422, "voucher_not_yours")
    assert [error["pointer"] for error in theirs.json()["errors"]] == ["/customer"]
    assert redeem(till, code, "U-2").json()["code"] == "voucher_redeemed"
    assert redeem(till, ends, "U-3").json()["code"] == "voucher_expired"
    assert till.get(f"{V1}/vouchers/{ends}").json()["status"] == "expired"


def test_a_rehearsal_uses_nothing(till, code):
    answer = redeem(till, code, query="?dry_run=true")

    assert (answer.status_code, answer.json()["voucher"]["status"]) == (200, "redeemed")
    assert till.get(f"{V1}/vouchers/{code}").json()["status"] == "issued"


def test_a_typo_is_told_apart_from_a_code_nobody_has(till, code):
    wrong = ("3" if code[0] == "2" else "2") + code[1:]

    assert (
        till.get(f"{V1}/vouchers/{wrong}").status_code,
        till.get(f"{V1}/vouchers/{wrong}").json()["code"],
    ) == (
        404,
        "code_mistyped",
    )
    assert till.get(f"{V1}/vouchers/{codes.new()}").json()["code"] == "not_found"


def test_who_guesses_waits_and_the_other_tills_do_not(till, code, cafe, settings):
    settings.CODE_GUESS_LIMIT = "3/10 minutes"
    for _ in range(3):
        assert till.get(f"{V1}/vouchers/{codes.new()}").status_code == 404

    guess, right = redeem(till, codes.new()), redeem(till, code)
    card = till.get(f"{V1}/gift-cards/{codes.new()}")

    for answer in (guess, right, card):
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 500 < int(answer["Retry-After"]) <= 600
    assert till.get(f"{V1}/programs").status_code == 200
    assert redeem(client_of(cafe), code).status_code == 201


def test_right_codes_are_not_counted(till, code, settings):
    settings.CODE_GUESS_LIMIT = "1/10 minutes"

    assert [till.get(f"{V1}/vouchers/{code}").status_code for _ in range(5)] == [200] * 5


def test_looking_costs_few_statements(till, code):
    till.get(f"{V1}/vouchers/{code}")

    with watching() as watch:
        till.get(f"{V1}/vouchers/{code}")

    assert watch.statements <= 2


def send(till, *told):
    events = [
        {"event_id": f"e{n}", "type": "redemption", "data": data, "occurred_at": at}
        for n, (data, at) in enumerate(told)
    ]
    answer = till.post(f"{V1}/batches", {"events": events})
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def test_what_a_till_took_offline_counts_by_its_own_time(till, cafe, ana, noon):
    code = issue(cafe, ana, noon, expires_at=noon - timedelta(hours=1))
    before, after = (noon - timedelta(hours=2)).isoformat(), noon.isoformat()

    told = send(
        till,
        ({"code": code, "reference": "O-2"}, after),
        ({"code": code, "reference": "O-1"}, before),
        ({"code": code, "reference": "O-1"}, before),
        ({"code": codes.new(), "reference": "O-3"}, after),
        ({"code": code, "reference": "O-4", "customer": "cus_0000000000001"}, after),
    )

    assert [one["status"] for one in told] == ["rejected", "created", "replayed", "rejected", "rejected"]
    assert [told[place]["error"]["code"] for place in (0, 3, 4)] == [
        "voucher_expired",
        "not_found",
        "not_found",
    ]
    assert told[3]["error"]["errors"][0]["pointer"] == "/events/3/data/code"
    assert told[4]["error"]["errors"][0]["pointer"] == "/events/4/data/customer"
    assert told[1]["result"]["voucher"]["status"] == "redeemed"


def test_a_batch_is_no_way_around_the_limit(till, code, noon, settings):
    settings.CODE_GUESS_LIMIT = "2/10 minutes"
    guesses = [({"code": codes.new(), "reference": f"O-{n}"}, noon.isoformat()) for n in range(4)]

    told = send(till, *guesses, ({"code": code, "reference": "O-9"}, noon.isoformat()))

    assert [one["error"]["code"] for one in told] == ["not_found"] * 2 + ["rate_limited"] * 3
    assert told[4]["error"]["retryable"]
