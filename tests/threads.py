"""Real threads for races: they start together, and each closes its own connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def at_once(times: int, act: Callable[[int], T]) -> list[T | Exception]:
    """Run `act(n)` in `times` threads that start together; return what each returned or raised, in order."""
    line = Barrier(times)

    def run(number: int) -> T | Exception:
        line.wait()
        try:
            return act(number)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))
