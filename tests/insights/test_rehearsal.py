"""A draft is lived again on the real past: the program in force earns what was earned, to the point."""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from customers import erasure
from customers.identifiers import Given
from insights import rehearsal, tasks
from insights.models import RehearsalRun
from lib.errors import DomainError
from loyalty import adjustments, drafts, expiry, holds, ledger, members, program_file, purchases, refunds
from loyalty.models import EarningRule, Membership, Purchase, TierSet
from loyalty.refunding import ReturnLine
from loyalty.refunds import Return
from loyalty.sale import Line, Sale, Tender
from merchants.models import Store
from tests.insights.rehearsing import RULES, add_rules, buy, run, with_params
from tests.loyalty.holding import give

DAY = timedelta(days=1)


def test_the_program_in_force_earns_again_what_was_earned(cafe, program, sale, noon):
    add_rules(program, *RULES, at=noon)
    Store.objects.create(merchant=cafe, code="quay", name="Quay")
    for day, amount in enumerate([1299, 700, 9000, 30_000, 100, 60_000, 1299, 7000, 5000]):
        buy(cafe, sale, amount, noon, day)

    told = run(program, at=noon + 20 * DAY)

    assert told["sales"] == 9 == told["reproduced"]
    assert all(again == earned for again, earned in told["earns"].values())
    assert told["points"] == {
        "old": sum(Purchase.objects.values_list("points_earned", flat=True)),
        "new": told["points"]["old"],
        "difference": 0,
    }
    assert told["customers"]["same"] == 1
    assert told["outstanding"][0] == sum(ledger.totals(merchant_id=cafe.pk)[k] for k in ("active", "pending"))


