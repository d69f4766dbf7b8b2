"""
How long it takes to count a segment of very many customers in full, the first time (everybody enters, with a
touchpoint each) and again (nobody moves), in a database of its own.
"""

import subprocess
import sys

import orjson
import psycopg

from bench.place import ROOT, Place

DATABASE = "segments"


def copy(place: Place) -> None:
    """Copy the empty shop. No process may be connected to it."""
    with psycopg.connect(host=str(place.socket), user="loyalty", dbname="postgres", autocommit=True) as line:
        line.execute(f"CREATE DATABASE {DATABASE} TEMPLATE loyalty")


def measure(place: Place, people: int) -> dict[str, float]:
    """Return the seconds by what was done, and how many customers were in it."""
    said = subprocess.run(
        [sys.executable, "-m", "bench.segmenting", str(people)],
        env=place.environment(DATABASE),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise RuntimeError(f"segments: {said.stderr[-2000:]}")
    found: dict[str, float] = orjson.loads(said.stdout.splitlines()[-1])
    size = f"{people // 1_000_000}m" if people % 1_000_000 == 0 else f"{people // 1_000}k"
    return {
        f"segment_refresh_{size}_seconds": found["again"],
        f"segment_first_refresh_{size}_seconds": found["first"],
        f"rfm_{size}_seconds": found["rfm"],
        "segment_1000_touched_seconds": found["touched"],
        "segment_members": found["members"],
    }
