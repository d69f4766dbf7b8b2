"""
A pytest plugin that gives the tests a real PostgreSQL and a real Redis, private to the run.

Given DATABASE_URL and REDIS_URL are used as they are. `TEST_ON=embedded` runs on what a newcomer gets:
SQLite, and the Valkey of the wheel. It works at import, because pytest-django reads the settings before any
conftest.py and any hook; under xdist the workers inherit what the controller started.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

from tests.servers import Server, start_postgres, start_redis


def prepare() -> None:
    """Start what is not given, and tell Django by the environment."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        # Workers share the server, each with a database of its own: clearing a cache clears only that.
        if os.environ.get("TEST_REDIS_IS_PRIVATE"):
            number = int(worker.removeprefix("gw")) % 15 + 1
            os.environ["REDIS_URL"] = os.environ["REDIS_URL"].replace("?db=0", f"?db={number}")
        return

    # A short path (a unix socket's has a limit), which others may enter (nobody runs PostgreSQL).
    folder = Path(tempfile.mkdtemp(prefix="loyalty-"))
    folder.chmod(0o755)
    (folder / "pid").write_text(str(os.getpid()))
    clear_what_was_killed(folder.parent)
    servers: list[Server] = []
    atexit.register(clear, folder, servers, os.getpid())
    # TERM ends a process without its atexit functions; as an interrupt it does not.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    embedded = os.environ.get("TEST_ON") == "embedded"
    data = folder / "data"
    os.environ["DATA_DIR"] = str(data)
    if not os.environ.get("DATABASE_URL") and not embedded:
        place = folder / "pg"
        place.mkdir()
        servers.append(start_postgres(place))
        os.environ["DATABASE_URL"] = servers[-1].url
    if not os.environ.get("REDIS_URL"):
        servers.append(start_redis(folder, from_wheel=embedded))
        os.environ["REDIS_URL"] = servers[-1].url
        os.environ["TEST_REDIS_IS_PRIVATE"] = "1"


def clear_what_was_killed(place: Path) -> None:
    """Remove the folders of runs that were killed: their servers ended with them, their folders could not."""
    for note in place.glob("loyalty-*/pid"):
        try:
            os.kill(int(note.read_text()), 0)
        except ProcessLookupError:
            shutil.rmtree(note.parent, ignore_errors=True)
        except (OSError, ValueError):
            continue  # another user's, or one that ends right now


def clear(folder: Path, servers: list[Server], owner: int) -> None:
    """Stop the servers and remove their folder, but only in the process that made them."""
    if os.getpid() == owner:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


prepare()
