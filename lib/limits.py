"""
Exact limits: so many times in a moving window, counted by Redis for every process together.

For what must not be guessed or mailed without end (sign-in codes, lookups). While Redis is down each
process counts for itself: the limits get wider, the doors stay open.
"""

import logging
import math
import time
from functools import cache

from django.conf import settings
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)

_closed_until = 0.0


def take(limit: str, *key: str) -> bool:
    """
    Count one more for `key` and tell whether it was still within `limit`, like `5/10 minutes`.

    What is over the limit is not counted, so that the window opens by itself.
    """
    global _closed_until
    item = _limit(limit)
    shared = _shared()
    if shared is not None and time.monotonic() >= _closed_until:
        try:
            return shared.hit(item, *key)
        except StorageError as error:
            _closed_until = time.monotonic() + RETRY_SECONDS
            log.warning("limits are counted by this process alone: %s", error)
    return _alone().hit(item, *key)


def wait(limit: str, *key: str) -> int:
    """Return in how many whole seconds one more would be within `limit`; 0: now. Nothing is counted."""
    global _closed_until
    item = _limit(limit)
    shared = _shared()
    if shared is not None and time.monotonic() >= _closed_until:
        try:
            return _seconds(shared, item, key)
        except StorageError as error:
            _closed_until = time.monotonic() + RETRY_SECONDS
            log.warning("limits are counted by this process alone: %s", error)
    return _seconds(_alone(), item, key)


def _seconds(counter: MovingWindowRateLimiter, item: RateLimitItem, key: tuple[str, ...]) -> int:
    window = counter.get_window_stats(item, *key)
    return 0 if window.remaining > 0 else max(1, math.ceil(window.reset_time - time.time()))


@cache
def _limit(text: str) -> RateLimitItem:
    return parse(text)


@cache
def _shared() -> MovingWindowRateLimiter | None:
    url: str = settings.REDIS_URL
    if not url:
        return None
    url = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    try:
        return MovingWindowRateLimiter(
            RedisStorage(
                url,
                key_prefix="loyalty-limits",
                wrap_exceptions=True,
                socket_connect_timeout=0.5,
                socket_timeout=2.0,
            )
        )
    except StorageError as error:
        log.warning("limits are counted by this process alone: %s", error)
        return None


@cache
def _alone() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())
