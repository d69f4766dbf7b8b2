"""The survey that the ready-made flows ask, made for a merchant who has none of its code."""

from engagement.models import Survey
from merchants.models import Merchant

TEXTS = {
    "en": {
        "question": "How likely are you to recommend us to a friend?",
        "thanks": "Thank you. We read every answer.",
    },
    "de": {
        "question": "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?",
        "thanks": "Vielen Dank. Wir lesen jede Antwort.",
    },
    "pt": {
        "question": "Qual é a probabilidade de nos recomendar a um amigo?",
        "thanks": "Obrigado. Lemos todas as respostas.",
    },
}
READY = {"recommend": {"name": "Recommend us", "kind": "nps", "texts": TEXTS}}


def ensure(*, merchant: Merchant, code: str) -> None:
    """Give a merchant the ready-made survey of this code. One they have already stays as they made it."""
    if code in READY and not Survey.objects.filter(merchant=merchant, code=code).exists():
        Survey.objects.create(merchant=merchant, code=code, **READY[code])
