"""Customers at the till's door: joining, being found, changing, leaving."""

import pytest

from api.models import IdempotencyAnswer
from lib import db
from tests.api.conftest import V1, buy


def test_joining_is_answered_with_the_customer(till):
    answer = till.post(
        f"{V1}/customers",
        {
            "name": "Eve",
            "email": "Eve@Example.com",
            "phone": "913 000 111",
            "card": "5000-0001",
            "external_id": "crm-7",
            "birthday": "02-29",
            "language": "pt",
            "consents": [
                {"channel": "email", "purpose": "marketing", "granted": True, "wording": "Send me news."}
            ],
        },
    )

    assert answer.status_code == 201, answer.content
    eve = answer.json()
    assert eve["id"].startswith("cus_")
    assert eve["status"] == "active"
    assert {(one["type"], one["value"], one["verified"]) for one in eve["identifiers"]} == {
        ("email", "eve@example.com", True),
        ("phone", "+351913000111", True),
        ("card", "50000001", True),
        ("external_id", "crm-7", True),
    }
    assert (eve["name"], eve["birthday"], eve["language"], eve["tier"]) == ("Eve", "02-29", "pt", "Bronze")
    assert eve["balance"]["active"] == 0
    assert eve["balance"]["tier"]["next"] == "Silver"
    assert [(one["channel"], one["purpose"], one["granted"]) for one in eve["consents"]] == [
        ("email", "marketing", True)
    ]
    assert till.get(f"{V1}/customers/{eve['id']}").json()["identifiers"] == eve["identifiers"]


def test_a_taken_identifier_is_a_conflict(till, ana):
    answer = till.post(f"{V1}/customers", {"name": "Eve", "email": "ANA@example.com"})

    assert answer.status_code == 409
    assert answer.json()["code"] == "identifier_taken"
    assert answer.json()["errors"][0]["pointer"] == "/email"


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({}, ""),
        ({"name": "Eve"}, ""),
        ({"email": "not an address"}, "/email"),
        ({"phone": "123"}, "/phone"),
        ({"email": "e@example.com", "birthday": "02-30"}, "/birthday"),
        ({"email": "e@example.com", "birthday": "1990-02-03"}, "/birthday"),
        ({"email": "e@example.com", "language": "Portuguese"}, "/language"),
        ({"email": "e@example.com", "password": "x"}, "/password"),
        ({"email": "e@example.com", "consents": [{"channel": "email"}]}, "/consents/0/purpose"),
    ],
)
def test_who_cannot_join_is_told_why(till, said, pointer):
    answer = till.post(f"{V1}/customers", said)

    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "q",
    [
        "ana@example.com",
        "ANA@Example.com",
        "912345678",
        "+351 912 345 678",
        "00351912345678",
        "4000 0000 01",
        "ID",
    ],
)
def test_whoever_stands_at_the_counter_is_found(till, ana, q):
    answer = till.get(f"{V1}/customers/lookup", {"q": ana.public_id if q == "ID" else q})

    assert answer.status_code == 200
    assert answer.json()["id"] == ana.public_id


@pytest.mark.parametrize("q", ["", " ", "x" * 255, "%00"])
def test_looking_for_nothing_is_refused(till, q):
    assert till.get(f"{V1}/customers/lookup?q={q}").status_code == 400


def test_nobody_is_found_for_an_unknown_phone(till, ana):
    answer = till.get(f"{V1}/customers/lookup?q=919999999")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize(
    "query",
    [
        "email=ANA@example.com",
        "phone=912345678",
        "card=4000000001",
        "tier=Bronze",
        "enrolled_after=2026-05-01T12:00:00Z",
    ],
)
def test_customers_are_found_by_filters(till, ana, query):
    assert [one["id"] for one in till.get(f"{V1}/customers?{query}").json()["results"]] == [ana.public_id]


@pytest.mark.parametrize(
    "query",
    ["email=bo@example.com", "phone=nonsense", "tier=Gold", "enrolled_after=2026-05-01T12:00:01Z", "card=1"],
)
def test_filters_leave_out_the_others(till, ana, bo, query):
    assert till.get(f"{V1}/customers?{query}").json()["results"] == []


def test_a_change_is_all_or_nothing(till, ana):
    till.post(f"{V1}/customers", {"email": "eve@example.com"})

    refused = till.patch(f"{V1}/customers/{ana.public_id}", {"name": "Anna", "email": "eve@example.com"})
    assert refused.status_code == 409
    assert till.get(f"{V1}/customers/{ana.public_id}").json()["name"] == "Ana"

    changed = till.patch(
        f"{V1}/customers/{ana.public_id}",
        {
            "name": "Anna",
            "external_id": "crm-1",
            "consents": [{"channel": "sms", "purpose": "marketing", "granted": False}],
        },
    )
    assert changed.status_code == 200, changed.content
    assert changed.json()["name"] == "Anna"
    assert "crm-1" in [one["value"] for one in changed.json()["identifiers"]]
    assert changed.json()["consents"][0]["granted"] is False


