"""How long the reports on very many customers take, reading and writing included, and how much memory."""

import subprocess
import sys

import orjson
import psycopg

from bench.place import ROOT, Place

DATABASE = "reports"


def copy(place: Place) -> None:
    """Copy the empty shop. No process may be connected to it."""
    with psycopg.connect(host=str(place.socket), user="loyalty", dbname="postgres", autocommit=True) as line:
        line.execute(f"CREATE DATABASE {DATABASE} TEMPLATE loyalty")


def measure(place: Place, people: int) -> dict[str, float]:
    """Return the seconds by what was done, and the memory in megabytes."""
    said = subprocess.run(
        [sys.executable, "-m", "bench.reporting", str(people)],
        env=place.environment(DATABASE),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise RuntimeError(f"reports: {said.stderr[-2000:]}")
    found: dict[str, float] = orjson.loads(said.stdout.splitlines()[-1])
    size = f"{people // 1_000_000}m" if people % 1_000_000 == 0 else f"{people // 1_000}k"
    return {f"clv_{name.replace('SIZE', size)}": figure for name, figure in found.items()}
