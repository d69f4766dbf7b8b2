"""One question, one answer: by a link that is signed and opens once, or told by a till."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from customers import erasure, journey
from customers.identifiers import Given
from customers.models import Touchpoint
from engagement import gallery
from engagement.flows import document
from engagement.models import Message, Survey, SurveyAnswer, SurveyInvitation
from engagement.surveys import answering, asking
from engagement.surveys.answering import AlreadyAnswered, InvalidAnswer, Said, SurveyClosed
from engagement.surveys.asking import ASKS, UnknownLink
from engagement.surveys.kinds import KINDS
from lib.errors import ReferenceReused
from loyalty import balances, members, merges, programs
from loyalty.models import EarningRule
from tests.engagement.asking import QUESTION, ask, invite, say
from tests.engagement.flowing import happens, pass_to, put_on, relay, told

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def survey(cafe, program):
    return ask(cafe)


def test_an_answer_is_kept_with_the_tier_of_the_moment_and_noted(survey, ana, noon):
    invitation = invite(survey, ana, noon)
    kept = answering.answer(invitation=invitation, said=Said(4, " Too slow ", "en"), at=noon)

    assert (kept.score, kept.band, kept.is_unhappy, kept.comment) == (4, "detractor", True, "Too slow")
    assert (kept.channel, kept.state, kept.tier) == ("email", "new", "Bronze")
    noted = Touchpoint.objects.get(kind="survey.answered")
    assert noted.customer == ana
    assert noted.data == {
        "survey": "recommend", "answer": kept.public_id, "score": 4, "band": "detractor",
        "is_unhappy": True, "has_comment": True,
    }  # fmt: skip


def test_told_twice_is_one_answer_and_told_otherwise_is_refused(survey, ana, noon):
    invitation = invite(survey, ana, noon)
    first = answering.answer(invitation=invitation, said=Said(9), at=noon)
    again = answering.answer(invitation=invitation, said=Said(9), at=noon + timedelta(minutes=1))

    assert again == first
    with pytest.raises(AlreadyAnswered):
        answering.answer(invitation=invitation, said=Said(2), at=noon)
    assert SurveyAnswer.objects.count() == Touchpoint.objects.filter(kind="survey.answered").count() == 1


def test_the_database_keeps_one_answer_per_invitation(survey, ana, noon):
    invitation = invite(survey, ana, noon)
    kept = answering.answer(invitation=invitation, said=Said(9), at=noon)
    row = SurveyAnswer.objects.filter(pk=kept.pk).values().get()

    with pytest.raises(IntegrityError), transaction.atomic():
        SurveyAnswer.objects.create(**{**row, "id": row["id"] + 1})


def test_an_invitation_is_made_once_per_key(survey, ana, noon):
    assert invite(survey, ana, noon) == invite(survey, ana, noon + timedelta(days=1))
    assert invite(survey, ana, noon, key="message:2") != invite(survey, ana, noon)


def test_a_link_opens_for_its_days_only(survey, ana, noon):
    invitation = invite(survey, ana, noon)
    end = noon + timedelta(days=survey.valid_days)

    assert answering.is_open(invitation, at=end - timedelta(seconds=1))
    with pytest.raises(SurveyClosed):
        answering.answer(invitation=invitation, said=Said(9), at=end)


def test_a_survey_that_is_off_takes_no_answers(survey, ana, noon):
    invitation = invite(survey, ana, noon)
    Survey.objects.update(is_on=False)
    invitation = asking.find_invitation(merchant=survey.merchant, token=asking.token(invitation))

    with pytest.raises(SurveyClosed):
        answering.answer(invitation=invitation, said=Said(9), at=noon)
    with pytest.raises(SurveyClosed):
        say(invitation.survey, ana, 9, noon, "S-1")


def test_a_forged_link_and_another_shops_are_unknown(survey, ana, bar_nilo, noon):
    token = asking.token(invite(survey, ana, noon))
    name, signature = token.split(".")

    assert asking.find_invitation(merchant=survey.merchant, token=token).customer == ana
    for forged in (
        name,
        f"{name}.",
        f"{name}.{signature[:-1]}0"[: len(token)] + "x",
        "",
        "svi_1.x",
        f"x.{signature}",
    ):
        with pytest.raises(UnknownLink):
            asking.find_invitation(merchant=survey.merchant, token=forged)
    with pytest.raises(UnknownLink):
        asking.find_invitation(merchant=bar_nilo, token=token)


@pytest.mark.parametrize(
    ("kind", "choices", "said"),
    [
        ("nps", (), Said(11)),
        ("nps", (), Said(None, "words")),
        ("stars", (), Said(0)),
        ("choice", ("Taste", "Price"), Said(3)),
        ("yes_no", (), Said(2)),
        ("text", (), Said(None, "  ")),
        ("text", (), Said(1, "words")),
        ("nps", (), Said(9, "x" * 2001)),
    ],
)
def test_what_is_no_answer_is_refused(cafe, program, ana, noon, kind, choices, said):
    invitation = invite(ask(cafe, kind=kind, choices=choices), ana, noon)

    with pytest.raises(InvalidAnswer):
        answering.answer(invitation=invitation, said=said, at=noon)
    assert not SurveyAnswer.objects.exists()


@pytest.mark.parametrize(
    ("kind", "bands"),
    [
        ("nps", {0: "detractor", 6: "detractor", 7: "passive", 8: "passive", 9: "promoter", 10: "promoter"}),
        ("stars", {1: "dissatisfied", 2: "dissatisfied", 3: "neutral", 4: "satisfied", 5: "satisfied"}),
        ("yes_no", {1: "satisfied", 0: "dissatisfied"}),
        ("choice", {1: ""}),
    ],
)
def test_bands(kind, bands):
    assert {score: KINDS[kind].band(score) for score in bands} == bands


def test_a_till_tells_an_answer_once_per_reference(survey, ana, cafe, noon):
    first = say(survey, ana, 9, noon, "S-1")

    assert say(survey, ana, 9, noon, "S-1") == first
    with pytest.raises(ReferenceReused) as refusal:
        say(survey, ana, 3, noon, "S-1")
    assert [fault.pointer for fault in refusal.value.faults] == ["/score"]
    assert SurveyAnswer.objects.count() == 1


def test_who_was_merged_answers_as_the_one_they_are(survey, ana, cafe, noon):
    other = members.enroll(merchant=cafe, identifiers=[Given("card", "4000000099")], at=noon, by="test")
    invitation = invite(survey, other, noon)
    merges.merge(source=other, target=ana, reason="one person", at=noon, by="test")

    found = asking.find_invitation(merchant=cafe, token=asking.token(invitation))
    assert answering.answer(invitation=found, said=Said(9), at=noon).customer == ana


def test_staff_move_a_comment_forward_only(survey, ana, noon):
    kept = say(survey, ana, 2, noon, "S-1")
    states = SurveyAnswer.State

    assert answering.handle(answer=kept, state=states.READ, at=noon, by="mia")
    assert not answering.handle(answer=kept, state=states.READ, at=noon, by="mia")
    assert answering.handle(answer=kept, state=states.ANSWERED, at=noon, by="mia")
    assert not answering.handle(answer=kept, state=states.READ, at=noon, by="mia")
    kept.refresh_from_db()
    assert (kept.state, kept.handled_by) == ("answered", "mia")


def test_nothing_is_new_about_a_happy_tap(survey, ana, noon):
    assert say(survey, ana, 10, noon, "S-1").state == "plain"
    assert say(survey, ana, 10, noon, "S-2", comment="Lovely").state == "new"


def test_erasure_empties_the_comment_and_closes_the_link(survey, ana, noon):
    said = say(survey, ana, 2, noon, "S-1", comment="I am Ana")
    token = asking.token(invite(survey, ana, noon))
    exported = str(erasure.export(customer=ana))
    assert "I am Ana" in exported

    erasure.erase(customer=ana, at=noon, by="test")

    said.refresh_from_db()
    assert (said.comment, said.score, said.state) == ("", 2, "plain")
    with pytest.raises(UnknownLink):
        asking.find_invitation(merchant=survey.merchant, token=token)


# --- messages and flows --------------------------------------------------------------------------------

FLOW = """
id: ask
name: Ask
trigger: {touchpoint: visit.made}
steps:
  - message: {template: survey, survey: recommend, channels: [inbox], purpose: service}
