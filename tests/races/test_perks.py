"""Two tills at once at the last free cake. The twin removes the lock and shows what it is for."""

import time

import pytest
from django.db import connection

from loyalty import purchases
from loyalty.sale import Sale
from rewards import perks
from rewards.models import PerkGrant, PerkUse
from tests.cast import NOON
from tests.races.test_double_tap import needs_rows_locks
from tests.rewards.giving import WELCOME, buy, give_back, points, promise, relay

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]
CAKE = {"kind": "benefit", "name": "Cake", "id": "cake", "limit": {"times": 2, "per": "day"}}


def eat(customer, reference):
    return perks.use(customer=customer, perk="cake", reference=reference, at=NOON, by="till")


def outcomes(said):
    return sorted(getattr(one, "status", type(one).__name__) for one in said)


def test_the_last_ones_are_had_by_so_many(cafe, ana, at_once):
    promise(cafe, Bronze=[CAKE])

    said = at_once(8, lambda n: eat(ana, f"P-{n}"))

    assert outcomes(said) == ["PerkLimitReached"] * 6 + ["created"] * 2
    assert PerkUse.objects.count() == 2


@needs_rows_locks
def test_without_the_lock_the_limit_is_overrun(cafe, ana, at_once, monkeypatch):
    """Proves that the test above can fail: unlocked, every till counts before another writes."""
    promise(cafe, Bronze=[CAKE | {"limit": {"times": 1, "per": "day"}}])
    count = perks._counts

    def slowly(*args, **more):
        found = count(*args, **more)
        time.sleep(0.3)
        return found

    monkeypatch.setattr(perks, "_counts", slowly)
    monkeypatch.setattr("lib.db.for_update", lambda *_, **__: "")
    said = at_once(2, lambda n: eat(ana, f"P-{n}"))

    assert outcomes(said) == ["created"] * 2, said
    assert connection.vendor == "postgresql"


def test_the_same_use_from_eight_tills_is_one(cafe, ana, at_once):
    promise(cafe, Bronze=[CAKE])

    said = at_once(8, lambda n: eat(ana, "P"))

    assert outcomes(said) == ["created"] + ["replayed"] * 7


def test_a_use_is_undone_once(cafe, ana, at_once):
    promise(cafe, Bronze=[CAKE])
    used = eat(ana, "P").use

    said = at_once(8, lambda n: perks.undo(use=PerkUse.objects.get(pk=used.pk), at=NOON, by="till"))

    assert outcomes(said) == ["created"] + ["replayed"] * 7
    assert PerkUse.objects.count() == 2


def test_eight_workers_give_and_take_back_once(cafe, ana, at_once):
    promise(cafe, Silver=[WELCOME])
    buy(ana, 400, "S-1")
    purchases.record(merchant=cafe, sale=Sale("S-2", "EUR", 20_000, NOON, customer_id=ana.pk), at=NOON)

    at_once(8, lambda n: relay())
    assert points(ana) == (700, 0)

    give_back(cafe, purchase="S-2")
    assert points(ana) == (400, 0)
    assert PerkGrant.objects.get().status == "taken_back"
