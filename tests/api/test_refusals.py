"""Whatever a till can get wrong is answered with a problem it can act on, and never with a 500."""

import pytest
from rest_framework.test import APIClient

from merchants.models import ApiKey
from tests.api.conftest import V1, buy
from tests.cast import client_of

PARTS = {"type", "title", "status", "detail", "code", "errors", "request_id", "retryable"}


def refused(answer, status, code, *pointers):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == PARTS
    assert told["code"] == code
    assert told["status"] == status
    assert told["request_id"] == answer["X-Request-Id"]
    if pointers:
        assert tuple(error["pointer"] for error in told["errors"]) == pointers
    return told


# --- malformed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"amount_minor": "100"}, "/amount_minor", "not_an_integer"),
        ({"amount_minor": 1.5}, "/amount_minor", "not_an_integer"),
        ({"amount_minor": True}, "/amount_minor", "not_an_integer"),
        ({"amount_minor": -1}, "/amount_minor", "out_of_range"),
        ({"amount_minor": 10**13}, "/amount_minor", "out_of_range"),
        ({"amount_minor": 10**40}, "/amount_minor", "out_of_range"),
        ({"currency": "EURO"}, "/currency", "too_long"),
        ({"currency": "eur"}, "/currency", "invalid"),
        ({"currency": "XQX"}, "/currency", "not_a_currency"),
        ({"reference": ""}, "/reference", "too_short"),
        ({"reference": "   "}, "/reference", "too_short"),
        ({"reference": "x" * 201}, "/reference", "too_long"),
        ({"reference": "R\x00"}, "/reference", "invalid"),
        ({"reference": 7}, "/reference", "invalid"),
        ({"occurred_at": "2026-05-01"}, "/occurred_at", "not_a_time"),
        ({"occurred_at": "2026-05-01T12:00:00"}, "/occurred_at", "not_a_time"),
        ({"occurred_at": 1777636800}, "/occurred_at", "not_a_time"),
        ({"occurred_at": "1777636800"}, "/occurred_at", "not_a_time"),
        ({"occurred_at": "0001-01-01T00:00:00+23:00"}, "/occurred_at", "out_of_range"),
        ({"occurred_at": "9999-12-31T23:59:59-23:00"}, "/occurred_at", "out_of_range"),
        ({"coupon": "X"}, "/coupon", "unknown_field"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        ({"identifier": {"type": "card", "value": "1"}}, "", "not_one"),
        ({"lines": [{"amount_minor": 1, "kind": "gift"}]}, "/lines/0/kind", "not_a_choice"),
        ({"lines": [{"amount_minor": 1, "price": 1}]}, "/lines/0/price", "unknown_field"),
        ({"lines": [{"amount_minor": 1, "quantity": 0}]}, "/lines/0/quantity", "out_of_range"),
        ({"lines": [{"id": "a", "amount_minor": 1}, {"id": "a", "amount_minor": 1}]}, "", "not_unique"),
        ({"lines": [{"amount_minor": 1}] * 501}, "/lines", "too_many"),
        ({"tenders": [{"kind": "iou", "amount_minor": 1}]}, "/tenders/0/kind", "not_a_choice"),
        ({"customer": ["cus_1"]}, "/customer", "invalid"),
    ],
)
def test_what_cannot_be_understood_is_pointed_at(till, bought, more, pointer, code):
    told = refused(buy(till, bought() | more), 400, "invalid_request", pointer)

    assert told["errors"][0]["code"] == code
    assert till.get(f"{V1}/purchases").json()["results"] == []


@pytest.mark.parametrize(
    "missing", [["reference"], ["currency"], ["amount_minor"], ["customer"], ["reference", "currency"]]
)
def test_what_is_missing_is_named(till, bought, missing):
    said = bought()
    for name in missing:
        del said[name]

    refused(buy(till, said), 400, "invalid_request")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"reference": "\\ud800"}',
        b"[" * 100_000,
        b'{"reference":' * 1000,
        b'{"amount_minor": NaN}',
        b'{"amount_minor": 1e999}',
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_what_is_no_json_object_is_refused(till, raw):
    answer = till.generic("POST", f"{V1}/purchases", raw, content_type="application/json")

    refused(answer, 400, "invalid_request")


@pytest.mark.parametrize("data", [{"x": "\x00"}, {"\x00": 1}, {"x": 1 << 60}, {"x": "y" * 20_000}])
def test_free_details_are_what_a_database_can_hold(till, ana, data):
    said = {"customer": ana.public_id, "kind": "page.viewed", "data": data}

    refused(till.post(f"{V1}/touchpoints", said), 400, "invalid_request", "/data")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", '{"a":' * 20 + "1" + "}" * 20])
def test_free_details_are_finite_and_shallow(till, value):
    raw = f'{{"anonymous_id": "a", "kind": "page.viewed", "data": {{"x": {value}}}}}'

    answer = till.generic("POST", f"{V1}/touchpoints", raw, content_type="application/json")

    refused(answer, 400, "invalid_request", "/data")


def test_amounts_that_do_not_add_up_are_refused(till, bought):
    answer = buy(till, bought(1000, lines=[{"amount_minor": 900}]))

    told = refused(answer, 400, "amount_out_of_range", "/amount_minor")
    assert told["errors"][0]["code"] == "amount_mismatch"


