"""
The cache: Redis where it answers, this process's memory while it does not.

Rate limits and cached answers must not take the service down with the broker. After a failure the
server is left alone for RETRY_SECONDS, so that a dead host costs one timeout and not one per request.
"""

import logging
import time
from typing import Any

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as TooSlow

RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)


class Cache(BaseCache):
    """Django's Redis cache with a fallback to memory. An empty location means memory only."""

    def __init__(self, location: str, params: dict[str, Any]):
        super().__init__(params)
        self._memory = LocMemCache("fallback", params)
        self._redis = RedisCache(location, params) if location else None
        self._closed_until = 0.0

    def is_shared(self) -> bool:
        """Tell whether the last call reached a server that other processes share."""
        return self._redis is not None and time.monotonic() >= self._closed_until

    def _ask(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        if self._redis is not None and time.monotonic() >= self._closed_until:
            try:
                return getattr(self._redis, verb)(*args, **kwargs)
            except (Unreachable, TooSlow) as error:
                self._closed_until = time.monotonic() + RETRY_SECONDS
                log.warning("cache unreachable, using this process's memory: %s", error)
        return getattr(self._memory, verb)(*args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("add", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("set", *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("touch", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("delete", *args, **kwargs)

    def get_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("get_many", *args, **kwargs)

    def set_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("set_many", *args, **kwargs)

    def delete_many(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("delete_many", *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("has_key", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("incr", *args, **kwargs)

    def clear(self) -> Any:
        self._memory.clear()
        return self._ask("clear")
