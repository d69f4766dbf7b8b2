"""What tests of surveys say: a survey, an invitation, an answer."""

from engagement.models import Survey
from engagement.surveys import answering, asking
from engagement.surveys.answering import Said

QUESTION = "How likely are you to recommend us?"
TEXTS = {
    "en": {"question": QUESTION, "thanks": "We read every answer."},
    "de": {"question": "Empfehlen Sie uns weiter?", "thanks": "Wir lesen jede Antwort."},
    "pt": {"question": "Recomenda-nos?", "thanks": "Lemos tudo."},
}


def ask(merchant, code="recommend", kind="nps", choices=(), **more):
    """Put up a survey."""
    texts = {
        language: {**words, **({"choices": list(choices)} if choices else {})}
        for language, words in TEXTS.items()
    }
    said = {"name": "Recommend us", "texts": texts, **more}
    return Survey.objects.create(merchant=merchant, code=code, kind=kind, **said)


def invite(survey, customer, at, key="message:1"):
    return asking.invite(survey=survey, customer=customer, key=key, channel="email", at=at)


def say(survey, customer, score, at, reference, comment="", channel="till"):
    """A till tells what somebody answered."""
    answer, _is_new = answering.record(
        survey=survey,
        customer=customer,
        said=Said(score, comment, "en", channel),
        reference=reference,
        at=at,
        by="till",
    )
    return answer
