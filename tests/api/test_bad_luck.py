"""A database that is slow, or away for a moment: the till is told to come again, and does."""

from threading import Event, Thread

import pytest
from django.db import close_old_connections, connection, connections, transaction

from lib import db
from tests.api.conftest import V1, buy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def only_postgres(transactional_db):
    if not db.is_postgres():
        pytest.skip("SQLite has no server to lose, and one writer")


@pytest.fixture
def held(only_postgres, ana):
    """Somebody holds the lock of every account until the test ends; we wait for it a fifth of a second."""
    taken, done = Event(), Event()

    def hold():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM loyalty_account FOR UPDATE")
            taken.set()
            done.wait(20)
        connections.close_all()

    holder = Thread(target=hold)
    holder.start()
    taken.wait(10)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    yield done
    done.set()
    holder.join()
    connection.close()


def test_a_call_that_waits_too_long_for_its_twin_is_told_to_come_again(till, bought, held):
    said = bought(1000)

    busy = buy(till, said, HTTP_IDEMPOTENCY_KEY="k")

    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_in_progress")
    assert (busy.json()["retryable"], busy["Retry-After"]) == (True, "1")
    held.set()
    assert _until(lambda: buy(till, said, HTTP_IDEMPOTENCY_KEY="k")).status_code == 201


def test_without_a_key_it_is_busy(till, bought, held):
    busy = buy(till, bought(1000))

    assert (busy.status_code, busy.json()["code"], busy["Retry-After"]) == (503, "unavailable", "1")


def test_a_restarted_database_costs_one_call(till, bought, only_postgres):
    buy(till, bought(1000))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [number] = cursor.fetchone()
    kill = Thread(target=_terminate, args=[number])
    kill.start()
    kill.join()

    lost = till.get(f"{V1}/programs")
    close_old_connections()  # what Django does after every request of a real server
    again = till.get(f"{V1}/programs")

    assert (lost.status_code, lost.json()["code"], lost.json()["retryable"]) == (503, "unavailable", True)
    assert again.status_code == 200


def _terminate(number):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [number])
    connections.close_all()


def _until(act):
    for _ in range(50):
        answer = act()
        if answer.status_code != 409:
            break
    return answer
