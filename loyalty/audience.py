"""Whom a bulk correction is for: everybody, a tier, or a segment, in the order of their ids."""

from typing import Any

from django.db.models import QuerySet

from customers.models import Customer, Segment
from loyalty import programs
from merchants.models import Merchant

ALL = "all"


def choices(merchant: Merchant) -> dict[str, str]:
    """Return what may be chosen: its key, and a name; everybody has an empty one."""
    found = {ALL: ""}
    try:
        levels = programs.current(merchant=merchant).tiers.levels
    except programs.NoProgram:
        levels = ()
    found |= {f"tier:{level.name}": level.name for level in levels}
    for code, name in Segment.objects.filter(merchant=merchant, is_active=True).values_list("code", "name"):
        found[f"segment:{code}"] = name
    return found


def customers(merchant: Merchant, who: str) -> "QuerySet[Any]":
    """Return the active customers with a membership who are meant, in the order of their ids."""
    rows = Customer.objects.filter(
        merchant=merchant,
        status=Customer.Status.ACTIVE,
        memberships__program_id=programs.current(merchant=merchant).program_id,
    )
    kind, _, name = who.partition(":")
    if kind == "tier":
        rows = rows.filter(memberships__tier=name)
    elif kind == "segment":
        rows = rows.filter(segments__merchant=merchant, segments__segment__code=name)
    return rows.order_by("pk")
