"""Gift cards: bought, paid with, given back to."""

import pytest

from rewards import codes
from tests.api.conftest import V1

pytestmark = [pytest.mark.core, pytest.mark.django_db]

CARD = {"amount_minor": 5000, "currency": "EUR", "reference": "G-1"}


@pytest.fixture
def card(till):
    answer = till.post(f"{V1}/gift-cards", CARD)
    assert answer.status_code == 201, answer.content
    return answer.json()


def pay(till, card, amount_minor, reference="C-1", verb="charge", **more):
    said = {"amount_minor": amount_minor, "reference": reference} | more
    return till.post(f"{V1}/gift-cards/{card['code']}/{verb}", said)


def test_a_card_is_bought_paid_with_and_given_back_to(till, card):
    paid = pay(till, card, 2000)
    back = pay(till, card, 500, "B-1", "refund")

    assert (paid.status_code, paid.json()["amount_minor"], paid.json()["balance_after_minor"]) == (
        201,
        -2000,
        3000,
    )
    assert (back.status_code, back.json()["gift_card"]["balance_minor"]) == (201, 3500)
    seen = till.get(f"{V1}/gift-cards/{card['code'].lower()}").json()
    assert (seen["status"], seen["balance_minor"], seen["code"]) == ("active", 3500, None)


def test_told_twice_is_done_once(till, card):
    again = till.post(f"{V1}/gift-cards", CARD)
    first, second = pay(till, card, 2000), pay(till, card, 2000)

    assert (again.status_code, again.json()) == (200, card)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()


def test_what_is_not_there_is_not_paid(till, card):
    answer = pay(till, card, 5001)

    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_balance")
    assert pay(till, card, 6000, "C-2", up_to=True).json()["amount_minor"] == -5000
    assert till.get(f"{V1}/gift-cards/{card['code']}").json()["status"] == "used"


@pytest.mark.parametrize(
    ("verb", "more", "status", "code"),
    [
        ("charge", {"currency": "USD"}, 422, "currency_mismatch"),
        ("charge", {"reference": "G-1"}, 409, "reference_reused"),
        ("charge", {"amount_minor": 0}, 400, "invalid_request"),
        ("refund", {}, 422, "refund_exceeds_charges"),
        ("refund", {"up_to": True}, 400, "invalid_request"),
    ],
)
def test_what_makes_no_sense_is_refused(till, card, verb, more, status, code):
    answer = pay(till, card, more.pop("amount_minor", 1), more.pop("reference", "C-1"), verb, **more)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_card_ends_in_the_future(till, noon):
    answer = till.post(f"{V1}/gift-cards", CARD | {"expires_at": noon.isoformat()})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/expires_at")


def test_a_rehearsal_makes_no_card(till):
    code = till.post(f"{V1}/gift-cards?dry_run=true", CARD).json()["code"]

    assert till.get(f"{V1}/gift-cards/{code}").status_code == 404


def test_a_vouchers_code_is_no_gift_card(till):
    assert till.get(f"{V1}/gift-cards/{codes.new()}").status_code == 404
