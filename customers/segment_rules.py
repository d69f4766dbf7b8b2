"""
The rule of a segment: a tree of `all`, `any` and `not` with conditions as leaves.

    {"all": [{"kind": "tier", "tiers": ["Gold"]}, {"not": {"kind": "last_purchase", "at_most": 60}}]}

A condition is a `kind` (a file of a package in `settings.SEGMENT_PREDICATES`) with the settings of that
kind beside it. `{"all": []}` is everybody.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from django.conf import settings
from pydantic import ValidationError

from customers.predicates.base import Moment, Predicate, Where
from lib.errors import Fault, Malformed
from lib.registry import Registry

DEEPEST, MOST = 5, 50
Rule = dict[str, Any]


class BadRule(Malformed):
    """The rule is not one. The faults point into it."""

    code = "invalid_rule"


@cache
def predicates() -> Mapping[str, Predicate]:
    """Return every kind of condition there is, by its kind."""
    found: dict[str, Predicate] = {}
    for package in settings.SEGMENT_PREDICATES:
        found |= Registry(package, Predicate).load()
    return dict(sorted(found.items()))


def read(raw: Any) -> Rule:
    """
    Return a rule complete and normalized: what goes without saying is left out.

    :raises BadRule: with a fault for each thing that is wrong
    """
    faults: list[Fault] = []
    rule = _read(raw, "", faults, depth=0)
    if not faults and _count(rule) > MOST:
        faults.append(Fault("", "too_many", f"a rule has at most {MOST} conditions"))
    if faults:
        raise BadRule("The rule of the segment cannot be read.", faults=faults)
    return rule


def _read(raw: Any, pointer: str, faults: list[Fault], *, depth: int) -> Rule:
    if not isinstance(raw, dict):
        faults.append(
            Fault(pointer, "not_a_rule", "must be `all`, `any`, `not` or a condition with its `kind`")
        )
        return {}
    if depth > DEEPEST:
        faults.append(Fault(pointer, "too_deep", f"rules go {DEEPEST} levels deep"))
        return {}
    [word] = list(raw) if len(raw) == 1 else [""]
    if word in ("all", "any"):
        return {word: _parts(raw[word], f"{pointer}/{word}", faults, depth=depth)}
    if word == "not":
        return {"not": _read(raw["not"], f"{pointer}/not", faults, depth=depth + 1)}
    return _condition(raw, pointer, faults)


def _parts(raw: Any, pointer: str, faults: list[Fault], *, depth: int) -> list[Rule]:
    if not isinstance(raw, list):
        faults.append(Fault(pointer, "not_a_list", "must be a list of conditions"))
        return []
    return [_read(one, f"{pointer}/{place}", faults, depth=depth + 1) for place, one in enumerate(raw)]


def _condition(raw: Rule, pointer: str, faults: list[Fault]) -> Rule:
    kind = raw.get("kind")
    known = predicates().get(kind) if isinstance(kind, str) else None
    if known is None:
        kinds = ", ".join(predicates())
        faults.append(
            Fault(f"{pointer}/kind", "unknown_kind", f"there is no condition {kind!r}. Known: {kinds}")
        )
        return {}
    said = {name: value for name, value in raw.items() if name != "kind"}
    try:
        params = known.Params.model_validate(said)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            path = "".join(f"/{part}" for part in fault["loc"])
            detail = str(fault["msg"]).removeprefix("Value error, ")
            faults.append(Fault(f"{pointer}{path}", str(fault["type"]), detail))
        return {}
    return {"kind": kind, **params.model_dump(mode="json", exclude_defaults=True)}


def _count(rule: Rule) -> int:
    parts = [*rule.get("all", ()), *rule.get("any", ()), *([rule["not"]] if "not" in rule else ())]
    return sum(_count(part) for part in parts) if parts else 1


def where(rule: Rule, moment: Moment) -> Where:
    """
    Return the rule as SQL over `c`, a row of customers_customer, with its parameters.

    :raises BadRule: it was stored by another version of the house, which knew other conditions
    """
    return _where(read(rule), moment)


def _where(rule: Rule, moment: Moment) -> Where:
    if "all" in rule:
        return _joined(rule["all"], " AND ", "1 = 1", moment)
    if "any" in rule:
        return _joined(rule["any"], " OR ", "1 = 0", moment)
    if "not" in rule:
        text, values = _where(rule["not"], moment)
        return f"NOT ({text})", values
    known = predicates()[rule["kind"]]
    params = known.Params.model_validate({name: value for name, value in rule.items() if name != "kind"})
    return known.where(params, moment)


def _joined(rules: Sequence[Rule], word: str, none: str, moment: Moment) -> Where:
    parts = [_where(rule, moment) for rule in rules]
    text = word.join(f"({part})" for part, _ in parts)
    return text or none, [value for _, values in parts for value in values]
