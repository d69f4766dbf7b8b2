"""
How long it takes to say what follows what, to count a funnel of four steps and to make the whole journey map, over
very many touchpoints, in a database of its own.
"""

import subprocess
import sys

import orjson
import psycopg

from bench.place import ROOT, Place

DATABASE = "journeys"


def copy(place: Place) -> None:
    """Copy the empty shop. No process may be connected to it."""
    with psycopg.connect(host=str(place.socket), user="loyalty", dbname="postgres", autocommit=True) as line:
        line.execute(f"CREATE DATABASE {DATABASE} TEMPLATE loyalty")


def measure(place: Place, touches: int) -> dict[str, float]:
    """Return the seconds by what was asked."""
    said = subprocess.run(
        [sys.executable, "-m", "bench.journeying", str(touches)],
        env=place.environment(DATABASE),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise RuntimeError(f"journeys: {said.stderr[-2000:]}")
    found: dict[str, float] = orjson.loads(said.stdout.splitlines()[-1])
    size = f"{touches // 1_000_000}m" if touches % 1_000_000 == 0 else f"{touches // 1_000}k"
    return {f"{name}_{size}_seconds": seconds for name, seconds in found.items()}
