"""A draft is rehearsed from where it is edited, and its figures are read by whoever may see reports."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from insights import rehearsal
from insights.models import RehearsalRun
from loyalty import program_file
from loyalty.models import EarningRule, TierSet
from tests.insights.rehearsing import buy, with_params


def page(name, *args):
    return reverse(f"admin:insights_rehearsalrun_{name}", args=args)


@pytest.fixture
def done(cafe, program, sale, noon):
    """A finished rehearsal of two points per euro instead of one."""
    buy(cafe, sale, 10_000, noon)
    draft = with_params(program, "base", points=2)
    rehearsal.order(program=program, draft=draft, name="twice", at=noon + timedelta(days=1), by="owner")
    run = rehearsal.claim(at=noon)
    assert rehearsal.perform(run=run, clock=lambda: noon)
    return RehearsalRun.objects.get()


def test_a_draft_of_tiers_is_rehearsed_from_its_page(desk, cafe, program):
    draft = TierSet.objects.create(merchant=cafe, program=program, metric="spend", window="lifetime")
    draft.tiers.create(merchant=cafe, name="Bronze", at=0)
    form = reverse("admin:loyalty_tierset_rehearse", args=[draft.pk])
    for name in ("change", "preview"):
        assert form in desk.get(reverse(f"admin:loyalty_tierset_{name}", args=[draft.pk])).content.decode()
    live = TierSet.objects.get(status="live")
    assert (
        "rehearse" not in desk.get(reverse("admin:loyalty_tierset_change", args=[live.pk])).content.decode()
    )

    answer = desk.post(form, {"months": 3})

    run = RehearsalRun.objects.get()
    assert answer.headers["Location"] == page("change", run.pk)
    assert (run.months, run.status, run.draft["document"]["tiers"]["metric"]) == (3, "waiting", "spend")
    waiting = desk.get(page("change", run.pk))
    assert "It begins within half a minute" in waiting.content.decode()


def test_a_rule_that_is_off_is_rehearsed_as_if_it_were_on(desk, cafe, program):
    rule = EarningRule.objects.create(
        merchant=cafe,
        program=program,
        code="twice",
        kind="multiplier",
        params={"factor": "2"},
        is_active=False,
    )
    assert (
        "Rehearse this rule"
        in desk.get(reverse("admin:loyalty_earningrule_change", args=[rule.pk])).content.decode()
    )

    desk.post(reverse("admin:loyalty_earningrule_rehearse", args=[rule.pk]), {"months": 12})

    run = RehearsalRun.objects.get()
    assert [one["code"] for one in run.draft["document"]["rules"]] == ["base", "twice"]
    assert run.name == "With the rule twice"
    assert not EarningRule.objects.get(pk=rule.pk).is_active


def test_a_whole_draft_is_written_as_a_program_file(desk, cafe, program):
    start = desk.get(reverse("admin:loyalty_program_rehearse", args=[program.pk]))
    form = desk.get(start.headers["Location"])
    now = program_file.export(merchant=cafe.slug)
    assert form.context["form"].initial["text"] == now

    said = {"months": 12, "text": now.replace("points: 1", "points: 2")}
    desk.post(start.headers["Location"], said)

    assert RehearsalRun.objects.get().draft["document"]["rules"][0]["params"]["points"] == 2


def test_a_file_with_a_mistake_is_shown_again_with_what_is_wrong(desk, cafe, program):
    now = program_file.export(merchant=cafe.slug)

    for said, why in (
        ({"months": 12, "text": now.replace("per_amount", "per_moon")}, "per_moon"),
        ({"months": 12, "text": now.replace("cafe-mira", "bar-nilo")}, "bar-nilo"),
        ({"months": 0, "text": now}, "greater than or equal to 1"),
    ):
        assert why in desk.post(page("add"), said).content.decode()
    assert not RehearsalRun.objects.exists()


def test_the_figures_are_said_in_sentences_and_tables(desk, done, ana):
    shown = desk.get(page("change", done.pk)).content.decode()

    assert "Points given: 100 now, 200 with the draft (+100 %)." in shown
    assert "Customers who gain points: 1." in shown
    assert "every sale earns again exactly what it earned (1 in all)" in shown
    assert reverse("admin:customers_customer_change", args=[ana.pk]) in shown
    assert "+100 %" in desk.get(page("changelist")).content.decode()


def test_the_figures_are_downloaded(desk, done, ana):
    answer = desk.get(page("csv", done.pk))

    lines = answer.content.decode().splitlines()
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert {"points,,100,200", "rule_points,base,100,200", f"most_gain,{ana.public_id},100,200"} <= {*lines}


def test_a_waiting_run_is_cancelled_by_a_button_only(desk, cafe, program, noon):
    draft = with_params(program, "base", points=2)
    run = rehearsal.order(program=program, draft=draft, name="twice", at=noon, by="owner")

    assert desk.get(page("cancel", run.pk)).status_code == 403
    desk.post(page("cancel", run.pk))

    assert RehearsalRun.objects.get().status == "cancelled"
    assert rehearsal.claim(at=timezone.now()) is None


def test_an_analyst_reads_and_does_not_start(sit_down, analyst, done):
    browser = sit_down(analyst)

    assert browser.get(page("change", done.pk)).status_code == 200
    assert browser.get(page("csv", done.pk)).status_code == 200
    assert browser.get(page("add")).status_code == 403
    assert browser.post(page("cancel", done.pk)).status_code == 403
    rule = EarningRule.objects.get()
    assert browser.post(reverse("admin:loyalty_earningrule_rehearse", args=[rule.pk])).status_code == 403


def test_a_cashier_sees_nothing_of_it(sit_down, cashier, done):
    browser = sit_down(cashier)

    assert browser.get(page("changelist")).status_code == 403
    assert browser.get(page("change", done.pk)).status_code in (302, 403)


def test_another_merchants_program_is_not_rehearsed(desk, bar_nilo):
    theirs = bar_nilo.programs.get()

    assert desk.get(page("add"), {"program": theirs.pk}).status_code == 403
    missing = desk.get(reverse("admin:loyalty_program_rehearse", args=[7]))
    there = desk.get(reverse("admin:loyalty_program_rehearse", args=[theirs.pk]))
    assert (there.status_code, there.headers.get("Location")) == (
        missing.status_code,
        missing.headers.get("Location"),
    )
    assert not RehearsalRun.objects.exists()
