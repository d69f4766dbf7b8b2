"""
Answers: said once and kept. By the link of an invitation, or told for a customer by a till, a kiosk or staff.

An answer is not amended: what somebody said that day is the fact, and what they think now is the next
survey's. Saying the same again is the same answer.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from customers import journey
from customers.models import Customer
from engagement.models import Survey, SurveyAnswer, SurveyInvitation
from engagement.surveys import asking
from engagement.surveys.kinds import KINDS
from engagement.surveys.kinds.base import UNHAPPY
from lib import db, public_ids
from lib.errors import Conflict, Fault, Malformed, ReferenceReused, Refused
from loyalty import balances, programs

MOST_LETTERS = 2_000
ANSWERED = "survey.answered"
State = SurveyAnswer.State


class SurveyClosed(Refused):
    code = "survey_closed"


class AlreadyAnswered(Conflict):
    code = "already_answered"


class InvalidAnswer(Malformed):
    code = "invalid_answer"


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody answered, before it is checked."""

    score: int | None
    comment: str = ""
    language: str = ""
    channel: str = ""


@db.command
def answer(*, invitation: SurveyInvitation, said: Said, at: datetime) -> SurveyAnswer:
    """
    Keep the answer to an invitation. Saying the same again, like a second tap does, changes nothing.

    :raises AlreadyAnswered: it was answered otherwise
    :raises SurveyClosed: its time is over, or the survey is off
    :raises InvalidAnswer: the score is none of the scale's, or words are missing
    """
    first = SurveyAnswer.objects.filter(invitation=invitation).first()
    if first is not None:
        if _differ(first, _row(invitation.survey, said, at=at)):
            raise AlreadyAnswered(_("You have answered this question already. Thank you."))
        return first
    if not is_open(invitation, at=at):
        raise SurveyClosed(_("The time to answer this question is over."))
    row = _row(invitation.survey, said, at=at) | {
        "invitation_id": invitation.pk,
        "channel": said.channel or invitation.channel,
    }
    SurveyInvitation.objects.filter(pk=invitation.pk).update(answered_at=at)
    return _keep(asking.who(invitation), invitation.survey, row, at=at)


@db.command
def record(
    *, survey: Survey, customer: Customer, said: Said, reference: str, at: datetime, by: str = ""
) -> tuple[SurveyAnswer, bool]:
    """
    Keep an answer that a till, a kiosk or staff tells for a customer, once per reference.

    :return: the answer, and whether it is new
    :raises SurveyClosed: the survey is off
    :raises InvalidAnswer: the score is none of the scale's, or words are missing
    :raises ReferenceReused: the reference is another answer's
    """
    row = _row(survey, said, at=at) | {"reference": reference, "by": by, "channel": said.channel}
    first = SurveyAnswer.objects.filter(merchant=survey.merchant_id, reference=reference).first()
    if first is not None:
        differ = _differ(first, row | {"survey_id": survey.pk, "customer_id": customer.pk})
        if differ:
            raise ReferenceReused(reference, of=first.public_id, differ=differ)
        return first, False
    if not survey.is_on:
        raise SurveyClosed(_("This survey is switched off."))
    return _keep(customer, survey, row, at=at), True


def is_open(invitation: SurveyInvitation, *, at: datetime) -> bool:
    """Tell whether an invitation that was not answered still can be."""
    return invitation.expires_at > at and invitation.survey.is_on


@db.command
def handle(*, answer: SurveyAnswer, state: State, at: datetime, by: str) -> bool:
    """Say that staff read a comment or answered it; False when that is so already. It never becomes new again."""
    earlier = {State.READ: (State.NEW,), State.ANSWERED: (State.NEW, State.READ)}[state]
    rows = SurveyAnswer.objects.filter(pk=answer.pk, state__in=earlier)
    return bool(rows.update(state=state, handled_at=at, handled_by=by))


def _row(survey: Survey, said: Said, *, at: datetime) -> dict[str, Any]:
    """Return the columns that an answer says; refuse what the question does not ask."""
    kind, comment = KINDS[survey.kind], said.comment.strip()
    scores = [score for score, _label in kind.scale(asking.words(survey, "").choices)]
    if len(comment) > MOST_LETTERS:
        raise _invalid("comment", _("That is too long: at most 2000 letters."))
    if scores and said.score not in scores:
        raise _invalid("score", _("Please choose one of the answers."))
    if not scores and said.score is not None:
        raise _invalid("score", _("This question is answered in words."))
    if not scores and not comment:
        raise _invalid("comment", _("Please write a few words."))
    band = kind.band(said.score) if said.score is not None else ""
    is_unhappy = band in UNHAPPY
    return {
        "score": said.score,
        "comment": comment,
        "band": band,
        "is_unhappy": is_unhappy,
        "language": said.language,
        "state": State.NEW if comment or is_unhappy else State.PLAIN,
    }


def _invalid(field: str, text: str) -> InvalidAnswer:
    return InvalidAnswer(text, faults=[Fault(f"/{field}", "invalid_answer", text)])


def _differ(first: SurveyAnswer, said: dict[str, Any]) -> list[str]:
    compared = {"survey": "survey_id", "customer": "customer_id", "score": "score", "comment": "comment"}
    return [
        name for name, column in compared.items() if column in said and getattr(first, column) != said[column]
    ]


@db.inside_transaction
def _keep(customer: Customer, survey: Survey, row: dict[str, Any], *, at: datetime) -> SurveyAnswer:
    full = {
        "id": public_ids.new(),
        "merchant_id": survey.merchant_id,
        "survey_id": survey.pk,
        "customer_id": customer.pk,
        "invitation_id": None,
        "reference": "",
        "tier": _tier(customer, at=at),
        "at": at,
        "by": "",
        "handled_at": None,
        "handled_by": "",
        **row,
    }
    db.insert(SurveyAnswer, [full], on_conflict="DO NOTHING")
    kept = SurveyAnswer.objects.filter(pk=full["id"]).first()
    if kept is None:
        # The race: two taps, or two tills with one reference. One is kept, the other one looks again.
        raise db.Again
    journey.note(
        customer=customer,
        kind=ANSWERED,
        at=at,
        channel=kept.channel,
        data={
            "survey": survey.code,
            "answer": kept.public_id,
            "score": kept.score,
            "band": kept.band,
            "is_unhappy": kept.is_unhappy,
            "has_comment": bool(kept.comment),
        },
    )
    return kept


def _tier(customer: Customer, *, at: datetime) -> str:
    try:
        balance = balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=at)
    except programs.NoProgram:
        return ""
    return str(balance["tier"]["name"] or "")
