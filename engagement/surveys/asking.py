"""Surveys as they are asked: their words in a language, what can be chosen, and the links that lead to them."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from customers.models import Customer
from engagement.models import Survey, SurveyInvitation
from engagement.surveys.kinds import KINDS
from engagement.surveys.kinds.base import Point
from engagement.templates import LANGUAGE, language_of
from lib import db, public_ids
from lib.errors import NotFound
from lib.signing import fingerprint
from merchants.models import Merchant

TOKEN_LETTERS = 32
# The name under which a message's values keep which survey it asks: no flow's own data is called that.
ASKS = "asks_survey"


class UnknownSurvey(NotFound):
    code = "unknown_survey"


class UnknownLink(NotFound):
    code = "unknown_link"


@dataclass(frozen=True, slots=True)
class Words:
    """A survey in one language."""

    question: str
    thanks: str
    choices: tuple[str, ...] = ()


def words(survey: Survey, language: str) -> Words:
    """Return a survey's words in this language; else in the merchant's, in English, or in any it has."""
    texts: dict[str, Any] = survey.texts
    wanted = (language.partition("-")[0], survey.merchant.language.partition("-")[0], LANGUAGE, *texts)
    said: dict[str, Any] = next((texts[one] for one in wanted if texts.get(one, {}).get("question")), {})
    return Words(said.get("question", ""), said.get("thanks", ""), tuple(said.get("choices", ())))


def scale(survey: Survey, choices: Sequence[str]) -> list[Point]:
    """Return what can be chosen, in the language that is active; nothing where only words are asked."""
    return KINDS[survey.kind].scale(choices)


def find(*, merchant: Merchant, code: str) -> Survey:
    """
    Return a survey that is on.

    :raises UnknownSurvey: the merchant has none of this code, or it is off
    """
    found = Survey.objects.filter(merchant=merchant, code=code, is_on=True).select_related("merchant").first()
    if found is None:
        raise UnknownSurvey(_("There is no survey %(code)s that is on.") % {"code": code})
    return found


@db.command
def invite(*, survey: Survey, customer: Customer, key: str, channel: str, at: datetime) -> SurveyInvitation:
    """Return a customer's invitation for this key: made the first time, the same one for ever."""
    row = {
        "id": public_ids.new(),
        "merchant_id": survey.merchant_id,
        "survey_id": survey.pk,
        "customer_id": customer.pk,
        "key": key,
        "channel": channel,
        "created_at": at,
        "expires_at": at + timedelta(days=survey.valid_days),
        "answered_at": None,
    }
    db.insert(SurveyInvitation, [row], on_conflict="DO NOTHING")
    return SurveyInvitation.objects.get(survey=survey, key=key)


def values(*, code: str, customer: Customer, key: str, channel: str, at: datetime) -> dict[str, Any]:
    """
    Return what the text of a message says of the survey it asks: `survey_link`, `survey_question` and
    `survey_taps`, one link per answer with its `label`. Nothing but the page behind a link records an answer.

    :raises UnknownSurvey: the merchant has none of this code, or it is off
    """
    survey = find(merchant=customer.merchant, code=code)
    address = link(
        customer.merchant, invite(survey=survey, customer=customer, key=key, channel=channel, at=at)
    )
    language = language_of(customer)
    said = words(survey, language)
    with translation.override(language):
        taps = [
            # In a mail's plain form each stands on a line of its own; in its page a line's end is a space.
            {"label": label, "url": f"{address}?score={score}", "end": "\n"}
            for score, label in scale(survey, said.choices)
        ]
    return {"survey_link": address, "survey_question": said.question, "survey_taps": taps}


def link(merchant: Merchant, invitation: SurveyInvitation) -> str:
    """Return the address where an invitation is answered."""
    return f"{settings.BASE_URL}/{merchant.slug}/feedback/{token(invitation)}"


def token(invitation: SurveyInvitation) -> str:
    """Return what the link of an invitation is recognized by."""
    return f"{invitation.public_id}.{_signature(invitation.pk)}"


def find_invitation(*, merchant: Merchant, token: str) -> SurveyInvitation:
    """
    Return the invitation whose link this is.

    :raises UnknownLink: the link is not ours, another merchant's, or of somebody who left
    """
    shown, _dot, signature = token.partition(".")
    number = public_ids.read(SurveyInvitation.prefix, shown)
    if number is None or not hmac.compare_digest(signature.encode(), _signature(number).encode()):
        raise UnknownLink(_("This link is not complete. Please open it from the message again."))
    found = (
        SurveyInvitation.objects.filter(merchant=merchant, pk=number)
        .select_related("survey__merchant", "customer__merged_into__merchant", "customer__merchant")
        .first()
    )
    if found is None or who(found).status == Customer.Status.ERASED:
        raise UnknownLink(_("This link is no longer valid."))
    return found


def who(invitation: SurveyInvitation) -> Customer:
    """Return who is asked: somebody merged into another is that other one."""
    return invitation.customer.merged_into or invitation.customer


def waiting(*, customer: Customer, at: datetime) -> SurveyInvitation | None:
    """Return the newest invitation of a customer that can still be answered. One statement."""
    rows = SurveyInvitation.objects.filter(
        customer=customer, answered_at__isnull=True, expires_at__gt=at, survey__is_on=True
    )
    return rows.select_related("survey__merchant").order_by("-created_at", "-pk").first()


def _signature(number: int) -> str:
    return fingerprint("survey", str(number))[:TOKEN_LETTERS]
