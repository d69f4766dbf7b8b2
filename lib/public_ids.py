"""
Ids: 63-bit, ordered by time, made in the application, shown with a prefix.

Layout, high to low: 42 bits of milliseconds since 2025-01-01, 11 bits that each process draws at random
when it starts, 10 bits of sequence. An id is known before its row is written, so all rows of a command
travel in one round trip; ids grow with time, so a fact table can be partitioned by ranges of its id.
Two processes that drew the same slot may make the same id within the same millisecond: the primary key
refuses the second one, and `renew_slot` is called before the command is run again.
"""

import os
import re
import secrets
import threading
import time
from datetime import datetime

EPOCH_MS = 1_735_689_600_000
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_LETTERS = re.compile(f"[{_ALPHABET}]{{13}}")
_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")  # Python's own base 32
_SEQUENCE_BITS = 10
_SLOT_BITS = 11
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1

_lock = threading.Lock()
_slot = secrets.randbits(_SLOT_BITS)
_last = 0


def renew_slot() -> None:
    """Draw another slot for this process: after a fork, or after an id was refused as taken."""
    global _slot, _last
    with _lock:
        _slot = secrets.randbits(_SLOT_BITS)
        _last = 0


os.register_at_fork(after_in_child=renew_slot)


def new() -> int:
    """Return an id that no row has, greater than every id this process made before."""
    global _last
    with _lock:
        tick = (time.time_ns() // 1_000_000 - EPOCH_MS) << _SEQUENCE_BITS
        _last = number = max(_last + 1, tick)
        return _id(number, _slot)


def new_many(count: int) -> list[int]:
    """Return `count` ids in rising order. Past 1,024 in a millisecond they borrow from the next one."""
    global _last
    with _lock:
        # The running number is milliseconds and sequence together, so that an overflow borrows by itself.
        tick = (time.time_ns() // 1_000_000 - EPOCH_MS) << _SEQUENCE_BITS
        first = max(_last + 1, tick)
        _last = first + count - 1
        slot = _slot
    return [_id(number, slot) for number in range(first, first + count)]


def _id(number: int, slot: int) -> int:
    return (
        (number >> _SEQUENCE_BITS << (_SEQUENCE_BITS + _SLOT_BITS))
        | (slot << _SEQUENCE_BITS)
        | (number & _SEQUENCE_MASK)
    )


def first_at(moment: datetime) -> int:
    """Return a number that no id made before `moment` reaches, and every one made from then on does."""
    return max(0, int(moment.timestamp() * 1000) - EPOCH_MS) << (_SEQUENCE_BITS + _SLOT_BITS)


def show(prefix: str, number: int) -> str:
    """Return the public form of an id: `cus_` and thirteen letters of Crockford's base 32."""
    return (
        f"{prefix}_{_ALPHABET[number >> 60 & 31]}{_PAIRS[number >> 50 & 1023]}{_PAIRS[number >> 40 & 1023]}"
        f"{_PAIRS[number >> 30 & 1023]}{_PAIRS[number >> 20 & 1023]}{_PAIRS[number >> 10 & 1023]}"
        f"{_PAIRS[number & 1023]}"
    )


def read(prefix: str, text: str) -> int | None:
    """Return the id behind its public form; None when the text is not one of this prefix."""
    head, _, letters = text.partition("_")
    if head != prefix or not _LETTERS.fullmatch(letters):
        return None
    number = int(letters.translate(_DIGITS), 32)
    return number if number < 1 << 63 else None
