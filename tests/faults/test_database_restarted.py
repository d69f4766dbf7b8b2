"""A database that is restarted costs one failed request, which the sender repeats, and no message."""

import json
import shutil
import signal
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from tests import servers
from tests.connectors.conftest import STRIPE_SECRET

pytestmark = pytest.mark.slow

# The whole service in one process, told by lines what to do next; it answers each with a line of JSON.
SERVICE = f"""
import json, sys
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
call_command("migrate", verbosity=0)
from connectors import inbox
from loyalty.models import Purchase
from tests.cast import open_shop
from tests.connectors.conftest import connect, stripe_signature
from tests.connectors.shapes import event, session
from django.db import DatabaseError, close_old_connections
now = timezone.now()
stripe = connect(open_shop("cafe-mira", "Cafe"), at=now, enroll="always")
client = Client(raise_request_exception=False, SERVER_NAME="localhost")
def post(n):
    close_old_connections()  # as a server does before each request; Django's test client leaves it out
    body = json.dumps(event("checkout.session.completed", session(n, customer="cus_1"), at=now)).encode()
    signature = stripe_signature(body, secret={STRIPE_SECRET!r}, at=timezone.now())
    return client.post(stripe.hook_path, body, content_type="application/json",
                       HTTP_STRIPE_SIGNATURE=signature).status_code
def drain():
    close_old_connections()
    try:
        return inbox.drain(at=timezone.now()).done
    except DatabaseError as error:
        return type(error).__name__
def count():
    return Purchase.objects.count()
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""


@pytest.fixture
def database():
    """A PostgreSQL of its own; `restart()` stops it at once and starts it again on the same data."""
    folder = Path(tempfile.mkdtemp(prefix="loyalty-"))
    folder.chmod(0o755)
    server = servers.start_postgres(folder, durable=True)

    class Database:
        url = server.url

        def restart(self):
            nonlocal server
            server.process.send_signal(signal.SIGQUIT)  # as a crash: nobody is told, nothing is flushed
            server.process.wait()
            process = servers._start(
                server.process.args,
                log=folder / "postgres.log",
                user=servers._unprivileged(folder),
                end_with_parent=server.stop_signal,
            )
            server = servers.Server(server.url, process, server.stop_signal)
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    psycopg.connect(host=str(folder), user="loyalty", dbname="loyalty").close()
                    return
                except psycopg.OperationalError:
                    time.sleep(0.05)
            raise RuntimeError("PostgreSQL does not come back")

    yield Database()
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_restarted_database_loses_nothing(database, worker):
    service = worker(SERVICE, database=database.url)

    def say(line):
        service.stdin.write(f"{line}\n")
        service.stdin.flush()
        return json.loads(service.stdout.readline())

    assert json.loads(service.stdout.readline()) == "ready"
    assert [say("post(1)"), say("post(2)")] == [200, 200]
    assert say("drain()") == 2

    assert say("post(3)") == 200
    database.restart()

    answers = [say("post(4)") for _ in range(3)]
    assert answers[-1] == 200
    assert answers.count(500) <= 1
    drained = [say("drain()") for _ in range(3)]
    assert 2 in drained

    database.restart()
    drained = [say("drain()") for _ in range(3)]
    assert drained[-1] == 0
    assert say("post(5)") == 200
    assert say("drain()") == 1
    assert say("count()") == 5
