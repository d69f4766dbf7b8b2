"""The program's pages: what is saved is in force, and a mistake is said in plain words."""

import sys
import textwrap

import pytest
from django.urls import reverse

from lib import db
from loyalty import programs, purchases
from loyalty.admin import perk_lines
from loyalty.earning import RULES
from loyalty.models import EarningRule, ProgramVersion, Tier, TierSet
from tests.rewards.conftest import put_up

ADD = "/admin/loyalty/earningrule/add/"


@pytest.fixture(autouse=True)
def _present(time_machine, noon):
    time_machine.move_to(noon, tick=False)


def rule(program, kind, **settings):
    said = {"program": program.pk, "code": kind, "is_active": "on"}
    return {**said, **{f"set_{name}": value for name, value in settings.items()}}


NEEDED = {
    "per_amount": {"points": "2", "per_minor_0": "EUR", "per_minor_1": "1.50"},
    "multiplier": {"factor": "1.5"},
    "touchpoint": {"points": "5", "touchpoint": "review.posted"},
}


@pytest.mark.parametrize("kind", sorted(RULES.load()))
def test_every_kind_of_rule_has_a_form_that_saves(desk, program, kind):
    asked = desk.get(f"{ADD}?kind={kind}")
    assert asked.status_code == 200

    saved = desk.post(f"{ADD}?kind={kind}", rule(program, kind, **NEEDED.get(kind, {"points": "5"})))

    assert saved.status_code == 302, saved.context["adminform"].form.errors
    stored = EarningRule.objects.get(code=kind)
    assert stored.merchant == program.merchant
    RULES[kind].Params.model_validate(stored.params)
    again = desk.post(
        reverse("admin:loyalty_earningrule_change", args=[stored.pk]),
        rule(program, kind, **NEEDED.get(kind, {"points": "5"})),
    )
    assert again.status_code == 302
    assert EarningRule.objects.get(code=kind).params == stored.params


def test_the_kinds_are_offered_with_their_own_words(desk, program):
    page = desk.get(ADD).content.decode()

    for plugin in RULES.values():
        assert plugin.label in page


def test_money_is_typed_as_people_write_it(desk, program):
    desk.post(
        f"{ADD}?kind=per_amount",
        rule(
            program, "per_amount", points="1", per_minor_0="eur", per_minor_1="1,50", per_minor_2="JPY",
            per_minor_3="150", min_amount_minor="5.00", weekdays=["mon", "tue"], categories="cake, coffee",
        ),
    )  # fmt: skip

    params = EarningRule.objects.get(code="per_amount").params
    assert params["per_minor"] == {"EUR": 150, "JPY": 150}
    assert params["min_amount_minor"] == 500
    assert params["weekdays"] == ["mon", "tue"]
    assert params["categories"] == ["cake", "coffee"]
    page = desk.get(
        reverse("admin:loyalty_earningrule_change", args=[EarningRule.objects.get(code="per_amount").pk])
    )
    assert 'value="1.50"' in page.content.decode()


@pytest.mark.parametrize(
    ("kind", "settings", "why"),
    [
        ("per_amount", {"points": "1"}, "Say for how much money"),
        ("per_amount", {"points": "1", "per_minor_0": "EUROS", "per_minor_1": "1"}, "is not a currency code"),
        ("per_amount", {"points": "1", "per_minor_0": "EUR", "per_minor_1": "0"}, "above zero"),
        ("per_amount", {"points": "1", "per_minor_0": "EUR", "per_minor_1": "1.005"}, "at most 2 decimals"),
        ("per_amount", {"points": "1", "per_minor_0": "EUR", "per_minor_1": "much"}, "above zero"),
        ("multiplier", {"factor": "0"}, "Must be more than 0"),
        ("multiplier", {"factor": "101"}, "at most 100"),
        ("multiplier", {}, "required"),
        ("fixed_bonus", {"points": "-1"}, "greater than or equal to 0"),
        ("fixed_bonus", {"points": "5", "cap_per_day": "0"}, "greater than or equal to 1"),
        ("fixed_bonus", {"points": "5", "from": "yesterday"}, "valid date"),
    ],
)
def test_a_mistake_in_a_rule_is_said_in_plain_words(desk, program, kind, settings, why):
    page = desk.post(f"{ADD}?kind={kind}", rule(program, kind, **settings))

    assert page.status_code == 200
    assert why in str(page.context["adminform"].form.errors)
    assert not EarningRule.objects.filter(code=kind).exists()


def test_two_rules_of_one_code_are_refused_not_broken(desk, program):
    said = {**rule(program, "fixed_bonus", points="5"), "code": "base"}

    page = desk.post(f"{ADD}?kind=fixed_bonus", said)

    assert page.status_code == 200
    assert program.rules.count() == 1


