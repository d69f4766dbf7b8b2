"""Perks at the till: looked at, used, undone, and refused by name."""

import pytest

from customers.identifiers import Given
from lib.db import watching
from loyalty import members
from rewards.models import PerkUse
from tests.api.conftest import V1
from tests.rewards.giving import OAT, WELCOME, buy, promise

pytestmark = [pytest.mark.core, pytest.mark.django_db]
CAKE = {"kind": "benefit", "name": "Cake", "id": "cake", "limit": {"times": 2, "per": "month"}}


@pytest.fixture(autouse=True)
def club(cafe, ana):
    promise(cafe, Bronze=[OAT], Silver=[CAKE, WELCOME])
    buy(ana, 600)
    return cafe


def of(customer):
    return f"{V1}/customers/{customer.public_id}/perks"


def use(till, customer, perk="cake", reference="P-1", query="", **more):
    said = {"reference": reference}
    return till.post(f"{of(customer)}/{perk}/use{query}", said, **more)


def test_a_till_reads_what_the_level_gives(till, ana):
    answer = till.get(of(ana))

    assert answer.status_code == 200
    assert answer.json()["results"][0] == {
        "id": "cake",
        "kind": "benefit",
        "name": "Cake",
        "tier": "Silver",
        "limit": {"times": 2, "per": "month"},
        "used": 0,
        "left": 2,
        "resets_at": "2026-05-31T23:00:00Z",
    }
    assert [one["id"] for one in answer.json()["results"]] == ["cake", "silver-welcome-to-silver", "oat"]
    assert till.get(f"{of(ana)}?program=nonsense").status_code == 404


def test_it_is_used_and_undone(till, ana):
    used = use(till, ana)
    undone = till.post(f"{of(ana)}/cake/rollback", {"reference": "P-1"})

    assert (used.status_code, used.json()["perk"]["left"], used.json()["rolled_back"]) == (201, 1, False)
    assert used.json()["customer"] == ana.public_id
    assert (undone.status_code, undone.json()["perk"]["left"], undone.json()["rolled_back"]) == (201, 2, True)
    assert undone.json()["id"] == used.json()["id"]
    assert till.post(f"{of(ana)}/cake/rollback", {"reference": "P-1"}).status_code == 200


def test_told_twice_is_used_once(till, ana):
    first, again = use(till, ana), use(till, ana)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert PerkUse.objects.count() == 1


def test_one_idempotency_key_is_one_answer(till, ana):
    first, again = (use(till, ana, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()


def test_a_rehearsal_uses_nothing(till, ana):
    answer = use(till, ana, query="?dry_run=true")

    assert (answer.status_code, answer.json()["dry_run"], answer.json()["perk"]["left"]) == (200, True, 1)
    assert not PerkUse.objects.exists()


def test_what_cannot_be_used_is_refused_by_name(till, ana, cafe, noon):
    eva = members.enroll(merchant=cafe, identifiers=[Given("card", "77")], at=noon, by="test")
    use(till, ana, reference="P-1")
    use(till, ana, reference="P-2")

    def said(*args, **more):
        answer = use(till, *args, **more)
        return answer.status_code, answer.json()["code"]

    assert said(ana, reference="P-3") == (422, "perk_limit_reached")
    assert said(eva, reference="P-3") == (422, "perk_not_available")
    assert said(ana, "silver-welcome-to-silver", reference="P-3") == (422, "perk_not_available")
    assert said(ana, "caviar", reference="P-3") == (404, "not_found")
    assert said(ana, "oat", reference="P-1") == (409, "reference_reused")
    assert till.post(f"{of(ana)}/oat/rollback", {"reference": "P-1"}).status_code == 404


def test_anothers_reference_is_another_reference(till, outsider_till, ana, bar_nilo, bo):
    promise(bar_nilo, Bronze=[OAT])
    use(till, ana, reference="P-1")

    assert use(outsider_till, bo, "oat", reference="P-1").status_code == 201


def test_a_use_takes_few_statements(till, ana):
    use(till, ana, reference="P-0")

    with watching() as seen:
        assert use(till, ana, reference="P-1").status_code == 201

    assert seen.statements <= 22, seen.texts
