"""A merchant's whole program as one readable file, applied again and again without harm."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from lib import db, marked_yaml
from lib.errors import Conflict, NotFound
from loyalty import program_rows, tier_perks
from loyalty.earning import RULES
from loyalty.program_document import ProgramFile
from loyalty.program_faults import Faults
from loyalty.program_rows import Wanted
from loyalty.program_sections import sections
from merchants.models import Merchant

OF_OTHER_ROOMS = {"connections", "flows", "journey", "rewards", "segments", "surveys", "webhooks"}


class NoMerchant(NotFound):
    code = "no_merchant"


class FixedForEver(Conflict):
    code = "fixed_for_ever"


def apply(
    *,
    text: str = "",
    document: Any = None,
    at: datetime,
    by: str,
    dry_run: bool = False,
    env: Mapping[str, str] | None = None,
) -> list[str]:
    """
    Make the merchant and its program say what the file says; return one sentence per change.

    Give the file's `text`, or a `document` of the same shape. Saying the same file again changes nothing
    and returns an empty list. A rule that the file no longer has is switched off, never deleted.
    `env` is where `env:NAME` is looked up: None, anywhere but the command line, refuses it.

    :raises BadProgramFile: each sentence names line, place and what to do
    :raises FixedForEver: a sandbox cannot become a live merchant, nor change currency with customers
    """
    wanted = read(text=text, document=document, env=env)
    with db.dry_run(dry_run):
        return _apply(wanted=wanted, at=at, by=by)


@db.command
def _apply(*, wanted: Wanted, at: datetime, by: str) -> list[str]:
    merchant = Merchant.objects.select_for_update().filter(slug=wanted["merchant"]["slug"]).first()
    program = program_rows.find(merchant=merchant, name=wanted["program"]["name"])
    now = program_rows.document(merchant=merchant, program=program)
    if merchant and now["merchant"] != wanted["merchant"]:
        _refuse_what_is_fixed(merchant, wanted)
    left = {name for name in sections() if name not in wanted["program"]}
    _refuse_unknown_rewards(now, wanted)
    for name in left:  # a section the file does not have stays as it is
        now["program"].pop(name, None)
    changes = differences(now, wanted)
    if changes:
        program_rows.save(merchant=merchant, program=program, now=now, wanted=wanted, at=at, by=by)
    return changes


def _refuse_unknown_rewards(now: Wanted, wanted: Wanted) -> None:
    """A file that leaves the rewards as they are may name those that are there."""
    if "rewards" in wanted["program"]:
        return  # looked at with the file's own lines
    there = {one["id"] for one in now["program"].get("rewards") or ()}
    faults = Faults(raw=wanted, lines={})
    _check_perks(wanted["program"].get("tiers") or {}, there, faults)
    faults.refuse()


def _refuse_what_is_fixed(merchant: Merchant, wanted: Wanted) -> None:
    if merchant.is_test != wanted["merchant"]["test"]:
        raise FixedForEver(
            f"merchant.test: {merchant.slug!r} was made {'a sandbox' if merchant.is_test else 'live'} and "
            "stays so, because its keys and customers are. Choose another slug for the other one."
        )
    if merchant.currency != wanted["merchant"]["currency"] and merchant.customers.exists():
        raise FixedForEver(
            f"merchant.currency: {merchant.slug!r} has customers whose spending was counted in "
            f"{merchant.currency}. To sell in another currency too, add it to `per_minor` of a rule."
        )


def export(*, merchant: str, program: str = "") -> str:
    """
    Return the file that describes what is in force; applying it changes nothing. Secrets stay inside.

    :param program: the program's name; empty: the merchant's only or first
    :raises NoMerchant: there is no merchant or program of this name
    """
    found = Merchant.objects.filter(slug=merchant).first()
    if not found:
        known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise NoMerchant(f"There is no merchant {merchant!r}. Known: {known or 'none yet'}.")
    rows = program_rows.find(merchant=found, name=program)
    if not rows or (program and rows.name != program):
        raise NoMerchant(f"Merchant {merchant!r} has no program{f' {program!r}' if program else ''}.")
    return marked_yaml.write(_readable(program_rows.document(merchant=found, program=rows)))


# --- reading ----------------------------------------------------------------------------------------


def read(*, text: str = "", document: Any = None, env: Mapping[str, str] | None = None) -> Wanted:
    """
    Return what a file says, complete and normalized.

    :raises BadProgramFile: each sentence names line, place and what to do
    """
    raw, lines = marked_yaml.read(text) if document is None else (document, {})
    faults = Faults(raw=raw, lines=lines)
    if not isinstance(raw, Mapping):
        faults.add((), "a program file has two parts: `merchant:` and `program:`")
        faults.refuse()
    file: ProgramFile | None = None
    try:
        file = ProgramFile.model_validate(raw)
    except ValidationError as error:
        faults.add_all(error, model=ProgramFile)
    rules = _rules(raw, faults)
    extra = _sections(raw, faults, env)
    if file:
        _check_together(file, rules, faults)
        if "rewards" in extra:
            tiers = file.program.tiers.model_dump() if file.program.tiers else {}
            _check_perks(tiers, {one["id"] for one in extra["rewards"]}, faults)
    faults.refuse()
    assert file
    wanted: Wanted = file.model_dump(mode="json", exclude_none=True, exclude={"program": OF_OTHER_ROOMS})
    wanted["program"]["earning"] = rules
    wanted["program"].update(extra)
    return wanted


def _rules(raw: Any, faults: Faults) -> list[dict[str, Any]]:
    """Return the earning rules with the settings of their plugins, normalized."""
    RULES.load()
    program = raw.get("program")
    told = program.get("earning") if isinstance(program, Mapping) else None
    rules: list[dict[str, Any]] = []
    seen: set[Any] = set()
    for number, rule in enumerate(told if isinstance(told, list) else []):
        place = ("program", "earning", number)
        if not isinstance(rule, Mapping) or not isinstance(rule.get("kind"), str):
            continue  # said already, by the model of the file
        if str(rule.get("id")) in seen:
            faults.add((*place, "id"), f"two rules have the id {rule['id']!r}: change one")
        seen.add(str(rule.get("id")))
        if rule["kind"] not in RULES:
            faults.add(
                (*place, "kind"), f"there is no kind {rule['kind']!r}. Known: {', '.join(sorted(RULES))}."
            )
            continue
        params = {name: value for name, value in rule.items() if name not in ("id", "kind")}
        try:
            rules.append(
                {
                    "id": str(rule.get("id")),
                    "kind": rule["kind"],
                    **program_rows.params(rule["kind"], params),
                }
            )
        except ValidationError as error:
            faults.add_all(error, under=place, model=RULES[rule["kind"]].Params)
    return rules


def _sections(raw: Any, faults: Faults, env: Mapping[str, str] | None) -> dict[str, Any]:
    program = raw.get("program")
    if not isinstance(program, Mapping):
        return {}
    for name in sorted(OF_OTHER_ROOMS - sections().keys()):
        if program.get(name) is not None:
            faults.add(("program", name), f"no room of this installation reads {name}: remove it")
    read: dict[str, Any] = {}
    for name, section in sections().items():
        if program.get(name) is None:
            continue
        try:
            read[name] = section.read(program[name], env=env)
        except ValidationError as error:
            faults.add_all(error, under=("program", name), model=section.model)
    return read


def _check_together(file: ProgramFile, rules: list[dict[str, Any]], faults: Faults) -> None:
    """Find what no part shows alone: a rate nobody can earn with, a level that does not exist."""
    levels = {level.name for level in file.program.tiers.levels} if file.program.tiers else set()
    rated = [rule for rule in rules if "per_minor" in rule]
    if rated and not any(file.merchant.currency in rule["per_minor"] for rule in rated):
        faults.add(
            ("program", "earning"),
            f"no rule earns in the merchant's own currency: add {file.merchant.currency} to a `per_minor`",
        )
    places = {str(rule.id): number for number, rule in enumerate(file.program.earning)}
    for rule in rules:
        place = ("program", "earning", places.get(rule["id"], 0))
        for tier in rule.get("tiers", []):
            if tier not in levels:
                known = ", ".join(sorted(levels)) or "none"
                faults.add((*place, "tiers"), f"there is no level {tier!r}. Known: {known}.")
        if "from" in rule and "until" in rule and rule["from"] > rule["until"]:
            faults.add((*place, "until"), f"{rule['until']} is before `from`, {rule['from']}")


def _check_perks(tiers: Mapping[str, Any], rewards: set[str], faults: Faults) -> None:
    """Find perks that give a reward which is not there."""
    for number, level in enumerate(tiers.get("levels", ())):
        for place, perk in enumerate(level["perks"]):
            if perk["kind"] == tier_perks.REWARD and perk["reward"] not in rewards:
                known = ", ".join(sorted(rewards)) or "none"
                faults.add(
                    ("program", "tiers", "levels", number, "perks", place, "reward"),
                    f"there is no reward {perk['reward']!r}. Known: {known}.",
                )


# --- comparing and showing ----------------------------------------------------------------------------


def differences(now: Any, wanted: Any, place: str = "") -> list[str]:
    """Return one sentence per difference between two documents, in the order of the wanted one."""
    if isinstance(wanted, Mapping) and isinstance(now, Mapping):
        found: list[str] = []
        for name in [*wanted, *(name for name in now if name not in wanted)]:
            if name.startswith("_") and (name != "_secret" or name not in wanted or name not in now):
                continue
            where = f"{place}.{name}" if place else name
            found += differences(now.get(name), wanted.get(name), where)
        return found
    if _is_keyed(wanted or now) and _is_keyed(now or wanted):
        return _keyed_differences(_by_key(now), _by_key(wanted), place)
    if now == wanted or (now in (None, []) and wanted in (None, [])):
        return []
    if place.rpartition(".")[2].startswith("_"):
        return [f"{place.replace('._', '.')}: a new value"]
    if now is None and isinstance(wanted, Mapping):
        shown = _shown(wanted)
        return [f"{place}: new {shown}" if len(shown) <= 120 else f"{place}: new"]
    return [f"{place}: {_shown(now)} -> {_shown(wanted)}"]


def _keyed_differences(now: dict[str, Any], wanted: dict[str, Any], place: str) -> list[str]:
    found: list[str] = []
    for key, item in wanted.items():
        if key not in now:
            found.append(f"{place} {key}: new {_shown({k: v for k, v in item.items() if k not in _KEYS})}")
        else:
            found += differences(now[key], item, f"{place} {key}")
    off = "removed" if place.endswith("levels") else "switched off"
    return found + [f"{place} {key}: {off}" for key in now if key not in wanted]


_KEYS = ("id", "name")


def _is_keyed(value: Any) -> bool:
    return (
        bool(value)
        and isinstance(value, list)
        and all(
            isinstance(item, Mapping) and ("id" in item or ("name" in item and "at" in item))
            for item in value
        )
    )


def _by_key(items: list[dict[str, Any]] | None) -> dict[str, Any]:
    return {str(item.get("id", item.get("name"))): item for item in items or []}


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        value = {name: item for name, item in value.items() if not name.startswith("_")}
    return marked_yaml.flow(value)


def _readable(document: Any) -> Any:
    """Return the document without what goes without saying and what must not be shown."""
    if isinstance(document, list):
        return [_readable(item) for item in document]
    if not isinstance(document, Mapping):
        return str(document) if isinstance(document, Decimal) else document
    return {
        name: _readable(value)
        for name, value in document.items()
        if value not in (None, [], {}) and not name.startswith("_") and (name, value) != ("multiplier", "1")
    }