def test_the_newest_consent_counts(till, ana):
    for granted in (True, False, True):
        said = {"consents": [{"channel": "email", "purpose": "marketing", "granted": granted}]}
        told = till.patch(f"{V1}/customers/{ana.public_id}", said).json()
        assert [one["granted"] for one in told["consents"]] == [granted]


def test_a_merged_customer_answers_where_they_are_now(till, cafe, ana, noon):
    from customers.models import Customer

    eve = till.post(f"{V1}/customers", {"email": "eve@example.com"}).json()
    Customer.objects.filter(merchant=cafe).exclude(pk=ana.pk).update(status="merged", merged_into=ana)

    answer = till.get(f"{V1}/customers/{eve['id']}")

    assert answer.status_code == 301
    assert answer["Location"] == f"{V1}/customers/{ana.public_id}"
    assert till.get(f"{V1}/customers/lookup?q=eve@example.com").json()["id"] == ana.public_id
    assert till.get(f"{V1}/customers/{eve['id']}/balance").status_code == 200


def test_the_balance_says_what_can_be_spent_and_when_it_ends(till, bought, ana, program):
    from loyalty import programs
    from tests.cast import NOON

    program.expiry_mode, program.expiry_months = "age", 12
    program.save()
    programs.publish(program=program, at=NOON.replace(month=4), by="test")
    buy(till, bought(1299))

    balance = till.get(f"{V1}/customers/{ana.public_id}/balance").json()

    assert {name: balance[name] for name in ("active", "available", "held", "pending", "debt")} == {
        "active": 12,
        "available": 12,
        "held": 0,
        "pending": 0,
        "debt": 0,
    }
    assert balance["lifetime_earned"] == 12
    assert [one["points"] for one in balance["expiring"]] == [12]
    assert balance["expiring"][0]["at"].startswith("2027-05-0")
    assert (balance["tier"]["name"], balance["tier"]["next"], balance["tier"]["to_next"]) == (
        "Bronze",
        "Silver",
        488,
    )
    assert balance["as_of"] == "2026-05-01T12:00:00Z"


def test_the_statement_tells_reasons_newest_first(till, bought, ana):
    buy(till, bought(1299, reference="R-1"))
    buy(till, bought(500, reference="R-2"))

    entries = till.get(f"{V1}/customers/{ana.public_id}/entries").json()["results"]

    assert [(one["kind"], one["points"], one["balance_after"], one["reference"]) for one in entries] == [
        ("earn", 5, 17, "R-2"),
        ("earn", 12, 12, "R-1"),
    ]
    assert entries[1]["reason"] == "Purchase of €12.99"
    assert entries[1]["lots"][0]["points"] == 12


def test_the_statement_speaks_the_customer_s_language(till, bought, ana, cafe):
    till.patch(f"{V1}/customers/{ana.public_id}", {"language": "de"})
    buy(till, bought(1299))

    [entry] = till.get(f"{V1}/customers/{ana.public_id}/entries").json()["results"]

    assert "12,99" in entry["reason"]


def test_the_timeline_tells_what_happened(till, bought, ana):
    buy(till, bought(1299))

    kinds = [one["kind"] for one in till.get(f"{V1}/customers/{ana.public_id}/timeline").json()["results"]]

    assert {"customer.enrolled", "purchase.recorded"} <= set(kinds)


def test_an_unknown_program_is_not_found(till, ana):
    for path in ("balance", "entries"):
        answer = till.get(f"{V1}/customers/{ana.public_id}/{path}?program=prg_0000000000001")
        assert answer.status_code == 404


@pytest.mark.parametrize("path", ["customers", "purchases", "customers/ID/entries", "customers/ID/timeline"])
def test_pages_hold_every_row_once_in_both_directions(till, bought, ana, path):
    for _ in range(7):
        buy(till, bought(100))
        till.post(f"{V1}/customers", {"card": f"9{_}"})
    url = f"{V1}/{path.replace('ID', ana.public_id)}?limit=3"
    everything = [one["id"] for one in till.get(url.replace("=3", "=200")).json()["results"]]

    forth, page = [], till.get(url).json()
    assert page["previous"] is None
    while True:
        forth += [one["id"] for one in page["results"]]
        if page["next"] is None:
            break
        page = till.get(page["next"]).json()
    back = [one["id"] for one in page["results"]]
    while page["previous"]:
        page = till.get(page["previous"]).json()
        back = [one["id"] for one in page["results"]] + back

    assert len(everything) >= 7
    assert forth == back == everything


