"""Where a run takes place: private servers in a folder of their own, and the environment that names them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import priority
from tests import servers

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Place:
    """The folder of a run, and where its PostgreSQL listens (the folder of the socket)."""

    folder: Path
    socket: Path

    def url(self, database: str = "loyalty") -> str:
        return f"postgres://loyalty@/{self.socket}/{database}"

    def environment(self, database: str = "loyalty") -> dict[str, str]:
        """Return the environment of a program that works on one of the databases."""
        return {**os.environ, "DATABASE_URL": self.url(database)}

    @property
    def pgbench(self) -> dict[str, str]:
        return {**os.environ, "PGHOST": str(self.socket), "PGUSER": "loyalty"}


@contextmanager
def place() -> Iterator[Place]:
    """Start the servers, name them in the environment, and leave nothing behind."""
    # A short path (a unix socket's has a limit), which others may enter (nobody runs PostgreSQL).
    folder = Path(tempfile.mkdtemp(prefix="loyalty-bench-"))
    folder.chmod(0o755)
    socket = folder / "pg"
    socket.mkdir()
    started = []
    try:
        started.append(servers.start_postgres(socket, durable=True))
        started.append(servers.start_redis(folder))
        os.environ.update(
            DJANGO_SETTINGS_MODULE="config.settings",
            DATA_DIR=str(folder / "data"),
            DATABASE_URL=started[0].url,
            REDIS_URL=started[1].url,
            LOG_LEVEL="WARNING",
            # One till calls as fast as it can. Every request is still counted, it is only never too many.
            API_RATE_QUOTA="1000000000",
        )
        os.environ.pop("CELERY_BROKER_URL", None)
        for server in started:
            priority.go_first(server.process.pid)
        (folder / "data").mkdir()
        yield Place(folder, socket)
    finally:
        for server in reversed(started):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
