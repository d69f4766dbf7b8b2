"""How often a key may call, counted for all processes together."""

import pytest
import time_machine
from django.core.cache import cache

from api import throttles
from tests.api.conftest import V1
from tests.cast import client_of


@pytest.fixture
def few(settings):
    settings.API_RATE_QUOTA, settings.API_RATE_SECONDS = 30, 60


@pytest.fixture
def stopped():
    with time_machine.travel("2026-05-01T12:00:10Z", tick=False):
        yield


def test_every_answer_says_what_is_left(till, few, stopped):
    first, second = (till.get(f"{V1}/programs") for _ in range(2))

    assert first["RateLimit-Policy"] == '"key";q=30;w=60'
    assert first["RateLimit"] == '"key";r=29;t=50'
    assert second["RateLimit"] == '"key";r=28;t=50'


def test_too_many_are_told_when_to_come_again(till, few, stopped):
    answers = [till.get(f"{V1}/programs") for _ in range(31)]

    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    last = answers[-1]
    assert last.json()["code"] == "rate_limited"
    assert last.json()["retryable"] is True
    assert last["Retry-After"] == "50"


def test_the_next_window_is_open(till, few):
    with time_machine.travel("2026-05-01T12:00:10Z", tick=False) as clock:
        for _ in range(31):
            till.get(f"{V1}/programs")
        clock.shift(50)
        assert till.get(f"{V1}/programs").status_code == 200


def test_processes_share_one_quota_through_the_cache(till, few, stopped):
    for _ in range(20):
        till.get(f"{V1}/programs")
    throttles.clear()  # another process, which leases for itself

    answers = [till.get(f"{V1}/programs").status_code for _ in range(20)]

    assert answers == [200] * 10 + [429] * 10


def test_a_key_s_limit_is_its_own(till, cafe, few, stopped):
    for _ in range(31):
        till.get(f"{V1}/programs")

    assert client_of(cafe).get(f"{V1}/programs").status_code == 200


def test_twenty_calls_ask_the_cache_once(till, few, stopped, monkeypatch):
    asked = []
    ask = cache._ask if hasattr(cache, "_ask") else cache._connections[cache._alias]._ask
    backend = ask.__self__

    monkeypatch.setattr(
        backend, "_ask", lambda verb, *args, **kwargs: asked.append(verb) or ask(verb, *args, **kwargs)
    )
    for _ in range(21):
        till.get(f"{V1}/programs")

    assert asked == ["incr", "add", "incr", "incr"]  # the first of a window opens it


def test_look_ups_are_counted_exactly(till, ana, settings):
    settings.API_LOOKUP_LIMIT = "3/minute"

    answers = [till.get(f"{V1}/customers/lookup?q=912345678") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429]
    assert int(answers[-1]["Retry-After"]) >= 1