# Examples share one shop, so that a smaller one would not be the same: nothing is shrunk.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
LINES = st.lists(
    st.tuples(
        st.integers(1, 40_000),
        st.sampled_from(["coffee", "cake"]),
        st.sampled_from(["goods", "service", "shipping"]),
    ),
    max_size=3,
)
SALES = st.lists(
    st.fixed_dictionaries(
        {
            "days": st.integers(0, 3),
            "hours": st.integers(0, 11),
            "amount": st.integers(0, 60_000),
            "lines": LINES,
            "currency": st.sampled_from(["EUR", "EUR", "CZK", "USD"]),
            "points": st.integers(0, 3),
            "store": st.booleans(),
            "refund": st.sampled_from([None, None, "all", "part", "late"]),
            "spend": st.integers(0, 40),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=15, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SALES)
def test_any_past_is_lived_again_to_the_point(cafe, program, noon, told):
    """Refunds, spending, two currencies, caps, groups, pending points, tiers: to the point, sale by sale."""
    shop = _shop(cafe, program, noon)
    number = Purchase.objects.count()
    somebody = members.enroll(
        merchant=cafe, identifiers=[Given("card", f"41{number:08}")], at=noon, by="test"
    )
    _live(cafe, somebody, shop, told, noon, f"P{number}")
    end = noon + 360 * DAY

    again = run(program, at=end)

    assert [name for name, (points, earned) in again["earns"].items() if points != earned] == []
    assert again["reproduced"] == again["sales"] == Purchase.objects.count()
    assert again["points"]["difference"] == 0
    expiry.run(at=end)
    sums = ledger.totals(merchant_id=cafe.pk)
    assert again["outstanding"][0] == sums["active"] + sums["pending"]
    assert again["debt"][0] == sums["debt"]
    now = Counter(Membership.objects.values_list("tier", flat=True))
    assert Counter({one["from"]: one["customers"] for one in again["tiers"]["moves"]}) == now


def _shop(cafe, program, noon):
    store, is_new = Store.objects.get_or_create(merchant=cafe, code="quay", defaults={"name": "Quay"})
    if is_new:
        program.expiry_mode, program.expiry_months = "age", 1
        program.save()
        base = EarningRule.objects.get(code="base")
        base.params = {"points": 1, "per_minor": {"EUR": 100, "CZK": 2500}}
        base.save()
        add_rules(program, *RULES, at=noon - DAY)
        cafe.refresh_from_db()
    return store


def _live(cafe, somebody, store, told, noon, name):
    """Buy, give back and spend, as the example says: within a year."""
    at = noon
    for place, one in enumerate(told):
        at += timedelta(days=one["days"] * 5, hours=one["hours"])
        lines = tuple(
            Line(f"L{n}", amount, kind=kind, category=category, quantity=1)
            for n, (amount, category, kind) in enumerate(one["lines"])
        )
        amount = sum(line.amount_minor for line in lines) if lines else one["amount"]
        paid = (Tender("points", min(amount, 100 * one["points"])),) if one["points"] else ()
        reference = f"{name}-{place}"
        sold = Sale(
            reference=reference,
            currency=one["currency"],
            amount_minor=amount,
            occurred_at=at,
            customer_id=somebody.pk,
            lines=lines,
            tenders=paid,
            store_id=store.pk if one["store"] else None,
            store="quay" if one["store"] else "",
        )
        purchases.record(merchant=cafe, sale=sold, at=at)
        at = _give_back(cafe, one, sold, at)
        if one["spend"]:
            with suppress(DomainError):
                take = adjustments.adjust if one["spend"] % 2 else None
                if take:
                    take(
                        customer=somebody,
                        points=-one["spend"],
                        reason="spent",
                        reference=f"S-{reference}",
                        by="test",
                        at=at,
                    )
                else:
                    held = holds.create(
                        customer=somebody, points=one["spend"], reference=f"H-{reference}", at=at
                    )
                    holds.capture(merchant=cafe, hold_id=held.hold.id, points=one["spend"], at=at)


def _give_back(cafe, one, sold, at):
    if one["refund"] is None or not sold.amount_minor:
        return at
    at += timedelta(days=12 if one["refund"] == "late" else 0, hours=1)
    how = {}
    if one["refund"] != "all":
        how = {"amount_minor": sold.amount_minor // 3}
        if sold.lines:
            how = {"lines": (ReturnLine(sold.lines[0].id, quantity=1),)}
    back = Return(reference=f"B-{sold.reference}", occurred_at=at, purchase_reference=sold.reference, **how)
    refunds.record(merchant=cafe, refund=back, at=at)
    return at


# --- what the draft changes -----------------------------------------------------------------------------


def test_twice_the_rate_is_twice_the_points_and_the_cost(cafe, program, sale, noon):
    buy(cafe, sale, 10_000, noon)
    buy(cafe, sale, 20_000, noon, 40)

    told = run(program, with_params(program, "base", points=2), at=noon + 41 * DAY)

    assert told["points"] == {"old": 300, "new": 600, "difference": 300}
    assert told["cost_minor"] == [300, 600]
    assert told["customers"]["most_gain"][0]["new"] == 600


def test_a_month_by_month_budget(cafe, program, sale, noon):
    buy(cafe, sale, 10_000, noon)
    buy(cafe, sale, 20_000, noon, 40)
    program.point_cost_minor = 2
    program.save()

    told = run(program, at=noon + 41 * DAY, months=2)

    assert [(row["month"], row["issued"], row["cost_minor"]) for row in told["months"]] == [
        ("2026-04", [0, 0], [0, 0]),
        ("2026-05", [100, 100], [200, 200]),
        ("2026-06", [200, 200], [400, 400]),
    ]


def test_lower_levels_lift_and_higher_ones_do_not_lower_at_once(cafe, program, ana, sale, noon):
    buy(cafe, sale, 60_000, noon)  # 600 points: Silver
    draft = TierSet.objects.create(
        merchant=cafe, program=program, metric="points_earned", window="rolling_days", window_days=365
    )
    for level, at in (("Bronze", 0), ("Silver", 300), ("Gold", 550)):
        draft.tiers.create(merchant=cafe, name=level, at=at)

    told = run(program, drafts.with_tiers(draft), at=noon + DAY)

    assert told["tiers"]["moves"] == [{"from": "Silver", "to": "Gold", "customers": 1, "is_up": True}]
    assert (told["tiers"]["up"], told["tiers"]["down"]) == (1, 0)


def test_shorter_expiry_lets_points_go_and_lowers_what_is_owed(cafe, program, sale, noon):
    buy(cafe, sale, 10_000, noon)
    now = drafts.in_force(program)
    settings = {**now.document["program"], "expiry": {"mode": "age", "months": 1, "round_to": "", "day": ""}}
    draft = replace(now, document={**now.document, "program": settings})

    told = run(program, draft, at=noon + 60 * DAY)

    assert told["outstanding"] == [100, 0]
    assert told["liability_minor"] == [100, 0]
    assert sum(row["expired"][1] for row in told["months"]) == -100


def test_points_that_were_spent_are_spent_as_far_as_they_are_there(cafe, program, ana, sale, noon):
    buy(cafe, sale, 10_000, noon)
    held = holds.create(customer=ana, points=80, reference="H-1", at=noon)
    holds.capture(merchant=cafe, hold_id=held.hold.id, points=80, at=noon)

    told = run(program, with_params(program, "base", per_minor={"EUR": 200}), at=noon + DAY)

    assert told["short"] == [0, 30]
    assert told["outstanding"] == [20, 0]


def test_points_of_before_are_there_at_the_beginning(cafe, program, ana, sale, noon):
    give(ana, 70, noon, "A-1")
    buy(cafe, sale, 10_000, noon)
    buy(cafe, sale, 5000, noon, 80)

    told = run(program, at=noon + 81 * DAY, months=1)

    assert told["sales"] == 1
    assert told["outstanding"] == [220, 220]


def test_a_late_refund_of_an_earlier_sale_still_takes_back(cafe, program, sale, noon):
    buy(cafe, sale, 60_000, noon, reference="OLD")
    later = noon + 50 * DAY
    refunds.record(
        merchant=cafe, refund=Return(reference="B", occurred_at=later, purchase_reference="OLD"), at=later
    )
    buy(cafe, sale, 10_000, noon, 51)

    told = run(program, at=noon + 52 * DAY, months=1)

    assert told["reproduced"] == 1
    assert told["outstanding"][0] == ledger.totals(merchant_id=cafe.pk)["active"]


def test_nothing_is_written(cafe, program, sale, noon):
    for day in range(5):
        buy(cafe, sale, 5000, noon, day)

    with CaptureQueriesContext(connection) as asked:
        run(program, at=noon + 9 * DAY)

    assert all(one["sql"].lstrip().upper().startswith("SELECT") for one in asked)
    assert len(asked) <= 20


def test_another_merchants_sales_are_not_lived(cafe, program, bar_nilo, bo, sale, noon):
    buy(bar_nilo, sale, 5000, noon, customer_id=bo.pk)

    assert run(program, at=noon + DAY)["sales"] == 0


def test_of_many_customers_some_are_drawn_and_the_difference_has_limits(
    cafe, program, sale, noon
):  # and Ana, who buys nothing
    for number in range(40):
        one = members.enroll(merchant=cafe, identifiers=[Given("card", f"42{number:08}")], at=noon, by="test")
        buy(cafe, sale, 1000 * (number + 1), noon, customer_id=one.pk)
    draft = with_params(program, "base", points=3)

    all_of_them, some = (run(program, draft, at=noon + DAY, most_sales=most) for most in (None, 20))

    assert all_of_them["drawn"] == 41 > some["drawn"] > 5
    points = some["points"]
    assert points["low"] < points["difference"] < points["high"]
    assert points["low"] <= all_of_them["points"]["difference"] <= points["high"]


def test_a_draft_of_a_file_is_what_applying_it_would_publish(cafe, program, noon):
    text = program_file.export(merchant=cafe.slug).replace("points: 1", "points: 3")
    draft = drafts.of_file(text=text, program=program)

    program_file.apply(text=text, at=noon, by="test")

    assert drafts.in_force(program.__class__.objects.get()).document == draft.document


# --- runs -------------------------------------------------------------------------------------------------


@pytest.fixture
def ordered(cafe, program, sale, noon):
    buy(cafe, sale, 10_000, noon)
    draft = with_params(program, "base", points=2)
    return rehearsal.order(program=program, draft=draft, name="twice", at=noon + DAY, by="owner")


def test_a_run_is_claimed_once_performed_and_kept(ordered, noon):
    run = rehearsal.claim(at=noon)

    assert run == ordered
    assert rehearsal.claim(at=noon) is None
    assert rehearsal.perform(run=run, clock=lambda: noon)
    run.refresh_from_db()
    assert (run.status, run.figures["points"]["new"], run.members_done) == ("done", 200, 1)
    assert any("points" in change for change in run.changes)


def test_a_run_whose_worker_died_is_taken_again(ordered, noon):
    rehearsal.claim(at=noon)

    assert rehearsal.claim(at=noon + 2 * rehearsal.LEASE) == ordered


def test_a_cancelled_run_stops_and_keeps_nothing(ordered, noon):
    run = rehearsal.claim(at=noon)

    assert rehearsal.cancel(run=run, at=noon)
    assert not rehearsal.perform(run=run, clock=lambda: noon)
    run.refresh_from_db()
    assert (run.status, run.figures) == ("cancelled", None)
    assert not rehearsal.cancel(run=run, at=noon)


def test_no_more_than_a_few_wait(ordered, program, noon):
    draft = drafts.in_force(program)
    for number in range(4):
        rehearsal.order(program=program, draft=draft, name=str(number), at=noon, by="owner")

    with pytest.raises(rehearsal.TooManyRehearsals):
        rehearsal.order(program=program, draft=draft, name="one more", at=noon, by="owner")
    with pytest.raises(rehearsal.BadMonths):
        rehearsal.order(program=program, draft=draft, name="long", at=noon, by="owner", months=61)


def test_who_leaves_leaves_the_lists_too(ordered, ana, noon):
    run = rehearsal.claim(at=noon)
    rehearsal.perform(run=run, clock=lambda: noon)

    erasure.erase(customer=ana, at=noon, by="ana")

    run.refresh_from_db()
    assert run.figures["customers"]["most_gain"] == []


def test_the_worker_runs_what_waits_and_says_why_one_failed(ordered, program, noon):
    broken = rehearsal.order(
        program=program, draft=drafts.in_force(program), name="broken", at=noon, by="owner"
    )
    RehearsalRun.objects.filter(pk=broken.pk).update(draft={})

    tasks.rehearse()

    assert dict(RehearsalRun.objects.values_list("name", "status")) == {"twice": "done", "broken": "failed"}
    assert "KeyError" in RehearsalRun.objects.get(pk=broken.pk).fault


# --- the command line -------------------------------------------------------------------------------------


def test_a_file_is_rehearsed_on_the_command_line(cafe, sale, tmp_path):
    buy(cafe, sale, 10_000, timezone.now() - DAY)
    file = tmp_path / "draft.yaml"
    file.write_text(program_file.export(merchant=cafe.slug).replace("points: 1,", "points: 2,"))

    said, told = StringIO(), StringIO()
    call_command("rehearse", cafe.slug, str(file), stdout=said)
    call_command("rehearse", cafe.slug, str(file), "--json", "--months", "2", stdout=told)

    assert "Points given: 100 now, 200 with the draft (+100 %)." in said.getvalue()
    assert json.loads(told.getvalue())["points"] == {"old": 100, "new": 200, "difference": 100}


def test_the_command_line_says_what_is_wrong(cafe, bar_nilo, tmp_path):
    file = tmp_path / "draft.yaml"
    file.write_text(program_file.export(merchant=bar_nilo.slug))

    for said, why in (
        (("nobody", str(file)), "There is no merchant"),
        ((cafe.slug, str(tmp_path / "none")), "cannot be read"),
        ((cafe.slug, str(file)), "The file is of merchant 'bar-nilo'"),
        ((cafe.slug, str(file), "--months", "0"), "1 to 60"),
    ):
        with pytest.raises(CommandError, match=why):
            call_command("rehearse", *said)
