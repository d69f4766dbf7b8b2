"""A sale from the till's door to the books."""

import pytest

from customers import journey
from tests.api.conftest import V1, buy

pytestmark = pytest.mark.core


def test_a_sale_is_answered_with_its_points_the_reasons_and_the_balance(till, bought, ana):
    answer = buy(till, bought(1299))

    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert told["points"] == {"earned": 12, "pending": 0, "activates_at": None}
    assert told["customer"] == ana.public_id
    assert told["balance"]["active"] == told["balance"]["available"] == 12
    assert told["tier"] == "Bronze"
    assert [(why["rule"], why["points"], why["applied"]) for why in told["why"]] == [("base", 12, True)]
    assert "€1.00" in told["why"][0]["reason"]
    assert told["occurred_at"] == "2026-05-01T12:00:00Z"


def test_a_customer_is_named_by_any_spelling_of_an_identifier(till, bought, ana):
    for type, value in (("phone", "912 345 678"), ("email", "ANA@example.com"), ("card", "4000-000-001")):
        said = bought(100, customer=None, identifier={"type": type, "value": value})
        assert buy(till, said).json()["customer"] == ana.public_id


def test_lines_add_up_and_only_merchandise_earns(till, bought):
    lines = [
        {"amount_minor": 1000, "category": "pastry", "quantity": 2},
        {"amount_minor": 500, "kind": "shipping"},
    ]

    told = buy(till, bought(None, lines=lines)).json()

    assert told["amount_minor"] == 1500
    assert told["points"]["earned"] == 10
    assert [line["id"] for line in told["lines"]] == ["1", "2"]


def test_what_is_paid_with_points_earns_nothing(till, bought):
    tenders = [
        {"kind": "points", "amount_minor": 400, "hold": "hld_1"},
        {"kind": "card", "amount_minor": 600},
    ]

    assert buy(till, bought(1000, tenders=tenders)).json()["points"]["earned"] == 6


def test_told_twice_is_done_once(till, bought, ana):
    said = bought(1000)
    first = buy(till, said).json()
    buy(till, bought(500))

    again = buy(till, said)

    assert again.status_code == 200
    assert again.json()["id"] == first["id"]
    assert again.json()["points"] == first["points"]
    assert again.json()["balance"]["active"] == 15


def test_told_twice_with_fewer_fields_is_the_same_sale(till, bought):
    said = bought(1000, till="till-1", channel="store")
    buy(till, said)

    assert (
        buy(till, {name: said[name] for name in said if name not in ("till", "channel")}).status_code == 200
    )


def test_told_twice_with_other_content_names_what_differs(till, bought):
    said = bought(1000)
    buy(till, said)

    answer = buy(till, said | {"amount_minor": 1100, "channel": "web"})

    assert answer.status_code == 409
    assert answer.json()["code"] == "reference_reused"
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/amount_minor", "/channel"]


def test_a_stranger_s_sale_waits_and_is_matched_when_they_join(till, bought, noon):
    said = bought(1000, customer=None, identifier={"type": "card", "value": "777"})

    first, again = buy(till, said), buy(till, said)

    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.json() == {"id": first.json()["id"], "status": "unmatched", "reference": said["reference"]}
    joined = till.post(f"{V1}/customers", {"card": "777"}).json()
    while journey.relay(at=noon):
        pass
    assert till.get(f"{V1}/customers/{joined['id']}/balance").json()["active"] == 10
    assert buy(till, said).status_code == 200


def test_a_rehearsal_answers_and_saves_nothing(till, bought, ana):
    said = bought(1000)

    rehearsed = till.post(f"{V1}/purchases?dry_run=true", said)

    assert rehearsed.status_code == 200
    assert rehearsed.json()["dry_run"] is True
    assert rehearsed.json()["points"]["earned"] == 10
    assert till.get(f"{V1}/purchases").json()["results"] == []
    assert till.get(f"{V1}/customers/{ana.public_id}/balance").json()["active"] == 0
    assert buy(till, said).status_code == 201


def test_calculate_says_what_a_sale_would_earn_and_saves_nothing(till, bought, ana):
    said = bought(1299)
    del said["reference"]

    told = till.post(f"{V1}/calculate", said).json()

    assert told["points"]["earned"] == 12
    assert told["why"][0]["rule"] == "base"
    assert till.get(f"{V1}/customers/{ana.public_id}/balance").json()["active"] == 0


def test_calculate_for_a_stranger_finds_nobody(till, bought):
    said = bought(100, customer=None, reference=None, identifier={"type": "card", "value": "777"})

    answer = till.post(f"{V1}/calculate", said)

    assert answer.status_code == 404
    assert answer.json()["errors"][0]["pointer"] == "/identifier"


def test_a_currency_without_a_rate_earns_nothing_and_says_so(till, bought):
    told = buy(till, bought(1000, currency="CZK")).json()

    assert told["points"]["earned"] == 0
    assert told["why"][0]["code"] == "no_rate_for_currency"
    assert "CZK" in told["why"][0]["reason"]


def test_a_purchase_is_read_and_found_by_its_filters(till, bought, ana):
    mine = buy(till, bought(1000, channel="web", occurred_at="2026-04-30T10:00:00+01:00")).json()
    buy(till, bought(2000, channel="store"))

    assert till.get(f"{V1}/purchases/{mine['id']}").json()["reference"] == mine["reference"]
    for query in (
        f"reference={mine['reference']}",
        "channel=web",
        "occurred_before=2026-05-01T00:00:00Z",
        "occurred_after=2026-04-30T08:59:00Z&occurred_before=2026-04-30T09:01:00%2B00:00",
        f"customer={ana.public_id}&channel=web",
    ):
        assert [one["id"] for one in till.get(f"{V1}/purchases?{query}").json()["results"]] == [mine["id"]]
    assert till.get(f"{V1}/purchases?customer=cus_0000000000001").json()["results"] == []
    assert till.get(f"{V1}/purchases?customer=nonsense").json()["results"] == []


def test_the_store_is_named_by_code_or_id(till, bought, cafe):
    store = cafe.stores.create(code="baixa", name="Baixa")

    assert buy(till, bought(store="baixa")).json()["store"] == "baixa"
    assert buy(till, bought(store=store.public_id)).json()["store"] == "baixa"
    assert len(till.get(f"{V1}/purchases?store=baixa").json()["results"]) == 2
    refused = buy(till, bought(store="nowhere"))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (404, "/store")


def test_a_voided_purchase_takes_its_points_back_once(till, bought, ana):
    sold = buy(till, bought(1000)).json()

    first = till.post(f"{V1}/purchases/{sold['id']}/void", {"reference": "V-1"})
    again = till.post(f"{V1}/purchases/{sold['id']}/void", {"reference": "V-1"})

    assert first.status_code == again.status_code == 200
    assert first.json()["status"] == "voided"
    assert again.json()["balance"]["active"] == 0


def test_points_that_wait_are_released(till, bought, ana, program):
    from loyalty import programs
    from tests.cast import NOON

    program.rules.update(params={"points": 1, "per_minor": {"EUR": 100}, "on_event": True})
    programs.publish(program=program, at=NOON.replace(month=4), by="test")
    sold = buy(till, bought(1000)).json()
    assert sold["points"] == {"earned": 10, "pending": 10, "activates_at": None}
    assert sold["balance"]["pending"] == 10

    for _ in range(2):
        released = till.post(f"{V1}/purchases/{sold['id']}/release")
        assert released.status_code == 200
        assert released.json()["balance"]["active"] == 10
