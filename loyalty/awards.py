"""
What a sale earns, and why. Pure arithmetic over a plan and a basket; nothing here touches a database.

The base is the best `per_amount` rule, an exact rational rate on what earns; factors multiply each other
on the lines they match; the sum is rounded once and spread to the lines by largest remainder, so that
partial refunds add up; bonuses come on top.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import prod
from typing import Any

from loyalty.earning.base import EARNING_LINES, Basket, Line, unmet
from loyalty.earning.base import matches as rule_matches
from loyalty.ledger.states import Grant
from loyalty.plan import Plan, PlanRule
from loyalty.sale import Sale

ONE = Fraction(1)


@dataclass(slots=True)
class Award:
    """
    The points of one sale.

    `lines` pairs each earning line with what of it earns; `grants` are (points, rule code, days pending,
    None for until released); `line_points` is the whole award by line id; `why` one item per rule with its
    points and a reason code; `qualifying` the points that count for tiers; `counted` the capped rules that
    gave something.
    """

    lines: list[tuple[Line, int]] = field(default_factory=list)
    basis_minor: int = 0
    points: int = 0
    qualifying: int = 0
    grants: list[tuple[int, str, int | None]] = field(default_factory=list)
    line_points: dict[str, int] = field(default_factory=dict)
    why: list[dict[str, Any]] = field(default_factory=list)
    counted: list[tuple[PlanRule, int]] = field(default_factory=list)

    @property
    def line_shares(self) -> dict[str, list[int]]:
        """`{line id: [minor units that earn, points]}`: what refunds by lines are computed from."""
        shares: dict[str, list[int]] = {}
        for line, amount in self.lines:
            share = shares.setdefault(line.id, [0, self.line_points.get(line.id, 0)])
            share[0] += amount
        return shares


def earning_lines(sale: Sale, *, tax_excluded: bool) -> list[tuple[Line, int]]:
    """
    Return the lines that earn with the minor units of each that do.

    Goods and services only, with or without tax as the program says, less what points paid for.
    """
    lines = [line for line in sale.told_lines if line.kind in EARNING_LINES]
    amounts = [max(0, line.amount_minor - (line.tax_minor if tax_excluded else 0)) for line in lines]
    if tax_excluded and sale.lines and sale.tax_minor and not any(line.tax_minor for line in sale.lines):
        tax = largest_remainder(min(sale.tax_minor, sum(amounts)), amounts)
        amounts = [amount - part for amount, part in zip(amounts, tax, strict=True)]
    if paid_with_points := sale.unearning_minor:
        gross = sum(line.amount_minor for line in lines)
        net = sum(amounts)
        taken = net if paid_with_points >= gross else paid_with_points * net // gross
        parts = largest_remainder(taken, amounts)
        amounts = [amount - part for amount, part in zip(amounts, parts, strict=True)]
    return list(zip(lines, amounts, strict=True))


def net_minor(sale: Sale, *, basis_minor: int, tax_excluded: bool) -> int:
    """Return what the sale was worth to the shop: what earns, without tax also where tax earns."""
    if tax_excluded or not (sale.tax_minor or any(line.tax_minor for line in sale.lines)):
        return basis_minor
    return sum(amount for _, amount in earning_lines(sale, tax_excluded=True))


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` in proportion to `weights`, none negative, into whole parts that add up to it exactly."""
    if len(weights) == 1:
        return [total]
    whole = sum(weights)
    if not whole:
        return [total] + [0] * (len(weights) - 1) if weights else []
    shares = [divmod(total * weight, whole) for weight in weights]
    parts = [part for part, _ in shares]
    if left := total - sum(parts):
        by_remainder = sorted(range(len(parts)), key=lambda place: (-shares[place][1], place))
        for place in by_remainder[:left]:
            parts[place] += 1
    return parts