"""


def test_a_message_of_a_flow_carries_its_own_link(survey, ana, noon, send):
    put_on(survey.merchant, FLOW, noon)
    happens(ana, "visit.made", noon)
    pass_to(noon)
    assert not SurveyInvitation.objects.exists()  # nobody is asked before the message goes out
    send()

    message, invitation = Message.objects.get(), SurveyInvitation.objects.get()
    assert (message.status, message.subject) == ("delivered", QUESTION)
    assert asking.link(survey.merchant, invitation) in message.text
    assert f"10: {asking.link(survey.merchant, invitation)}?score=10\n" in message.text
    assert (invitation.customer, invitation.channel) == (ana, "inbox")


def test_a_message_that_asks_a_survey_that_is_off_fails_and_says_so(survey, ana, noon, send):
    put_on(survey.merchant, FLOW, noon)
    Survey.objects.update(is_on=False)
    happens(ana, "visit.made", noon)
    pass_to(noon)
    send()

    message = Message.objects.get()
    assert message.status == "failed"
    assert "recommend" in message.error


def test_what_started_a_run_names_no_survey_to_ask(survey, ana, noon, send):
    put_on(survey.merchant, FLOW.replace("survey: recommend, ", "").replace("survey,", "welcome,"), noon)
    happens(ana, "visit.made", noon, **{ASKS: "recommend"})
    pass_to(noon)
    send()

    assert not SurveyInvitation.objects.exists()


def test_the_ready_made_flow_brings_its_survey(cafe, program, noon):
    flow = gallery.copy(merchant=cafe, slug="feedback", at=noon, by="test")
    gallery.copy(merchant=cafe, slug="feedback", at=noon, by="test")

    assert document.read(flow.document).steps[-1].message.survey == "recommend"
    assert list(Survey.objects.values_list("code", "kind")) == [("recommend", "nps")]


def test_the_unhappy_are_followed_up_and_the_happy_are_not(survey, ana, cafe, noon):
    flow = gallery.copy(merchant=cafe, slug="unhappy-follow-up", at=noon, by="test")
    put_on(cafe, "{}", noon, **document.plain(document.read(flow.document)))
    happy = members.enroll(merchant=cafe, identifiers=[Given("card", "4000000098")], at=noon, by="test")
    say(survey, ana, 3, noon, "S-1")
    say(survey, happy, 10, noon, "S-2")
    relay(noon)
    for hours in (0, 2, 48):
        pass_to(noon + timedelta(hours=hours))

    assert told(ana) == [("unhappy-follow-up", "email")]
    assert told(happy) == []


def test_a_rule_may_give_points_for_answering(survey, ana, cafe, program, noon):
    EarningRule.objects.create(
        merchant=cafe, program=program, code="thanks", kind="touchpoint",
        params={"points": 20, "touchpoint": "survey.answered"},
    )  # fmt: skip
    programs.publish(program=program, at=noon, by="test")
    before = balances.balance(merchant=cafe, customer_id=ana.pk, at=noon)["available"]
    answering.answer(invitation=invite(survey, ana, noon), said=Said(1), at=noon)
    relay(noon)

    assert balances.balance(merchant=cafe, customer_id=ana.pk, at=noon)["available"] == before + 20


def test_nobody_outside_tells_that_a_survey_was_answered():
    assert "survey." in journey.OURS
