"""Wrong codes are counted on their own: a stolen key must not be able to try codes until one is worth something."""

from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from rest_framework.exceptions import Throttled

from lib import limits
from merchants.keys import Key
from rewards.codes import UnknownCode

T = TypeVar("T")


def guarded(key: Key, act: Callable[[], T]) -> T:
    """
    Do what needs a code; a wrong one counts against `CODE_GUESS_LIMIT` of the key.

    A right code costs nothing, and what the key sends otherwise is counted elsewhere.

    :raises Throttled: too many wrong ones: right ones wait too, or waiting would tell them apart
    """
    name = ("code", str(key.id))
    if seconds := limits.wait(settings.CODE_GUESS_LIMIT, *name):
        raise too_many(seconds)
    try:
        return act()
    except UnknownCode:
        # Counted before it is answered: of many at once only as many learn something as the limit has.
        if not limits.take(settings.CODE_GUESS_LIMIT, *name):
            raise too_many(limits.wait(settings.CODE_GUESS_LIMIT, *name) or 1) from None
        raise


def too_many(seconds: int) -> Throttled:
    return Throttled(wait=seconds, detail="Too many wrong codes with this key; please wait.")
