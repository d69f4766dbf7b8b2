"""
Codes that are worth something: made, written for people, and read the way people type them.

A code is fifteen letters drawn at random (75 bits) and one that checks them, in groups of four:
`7KQM-2XWD-R9TB-HVEN`. The letters are 2 to 9 and A to Z without I and O, so 0 and 1 exist no more than O and
I do. The check is a weighted sum in the field of 32 elements: letter number i counts g^i times, and the
whole must be zero. Every weight is another one and none is zero, so every single wrong letter and every two
letters that changed places are noticed, not only neighbors (Luhn mod 32 would miss the swap of 2 and Z).
"""

import secrets

from lib import signing
from lib.errors import NotFound

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 16
GROUP = 4
MOST_TYPED = 120
_VALUE = {letter: value for value, letter in enumerate(LETTERS)}
_IGNORED = str.maketrans("", "", " -\u00a0\u2010\u2011\u2012\u2013\u2014_.\t")


class UnknownCode(NotFound):
    """Nothing here has this code, or it is another merchant's: the caller cannot tell which."""


class MistypedCode(UnknownCode):
    """The check letter does not fit: nobody ever issued this code."""

    code = "code_mistyped"


def _weights() -> tuple[int, ...]:
    """Return the powers of x in GF(32) modulo x^5 + x^2 + 1: the first sixteen of thirty-one."""
    found = [1]
    while len(found) < LENGTH:
        doubled = found[-1] << 1
        found.append(doubled ^ 0b100101 if doubled & 32 else doubled)
    return tuple(found)


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 32:
            a ^= 0b100101
        b >>= 1
    return product


_WEIGHTS = _weights()
_TABLE = tuple(tuple(_times(weight, value) for value in range(32)) for weight in _WEIGHTS)
_LAST = {_TABLE[-1][value]: letter for value, letter in enumerate(LETTERS)}


def _sum(letters: str) -> int:
    total = 0
    for place, letter in enumerate(letters):
        total ^= _TABLE[place][_VALUE[letter]]
    return total


def check_letter(letters: str) -> str:
    """Return the letter that makes these fifteen a code."""
    return _LAST[_sum(letters)]


def new() -> str:
    """Return a code nobody can guess, in groups."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(LENGTH - 1))
    return show(letters + check_letter(letters))


def show(letters: str) -> str:
    """Return sixteen letters in groups of four, for people to read."""
    return "-".join(letters[start : start + GROUP] for start in range(0, len(letters), GROUP))


def read(typed: str) -> str | None:
    """Return what was typed as sixteen letters, whatever its case, blanks and dashes; None if it is no code."""
    letters = typed.translate(_IGNORED).upper()
    return letters if len(letters) == LENGTH and all(letter in _VALUE for letter in letters) else None


def is_right(letters: str) -> bool:
    """Tell whether the check letter fits."""
    return _sum(letters) == 0


def digest(letters: str) -> str:
    """Return what stands for a code of ours in the database: who has the database alone cannot use it."""
    return signing.fingerprint("voucher", letters)


def foreign_digest(text: str) -> str:
    """Return what stands for another shop's code. Its letters may be any, so only blanks around it are ignored."""
    return signing.fingerprint("foreign code", text.strip())


def digests(typed: str) -> list[str]:
    """Return what a code may be found by: as one of ours if it can be one, and as another shop's."""
    typed = typed[:MOST_TYPED]
    letters = read(typed)
    ours = [digest(letters)] if letters is not None and is_right(letters) else []
    return [*ours, foreign_digest(typed)]


def unknown(typed: str) -> UnknownCode:
    """Return the refusal of a code that was not found: a typo reads differently from a code nobody has."""
    letters = read(typed[:MOST_TYPED])
    if letters is not None and not is_right(letters):
        return MistypedCode("This code has a typing mistake: please read it again.")
    return UnknownCode("There is no such object.")
