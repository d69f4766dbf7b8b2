"""A key is asked for with every request, also when this process has seen it a moment ago."""

import pytest

from lib import db
from loyalty.models import Purchase
from merchants import keys
from merchants.models import ApiKey
from tests.api.conftest import buy

pytestmark = pytest.mark.django_db


@pytest.fixture
def seen(till, ana, cafe):
    """The till's key, which this process has seen twice."""
    for _ in range(2):
        assert till.get(f"/api/v1/customers/{ana.public_id}/balance").status_code == 200
    return ApiKey.objects.get(merchant=cafe)


def test_a_key_seen_before_travels_with_the_first_statement(till, ana, seen):
    with db.watching() as watch:
        assert till.get(f"/api/v1/customers/{ana.public_id}/balance").status_code == 200

    assert (watch.statements, watch.trips) == (2, 1 if db.is_postgres() else 2)


@pytest.mark.parametrize("path", ["/customers/{ana}/balance", "/purchases", "/nowhere", "/tiers"])
def test_a_revoked_key_is_refused_at_once(till, ana, seen, noon, path):
    keys.revoke(key=seen, at=noon)

    assert till.get("/api/v1" + path.format(ana=ana.public_id)).status_code == 401


def test_a_revoked_key_writes_nothing(till, seen, noon, bought):
    keys.revoke(key=seen, at=noon)

    answer = buy(till, bought())

    assert answer.status_code == 401
    assert not Purchase.objects.exists()


def test_a_request_that_is_refused_anyway_says_first_that_the_key_is_revoked(till, seen, noon):
    keys.revoke(key=seen, at=noon)

    assert buy(till, {"nonsense": 1}).status_code == 401


def test_a_key_that_lost_its_scope_or_got_one_is_judged_by_what_it_is_now(till, cafe, seen, bought):
    ApiKey.objects.filter(merchant=cafe).update(scopes=["customers:read"])
    assert buy(till, bought()).status_code == 403
    assert not Purchase.objects.exists()

    ApiKey.objects.filter(merchant=cafe).update(scopes=["purchases:write"])
    assert buy(till, bought()).status_code == 201


def test_a_shop_that_closed_is_closed_for_keys_seen_before(till, ana, seen, cafe):
    cafe.is_active = False
    cafe.save()

    assert till.get(f"/api/v1/customers/{ana.public_id}/balance").status_code == 401


def test_a_till_that_moved_to_another_store_sells_there(till, seen, cafe, bought):
    store = cafe.stores.create(code="harbor", name="Harbor")
    ApiKey.objects.filter(merchant=cafe).update(store=store)

    answer = buy(till, bought())

    assert answer.json()["store"] == "harbor"
