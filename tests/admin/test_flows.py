"""The flows of the admin: copied, written as text, switched, tried, judged; another shop's are not there."""

import pytest
from django.urls import reverse

from customers.identifiers import Given
from engagement import flows, gallery
from engagement.flows import text
from engagement.models import Flow, FlowRun, Message
from loyalty import members
from tests.engagement.flowing import BASKET, note, pass_to, put_on, relay

pytestmark = pytest.mark.django_db(transaction=True)

CHANGED = """\
id: hello
name: Hello again
trigger: {touchpoint: visit.made}
holdout: 10
steps:
  - if: {points: {at_least: 1}}
    then:
      - message: {template: welcome, channels: [email, sms]}
  - split:
      a: {share: 50, steps: [{points: 5}]}
      b: {share: 50}
  - wait_for: {touchpoint: purchase.recorded, timeout: 3d}
    else: [{exit: silent}]
"""


def page(name, *args):
    return reverse(f"admin:engagement_flow_{name}", args=args)


@pytest.fixture
def flow(cafe, noon):
    return gallery.copy(merchant=cafe, slug="abandoned-basket", at=noon, by="test")


def test_a_ready_made_flow_is_copied_by_one_click(desk, cafe):
    shown = desk.get(page("gallery"))
    assert b"A basket left behind" in shown.content
    assert (
        b"Send points-expiring by e-mail, or where that reaches nobody by SMS, push, inbox." in shown.content
    )

    desk.post(page("gallery"), {"merchant": cafe.slug, "flow": "birthday"})
    desk.post(page("gallery"), {"merchant": cafe.slug, "flow": "birthday"})

    flow = Flow.objects.get()
    assert (flow.merchant, flow.slug, flow.is_on, flow.version) == (cafe, "birthday", False, 1)


def test_nobody_copies_into_another_shop(desk, bar_nilo):
    answer = desk.post(page("gallery"), {"merchant": bar_nilo.slug, "flow": "birthday"})

    assert answer.status_code == 403
    assert not Flow.objects.exists()


def test_an_analyst_copies_and_switches_nothing(sit_down, analyst, flow):
    browser = sit_down(analyst)

    assert browser.get(page("gallery")).status_code == 403
    assert browser.post(page("switch-on", flow.pk)).status_code == 403
    assert browser.get(page("results", flow.pk)).status_code == 200


def test_a_flow_is_written_as_text_and_read_as_sentences(desk, cafe):
    answer = desk.post(page("add"), {"text": CHANGED})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    flow = Flow.objects.get()
    shown = desk.get(page("change", flow.pk)).content.decode()

    assert (flow.slug, flow.version, flow.merchant) == ("hello", 1, cafe)
    assert "Look whether points ≥ 1." in shown
    assert "Arm a (50 %):" in shown
    assert "Wait for purchase.recorded, at most 3 days." in shown

    desk.post(page("change", flow.pk), {"text": CHANGED.replace("3d", "4d")})
    assert Flow.objects.get().version == 2
    assert text.read(text.write(Flow.objects.get())) == text.read(CHANGED.replace("3d", "4d"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (CHANGED.replace("3d", "soon"), "line 12"),
        (CHANGED.replace("steps:", "stepz:"), "stepz"),
        (CHANGED.replace("share: 50", "share: 40", 1), "add up to 100"),
        ("- a: [", "YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(desk, cafe, wrong, said):
    answer = desk.post(page("add"), {"text": wrong})

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Flow.objects.exists()


def test_the_id_of_a_flow_stays(desk, flow):
    changed = text.write(flow).replace("id: abandoned-basket", "id: other")

    assert (
        "The id stays abandoned-basket"
        in desk.post(page("change", flow.pk), {"text": changed}).content.decode()
    )


def test_a_flow_is_switched_on_and_off(desk, flow):
    assert b"Switch on" in desk.get(page("switch-on", flow.pk)).content
    desk.post(page("switch-on", flow.pk))
    assert Flow.objects.get().is_on

    desk.post(page("switch-off", flow.pk))
    assert not Flow.objects.get().is_on


def test_a_preview_says_what_a_real_customer_would_get(desk, flow, ana, bo):
    shown = desk.get(page("preview", flow.pk), {"customer": ana.public_id}).content.decode()
    assert "Your basket is still here" in shown
    assert "Blue mug, Tea" in shown
    assert not Message.objects.exists()

    assert (
        "There is no such customer."
        in desk.get(page("preview", flow.pk), {"customer": bo.public_id}).content.decode()
    )


def test_results_say_when_there_is_not_enough_data(desk, cafe, ana, noon):
    flow = put_on(cafe, BASKET, noon, holdout=50)
    people = [
        members.enroll(merchant=cafe, identifiers=[Given("card", f"4300000{n:03}")], at=noon, by="test")
        for n in range(20)
    ]
    for one in people:
        note(one, "basket.updated", noon, basket=f"B-{one.pk}")
    relay(noon)
    pass_to(noon)
    shown = desk.get(page("results", flow.pk)).content.decode()

    assert "not enough data" in shown
    run = FlowRun.objects.filter(state="waiting").first()
    detail = desk.get(reverse("admin:engagement_flowrun_change", args=[run.pk]))
    assert detail.status_code == 200
    assert flows.shown(flow)["on"]


def test_the_pages_take_few_statements_however_many_flows(desk, cafe, noon, django_assert_max_num_queries):
    for slug in gallery.ready_made():
        gallery.copy(merchant=cafe, slug=slug, at=noon, by="test")

    with django_assert_max_num_queries(16):
        desk.get(page("changelist"))
    with django_assert_max_num_queries(16):
        desk.get(page("gallery"))