def test_a_new_plugin_needs_no_form_code(desk, program, tmp_path, monkeypatch):
    (tmp_path / "full_moon.py").write_text(
        textwrap.dedent(
            '''
            from pydantic import Field
            from loyalty.earning import base

            class FullMoon(base.Bonus):
                """Points when the moon is full."""
                kind = "full_moon"
                label = "Full moon"

                class Params(base.Bonus.Params):
                    howls: int = Field(ge=2, description="So many howls.")
            '''
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    import full_moon

    try:
        RULES[full_moon.FullMoon.kind] = full_moon.FullMoon()
        assert "Points when the moon is full." in desk.get(ADD).content.decode()
        assert "So many howls." in desk.get(f"{ADD}?kind=full_moon").content.decode()
        few = desk.post(f"{ADD}?kind=full_moon", rule(program, "full_moon", points="5", howls="1"))
        assert "greater than or equal to 2" in str(few.context["adminform"].form.errors)
        desk.post(f"{ADD}?kind=full_moon", rule(program, "full_moon", points="5", howls="3"))
        assert EarningRule.objects.get(code="full_moon").params == {"points": 5, "howls": 3}
    finally:
        del RULES["full_moon"], sys.modules["full_moon"]
        full_moon.FullMoon.kind = ""


def test_a_saved_rule_is_in_force_for_the_next_sale(desk, cafe, program, ana, sale, noon):
    assert purchases.record(merchant=cafe, sale=sale(1000), at=noon).row["points_earned"] == 10

    page = desk.post(f"{ADD}?kind=multiplier", rule(program, "multiplier", factor="2"), follow=True)

    assert "In force from now on" in page.content.decode()
    cafe.refresh_from_db()
    assert purchases.record(merchant=cafe, sale=sale(1000), at=noon).row["points_earned"] == 20
    assert ProgramVersion.objects.filter(program=program).count() == 2


def test_a_deleted_rule_is_out_of_force(desk, cafe, program, ana, sale, noon):
    address = reverse("admin:loyalty_earningrule_delete", args=[program.rules.get().pk])

    desk.post(address, {"post": "yes"})

    cafe.refresh_from_db()
    assert programs.current(merchant=cafe).rules == ()


def test_the_history_says_who_changed_what(desk, program, owner):
    address = reverse("admin:loyalty_program_change", args=[program.pk])
    form = desk.get(address).context["adminform"].form
    said = {name: form[name].value() for name in form.fields if form[name].value() is not None}

    saved = desk.post(address, {**said, "points_name": "stars"})

    assert saved.status_code == 302, saved.context["adminform"].form.errors
    history = desk.get(reverse("admin:loyalty_program_history", args=[program.pk])).content.decode()
    assert "stars" in history
    assert owner.username in history


def tiers(*levels, perks="", **more):
    said = {
        "tiers-TOTAL_FORMS": str(len(levels)),
        "tiers-INITIAL_FORMS": "0",
        "downgrade_steps": "1",
        "grace_days": "30",
        "first_month": "1",
        "window": "lifetime",
        **more,
    }
    for n, (name, at) in enumerate(levels):
        said |= {
            f"tiers-{n}-name": name,
            f"tiers-{n}-at": at,
            f"tiers-{n}-multiplier": "1",
            f"tiers-{n}-perks": perks,
        }
    return said


def test_a_draft_is_previewed_and_published(desk, cafe, program, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(60_000), at=noon)
    said = tiers(("Guest", "0"), ("Regular", "100"), ("Star", "550.50"), program=program.pk, metric="spend")

    assert desk.post("/admin/loyalty/tierset/add/", said).status_code == 302
    draft = TierSet.objects.get(status="draft")
    assert [tier.at for tier in draft.tiers.all()] == [0, 10_000, 55_050]
    assert "550.50" in desk.get(reverse("admin:loyalty_tierset_change", args=[draft.pk])).content.decode()

    shown = desk.get(reverse("admin:loyalty_tierset_preview", args=[draft.pk]))
    assert shown.context["preview"]["after"]["Star"] == 1
    assert "Ana" in shown.content.decode()
    publish = reverse("admin:loyalty_tierset_publish", args=[draft.pk])
    assert desk.get(publish).status_code == 403

    desk.post(publish)

    draft.refresh_from_db()
    assert draft.status == "live"
    assert ana.memberships.get().tier == "Star"
    page = desk.post(reverse("admin:loyalty_tierset_change", args=[draft.pk]), said)
    assert page.status_code == 403


def test_perks_are_lines_of_text(desk, program):
    said = tiers(("Guest", "0"), program=program.pk, metric="spend", perks="Free delivery\n+50 Hello\n\n+9")

    desk.post("/admin/loyalty/tierset/add/", said)

    tier = Tier.objects.get(name="Guest")
    assert tier.perks == [
        {"kind": "benefit", "name": "Free delivery"},
        {"kind": "entry_points", "points": 50, "name": "Hello"},
        {"kind": "entry_points", "points": 9},
    ]
    page = desk.get(reverse("admin:loyalty_tierset_change", args=[tier.tier_set_id])).content.decode()
    assert "Free delivery\n+50 Hello\n+9" in page


def test_perks_say_what_there_is_of_them(desk, program):
    put_up(program)
    lines = [
        "Free cake | 2 per month | id cake",
        "Tea | 1 per membership year",
        "+50 Hello | after 14 days | each time",
        "reward:espresso A coffee on us",
    ]
    said = tiers(("Guest", "0"), program=program.pk, metric="spend", perks="\n".join(lines))

    desk.post("/admin/loyalty/tierset/add/", said)

    tier = Tier.objects.get(name="Guest")
    assert tier.perks == [
        {"kind": "benefit", "name": "Free cake", "id": "cake", "limit": {"times": 2, "per": "month"}},
        {"kind": "benefit", "name": "Tea", "limit": {"times": 1, "per": "membership_year"}},
        {"kind": "entry_points", "points": 50, "name": "Hello", "pending_days": 14, "again": "each_time"},
        {"kind": "entry_reward", "reward": "espresso", "name": "A coffee on us"},
    ]
    assert perk_lines.write(tier.perks).splitlines() == lines
    TierSet.objects.filter(pk=tier.tier_set_id).update(status="retired")
    page = desk.get(reverse("admin:loyalty_tierset_change", args=[tier.tier_set_id])).content.decode()
    assert "Free cake | 2 per month | id cake<br>" in page


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Free cake | twice a month", "is not understood"),
        ("Free cake | each time", "does not fit together: again"),
        ("+50 Hello | 2 per month", "does not fit together: limit"),
        ("Free cake | 0 per day", "does not fit together: limit"),
        ("reward:latte A coffee on us", "There is no reward latte"),
        ("A | id x\nB | id x", "Two perks have the id x"),
    ],
)
def test_a_perk_that_cannot_be_is_refused_in_words(desk, program, line, why):
    said = tiers(("Guest", "0"), program=program.pk, metric="spend", perks=line)

    page = desk.post("/admin/loyalty/tierset/add/", said)

    assert page.status_code == 200
    assert why in page.content.decode()
    assert not Tier.objects.filter(name="Guest").exists()


