"""Ready-made flows: they read, they say something in three languages, and they come with one call."""

import pytest
from django.conf import settings

from customers.models import Customer
from engagement import gallery, templates
from engagement.flows import document, plan
from engagement.flows.document import every
from engagement.models import Flow, FlowVersion
from loyalty import program_file

pytestmark = pytest.mark.core

FLOWS = sorted(gallery.ready_made())
TEXTS = sorted(
    {
        (step.message.template, channel)
        for one in gallery.ready_made().values()
        for _, step in every(one.steps)
        if step.message
        for channel in (*step.message.channels, "sms")
    }
)


def test_all_that_a_shop_needs_is_there():
    assert set(FLOWS) == {
        "welcome", "points-earned", "monthly-balance", "reward-affordable", "points-expiring-30",
        "points-expiring-7", "tier-reached", "tier-at-risk", "birthday", "abandoned-basket", "win-back",
        "referral-status", "review-request", "refund-notice",
    }  # fmt: skip


@pytest.mark.parametrize("slug", FLOWS)
def test_a_ready_made_flow_is_sound(slug):
    one = gallery.ready_made()[slug]

    assert document.read(document.plain(one)) == one
    assert plan.ready(one).moves
    assert gallery.about(slug).endswith(".")


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
@pytest.mark.parametrize(("name", "channel"), TEXTS)
def test_each_text_is_said_in_three_languages(cafe, name, channel, language):
    words = channel if channel == "sms" else "email"
    assert templates.shipped(name, words, language) is not None
    who = Customer(merchant=cafe, name="Ana Lima", language=language)
    said = templates.render(name, who, templates.sample(name), channel=channel)

    assert said.text
    assert "{" not in said.text + said.subject
    assert (channel == "sms") == (said.subject == "")


def test_a_copy_is_switched_off_and_made_once(cafe, noon):
    first = gallery.copy(merchant=cafe, slug="welcome", at=noon, by="owner")
    again = gallery.copy(merchant=cafe, slug="welcome", at=noon, by="owner")

    assert (first.pk, first.is_on) == (again.pk, False)
    assert FlowVersion.objects.count() == 1
    with pytest.raises(gallery.UnknownFlow):
        gallery.copy(merchant=cafe, slug="nothing", at=noon, by="owner")


def test_a_program_file_brings_flows_and_gives_them_back(cafe, noon):
    text = program_file.export(merchant=cafe.slug)
    assert "flows" in text
    with_flows = text.replace("  flows: []\n", "") + (
        "  flows:\n"
        "    - id: hello\n      name: Hello\n      trigger: {touchpoint: visit.made}\n      on: true\n"
        '      steps:\n        - wait: {until: "09:00"}\n        - message: {template: hello}\n'
    )
    assert program_file.apply(text=with_flows, at=noon, by="test")
    flow = Flow.objects.get()
    assert (flow.is_on, flow.version) == (True, 1)

    exported = program_file.export(merchant=cafe.slug)
    assert program_file.apply(text=exported, at=noon, by="test") == []
    assert program_file.apply(text=with_flows, at=noon, by="test") == []

    without = text if "flows: []" in text else text + "  flows: []\n"
    assert program_file.apply(text=without, at=noon, by="test")
    assert not Flow.objects.get().is_on
    assert program_file.apply(text=without, at=noon, by="test") == []


def test_a_flow_that_is_wrong_is_refused_with_its_line(cafe, noon):
    text = program_file.export(merchant=cafe.slug).replace("  flows: []\n", "")
    wrong = (
        text
        + "  flows:\n    - id: x\n      name: X\n      trigger: {touchpoint: a.b}\n      steps: [{wait: soon}]\n"
    )
    with pytest.raises(Exception, match="30m, 12h, 3d or 2w"):
        program_file.apply(text=wrong, at=noon, by="test")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"trigger": {"touchpoint": "flow.signaled"}}, "start each other"),
        ({"trigger": {}}, "say one of"),
        ({"holdout": 10}, "all marketing"),
        ({"trigger": {"touchpoint": "a.b", "restart": True}}, "wait as the first step"),
        ({"trigger": {"touchpoint": "bonus.given"}, "steps": [{"points": 1}]}, "start itself"),
        ({"steps": []}, "at least 1"),
        ({"steps": [{"wait": "1h", "note": "x"}]}, "say one of"),
        ({"steps": [{"split": {"a": {"share": 50}, "b": {"share": 40}}}]}, "add up to 100"),
        ({"steps": [{"note": "x", "then": [{"note": "y"}]}]}, "belong to if"),
        ({"steps": [{"wait": {"until": "09:00+02:00"}}]}, "without a zone"),
    ],
)
def test_what_a_flow_may_not_say(change, why):
    fine = {"id": "x", "name": "X", "trigger": {"touchpoint": "a.b"}, "steps": [{"note": "x"}]}
    assert document.read(fine)

    with pytest.raises(ValueError, match=why):
        document.read({**fine, **change})


def test_paths_name_the_place_in_the_text():
    nested = document.read(
        {
            "id": "x",
            "name": "X",
            "trigger": {"touchpoint": "a.b"},
            "steps": [
                {"if": {"points": 5}, "then": [{"note": "a"}, {"note": "b"}]},
                {"split": {"p": {"share": 50, "steps": [{"note": "c"}]}, "q": {"share": 50}}},
            ],
        }
    )
    moves = plan.ready(nested).moves

    assert {path: move.next for path, move in moves.items()} == {
        "1": "2", "1.then.1": "1.then.2", "1.then.2": "2", "2": "", "2.split-p.1": "",
    }  # fmt: skip
    assert moves["1"].branches == {"then": "1.then.1", "else": "2"}
    assert moves["2"].branches == {"then": "", "else": "", "split-p": "2.split-p.1", "split-q": ""}