def test_pages_sorted_by_time_keep_rows_of_one_instant(till, bought):
    for _ in range(5):
        buy(till, bought(100))
    url = f"{V1}/purchases?limit=2&ordering=occurred_at"
    found = []
    while url:
        page = till.get(url).json()
        found += [one["id"] for one in page["results"]]
        url = page["next"]

    assert len(set(found)) == len(found) == 5


LISTS = ["customers", "purchases", "customers/ID/entries", "customers/ID/timeline", "programs", "tiers"]


@pytest.mark.parametrize("path", LISTS)
def test_a_long_list_asks_no_more_than_a_short_one(till, bought, ana, cafe, path):
    url = f"{V1}/{path.replace('ID', ana.public_id)}?limit=200"
    stores = [cafe.stores.create(code=f"s{n}", name="S").code for n in range(5)]
    buy(till, bought(100))
    with db.watching() as short:
        few = len(till.get(url).json()["results"])
    for n in range(50):
        till.post(f"{V1}/customers", {"card": f"9{n}"})
        buy(till, bought(100, store=stores[n % 5]))
    with db.watching() as long:
        many = len(till.get(url).json()["results"])

    if path not in ("programs", "tiers"):
        assert many >= few + 50
    # The names of stores are one statement more, once in a while.
    assert long.statements <= short.statements + (path == "purchases")
    assert long.statements <= 8


def test_the_hot_doors_ask_little(till, bought, ana):
    buy(till, bought(100))
    for path, most in ((f"customers/{ana.public_id}/balance", 2), ("customers/lookup?q=912345678", 4)):
        with db.watching() as watch:
            assert till.get(f"{V1}/{path}").status_code == 200
        assert watch.statements <= most, watch.texts
    with db.watching() as watch:
        assert buy(till, bought(100), HTTP_IDEMPOTENCY_KEY="k").status_code == 201
    if db.is_postgres():
        assert watch.trips <= 4, watch.texts


def test_an_erased_customer_is_gone_and_the_books_stay(till, bought, ana):
    sold = buy(till, bought(1000)).json()
    headers = {"HTTP_IDEMPOTENCY_KEY": "k"}
    till.patch(f"{V1}/customers/{ana.public_id}", {"name": "Anna"}, **headers)

    assert till.delete(f"{V1}/customers/{ana.public_id}").status_code == 204

    for path in ("", "/balance", "/entries", "/export", "/timeline"):
        assert till.get(f"{V1}/customers/{ana.public_id}{path}").status_code == 410
    assert till.delete(f"{V1}/customers/{ana.public_id}").status_code == 410
    assert till.get(f"{V1}/customers/lookup?q=ana@example.com").status_code == 404
    assert till.get(f"{V1}/customers").json()["results"] == []
    assert till.get(f"{V1}/purchases/{sold['id']}").json()["points"]["earned"] == 10
    assert buy(till, bought(100)).status_code == 410
    kept = till.patch(f"{V1}/customers/{ana.public_id}", {"name": "Anna"}, **headers)
    assert (kept.status_code, b"Anna" in kept.content) == (410, False)


def test_an_erased_customer_s_batch_answers_are_forgotten(till, ana):
    events = [{"event_id": "1", "type": "customer", "data": {"name": "Eve", "card": "777"}}]
    batch = {"path": f"{V1}/batches", "data": {"events": events}, "HTTP_IDEMPOTENCY_KEY": "k"}
    eve = till.post(**batch).json()["results"][0]["result"]["id"]

    till.delete(f"{V1}/customers/{eve}")

    assert b"Eve" not in b"".join(
        body.encode() for body in IdempotencyAnswer.objects.values_list("body", flat=True)
    )


def test_erasing_with_a_key_is_answered_twice(till, ana):
    first, again = (
        till.delete(f"{V1}/customers/{ana.public_id}", HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)
    )

    assert (first.status_code, again.status_code) == (204, 204)
    assert again["Idempotency-Replayed"] == "true"


def test_the_export_holds_everything_about_the_person(till, bought, ana):
    buy(till, bought(1299))

    told = till.get(f"{V1}/customers/{ana.public_id}/export")

    assert told.status_code == 200, told.content
    text = told.content.decode()
    assert "ana@example.com" in text
    assert "+351912345678" in text
    assert "R-1" in text


def test_where_a_customer_lives_can_be_told(till, ana):
    address = f"/api/v1/customers/{ana.public_id}"

    told = till.patch(address, {"timezone": "America/Sao_Paulo"})
    wrong = till.patch(address, {"timezone": "Mars/Olympus"})

    assert told.status_code == 200
    assert told.json()["timezone"] == "America/Sao_Paulo"
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["pointer"] == "/timezone"
    assert till.get(address).json()["timezone"] == "America/Sao_Paulo"