def test_a_live_set_is_copied_to_be_changed(desk, program):
    live = TierSet.objects.get(status="live")

    desk.post(reverse("admin:loyalty_tierset_copy", args=[live.pk]))

    draft = TierSet.objects.get(status="draft")
    assert [tier.name for tier in draft.tiers.all()] == ["Bronze", "Silver", "Gold"]
    assert draft.metric == live.metric


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        ([("Silver", "500")], "The lowest level is reached at 0"),
        ([("A", "0"), ("A", "10")], "duplicate"),
        ([("A", "0"), ("B", "0")], "duplicate"),
        ([("A", "-1")], "greater than or equal to 0"),
        ([("A", "0.5")], "Too many decimals"),
    ],
)
def test_levels_that_make_no_sense_are_refused(desk, program, levels, why):
    said = tiers(*levels, program=program.pk, metric="points_earned")

    page = desk.post("/admin/loyalty/tierset/add/", said)

    assert page.status_code == 200
    assert why in page.content.decode()
    assert Tier.objects.filter(tier_set__status="draft").count() == 0


def test_a_rolling_window_needs_its_days(desk, program):
    said = tiers(("A", "0"), program=program.pk, metric="points_earned") | {"window": "rolling_days"}

    page = desk.post("/admin/loyalty/tierset/add/", said)

    assert page.status_code == 200
    assert TierSet.objects.filter(status="draft").count() == 0


@pytest.mark.parametrize(
    ("mode", "field"),
    [("age", "expiry_months"), ("age_rounded", "expiry_round_to"), ("fixed_day", "expiry_day")],
)
def test_an_expiry_needs_what_its_mode_needs(desk, program, mode, field):
    address = reverse("admin:loyalty_program_change", args=[program.pk])
    form = desk.get(address).context["adminform"].form
    said = {name: form[name].value() for name in form.fields if form[name].value() is not None}

    page = desk.post(address, {**said, "expiry_mode": mode})

    assert field in page.context["adminform"].form.errors


def test_the_list_of_rules_costs_the_same_however_long(desk, cafe, program):
    desk.get("/admin/loyalty/earningrule/")
    with db.watching() as few:
        desk.get("/admin/loyalty/earningrule/")
    for n in range(10):
        EarningRule.objects.create(
            merchant=cafe, program=program, code=f"r{n}", kind="fixed_bonus", params={"points": n}
        )
    with db.watching() as many:
        desk.get("/admin/loyalty/earningrule/")

    assert many.statements == few.statements
