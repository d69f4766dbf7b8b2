"""A process that hands out codes of a pool with four threads, until it is empty: started by `bench.measures`."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import django

THREADS = 4


def main(name: str) -> None:
    """Say `ready`, wait for `go`, then answer how many codes were handed out."""
    django.setup()
    from django.db import connections

    from bench.shop import find_shop
    from lib import db
    from rewards import pools
    from rewards.models import CodePool

    pool = CodePool.objects.select_related("merchant").get(merchant=find_shop().merchant, code="bench")
    hand_out = db.command(pools.hand_out)

    def client(number: int) -> int:
        try:
            for done in _numbers():
                try:
                    hand_out(
                        pool=pool,
                        name="Bench",
                        worth={},
                        reference=f"{name}-{number}-{done}",
                        customer=None,
                        at=datetime.now(UTC),
                        by="bench",
                    )
                except pools.PoolEmpty:
                    return done
        finally:
            connections.close_all()
        raise AssertionError("unreachable")

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as clients:
        sys.stdout.write(f"{sum(clients.map(client, range(THREADS)))}\n")


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


if __name__ == "__main__":
    main(sys.argv[1])
