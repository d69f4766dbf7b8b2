"""A wake is only speed: it leaves after the commit, seldom, and never breaks the request that says it."""

import logging
import time

import pytest
from celery import current_app
from django.db import transaction

from lib import wake as module
from lib.wake import wake
from tests.servers import start_redis

# Real commits: a wake waits for one.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(tmp_path_factory, monkeypatch):
    server = start_redis(tmp_path_factory.mktemp("r"))
    use(monkeypatch, server.url)
    yield server
    module._disconnect()
    server.stop()


def use(monkeypatch, url):
    from lib.embedded import broker_url

    module._disconnect()
    monkeypatch.setattr(module, "_not_before", {})
    monkeypatch.setattr(module, "_broker_not_before", 0.0)
    monkeypatch.setattr(module, "_is_broker_down", False)
    # In this order: unset, the second is read as the first, and that is what would be put back.
    monkeypatch.setattr(current_app.conf, "broker_write_url", broker_url(url))
    monkeypatch.setattr(current_app.conf, "broker_url", broker_url(url))


def waiting(server):
    import redis

    return redis.Redis.from_url(server.url).llen("celery")


def test_a_wake_reaches_the_broker(broker):
    wake("customers.tasks.relay")

    assert waiting(broker) == 1


def test_a_wake_waits_for_the_commit(broker):
    with transaction.atomic():
        wake("customers.tasks.relay")
        assert waiting(broker) == 0

    assert waiting(broker) == 1


def test_a_wake_of_work_that_was_rolled_back_is_not_said(broker):
    with transaction.atomic():
        wake("customers.tasks.relay")
        transaction.set_rollback(True)

    assert waiting(broker) == 0


def test_a_hundred_wakes_at_once_are_one(broker):
    for _ in range(100):
        wake("customers.tasks.relay")
    wake("connectors.tasks.drain")

    assert waiting(broker) == 2


def test_a_wake_is_said_again_after_the_throttle(broker):
    wake("customers.tasks.relay")
    time.sleep(module.THROTTLE_SECONDS + 0.05)
    wake("customers.tasks.relay")

    assert waiting(broker) == 2


@pytest.mark.parametrize("url", ["unix:///nowhere.sock?db=0", "redis://127.0.0.1:1/0"])
def test_a_dead_broker_breaks_and_delays_nothing(monkeypatch, caplog, url):
    use(monkeypatch, url)
    wake("customers.tasks.warm_up")  # the first one also imports the transport
    monkeypatch.setattr(module, "_broker_not_before", 0.0)

    with caplog.at_level(logging.WARNING):
        started = time.monotonic()
        for number in range(50):
            wake(f"customers.tasks.{number}")

    assert time.monotonic() - started < 1
    assert len([line for line in caplog.messages if "sweeps will find the rows" in line]) == 1


def test_a_broker_that_dies_between_two_wakes_breaks_nothing(broker, caplog):
    wake("customers.tasks.relay")
    broker.stop()

    wake("connectors.tasks.drain")

    assert "no broker: wakes are skipped" in caplog.text
