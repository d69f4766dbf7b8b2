"""The pages of journeys: whose they are, what they offer, how much they ask."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from customers import journey
from engagement.models import Flow
from insights import journey_map
from insights.models import JourneySnapshot, JourneyStages
from lib import db
from tests.cast import staff_of

pytestmark = [pytest.mark.core, pytest.mark.django_db]
MAP = reverse("admin:insights_journeystages_changelist")
FUNNEL = reverse("admin:insights_journeystages_funnel")
ATTRIBUTION = reverse("admin:insights_journeystages_attribution")
DRAFT = reverse("admin:insights_journeystages_draft")


@pytest.fixture
def ways(cafe, ana):
    """Thirty visitors: all look, ten put something into a basket, Ana and four strangers buy."""
    now = timezone.now() - timedelta(days=3)
    rows = []
    for number in range(30):
        kinds = [
            "page.viewed",
            *(["basket.updated"] if number < 10 else []),
            *(["purchase.recorded"] if number < 5 else []),
        ]
        rows += [
            journey.row(
                merchant_id=cafe.pk,
                customer_id=ana.pk if number == 0 else None,
                anonymous_id="" if number == 0 else f"visitor-{number}",
                kind=kind,
                channel="web" if number % 3 else "store",
                at=now + timedelta(minutes=place),
                now=now,
            )
            for place, kind in enumerate(kinds)
        ]
    seen = {"at": now, "now": now, "anonymous_id": "visitor-1", "customer_id": None}
    rows.append(journey.row(merchant_id=cafe.pk, kind="robot.seen", **seen))
    db.command(lambda: journey.note_all(rows))()
    return cafe


def test_the_map_says_who_stops_where(desk, ways):
    page = desk.get(MAP).content.decode()

    assert "the ways of 30 people" in page
    assert "−20" in page
    assert "<svg" in page
    assert "style=" not in page[page.index("<svg") : page.index("</svg>")]
    assert "robot.seen" in page, "what counts as no stage is named"


def test_without_touchpoints_it_says_what_to_do(desk, cafe):
    page = desk.get(MAP).content.decode()

    assert "Nobody left a touchpoint" in page
    assert "<svg viewBox" not in page.split("l-journey")[1]


def test_the_map_opens_with_few_statements(desk, ways, django_assert_max_num_queries):
    journey_map.snapshot(merchant=ways, at=timezone.now())
    desk.get(MAP)

    with django_assert_max_num_queries(14):
        assert desk.get(MAP).status_code == 200


def test_a_drop_off_becomes_a_draft_flow(desk, ways):
    said = {"merchant": ways.pk, "flow": "abandoned-basket"}

    for _ in range(2):
        assert desk.post(DRAFT, said).status_code == 302

    flow = Flow.objects.get(merchant=ways)
    assert (flow.slug, flow.is_on) == ("abandoned-basket", False)


def test_who_may_not_add_flows_is_offered_none(sit_down, ways):
    browser = sit_down(staff_of(ways, "analyst"))

    assert browser.get(MAP).status_code == 200
    assert "Draft" not in browser.get(MAP).content.decode()
    assert browser.post(DRAFT, {"merchant": ways.pk, "flow": "welcome"}).status_code == 403


def test_next_door_is_not_reached(desk, ways, bar_nilo):
    """The outsider: neither their map, nor their segments, nor a flow for them."""
    page = desk.get(MAP, {"merchant": bar_nilo.pk}).content.decode()

    assert "Café Mira" in page
    assert "Nilo" not in page
    assert desk.post(DRAFT, {"merchant": bar_nilo.pk, "flow": "welcome"}).status_code == 404
    assert not Flow.objects.exists()


def test_a_cashier_sees_no_reports(sit_down, ways):
    browser = sit_down(staff_of(ways, "cashier"))

    for page in (MAP, FUNNEL, ATTRIBUTION):
        assert browser.get(page).status_code == 403


def test_a_funnel_is_counted(desk, ways):
    said = {"step1": "page.viewed", "step2": "basket.updated", "step3": "purchase.recorded", "within": "1"}

    page = desk.get(FUNNEL, said).content.decode()

    for shown in (">30<", ">10<", ">5<", "−20", "−5"):
        assert shown in page
    assert "Choose at least two steps" in desk.get(FUNNEL).content.decode()
    wrong = desk.get(FUNNEL, {**said, "step2": "nothing.known", "within": "x"})
    assert wrong.status_code == 200
    assert 'role="alert"' in wrong.content.decode()


def test_attribution_says_that_it_is_not_causal(desk, ways):
    page = desk.get(ATTRIBUTION).content.decode()

    assert "None of these is causal" in page
    assert "Markov" in page
    assert "Shapley" in page


def test_stages_are_edited_one_kind_in_a_line(desk, ways):
    journey_map.snapshot(merchant=ways, at=timezone.now())
    add = reverse("admin:insights_journeystages_add")
    wrong = desk.post(add, {"awareness": "page.viewed", "decision": "page.viewed"})
    assert "stands in awareness already" in wrong.content.decode()

    assert (
        desk.post(
            add, {"awareness": "store.visited\npage.viewed", "decision": "purchase.recorded"}
        ).status_code
        == 302
    )

    row = JourneyStages.objects.get(merchant=ways)
    assert row.kinds["awareness"] == ["store.visited", "page.viewed"]
    assert row.history.count() == 1
    assert not JourneySnapshot.objects.exists()
    assert reverse("admin:insights_journeystages_change", args=[row.pk]) in desk.get(MAP).content.decode()
