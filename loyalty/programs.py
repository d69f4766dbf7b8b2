"""Programs as they were published: the plan in force at a time, and the verb that publishes a change."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from lib import db, public_ids
from lib.errors import Fault, NotFound
from loyalty import plan
from loyalty.models import Program, ProgramVersion, TierSet
from loyalty.plan import Plan
from merchants.models import Merchant


class NoProgram(NotFound):
    code = "no_program"


def current(*, merchant: Merchant, at: datetime | None = None, program_id: int | None = None) -> Plan:
    """
    Return the plan in force at `at` (None: the newest) for the merchant's only or first program.

    A time before the first version is judged by the first. Plans are kept per process and found again
    by the merchant's `config_version`, so pass a merchant that was read recently.

    :raises NoProgram: the merchant has no published program
    """
    plans = _plans(merchant.pk, merchant.config_version, merchant.timezone, merchant.currency)
    chosen = plans.get(program_id) if program_id else next(iter(plans.values()), None)
    if not chosen:
        raise NoProgram(
            "This merchant has no published program yet.",
            faults=[Fault("/program", "no_program", "publish a program first")],
        )
    if at is None or len(chosen) == 1:
        return chosen[-1]
    return next((version for version in reversed(chosen) if version.starts_at <= at), chosen[0])


@lru_cache(maxsize=512)
def _plans(merchant_id: int, config_version: int, timezone: str, currency: str) -> dict[int, list[Plan]]:
    versions = ProgramVersion.objects.filter(merchant_id=merchant_id, program__is_active=True).order_by(
        "program_id", "number"
    )
    plans: dict[int, list[Plan]] = {}
    for version in versions:
        plans.setdefault(version.program_id, []).append(
            plan.read(
                version.document,
                program_id=version.program_id,
                version=version.number,
                starts_at=version.starts_at,
                timezone=timezone,
                currency=currency,
            )
        )
    return plans


@db.command
def publish(*, program: Program, at: datetime, by: str) -> ProgramVersion | None:
    """
    Put the program's rows in force from `at` on. Sales of an earlier time keep the earlier version.

    Return None, and change nothing, when what is published already says the same.
    """
    return publish_step(program=program, at=at, by=by)


@db.inside_transaction
def publish_step(*, program: Program, at: datetime, by: str) -> ProgramVersion | None:
    """Do what `publish` does, inside the caller's transaction."""
    merchant = Merchant.objects.select_for_update().get(pk=program.merchant_id)
    written = document(Program.objects.get(pk=program.pk))
    last = ProgramVersion.objects.filter(program=program).order_by("-number").first()
    # The merchant's own settings (zone, currency) are part of a plan too: every publish makes a new number.
    # It is an id, never a count: a count that is rolled back could come again with other content behind it.
    merchant.config_version = public_ids.new()
    merchant.save(update_fields=["config_version"])
    program.merchant.config_version = merchant.config_version
    if last and last.document == written:
        return None
    return ProgramVersion.objects.create(
        merchant=merchant,
        program=program,
        number=last.number + 1 if last else 1,
        document=written,
        starts_at=at,
        by=by,
    )


def document(program: Program) -> dict[str, Any]:
    """Return the whole program as plain data: what a version keeps and a plan is read from."""
    return {
        "program": {
            "name": program.name,
            "points_name": program.points_name,
            "rounding": program.rounding,
            "tax": program.tax,
            "expiry": {
                "mode": program.expiry_mode,
                "months": program.expiry_months or 0,
                "round_to": program.expiry_round_to,
                "day": program.expiry_day,
            },
            "refund_policy": program.refund_policy,
            "refund_min_days_left": program.refund_min_days_left,
            "refund_return_days": program.refund_return_days,
            "reinstate_days": program.reinstate_days,
            "extend_days": program.extend_days,
            "extend_without_contact": program.extend_without_contact,
            "point_value_minor": f"{program.point_value_minor.normalize():f}",
        },
        "tiers": _tiers(program),
        "rules": [
            {"code": rule.code, "kind": rule.kind, "params": rule.params}
            for rule in program.rules.filter(is_active=True).order_by("pk")
        ],
        # Left out where there is none: what was published before there were referrals still says the same.
        **({"referral": told} if (told := program.extras.get("referral")) else {}),
    }


def _tiers(program: Program) -> dict[str, Any] | None:
    live = TierSet.objects.filter(program=program, status=TierSet.Status.LIVE).first()
    return tier_document(live) if live else None


def tier_document(tier_set: TierSet) -> dict[str, Any]:
    """Return one set of tiers as plain data."""
    return {
        "metric": tier_set.metric,
        "window": tier_set.window,
        "days": tier_set.window_days or 0,
        "first_month": tier_set.first_month,
        "steps": tier_set.downgrade_steps,
        "grace_days": tier_set.grace_days,
        "levels": [
            {
                "name": tier.name,
                "at": tier.at,
                "multiplier": f"{tier.multiplier.normalize():f}",
                "perks": tier.perks,
            }
            for tier in tier_set.tiers.order_by("at")
        ],
    }
