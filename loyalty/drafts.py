"""
Programs that are not in force: the document of a plan with a change that nobody published yet.

Nothing here is saved. `insights.rehearsal` tries a draft out on the past.
"""

from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lib.errors import Malformed
from loyalty import plan, program_file, program_rows, programs
from loyalty.models import EarningRule, Program, TierSet
from loyalty.plan import Plan

Document = dict[str, Any]


class AnotherMerchantsFile(Malformed):
    """A draft is tried out on the sales of the merchant it is for."""

    code = "another_merchant"


@dataclass(frozen=True, slots=True)
class Draft:
    """A program as a plan reads it, and what one of its points costs the shop, in minor units."""

    document: Document
    cost_minor: Decimal

    def as_data(self) -> Document:
        """Return it as plain data."""
        return {"document": self.document, "cost_minor": f"{self.cost_minor:f}"}


def of_data(told: Document) -> Draft:
    """Return the draft that `as_data` wrote down."""
    return Draft(told["document"], Decimal(told["cost_minor"]))


def in_force(program: Program) -> Draft:
    """Return the program as its rows say it."""
    return Draft(programs.document(program), program.point_cost_minor)


def with_tiers(tier_set: TierSet) -> Draft:
    """Return the program with the levels of this set."""
    draft = in_force(tier_set.program)
    return Draft({**draft.document, "tiers": programs.tier_document(tier_set)}, draft.cost_minor)


def with_rule(rule: EarningRule) -> Draft:
    """Return the program with a rule that is switched off, or without one that is switched on."""
    draft = in_force(rule.program)
    others = [one for one in draft.document["rules"] if one["code"] != rule.code]
    if not rule.is_active:
        others.append({"code": rule.code, "kind": rule.kind, "params": rule.params})
    return Draft({**draft.document, "rules": others}, draft.cost_minor)


def of_file(*, text: str, program: Program) -> Draft:
    """
    Return the program that a program file describes, for the merchant of `program`.

    :raises BadProgramFile: each sentence names line, place and what to do
    :raises AnotherMerchantsFile: it names another merchant
    """
    wanted = program_file.read(text=text)
    slug = wanted["merchant"]["slug"]
    if slug != program.merchant.slug:
        raise AnotherMerchantsFile(f"The file is of merchant {slug!r}, not of {program.merchant.slug!r}.")
    told = wanted["program"]
    return Draft(_document(told), Decimal(told["economics"]["point_cost_minor"]))


def _document(told: Document) -> Document:
    """Return a program file's program in the shape that versions keep."""
    expiry, refunds = told["expiry"], told["refunds"]
    return {
        "program": {
            "name": told["name"],
            "points_name": told["points_name"],
            "rounding": told["rounding"],
            "tax": told["earns_on"]["tax"],
            "expiry": {
                "mode": expiry["mode"],
                "months": expiry.get("months", 0),
                "round_to": expiry.get("round_to", ""),
                "day": expiry.get("day", ""),
            },
            "refund_policy": refunds["policy"],
            "refund_min_days_left": refunds["min_days_left"],
            "refund_return_days": refunds["return_days"],
            "reinstate_days": expiry["reinstate_days"],
            "extend_days": expiry["extend_days"],
            "extend_without_contact": expiry["extend_without_contact"],
            "point_value_minor": told["economics"]["point_value_minor"],
        },
        "tiers": _tiers(told.get("tiers")),
        "rules": [
            {
                "code": rule["id"],
                "kind": rule["kind"],
                "params": {name: value for name, value in rule.items() if name not in ("id", "kind")},
            }
            for rule in told["earning"]
        ],
        **({"referral": said} if (said := told.get("referral")) else {}),
    }


def _tiers(told: Document | None) -> Document | None:
    if told is None:
        return None
    window, down = told["window"], told["downgrade"]
    return {
        "metric": told["metric"],
        "window": window["mode"],
        "days": window.get("days", 0),
        "first_month": window.get("first_month", 1),
        "steps": down["steps"],
        "grace_days": down["grace_days"],
        "levels": deepcopy(told["levels"]),
    }


def plan_of(draft: Draft, *, like: Plan) -> Plan:
    """Return the draft as a plan of the same program, zone and currency."""
    return plan.read(
        draft.document,
        program_id=like.program_id,
        version=0,
        starts_at=like.starts_at,
        timezone=str(like.zone),
        currency=like.currency,
    )


def changes(draft: Draft, program: Program) -> list[str]:
    """Return one sentence per difference to what is published."""
    now = in_force(program)
    found = program_file.differences(_said(now), _said(draft))
    return [sentence.replace("program.", "", 1) for sentence in found]


def _said(draft: Draft) -> Document:
    rules = [
        {"id": rule["code"], "kind": rule["kind"], **program_rows.params(rule["kind"], rule["params"])}
        for rule in draft.document["rules"]
    ]
    return {**draft.document, "rules": rules, "point_cost_minor": f"{draft.cost_minor.normalize():f}"}
