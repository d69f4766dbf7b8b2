"""Secrets of other systems, at rest: sealed with FIELD_KEY, so that a copy of the database opens nothing."""

from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unopenable(RuntimeError):
    """It was sealed with a FIELD_KEY that is not among the keys of today."""


def seal(text: str) -> str:
    """Return `text` encrypted. Sealing twice gives two texts that both open."""
    return _box(settings.FIELD_KEY).encrypt(text.encode()).decode()


def open(text: str) -> str:
    """
    Return what was sealed.

    :raises Unopenable: none of the keys in FIELD_KEY fits
    """
    try:
        return _box(settings.FIELD_KEY).decrypt(text.encode()).decode()
    except InvalidToken as error:
        raise Unopenable("a stored secret does not open: is FIELD_KEY the one that sealed it?") from error


@cache
def _box(keys: str) -> MultiFernet:
    # Several keys, separated by commas: the first seals, all open. So a key is changed without a gap.
    return MultiFernet([Fernet(key.strip()) for key in keys.split(",") if key.strip()])
