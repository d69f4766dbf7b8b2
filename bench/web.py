"""The web server, as `manage.py up` starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench import priority
from bench.place import ROOT

OURS, BARE = "config.wsgi:application", "bench.bare:application"


@contextmanager
def served(application: str, *, environment: Mapping[str, str]) -> Iterator[int]:
    """Serve a WSGI application with the same workers and threads as `manage.py up`; yield its port."""
    from config.management.commands import up

    command: list[str] = []
    port = _free_port()
    up.start_web(_Remembering(command), host="127.0.0.1", port=port, workers=2)  # type: ignore[arg-type]
    command = [application if part == OURS else part for part in command]
    server = subprocess.Popen(
        command,
        env={**environment, "GRANIAN_LOG_LEVEL": "warning"},
        cwd=ROOT,
        start_new_session=True,
    )
    priority.go_first(server.pid)
    try:
        _wait(port, server)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


class _Remembering:
    """Stands where `up` has its terminal: keeps the command instead of running it."""

    def __init__(self, command: list[str]):
        self.command = command

    def start(self, name: str, command: list[str], *, stop_last: bool = False) -> None:
        self.command[:] = [sys.executable, *command[1:]]


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/health/live", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the web server does not answer")
