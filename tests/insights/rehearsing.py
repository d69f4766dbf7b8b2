"""What the tests of rehearsals share."""

from dataclasses import replace
from datetime import timedelta

from insights import rehearsal
from loyalty import drafts, programs, purchases
from loyalty.models import EarningRule

RULES = {
    "double": ("multiplier", {"factor": "2", "weekdays": ["sat", "sun"], "group": "best"}),
    "coffee": ("multiplier", {"factor": "1.5", "categories": ["coffee"], "group": "best"}),
    "first": ("first_purchase", {"points": 50}),
    "visit": ("per_visit", {"points": 5, "cap_per_day": 1}),
    "big": ("fixed_bonus", {"points": 20, "min_amount_minor": 5000, "cap_per_month": 2, "pending_days": 14}),
    "kept": ("fixed_bonus", {"points": 3, "on_event": True, "stores": ["quay"]}),
}


def add_rules(program, *codes, at, **more):
    """Switch rules on, known by name or given as (kind, params), and publish."""
    wanted = {code: RULES[code] for code in codes} | more
    for code, (kind, params) in wanted.items():
        EarningRule.objects.create(
            merchant=program.merchant, program=program, code=code, kind=kind, params=params
        )
    programs.publish(program=program, at=at, by="test")


def with_params(program, code, **params):
    """A draft in which one rule has other settings."""
    draft = drafts.in_force(program)
    rules = [
        {**rule, "params": rule["params"] | params} if rule["code"] == code else rule
        for rule in draft.document["rules"]
    ]
    return replace(draft, document={**draft.document, "rules": rules})


def run(program, draft=None, *, at, months=12, **more):
    """Rehearse, and return the figures with what each sale earns (`earns`) by reference."""
    earns = {}

    def hear(sold, award):
        earns[sold.sale.reference] = (award.points, sold.earned)

    figures = rehearsal.rehearse(
        program=program,
        draft=draft or drafts.in_force(program),
        months=months,
        at=at,
        each=hear,
        **more,
    )
    return figures | {"earns": earns}


def buy(cafe, sale, amount_minor, at, days=0, **more):
    """Record a sale on its day."""
    when = at + timedelta(days=days)
    return purchases.record(merchant=cafe, sale=sale(amount_minor, occurred_at=when, **more), at=when)
