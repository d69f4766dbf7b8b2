"""One question, answered once behind the link of a message, without signing in."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from engagement.models import SurveyInvitation
from engagement.surveys import answering, asking
from engagement.surveys.answering import MOST_LETTERS, AlreadyAnswered, InvalidAnswer, Said, SurveyClosed
from engagement.surveys.asking import UnknownLink
from engagement.surveys.kinds import KINDS
from portal.visits import Visit, door, show


# The link itself is what allows it: mail programs send no form token, and nothing here hangs on a session.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@door
def page(visit: Visit, token: str) -> HttpResponse:
    """
    Ask the question, or say thank you.

    Looking records nothing: mail scanners follow every link, also the one per answer, which only chooses it
    on this page. Pressing the button records.
    """
    try:
        invitation = asking.find_invitation(merchant=visit.merchant, token=token)
    except UnknownLink as refusal:
        return _closed(visit, str(refusal), status=404)
    if visit.request.method == "POST":
        return _answer(visit, invitation, token)
    if invitation.answered_at is not None:
        return _thanks(visit, invitation)
    if not answering.is_open(invitation, at=timezone.now()):
        return _closed(visit, _("The time to answer this question is over."), status=410)
    return _ask(visit, invitation, chosen=visit.request.GET.get("score", ""))


def _answer(visit: Visit, invitation: SurveyInvitation, token: str) -> HttpResponse:
    score, comment = visit.request.POST.get("score", ""), visit.request.POST.get("comment", "")
    # A browser ends each line with two letters where everybody else has one.
    comment = comment.replace("\r\n", "\n").replace("\x00", "")
    said = Said(int(score) if _is_number(score) else None, comment, visit.language)
    try:
        answering.answer(invitation=invitation, said=said, at=timezone.now())
    except InvalidAnswer as refusal:
        return _ask(visit, invitation, chosen=score, comment=comment, refusal=refusal)
    except SurveyClosed as refusal:
        return _closed(visit, str(refusal), status=410)
    except AlreadyAnswered:
        # What they said first stands; the page says so.
        return _thanks(visit, invitation, is_second=True)
    return redirect("portal:feedback", slug=visit.merchant.slug, token=token)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 2


def _ask(
    visit: Visit,
    invitation: SurveyInvitation,
    *,
    chosen: str,
    comment: str = "",
    refusal: InvalidAnswer | None = None,
) -> HttpResponse:
    survey = invitation.survey
    words = asking.words(survey, visit.language)
    kind, points = KINDS[survey.kind], asking.scale(survey, words.choices)
    return show(
        visit,
        "feedback",
        status=400 if refusal else 200,
        question=words.question,
        kind=survey.kind,
        ends=kind.ends,
        points=[(str(score), label) for score, label in points],
        chosen=chosen,
        comment=comment,
        has_comment=survey.asks_comment or not points,
        most_letters=MOST_LETTERS,
        refusal=refusal,
        field=refusal.faults[0].pointer.strip("/") if refusal else "",
        address=visit.request.path,
    )


def _thanks(visit: Visit, invitation: SurveyInvitation, *, is_second: bool = False) -> HttpResponse:
    words = asking.words(invitation.survey, visit.language)
    status = 409 if is_second else 200
    return show(visit, "feedback_done", status=status, thanks=words.thanks, is_second=is_second)


def _closed(visit: Visit, why: str, *, status: int) -> HttpResponse:
    return show(visit, "feedback_done", status=status, closed=why)
