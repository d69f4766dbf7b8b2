"""The stores of a merchant by code and by id, remembered for half a minute: every sale names one."""

import time
from dataclasses import dataclass

from rest_framework.exceptions import PermissionDenied

from api import fields
from lib import public_ids
from merchants.keys import Key
from merchants.models import Merchant, Store

SECONDS = 30.0
SECONDS_MISSING = 1.0
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """A store as sales name it."""

    id: int | None
    code: str


NOWHERE = Place(None, "")
_known: dict[tuple[int, str], tuple[float, Place | None]] = {}


def said(key: Key, text: str | None, *, pointer: str = "/store") -> Place:
    """
    Return the store that a caller named by code or id; by default the one its key is bound to.

    :raises NotFound: the merchant has no such store
    :raises PermissionDenied: the key is bound to another store
    """
    bound = Place(key.store_id, key.store_code) if key.store_id else NOWHERE
    if not text:
        return bound
    found = find(key.merchant, text)
    if found is None:
        raise fields.missing(pointer)
    if bound.id and found.id != bound.id:
        raise PermissionDenied(f"This key is bound to the store {bound.code}.")
    return found


def find(merchant: Merchant, text: str) -> Place | None:
    """Return the store of this code or public id, None if the merchant has none."""
    name = (merchant.pk, text)
    hit = _known.get(name)
    if hit is not None and hit[0] > time.monotonic():
        return hit[1]
    number = public_ids.read("sto", text)
    mine = Store.objects.filter(merchant=merchant)
    row = (
        (mine.filter(code=text) if number is None else mine.filter(pk=number))
        .values_list("pk", "code")
        .first()
    )
    return _remember(name, Place(*row) if row else None)


def code_of(merchant: Merchant, store_id: int | None) -> str | None:
    """Return the code of a store by its number."""
    if store_id is None:
        return None
    name = (merchant.pk, f"#{store_id}")
    hit = _known.get(name)
    if hit is None or hit[0] <= time.monotonic():
        code = Store.objects.filter(merchant=merchant, pk=store_id).values_list("code", flat=True).first()
        hit = (0.0, _remember(name, Place(store_id, code or "")))
    return hit[1].code if hit[1] else None


def learn(merchant: Merchant, numbers: set[int]) -> None:
    """Ask for the codes of these stores in one statement, for the `code_of` of a list."""
    now = time.monotonic()
    strange = [n for n in numbers if _known.get((merchant.pk, f"#{n}"), (0.0, NOWHERE))[0] <= now + 1]
    if strange:
        for number, code in Store.objects.filter(merchant=merchant, pk__in=strange).values_list("pk", "code"):
            _remember((merchant.pk, f"#{number}"), Place(number, code))


def forget() -> None:
    """Forget what is remembered."""
    _known.clear()


def _remember(name: tuple[int, str], place: Place | None) -> Place | None:
    if len(_known) >= MOST:
        _known.clear()
    # A store that is not there may be made at any moment; a batch of a thousand sales asks for it once.
    _known[name] = (time.monotonic() + (SECONDS if place else SECONDS_MISSING), place)
    return place