def round_points(numerator: int, denominator: int, rounding: str) -> int:
    """Round a quotient once, the way the program says: floor, half_up or ceil."""
    if rounding == "floor":
        return numerator // denominator
    if rounding == "ceil":
        return -(-numerator // denominator)
    return (2 * numerator + denominator) // (2 * denominator)


def basket_of(plan: Plan, sale: Sale, *, at: datetime, tier: str) -> Basket:
    """Return what rules may know of a sale that is judged at a time; who bought it is filled in by the caller."""
    return Basket(
        currency=sale.currency,
        lines=earning_lines(sale, tax_excluded=plan.tax_excluded),
        local=plan.local(at),
        tier=tier,
        store=sale.store,
        channel=sale.channel,
    )


def grants_of(plan: Plan, award: Award, *, at: datetime) -> list[Grant]:
    """Return the points to give for a sale judged at a time, each with the days it can be used."""
    return [grant_of(plan, points, rule, at=at, days=days) for points, rule, days in award.grants]


def grant_of(plan: Plan, points: int, rule: str, *, at: datetime, days: int | None) -> Grant:
    """Return points with their days; `days` pending, None until they are released."""
    starts = at + timedelta(days=days) if days else None
    ends = None if days is None else plan.expiry.ends(starts or at, zone=plan.zone)
    return Grant(points=points, rule=rule, activates_at=starts, expires_at=ends, waits=days is None)


def compute(plan: Plan, basket: Basket) -> Award:
    """Return what this basket earns under this plan."""
    award = Award(lines=basket.lines, basis_minor=basket.basis_minor)
    standing = _standing(plan, basket, award)
    base = _best_base(basket, [rule for rule in standing if rule.plugin.role == "base"], award)
    factors = [
        (rule, rule.plugin.worth(basket, rule.params) or ONE) for rule in standing if _is(rule, "multiplier")
    ]
    bonuses = [
        (rule, int(rule.plugin.worth(basket, rule.params) or 0)) for rule in standing if _is(rule, "bonus")
    ]
    factors, bonuses = _best_of_groups(basket, base, factors, bonuses, award)
    _give_base(plan, basket, base, factors, award)
    for rule, worth in bonuses:
        points = _at_most(worth, rule)
        _grant(award, rule, points)
        award.why.append({"rule": rule.code, "points": points, "applied": True, "code": rule.plugin.kind})
    _spread(basket, award)
    return award


def _is(rule: PlanRule, role: str) -> bool:
    return rule.plugin.role == role


def _standing(plan: Plan, basket: Basket, award: Award) -> list[PlanRule]:
    """Return the rules whose conditions are met; say of the others why they are not."""
    standing = []
    for rule in plan.rules:
        if rule.plugin.role == "event":
            continue
        reason = unmet(basket, rule.conditions) or rule.plugin.why_not(basket, rule.params)
        if reason:
            award.why.append(_did_not(rule, reason))
        else:
            standing.append(rule)
    return standing


def _best_base(
    basket: Basket, rules: list[PlanRule], award: Award
) -> tuple[PlanRule, Fraction, list[int]] | None:
    """Return the base rule that gives most, its rate, and what it earns on, by line."""
    best: tuple[PlanRule, Fraction, list[int]] | None = None
    for rule in rules:
        rate = rule.plugin.worth(basket, rule.params)
        if rate is None:
            award.why.append(_did_not(rule, "no_rate_for_currency", currency=basket.currency))
            continue
        amounts = [amount if rule_matches(line, rule.params) else 0 for line, amount in basket.lines]
        if best is None:
            best = (rule, rate, amounts)
        elif rate * sum(amounts) > best[1] * sum(best[2]):
            award.why.append(_did_not(best[0], "another_rule_gives_more"))
            best = (rule, rate, amounts)
        else:
            award.why.append(_did_not(rule, "another_rule_gives_more"))
    return best


def _best_of_groups(
    basket: Basket,
    base: tuple[PlanRule, Fraction, list[int]] | None,
    factors: list[tuple[PlanRule, Fraction]],
    bonuses: list[tuple[PlanRule, int]],
    award: Award,
) -> tuple[list[tuple[PlanRule, Fraction]], list[tuple[PlanRule, int]]]:
    """Keep of each exclusive group the rule that gives most on its own."""
    if not any(rule.params.group for rule, _ in (*factors, *bonuses)):
        return factors, bonuses
    gains: dict[str, Fraction] = {rule.code: Fraction(points) for rule, points in bonuses}
    for rule, factor in factors:
        on = sum(
            amount
            for (line, _), amount in zip(basket.lines, base[2] if base else [], strict=False)
            if rule_matches(line, rule.params)
        )
        gains[rule.code] = (factor - 1) * (base[1] if base else 0) * on
    winners: dict[str, str] = {}
    for rule, _ in (*factors, *bonuses):
        group = rule.params.group
        if group and (group not in winners or gains[rule.code] > gains[winners[group]]):
            winners[group] = rule.code
    for rule, _ in (*factors, *bonuses):
        if rule.params.group and winners[rule.params.group] != rule.code:
            award.why.append(_did_not(rule, "another_rule_of_its_group_gives_more"))

    def kept(rule: PlanRule) -> bool:
        return not rule.params.group or winners[rule.params.group] == rule.code

    return [pair for pair in factors if kept(pair[0])], [pair for pair in bonuses if kept(pair[0])]


def _give_base(
    plan: Plan,
    basket: Basket,
    base: tuple[PlanRule, Fraction, list[int]] | None,
    factors: list[tuple[PlanRule, Fraction]],
    award: Award,
) -> None:
    level = plan.tiers.level(basket.tier)
    tier_factor = level.multiplier if level else ONE
    if base is None:
        award.why.extend(_did_not(rule, "nothing_to_multiply") for rule, _ in factors)
        return
    rule, rate, amounts = base
    by_line, denominator = _exact_by_line(
        basket, amounts, rate if tier_factor == 1 else rate * tier_factor, factors
    )
    points = _at_most(round_points(sum(by_line), denominator, plan.rounding), rule)
    _grant(award, rule, points)
    award.why.append(
        {
            "rule": rule.code,
            "points": points,
            "applied": True,
            "code": rule.plugin.kind,
            "rate": [rate.numerator, rate.denominator],
            "basis_minor": sum(amounts),
        }
    )
    if tier_factor != 1 and level:
        award.why.append(_multiplied(f"tier:{level.name}", tier_factor))
    for extra, factor in factors:
        award.why.append(_multiplied(extra.code, factor))
        if extra.caps:
            award.counted.append((extra, 0))
    for (line, _), part in zip(basket.lines, largest_remainder(points, by_line), strict=True):
        award.line_points[line.id] = award.line_points.get(line.id, 0) + part


def _exact_by_line(
    basket: Basket, amounts: list[int], rate: Fraction, factors: list[tuple[PlanRule, Fraction]]
) -> tuple[list[int], int]:
    """Return what each line is worth as numerators over one denominator: exact, in whole numbers."""
    if not factors:
        return [rate.numerator * amount for amount in amounts], rate.denominator
    numerators = []
    for (line, _), amount in zip(basket.lines, amounts, strict=True):
        worth = rate.numerator * amount
        for rule, factor in factors:
            worth *= factor.numerator if rule_matches(line, rule.params) else factor.denominator
        numerators.append(worth)
    return numerators, prod((factor.denominator for _, factor in factors), start=rate.denominator)


def _grant(award: Award, rule: PlanRule, points: int) -> None:
    if points:
        award.points += points
        award.qualifying += points if rule.qualifies else 0
        award.grants.append((points, rule.code, rule.days_pending))
    if rule.caps and points:
        award.counted.append((rule, points))


def _spread(basket: Basket, award: Award) -> None:
    """Spread the bonuses over the lines too, so that the points of all lines are the points of the sale."""
    left = award.points - sum(award.line_points.values())
    if not left or not basket.lines:
        return
    parts = largest_remainder(left, [amount for _, amount in basket.lines])
    for (line, _), part in zip(basket.lines, parts, strict=True):
        award.line_points[line.id] = award.line_points.get(line.id, 0) + part


def _at_most(points: int, rule: PlanRule) -> int:
    return points if rule.params.max_points is None else min(points, rule.params.max_points)


def _did_not(rule: PlanRule, code: str, **more: Any) -> dict[str, Any]:
    return {"rule": rule.code, "points": 0, "applied": False, "code": code, **more}


def _multiplied(rule: str, factor: Fraction) -> dict[str, Any]:
    return {
        "rule": rule,
        "points": 0,
        "applied": True,
        "code": "multiplier",
        "factor": [factor.numerator, factor.denominator],
    }
