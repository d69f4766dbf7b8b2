"""Ready-made flows: they read, they say something in three languages, and they come with one call."""

import pytest
from django.conf import settings

from customers.models import Customer
from engagement import gallery, templates
from engagement.flows import document, plan
from engagement.flows.document import every
from engagement.models import Flow, FlowVersion
from loyalty import program_file
from loyalty.program_faults import BadProgramFile

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
        "referral-status", "review-request", "refund-notice", "feedback", "unhappy-follow-up",
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


FILE = """\
merchant: {slug: cafe-lua, name: Café Lua, currency: EUR, timezone: Europe/Lisbon, country: PT}
program:
  name: Lua Club
  earning:
    - {id: base, kind: per_amount, points: 1, per_minor: {EUR: 100}}
"""
FLOW = """\
  flows:
    - id: hello
      name: Hello
      trigger: {touchpoint: visit.made}
      on: true
      steps:
        - wait: {until: "09:00"}
        - message: {template: hello}
    - {id: later, name: Later, trigger: {segment: vip}, steps: [{note: x}]}
"""


def apply(text, at):
    return program_file.apply(text=text, at=at, by="test")


@pytest.mark.django_db
def test_a_program_file_brings_flows_and_gives_them_back(noon):
    assert apply(FILE + FLOW, noon)
    assert list(Flow.objects.order_by("slug").values_list("slug", "is_on")) == [
        ("hello", True),
        ("later", False),
    ]

    exported = program_file.export(merchant="cafe-lua")
    assert apply(exported, noon) == []
    assert apply(FILE + FLOW, noon) == []
    assert apply(FILE, noon) == []  # a section that the file does not have stays as it is


@pytest.mark.django_db
def test_a_flow_that_the_file_leaves_out_is_put_away(noon):
    apply(FILE + FLOW, noon)
    without = FILE + "  flows: []\n"

    assert apply(without, noon)
    assert set(Flow.objects.values_list("is_on", "is_archived")) == {(False, True)}
    assert apply(without, noon) == []
    assert apply(FILE + FLOW, noon)
    assert Flow.objects.get(slug="hello").is_on


@pytest.mark.django_db
def test_a_flow_that_is_wrong_is_refused_with_its_line(noon):
    with pytest.raises(BadProgramFile, match=r"line 14.*steps"):
        apply(FILE + FLOW.replace("{note: x}", "{wait: soon}"), noon)


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
                {"if": {"points": {"is": 5}}, "then": [{"note": "a"}, {"note": "b"}]},
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
