"""Campaigns and experiments at the desk: drawn up, counted, started, paused, judged; never another shop's."""

import pytest
from django.urls import reverse

from engagement import measuring
from engagement.experiments import Sums
from engagement.models import Assignment, Campaign, Experiment, ExperimentDay
from lib import db
from tests.engagement.campaigning import draft, launch, people, write_all

FORM = {
    "name": "Summer", "segment": "", "purpose": "marketing", "receipt_note": "", "ways": ["email", "post"],
    "text": "welcome", "other_text": "birthday", "other_percent": "40", "goal": "purchase.recorded",
    "days": "7", "holdout": "10",
}  # fmt: skip


def at(name, row, model="campaign"):
    return f"{reverse(f'admin:engagement_{model}_changelist')}{row.pk}/{name}/"


def test_a_campaign_is_drawn_up_edited_and_started(desk, cafe, noon):
    answer = desk.post(reverse("admin:engagement_campaign_add"), FORM)
    assert answer.status_code == 302, answer.context["adminform"].form.errors

    campaign = Campaign.objects.get()
    assert (campaign.channels, campaign.state) == (["email", "post"], "draft")
    assert [(arm["template"], arm["weight"]) for arm in campaign.arms] == [("welcome", 60), ("birthday", 40)]
    assert (campaign.experiment.days, campaign.experiment.holdout) == (7, 10)
    desk.post(at("change", campaign), {**FORM, "days": "9"})
    assert Experiment.objects.get().days == 9
    page = desk.get(at("start", campaign)).content.decode()
    assert "customers cannot be reached" in page
    desk.post(at("start", campaign), {"starts_at": ""})
    assert Campaign.objects.get().state == "scheduled"
    assert desk.post(at("change", campaign), {**FORM, "days": "3"}).status_code == 403


@pytest.mark.parametrize(
    ("wrong", "name"),
    [({"text": "nothing"}, "text"), ({"ways": []}, "ways"), ({"ways": ["receipt"]}, "receipt_note")],
)
def test_what_is_missing_is_said_beside_its_field(desk, cafe, wrong, name):
    answer = desk.post(reverse("admin:engagement_campaign_add"), {**FORM, **wrong})

    assert answer.status_code == 200
    assert name in answer.context["adminform"].form.errors
    assert not Campaign.objects.exists()


def test_who_is_not_reached_is_said_with_what_would_reach_them(desk, cafe, noon):
    people(cafe, 2, noon, says=())

    page = desk.get(at("reached", draft(cafe, noon))).content.decode()

    assert "2 customers cannot be reached" in page
    assert "The customer did not agree" in page
    assert "Letter" in page
    assert "Line on the receipt" in page


def test_progress_pause_and_stop(desk, cafe, noon):
    people(cafe, 3, noon)
    campaign = launch(cafe, noon)
    write_all(noon)

    page = desk.get(at("change", campaign)).content.decode()
    assert "3 of 3 customers" in page
    assert '<progress id="bar"' in page
    for door, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        assert desk.get(at(door, campaign)).status_code == 200
        assert desk.post(at(door, campaign)).status_code == 302
        assert Campaign.objects.get().state == state


def test_letters_are_a_pdf_with_a_page_each(desk, cafe, noon):
    people(cafe, 2, noon, says=(), name="Łucja Ωmega")
    campaign = launch(cafe, noon, channels=["post"])
    write_all(noon)

    answer = desk.get(at("letters", campaign) + "?part=1")

    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert answer.content.count(b"/Type /Page\n") == 2
    assert desk.get(at("letters", campaign) + "?part=2").status_code == 404


def measured(experiment, noon, **arms):
    for metric, sums in arms.items():
        for arm, one in sums.items():
            ExperimentDay.objects.create(
                merchant=experiment.merchant, experiment=experiment, day=noon.date(), metric=metric, arm=arm,
                n=one.n, sum_y=one.y, sum_yy=one.yy, sum_x=one.x, sum_xx=one.xx, sum_xy=one.xy,
            )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "held", "sentence"),
    [
        (Sums(20, 5, 5), Sums(2, 1, 1), "Not enough data"),
        (Sums(900, 95, 95), Sums(100, 10, 10), "could not be chance"),
        (Sums(9000, 1800, 1800), Sums(1000, 100, 100), "10.0 more of 100 customers"),
        (Sums(9000, 900, 900), Sums(1000, 200, 200), "10.0 fewer of 100 customers"),
        (Sums(500, 100, 100), Sums(500, 50, 50), "not of the sizes that were meant"),
    ],
)
def test_results_say_what_is_known_and_no_more(desk, cafe, noon, told, held, sentence):
    campaign = launch(cafe, noon, holdout=10)
    write_all(noon)
    measured(campaign.experiment, noon, goal={"A": told, "holdout": held})

    page = desk.get(at("results", campaign)).content.decode()

    assert sentence in page


def test_an_experiment_is_made_judged_and_ended(desk, cafe, ana, noon):
    said = {"name": "Offer", "slug": "offer", "lines": "coffee 50\npoints 50", "holdout": "0",
            "goal": "purchase.recorded", "days": "14"}  # fmt: skip
    answer = desk.post(reverse("admin:engagement_experiment_add"), said)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    offer = Experiment.objects.get()
    assert offer.arms == [{"name": "coffee", "weight": 50}, {"name": "points", "weight": 50}]
    assert "Nobody is in it yet" in desk.get(at("results", offer, "experiment")).content.decode()

    Assignment.objects.create(
        merchant=cafe, experiment=offer, customer=ana, arm="coffee", assigned_at=noon,
        assigned_on=noon.date(), until=noon,
    )  # fmt: skip
    changed = desk.post(at("change", offer, "experiment"), {**said, "lines": "tea 100"})
    assert "stay as they are" in changed.content.decode()
    measuring.measure(experiment=offer, at=noon)
    assert "coffee" in desk.get(at("results", offer, "experiment")).content.decode()
    desk.post(at("end", offer, "experiment"))
    assert Experiment.objects.get().ended_at is not None


def test_another_shops_are_not_there(desk, next_door):
    theirs = Campaign.objects.get(merchant=next_door)
    offer = Experiment.objects.get(merchant=next_door, slug="nilo")

    doors = ("start", "pause", "resume", "stop", "reached", "results", "letters")
    pages = [at(name, theirs) for name in doors] + [at(n, offer, "experiment") for n in ("results", "end")]
    for page in pages:
        for answer in (desk.get(page), desk.post(page)):
            # As with one that does not exist: back to the start page.
            assert (answer.status_code, answer.get("Location")) == (302, reverse("admin:index")), page
    theirs.refresh_from_db()
    offer.refresh_from_db()
    assert (theirs.state, offer.ended_at) == ("scheduled", None)


def test_an_analyst_looks_and_a_cashier_does_not(sit_down, analyst, cashier, cafe, noon):
    campaign = launch(cafe, noon)

    assert sit_down(analyst).post(at("stop", campaign)).status_code == 403
    sit_down(cashier).post(at("stop", campaign))
    assert Campaign.objects.get().state == "scheduled"


def test_the_list_takes_the_same_statements_however_many(desk, cafe, noon):
    def statements():
        with db.watching() as watch:
            assert desk.get(reverse("admin:engagement_campaign_changelist")).status_code == 200
        return watch.statements

    launch(cafe, noon)
    statements()
    few = statements()
    for _ in range(5):
        launch(cafe, noon)
    assert statements() == few
