"""One command in an empty folder: everything runs, and nothing is left when it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lib import embedded
from tests.house.tree import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(embedded.valkey_program() is None, reason="no Valkey wheel for this platform"),
]
FROM_TESTS = {
    "DATABASE_URL",
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "BASE_URL",
    "EMAIL_URL",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
}


def free_port():
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return line.getsockname()[1]


class Up:
    """`manage.py up` in a folder of its own, and what it says."""

    def __init__(self, folder):
        self.folder, self.port, self.said = folder, free_port(), ""
        environment = {name: value for name, value in os.environ.items() if name not in FROM_TESTS}
        self.environment = {**environment, "DATA_DIR": str(folder)}
        self.process = subprocess.Popen(
            [
                sys.executable,
                "manage.py",
                "up",
                "--port",
                str(self.port),
                "--workers",
                "1",
                "--concurrency",
                "1",
            ],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.said += line

    def wait_for(self, condition, *, seconds=90):
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.1)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def programs(self):
        """Return the processes that run in its folder."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    # Valkey writes its title over its environment, and the title names its socket.
                    about = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.folder).encode() in about:
                    found.append(int(entry.name))
        return found


@pytest.fixture
def up(tmp_path):
    started = Up(tmp_path / "var")
    yield started
    if started.process.poll() is None:
        started.process.terminate()
        started.process.wait(40)


def test_everything_runs_on_one_command_and_stops_on_one_signal(up):
    up.wait_for(lambda: up.get("/health/ready") == 200)
    up.wait_for(lambda: "ready." in up.said)
    doctor = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env=up.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    states = {finding["name"]: finding["state"] for finding in json.loads(doctor.stdout)["findings"]}
    assert {name for name, state in states.items() if state == "FAIL"} == set(), doctor.stdout
    assert states["worker"] == "OK"
    assert up.get("/admin/login/") == 200

    up.process.send_signal(signal.SIGTERM)

    assert up.process.wait(40) == 0, up.said
    assert up.said.rstrip().endswith("Stopped.")
    assert up.programs() == []


def test_the_web_and_the_worker_outlive_their_broker(up):
    up.wait_for(lambda: up.get("/health/ready") == 200)
    up.wait_for(lambda: "ready." in up.said)
    valkey = next(
        pid for pid in up.programs() if b"valkey-server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )

    os.kill(valkey, signal.SIGKILL)

    assert up.get("/health/ready") == 200
    up.wait_for(lambda: "starting it again" in up.said)
    up.wait_for(lambda: embedded.answers(embedded.socket_path(up.folder)))
    assert up.get("/admin/login/") == 200


def test_a_port_in_use_is_said_before_anything_starts(tmp_path):
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        answer = subprocess.run(
            [sys.executable, "manage.py", "up", "--port", str(line.getsockname()[1])],
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert answer.returncode == 1
    assert "is in use" in answer.stderr
