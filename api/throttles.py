"""
How often a key may call: so many requests in a window, counted in Redis for every process together.

A process leases requests twenty at a time, so that a request costs Redis a twentieth of a round trip.
While Redis is down, each process counts for itself (`lib.cache`).
"""

import threading
import time
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.core.cache import cache
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from lib import limits
from merchants.keys import Key

LEASE = 20
MOST_KEYS = 10_000


@dataclass(slots=True)
class Lease:
    """What one process may still spend of one key's window, and about how much the others left."""

    window: int
    mine: int = 0
    left: int = 0
    is_spent: bool = False


_leases: dict[int, Lease] = {}
_lock = threading.Lock()


def clear() -> None:
    """Forget what this process leased."""
    with _lock:
        _leases.clear()


def spend(key_id: int, *, quota: int, seconds: int, now: float) -> tuple[bool, int]:
    """Take one request out of the key's window; return whether it was there, and about how many are left."""
    window = int(now // seconds)
    with _lock:
        lease = _leases.get(key_id)
        if lease is None or lease.window != window:
            if len(_leases) >= MOST_KEYS:
                _leases.clear()
            lease = _leases[key_id] = Lease(window)
        if lease.mine == 0 and not lease.is_spent:
            _extend(lease, key_id, quota=quota, seconds=seconds)
        if lease.mine == 0:
            return False, 0
        lease.mine -= 1
        return True, lease.left + lease.mine


def _extend(lease: Lease, key_id: int, *, quota: int, seconds: int) -> None:
    name = f"api-rate:{key_id}:{lease.window}"
    wanted = min(LEASE, quota)
    taken = _count(name, wanted)
    if taken is None:  # nobody called in this window yet
        cache.add(name, 0, timeout=seconds * 2)
        taken = _count(name, wanted) or wanted
    lease.mine = max(0, min(wanted, quota - (taken - wanted)))
    lease.left = max(0, quota - taken)
    lease.is_spent = lease.mine == 0


def _count(name: str, wanted: int) -> int | None:
    """Add to a counter; None when it is not there, or not any more: the server may change at any time."""
    try:
        return int(cache.incr(name, wanted))
    except ValueError:
        return None


class KeyThrottle(BaseThrottle):
    """So many requests in a window per key: `API_RATE_QUOTA` in `API_RATE_SECONDS`."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            return True
        quota, seconds = settings.API_RATE_QUOTA, settings.API_RATE_SECONDS
        now = time.time()
        key = cast(Key, request.auth)
        self.reset = seconds - int(now % seconds)
        allowed, left = spend(key.id, quota=quota, seconds=seconds, now=now)
        view.rate_headers = {
            "RateLimit-Policy": f'"key";q={quota};w={seconds}',
            "RateLimit": f'"key";r={left};t={self.reset}',
        }
        return allowed

    def wait(self) -> float:
        return float(self.reset)


def guard_lookup(key_id: int) -> None:
    """
    Count one look-up exactly, in a moving window: a stolen key must not be able to try every phone number.

    :raises Throttled: more than `API_LOOKUP_LIMIT`
    """
    if not limits.take(settings.API_LOOKUP_LIMIT, "lookup", str(key_id)):
        raise Throttled(wait=10, detail="Too many look-ups with this key; please wait.")
