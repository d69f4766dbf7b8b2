"""
Parts of the program file that belong to rooms above this one.

A higher room names its section in PROGRAM_SECTIONS (config/settings.py) as a dotted path to an object
with these three verbs. A value is a list of plain dicts with an `id`; a key that begins with an
underscore is never shown or exported; `_secret` is compared (it is a fingerprint), others are only passed on.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string
from pydantic import BaseModel

from loyalty.models import Program
from merchants.models import Merchant

Items = list[dict[str, Any]]


class Section(Protocol):
    name: str
    model: type[BaseModel]  # of one item: its fields are named to whoever writes another

    def read(self, raw: Any, *, env: Mapping[str, str] | None) -> Items:
        """
        Return what the file says, complete and normalized. `env` is None where `env:` is not allowed.

        :raises pydantic.ValidationError: with paths from the section on
        """
        ...

    def current(self, *, merchant: Merchant, program: Program) -> Items:
        """Return what is in force for this program, in the same form."""
        ...

    def save(self, *, merchant: Merchant, program: Program, wanted: Items, at: datetime, by: str) -> None:
        """Put it in force, inside the caller's transaction. What is not in `wanted` is switched off."""
        ...


@cache
def sections() -> dict[str, Section]:
    """Return the sections of the rooms above by their name in the file."""
    found = [import_string(path) for path in getattr(settings, "PROGRAM_SECTIONS", [])]
    return {section.name: section for section in found}
