"""Between the rows of a program and the document of a program file: read them out, put them in force."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from lib import db
from loyalty import programs, tier_reviews
from loyalty.earning import RULES
from loyalty.models import EarningRule, Program, Tier, TierSet
from loyalty.program_sections import sections
from merchants.models import Merchant

Wanted = dict[str, Any]
KEPT = ("referral", "transfers")  # kept as told, for the rooms that act on them


def find(*, merchant: Merchant | None, name: str) -> Program | None:
    """Return the program of this name; the merchant's only program when it has another name."""
    own = list(Program.objects.filter(merchant=merchant).order_by("pk")) if merchant else []
    named = next((program for program in own if program.name == name), None)
    return named or (own[0] if len(own) == 1 or (own and not name) else None)


def params(kind: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a rule's settings complete and normalized, without those that say nothing.

    :raises pydantic.ValidationError: they are not what the kind takes
    """
    model = RULES[kind].Params
    read = model.model_validate(told)
    said = read.model_dump(by_alias=True, exclude_defaults=True)
    if (points := getattr(read, "points", None)) is not None:
        said = {"points": points, **said}  # the heart of a rule is always said, also where it is the default
    return {name: _plain(value) for name, value in said.items()}


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return f"{value.normalize():f}"
        case date():
            return value.isoformat()
        case time():
            return f"{value:%H:%M}" if value == value.replace(second=0, microsecond=0) else value.isoformat()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {name: _plain(item) for name, item in value.items()}
    return value


# --- out --------------------------------------------------------------------------------------------


def document(*, merchant: Merchant | None, program: Program | None) -> Wanted:
    """Return what is in force, in the form that a program file is read to."""
    found: Wanted = {"merchant": None, "program": {}}
    if merchant:
        found["merchant"] = {
            "slug": merchant.slug,
            "name": merchant.name,
            "currency": merchant.currency,
            "timezone": merchant.timezone,
            "country": merchant.country,
            "language": merchant.language,
            "color": merchant.color.lower(),
            "test": merchant.is_test,
        }
    if merchant and program:
        live = TierSet.objects.filter(program=program, status=TierSet.Status.LIVE).first()
        found["program"] = {
            **_settings(program),
            **({"tiers": _tiers(live)} if live else {}),
            "earning": [_rule(rule) for rule in program.rules.filter(is_active=True).order_by("pk")],
            **program.extras,
            **{
                name: section.current(merchant=merchant, program=program)
                for name, section in sections().items()
            },
        }
    return found


def _settings(program: Program) -> dict[str, Any]:
    expiry = {
        "mode": program.expiry_mode,
        "months": program.expiry_months,
        "round_to": program.expiry_round_to,
        "day": program.expiry_day,
    }
    return {
        "name": program.name,
        "points_name": program.points_name,
        "rounding": program.rounding,
        "earns_on": {"tax": program.tax},
        "expiry": {
            **{name: value for name, value in expiry.items() if value and _counts(name, program.expiry_mode)},
            "reinstate_days": program.reinstate_days,
            "extend_days": program.extend_days,
            "extend_without_contact": program.extend_without_contact,
        },
        "refunds": {
            "policy": program.refund_policy,
            "min_days_left": program.refund_min_days_left,
            "return_days": program.refund_return_days,
        },
        "economics": {
            name: _plain(getattr(program, name))
            for name in ("point_value_minor", "point_cost_minor", "gross_margin", "annual_discount")
        },
    }


_MODES = {
    "months": ("age", "age_rounded", "inactivity"),
    "round_to": ("age_rounded",),
    "day": ("fixed_day",),
}


def _counts(name: str, mode: str) -> bool:
    """Tell whether an expiry setting says anything in this mode: the admin keeps the others as they were."""
    return mode in _MODES.get(name, (mode,))


def _tiers(live: TierSet) -> dict[str, Any]:
    window: dict[str, Any] = {"mode": live.window}
    if live.window == TierSet.Window.ROLLING_DAYS:
        window["days"] = live.window_days
    if live.window == TierSet.Window.CALENDAR_YEAR:
        window["first_month"] = live.first_month
    return {
        "metric": live.metric,
        "window": window,
        "downgrade": {"steps": live.downgrade_steps, "grace_days": live.grace_days},
        "levels": [
            {
                "name": tier.name,
                "at": tier.at,
                "multiplier": _plain(tier.multiplier),
                "perks": tier.perks,
            }
            for tier in live.tiers.order_by("at")
        ],
    }


def _rule(rule: EarningRule) -> dict[str, Any]:
    try:
        told = params(rule.kind, rule.params)
    except (KeyError, ValidationError):  # of a plugin that is gone or was changed: show what is there
        told = rule.params
    return {"id": rule.code, "kind": rule.kind, **told}


# --- in ---------------------------------------------------------------------------------------------


@db.inside_transaction
def save(
    *, merchant: Merchant | None, program: Program | None, now: Wanted, wanted: Wanted, at: datetime, by: str
) -> None:
    """Put `wanted` in force where it differs from `now`, and publish it."""
    told = wanted["program"]
    merchant = _save_merchant(merchant, wanted["merchant"])
    program = _save_program(program, merchant, told, by)
    _save_rules(program, told["earning"], by)
    if now["program"].get("tiers") != told.get("tiers"):
        _save_tiers(program, told.get("tiers"), at, by)
    programs.publish_step(program=program, at=at, by=by)
    for name, section in sections().items():
        if name in told:
            section.save(merchant=merchant, program=program, wanted=told[name], at=at, by=by)


def _save_merchant(merchant: Merchant | None, told: dict[str, Any]) -> Merchant:
    values = {name: value for name, value in told.items() if name != "test"}
    merchant = merchant or Merchant()
    for name, value in {**values, "is_test": told["test"]}.items():
        setattr(merchant, name, value)
    merchant.save()
    return merchant


def _save_program(program: Program | None, merchant: Merchant, told: dict[str, Any], by: str) -> Program:
    program = program or Program(merchant=merchant)
    program.merchant = merchant
    program.name, program.points_name, program.rounding = told["name"], told["points_name"], told["rounding"]
    program.tax = told["earns_on"]["tax"]
    expiry, refunds = told["expiry"], told["refunds"]
    program.expiry_mode = expiry["mode"]
    program.expiry_months = expiry.get("months")
    program.expiry_round_to = expiry.get("round_to", "")
    program.expiry_day = expiry.get("day", "")
    program.reinstate_days = expiry["reinstate_days"]
    program.extend_days = expiry["extend_days"]
    program.extend_without_contact = expiry["extend_without_contact"]
    program.refund_policy = refunds["policy"]
    program.refund_min_days_left = refunds["min_days_left"]
    program.refund_return_days = refunds["return_days"]
    for name, value in told["economics"].items():
        setattr(program, name, Decimal(value))
    program.extras = {name: told[name] for name in KEPT if told.get(name)}
    _save(program, by)
    return program


def _save_rules(program: Program, told: list[dict[str, Any]], by: str) -> None:
    own = {rule.code: rule for rule in program.rules.all()}
    for item in told:
        rule = own.pop(item["id"], None) or EarningRule(
            merchant_id=program.merchant_id, program=program, code=item["id"]
        )
        values = {name: value for name, value in item.items() if name not in ("id", "kind")}
        if rule._state.adding or not rule.is_active or _rule(rule) != item:
            rule.kind, rule.params, rule.is_active = item["kind"], values, True
            _save(rule, by)
    for rule in own.values():
        if rule.is_active:
            rule.is_active = False
            _save(rule, by)


def _save_tiers(program: Program, told: dict[str, Any] | None, at: datetime, by: str) -> None:
    if told is None:
        live = TierSet.objects.filter(program=program, status=TierSet.Status.LIVE)
        live.update(status=TierSet.Status.RETIRED)
        return
    draft = TierSet.objects.create(
        merchant_id=program.merchant_id,
        program=program,
        metric=told["metric"],
        window=told["window"]["mode"],
        window_days=told["window"].get("days"),
        first_month=told["window"].get("first_month", 1),
        downgrade_steps=told["downgrade"]["steps"],
        grace_days=told["downgrade"]["grace_days"],
    )
    for level in told["levels"]:
        Tier.objects.create(
            merchant_id=program.merchant_id,
            tier_set=draft,
            name=level["name"],
            at=level["at"],
            multiplier=Decimal(level["multiplier"]),
            perks=level["perks"],
        )
    tier_reviews.publish_step(tier_set=draft, at=at, by=by)


def _save(row: Program | EarningRule, by: str) -> None:
    row._change_reason = f"program file, {by}"[:100]  # type: ignore[union-attr]  # the history reads it
    row.save()
