"""The same call with the same Idempotency-Key is done once, also by two threads at the same instant."""

from datetime import timedelta

import pytest
from django.utils import timezone

from api import idempotency
from api.models import IdempotencyAnswer
from loyalty.models import Purchase
from tests.api.conftest import V1, buy
from tests.cast import client_of

pytestmark = pytest.mark.core

KEY = {"HTTP_IDEMPOTENCY_KEY": "k-1"}


def test_the_second_call_gets_the_first_answer(till, bought):
    said = bought(1000)
    first = buy(till, said, **KEY)
    buy(till, bought(500))

    again = buy(till, said, **KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first


def test_another_request_with_the_key_is_refused_and_undone(till, bought, ana):
    buy(till, bought(1000), **KEY)

    answer = buy(till, bought(2000), **KEY)

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert till.get(f"{V1}/customers/{ana.public_id}/balance").json()["active"] == 10


def test_the_query_is_part_of_the_request(till, bought):
    said = bought(1000)
    assert till.post(f"{V1}/purchases?dry_run=true", said, **KEY).status_code == 200
    assert buy(till, said, **KEY).status_code == 201
    assert till.post(f"{V1}/purchases?dry_run=false", said, **KEY).status_code == 422


def test_a_call_that_would_be_refused_the_second_time_is_answered_as_the_first(till, ana):
    joined = till.post(f"{V1}/customers", {"email": "eve@example.com"}, **KEY)
    again = till.post(f"{V1}/customers", {"email": "eve@example.com"}, **KEY)

    assert (joined.status_code, again.status_code) == (201, 201)
    assert again.json() == joined.json()
    assert till.post(f"{V1}/customers", {"email": "eve@example.com"}).status_code == 409


def test_a_refusal_is_not_kept(till, bought):
    said = bought(1000, customer="cus_0000000000001")

    assert buy(till, said, **KEY).status_code == 404
    assert not IdempotencyAnswer.objects.exists()
    assert buy(till, bought(1000), **KEY).status_code == 201


@pytest.mark.parametrize("path", ["customers", "purchases"])
def test_a_key_is_one_path_s(till, bought, path):
    buy(till, bought(1000), **KEY)

    answer = till.post(f"{V1}/touchpoints", {"anonymous_id": "a", "kind": "page.viewed"}, **KEY)

    assert answer.status_code == 201


def test_a_key_is_one_merchant_s(till, outsider_till, bought, bo):
    buy(till, bought(1000), **KEY)

    answer = buy(outsider_till, bought(1000, customer=bo.public_id), **KEY)

    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer


def test_a_key_without_the_scope_reads_no_kept_answer(till, cafe, bought):
    said = bought(1000)
    buy(till, said, **KEY)

    assert buy(client_of(cafe, scopes=["customers:read"]), said, **KEY).status_code == 403


def test_a_kept_answer_is_gone_after_thirty_days(till, bought):
    said = bought(1000)
    first = buy(till, said, **KEY)
    IdempotencyAnswer.objects.update(created_at=timezone.now() - timedelta(days=31))

    again = buy(till, said, **KEY)

    assert (first.status_code, again.status_code) == (201, 200)
    assert "Idempotency-Replayed" not in again


def test_old_answers_are_purged(till, bought):
    buy(till, bought(1000), **KEY)
    buy(till, bought(1000), HTTP_IDEMPOTENCY_KEY="k-2")
    IdempotencyAnswer.objects.filter(key="k-1").update(created_at=timezone.now() - timedelta(days=31))

    assert idempotency.purge(at=timezone.now()) == 1
    assert [one.key for one in IdempotencyAnswer.objects.all()] == ["k-2"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä"])
def test_a_key_is_visible_ascii(till, bought, key):
    answer = buy(till, bought(1000), HTTP_IDEMPOTENCY_KEY=key)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/header/Idempotency-Key"


def test_every_write_honors_its_key(till, bought, ana):
    sold = buy(till, bought(1000)).json()
    sale = bought(100)
    del sale["reference"]
    for path, body in (
        ("calculate", sale),
        ("batches", {"events": [{"event_id": "1", "type": "purchase", "data": bought(700)}]}),
        ("adjustments", {"customer": ana.public_id, "points": 5, "reason": "sorry", "reference": "A-1"}),
        (f"purchases/{sold['id']}/refunds", {"reference": "F-1", "amount_minor": 100}),
        ("refunds", {"reference": "F-2", "purchase_reference": "not-yet", "amount_minor": 100}),
        (f"purchases/{sold['id']}/release", None),
        (f"purchases/{sold['id']}/void", {"reference": "V-1"}),
        ("touchpoints", {"customer": ana.public_id, "kind": "page.viewed"}),
    ):
        first, again = (till.post(f"{V1}/{path}", body, HTTP_IDEMPOTENCY_KEY=path) for _ in range(2))
        assert again.content == first.content, path
        assert again["Idempotency-Replayed"] == "true", path


def test_a_change_honors_its_key(till, ana):
    first, again = (till.patch(f"{V1}/customers/{ana.public_id}", {"name": "Anna"}, **KEY) for _ in range(2))

    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_twins_at_the_same_instant_are_done_once_and_answered_alike(cafe, ana, noon, bought, at_once):
    tills = [client_of(cafe) for _ in range(6)]
    said = bought(1000, reference="R-twin")

    answers = at_once(6, lambda n: buy(tills[n], said, HTTP_X_TEST_CLOCK=noon.isoformat(), **KEY))

    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 5
    assert Purchase.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_newcomers_at_the_same_instant_join_once(cafe, noon, at_once):
    tills = [client_of(cafe) for _ in range(6)]

    answers = at_once(6, lambda n: tills[n].post(f"{V1}/customers", {"email": "eve@example.com"}, **KEY))

    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.content for answer in answers}) == 1
    assert cafe.customers.count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_claim_an_anonymous_touchpoint_is_noted_six_times(cafe, noon, at_once, monkeypatch):
    """Proves that the tests above can fail: nothing else keeps this call from being done twice."""
    tills = [client_of(cafe) for _ in range(6)]
    said = {"anonymous_id": "a-1", "kind": "page.viewed"}

    at_once(6, lambda n: tills[n].post(f"{V1}/touchpoints", said, **KEY))
    assert _touchpoints(cafe) == 1

    monkeypatch.setattr(idempotency, "claim", lambda *args, **kwargs: None)
    at_once(6, lambda n: tills[n].post(f"{V1}/touchpoints", said, **KEY))
    assert _touchpoints(cafe) == 7


def _touchpoints(cafe):
    from customers.models import Touchpoint

    return Touchpoint.objects.filter(merchant=cafe, kind="page.viewed").count()


def test_a_kept_answer_does_not_show_the_code_of_a_gift_card(till):
    said = {"amount_minor": 5000, "currency": "EUR", "reference": "G-1"}
    first = till.post(f"{V1}/gift-cards", said, **KEY)

    again = till.post(f"{V1}/gift-cards", said, **KEY)

    assert first.json()["code"]
    assert again.content == first.content
    assert first.json()["code"] not in IdempotencyAnswer.objects.get().body
