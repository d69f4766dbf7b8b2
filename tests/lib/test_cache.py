"""The cache outlives its server."""

import time

import pytest
from django.conf import settings

from lib import cache as module
from lib.cache import Cache
from tests.servers import start_redis


@pytest.fixture
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("r")
    started = start_redis(folder)
    yield started
    started.stop()


@pytest.fixture
def cache(server):
    return Cache(server.url, {"OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 1}})


def test_two_processes_share_it(server, cache):
    other = Cache(server.url, {})

    cache.set("points", 12)

    assert other.get("points") == 12
    assert other.incr("points") == 13
    assert cache.get_many(["points"]) == {"points": 13}


def test_without_its_server_it_is_this_process_memory(server, cache):
    server.stop()

    cache.set("points", 12)

    assert cache.get("points") == 12
    assert cache.add("points", 13) is False
    assert not cache.is_shared()


def test_a_dead_server_is_left_alone_for_some_seconds(server, cache, monkeypatch):
    server.stop()
    cache.get("first")
    asked = []
    monkeypatch.setattr(cache._redis, "get", lambda *args, **kwargs: asked.append(args))

    cache.get("second")

    assert asked == []


def test_a_server_that_comes_back_is_used_again(server, cache, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    server.stop()
    cache.set("points", 12)
    from pathlib import Path

    again = start_redis(Path(server.url.removeprefix("unix://").split("?")[0]).parent)
    try:
        time.sleep(0.1)
        cache.set("points", 14)

        assert cache.is_shared()
        assert Cache(again.url, {}).get("points") == 14
    finally:
        again.stop()


def test_without_an_address_it_is_memory():
    cache = Cache("", {})

    cache.set("points", 12)

    assert cache.get("points") == 12
    assert not cache.is_shared()


def test_the_settings_use_it():
    assert settings.CACHES["default"]["BACKEND"] == "lib.cache.Cache"