@pytest.mark.parametrize("when", ["2026-03-31T12:00:00Z", "2026-05-01T12:06:00Z"])
def test_a_wrong_clock_is_refused(till, bought, when):
    refused(buy(till, bought(occurred_at=when)), 400, "occurred_at_out_of_range", "/occurred_at")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=201", "/query/limit"),
        ("limit=abc", "/query/limit"),
        ("limit=²", "/query/limit"),
        ("ordering=name", "/query/ordering"),
        ("cursor=abc", "/query/cursor"),
        ("cursor=%00", "/query/cursor"),
        ("cursor=W10=", "/query/cursor"),
        ("occurred_after=yesterday", "/query/occurred_after"),
        ("color=red", "/query/color"),
        ("reference=%00", "/query/reference"),
    ],
)
def test_a_list_s_parameters_are_checked(till, query, pointer):
    refused(till.get(f"{V1}/purchases?{query}"), 400, "invalid_request", pointer)


def test_a_rehearsal_is_true_or_false(till, bought):
    refused(till.post(f"{V1}/purchases?dry_run=yes", bought()), 400, "invalid_request", "/query/dry_run")


def test_a_call_that_moves_no_points_knows_no_rehearsal(till):
    answer = till.post(f"{V1}/customers?dry_run=true", {"email": "eve@example.com"})

    refused(answer, 400, "invalid_request", "/query/dry_run")


# --- who --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer lk_test_wrong", "Basic abc", "Key lk", "Bearer \xff", "x" * 9000],
)
def test_a_wrong_key_is_unauthenticated(db, header):
    answer = APIClient().get(f"{V1}/customers", HTTP_AUTHORIZATION=header)

    refused(answer, 401, "unauthenticated")


def test_a_revoked_key_is_refused_at_once(till, noon):
    assert till.get(f"{V1}/programs").status_code == 200
    ApiKey.objects.update(revoked_at=noon)

    refused(till.get(f"{V1}/programs"), 401, "unauthenticated")


def test_a_key_bound_to_a_store_tells_only_its_own(cafe, bought, noon):
    here = cafe.stores.create(code="baixa", name="Baixa")
    cafe.stores.create(code="alfama", name="Alfama")
    till = client_of(cafe, store=here, till="t1")
    clock = {"HTTP_X_TEST_CLOCK": noon.isoformat()}

    told = buy(till, bought(), **clock).json()

    assert (told["store"], told["till"]) == ("baixa", "t1")
    refused(buy(till, bought(store="alfama"), **clock), 403, "insufficient_scope")


def test_the_clock_is_a_sandbox_s(till, cafe, bought):
    answer = buy(client_of(cafe), bought(), HTTP_X_TEST_CLOCK="noon")
    refused(answer, 400, "invalid_request", "/header/X-Test-Clock")
    type(cafe).objects.update(is_test=False)
    refused(buy(till, bought()), 400, "invalid_request", "/header/X-Test-Clock")
    refused(till.get(f"{V1}/programs"), 400, "invalid_request", "/header/X-Test-Clock")


# --- how --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["nowhere", "customers/", "purchases/pur_1/refunds/7", ""])
def test_an_unknown_address_is_not_found(till, path):
    refused(till.get(f"{V1}/{path}"), 404, "not_found")


@pytest.mark.parametrize(
    "id", ["cus_0000000000001", "pur_0000000000001", "1", "cus_zzzzzzzzzzzzz", "cus_", "ü"]
)
def test_an_id_that_is_none_is_not_found(till, id):
    refused(till.get(f"{V1}/customers/{id}"), 404, "not_found")
    refused(till.get(f"{V1}/customers/{id}/balance"), 404, "not_found")
    refused(till.get(f"{V1}/purchases/{id}"), 404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "PATCH", "BREW", "KEY", "AT"])
def test_a_method_nobody_serves_is_not_allowed(till, method):
    answer = till.generic(method, f"{V1}/purchases")

    refused(answer, 405, "method_not_allowed")
    assert "POST" in answer["Allow"]


def test_only_json_is_answered(till):
    refused(till.get(f"{V1}/programs", HTTP_ACCEPT="text/html"), 406, "not_acceptable")
    assert till.get(f"{V1}/programs", HTTP_ACCEPT="text/html, */*;q=0.1").status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_only_json_is_read(till, kind):
    refused(till.generic("POST", f"{V1}/purchases", b"{}", content_type=kind), 415, "unsupported_media_type")


def test_a_large_body_is_refused_before_it_is_read(till, bought):
    refused(buy(till, bought(basket="x" * 1_100_000)), 413, "too_large")
    raw = b'{"events": "' + b"x" * (5 * 1024 * 1024) + b'"}'
    refused(till.generic("POST", f"{V1}/batches", raw, content_type="application/json"), 413, "too_large")


def test_a_call_without_a_body_refuses_one(till, bought):
    sold = buy(till, bought()).json()

    answer = till.post(f"{V1}/purchases/{sold['id']}/release", {"now": True})

    refused(answer, 400, "invalid_request")


def test_a_blocked_customer_buys_nothing(till, bought, ana, noon):
    from customers import people

    people.block(customer=ana, at=noon, by="test", reason="fraud")

    refused(buy(till, bought()), 422, "customer_blocked")


def test_an_identifier_that_is_none_is_pointed_at(till, bought):
    said = bought(customer=None, identifier={"type": "phone", "value": "not a phone"})

    refused(buy(till, said), 400, "invalid_identifier", "/identifier/value")


def test_what_we_did_not_foresee_tells_no_secret(till, monkeypatch):
    from loyalty import balances

    def break_down(**_):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(balances, "of_many", break_down)
    till.raise_request_exception = False
    till.post(f"{V1}/customers", {"email": "eve@example.com"})

    answer = till.get(f"{V1}/customers")

    told = refused(answer, 500, "internal")
    assert "secret" not in answer.content.decode()
    assert told["retryable"] is True


def test_the_request_s_own_id_is_kept(till):
    answer = till.get(f"{V1}/nowhere", HTTP_X_REQUEST_ID="till-7-request-1")

    assert answer.json()["request_id"] == answer["X-Request-Id"] == "till-7-request-1"
