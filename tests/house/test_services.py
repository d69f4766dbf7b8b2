"""The suite runs on what production runs on, not on whatever happened to be there."""

import os

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connection

on_ci = pytest.mark.skipif(os.environ.get("CI") != "true", reason="a developer may choose other services")


@on_ci
@pytest.mark.skipif(os.environ.get("TEST_ON") == "embedded", reason="runs on SQLite on purpose")
@pytest.mark.django_db
def test_the_suite_runs_on_a_postgresql_of_the_supported_versions():
    assert connection.vendor == "postgresql"
    assert connection.pg_version >= 150000


@on_ci
def test_the_suite_runs_on_a_redis_of_the_supported_versions():
    facts = redis.Redis.from_url(settings.REDIS_URL).info("server")

    assert "valkey_version" in facts or int(facts["redis_version"].split(".")[0]) >= 7


@pytest.mark.core
@pytest.mark.skipif(os.environ.get("TEST_ON") != "embedded", reason="only where the default is tested")
@pytest.mark.django_db
def test_the_embedded_default_is_sqlite_with_one_writer_at_a_time():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    assert connection.transaction_mode == "IMMEDIATE"


@pytest.mark.django_db
def test_the_cache_is_shared_between_processes():
    cache.set("who", "shared")

    assert cache.is_shared()
    assert cache.get("who") == "shared"
