"""The figures of a rehearsal as sentences, for people who decide."""

from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from lib import money

Figures = dict[str, Any]


def sentences(figures: Figures) -> list[str]:
    """Return what would have been different, the most important first."""
    found = [_points(figures), _cost(figures), _customers(figures), _tiers(figures), _liability(figures)]
    if figures["drawn"] < figures["members"]:
        found.append(_drawn(figures))
    return [*found, *cautions(figures)]


def cautions(figures: Figures) -> list[str]:
    """Return how far the figures can be trusted."""
    found = [_reproduced(figures)] if figures["sales"] else [_("There were no sales in this time.")]
    if figures["short"][1] > figures["short"][0]:
        found.append(
            _("%(points)s points that customers spent would not have been there under the draft.")
            % {"points": number(figures["short"][1] - figures["short"][0])}
        )
    if figures["left_out"]:
        found.append(
            _("Customers left out because they were merged, and points moved between accounts: %(count)s.")
            % {"count": number(figures["left_out"])}
        )
    return found


def _points(figures: Figures) -> str:
    points = figures["points"]
    return _("Points given: %(old)s now, %(new)s with the draft (%(change)s).") % {
        "old": number(points["old"]),
        "new": number(points["new"]),
        "change": change(points["old"], points["new"]),
    }


def _cost(figures: Figures) -> str:
    old, new = figures["cost_minor"]
    said = {
        "old": amount(old, figures),
        "new": amount(new, figures),
        "change": amount(abs(new - old), figures),
    }
    if new > old:
        return _("They cost %(change)s more: %(new)s instead of %(old)s.") % said
    if new < old:
        return _("They cost %(change)s less: %(new)s instead of %(old)s.") % said
    return _("They cost the same: %(old)s.") % said


def _customers(figures: Figures) -> str:
    people = figures["customers"]
    return _("Customers who gain points: %(gain)s. Who lose some: %(lose)s. Unchanged: %(same)s.") % {
        name: number(people[name]) for name in ("gain", "lose", "same")
    }


def _tiers(figures: Figures) -> str:
    tiers = figures["tiers"]
    if not tiers["up"] and not tiers["down"]:
        return _("Nobody would be in another tier today.")
    return _("Customers who would be in a higher tier today: %(up)s. In a lower one: %(down)s.") % {
        "up": number(tiers["up"]),
        "down": number(tiers["down"]),
    }


def _liability(figures: Figures) -> str:
    old, new = figures["liability_minor"]
    return _("Points outstanding today would be worth %(new)s instead of %(old)s.") % {
        "old": amount(old, figures),
        "new": amount(new, figures),
    }


def _drawn(figures: Figures) -> str:
    points = figures["points"]
    return _(
        "%(drawn)s of %(members)s customers were drawn; the difference in points lies between %(low)s and "
        "%(high)s, 95 times of 100."
    ) % {
        "drawn": number(figures["drawn"]),
        "members": number(figures["members"]),
        "low": number(points.get("low", points["difference"])),
        "high": number(points.get("high", points["difference"])),
    }


def _reproduced(figures: Figures) -> str:
    same, sales = figures["reproduced"], figures["sales"]
    said = {"same": number(same), "sales": number(sales)}
    if same == sales:
        return (
            _("Under the program in force every sale earns again exactly what it earned (%(sales)s in all).")
            % said
        )
    return (
        _(
            "Under the program in force %(same)s of %(sales)s sales earn again exactly what they earned; the "
            "others were judged by earlier rules, tiers or segments."
        )
        % said
    )


def number(value: int) -> str:
    return money.number(value, get_language() or "en")


def amount(value: int, figures: Figures) -> str:
    return money.show(value, figures["currency"], get_language() or "en")


def change(old: int, new: int) -> str:
    """Return the relative change, like +12.5 %."""
    if old == new:
        return _("no change")
    if not old:
        return _("new")
    percent = money.number(round(100 * (new - old) / old, 1), get_language() or "en")
    return f"{'+' if new > old else ''}{percent} %"
