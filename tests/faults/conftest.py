"""What breaks around the service: servers that die, workers that are killed. Real commits, real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from connectors import connections
from tests.connectors.conftest import connect, drain, points, post

__all__ = ["drain", "points", "post"]
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def stripe(cafe, noon):
    connections.forget()
    return connect(cafe, at=noon)


@pytest.fixture
def worker():
    """`worker(code)` runs Python in a process of its own, on the same database; killed at the end."""
    started = []

    def start(code, *, database=""):
        name = connection.settings_dict["NAME"]
        given = settings.DATABASES["default"]
        if connection.vendor == "postgresql":
            url = f"postgres://{given['USER']}@/{given['HOST']}/{name}"
        else:
            url = f"sqlite:///{name}"
        process = subprocess.Popen(
            [sys.executable, "-c", f"import django\ndjango.setup()\n{code}"],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "DATABASE_URL": database or url,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
