"""
What a purchase costs when there were many before: the same work on databases of different sizes, by turns.

Each size is a database of its own on the same server, copied from the shop while it was empty and filled by
the database itself. A process per database records purchases when it is told to.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from bench.limits import Limits
from bench.place import ROOT, Place

ROUNDS = 7


@dataclass
class Size:
    """One database, and the process that works on it."""

    entries: int
    process: "subprocess.Popen[str]"

    def seconds(self, what: str) -> float:
        """Return how long it took to record a piece: `single` or `batch`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def copy(place: Place, sizes: list[int]) -> None:
    """Copy the empty shop once per size. No process may be connected to it."""
    with psycopg.connect(host=str(place.socket), user="loyalty", dbname="postgres", autocommit=True) as line:
        for size in sizes:
            line.execute(f"CREATE DATABASE growth_{size} TEMPLATE loyalty")


def measure(
    place: Place, limits: Limits, sizes: list[int], *, say: Callable[[str], None]
) -> dict[str, float]:
    """
    Fill the copies and return what a purchase costs in each, as a share of the first.

    Keys are `single_<entries>` and `batch_<entries>`; medians over rounds in which each size had its turn.
    """
    for size in sizes:
        say(f"growth: filling {size:,} entries")
        limits.fill(f"growth_{size}", entries=size)
        with psycopg.connect(
            host=str(place.socket), user="loyalty", dbname=f"growth_{size}", autocommit=True
        ) as line:
            line.execute("VACUUM ANALYZE")
            line.execute("CHECKPOINT")
    databases = [_start(place, size) for size in sizes]
    costs: dict[str, list[float]] = {}
    try:
        for number in range(ROUNDS):
            # Nobody always goes first.
            for one in databases if number % 2 else reversed(databases):
                for what in ("single", "batch"):
                    costs.setdefault(f"{what}_{one.entries}", []).append(one.seconds(what))
    finally:
        for one in databases:
            one.process.communicate()
    first = sizes[0]
    return {
        f"{what}_{size}": statistics.median(
            after / before
            for after, before in zip(costs[f"{what}_{size}"], costs[f"{what}_{first}"], strict=True)
        )
        for size in sizes[1:]
        for what in ("single", "batch")
    }


def _start(place: Place, size: int) -> Size:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.growing"],
        env=place.environment(f"growth_{size}"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    one = Size(size, process)
    for what in ("single", "batch"):
        one.seconds(what)
    return one
