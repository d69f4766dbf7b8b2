"""Perks as people type them: one a line, what there is of it after a bar."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from pydantic import TypeAdapter, ValidationError

from loyalty import tier_perks
from loyalty.program_document import Perk

MOST_POINTS = 1_000_000_000
BAR = "|"
PERK: TypeAdapter[Any] = TypeAdapter(Perk)
PERIODS = "|".join(per.replace("_", " ") for per in tier_perks.PERIODS)
OPTIONS = {
    "limit": re.compile(rf"(\d{{1,7}}) per ({PERIODS})"),
    "pending_days": re.compile(r"after (\d{1,4}) days?"),
    "again": re.compile(r"each time"),
    "id": re.compile(r"id:? +([-a-zA-Z0-9_]{1,60})"),
}
HELP = _(
    "One a line. A benefit: Free delivery, or with a limit: Free cake | 2 per month (day, week, month, year, "
    "membership year, lifetime). On reaching the level: +50 Welcome, or a reward by its id: reward:espresso A "
    "coffee on us. These are given once, or add | each time. Points may wait: | after 14 days."
)


class PerkLines(forms.CharField):
    """A level's perks: `Free cake | 2 per month`, `+50 Welcome | after 14 days`, `reward:espresso A coffee`."""

    widget = forms.Textarea(attrs={"rows": 2})

    def prepare_value(self, value: Any) -> Any:
        return write(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        perks = [_read(line.strip()) for line in (value or "").splitlines() if line.strip()]
        if (same := tier_perks.twice(perks)) is not None:
            raise forms.ValidationError(_("Two perks have the id %(id)s.") % {"id": same})
        return perks


def write(perks: list[dict[str, Any]]) -> str:
    """Return perks as lines that read to the same perks."""
    return "\n".join(_line(perk) for perk in perks)


def _line(perk: dict[str, Any]) -> str:
    name = perk.get("name", "")
    match perk.get("kind"):
        case tier_perks.POINTS:
            said = f"+{perk['points']} {name}"
        case tier_perks.REWARD:
            said = f"reward:{perk['reward']} {name}"
        case _:
            said = name
    parts = [said.strip()]
    if limit := perk.get("limit"):
        parts.append(f"{limit['times']} per {limit['per'].replace('_', ' ')}")
    if days := perk.get("pending_days"):
        parts.append(f"after {days} days")
    if perk.get("again"):
        parts.append("each time")
    if number := perk.get("id"):
        parts.append(f"id {number}")
    return f" {BAR} ".join(parts)


def _read(line: str) -> dict[str, Any]:
    said, *options = (part.strip() for part in line.split(BAR))
    told = _kind(said)
    for option in options:
        told |= _option(line, option)
    try:
        perk: dict[str, Any] = PERK.validate_python(told).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        place = ", ".join(str(fault["loc"][1]) for fault in error.errors() if len(fault["loc"]) > 1)
        raise forms.ValidationError(
            _("“%(line)s” does not fit together: %(what)s.") % {"line": line, "what": place or said}
        ) from None
    return perk


def _kind(said: str) -> dict[str, Any]:
    first, _space, name = said.partition(" ")
    named = {"name": name.strip()} if name.strip() else {}
    if first.startswith("+") and first[1:].isdecimal() and 0 < int(first[1:]) <= MOST_POINTS:
        return {"kind": tier_perks.POINTS, "points": int(first[1:]), **named}
    if first.startswith("reward:") and first != "reward:":
        return {"kind": tier_perks.REWARD, "reward": first.removeprefix("reward:"), **named}
    return {"kind": tier_perks.BENEFIT, "name": said}


def _option(line: str, option: str) -> dict[str, Any]:
    for name, pattern in OPTIONS.items():
        if found := pattern.fullmatch(option.lower() if name != "id" else option):
            return {name: _value(name, found)}
    raise forms.ValidationError(
        _(
            "“%(option)s” in “%(line)s” is not understood. After the bar: 2 per month, after 14 days, each time, id x."
        )
        % {"option": option, "line": line}
    )


def _value(name: str, found: "re.Match[str]") -> Any:
    match name:
        case "limit":
            return {"times": int(found[1]), "per": found[2].replace(" ", "_")}
        case "pending_days":
            return int(found[1])
        case "again":
            return tier_perks.EACH_TIME
    return found[1]
