"""What the door remembers of its answers, which may speak of a person."""

from api.models import IdempotencyAnswer
from customers.erasure import Holding, Traces, deleted, theirs


def _answers(traces: Traces) -> list[dict[str, object]]:
    return list(theirs(IdempotencyAnswer, traces).values("method", "path", "body", "created_at"))


HOLDINGS = [
    Holding(
        "api.IdempotencyAnswer",
        "Deleted. It would be gone after 30 days anyway.",
        erase=deleted(IdempotencyAnswer),
        export=_answers,
    ),
]
