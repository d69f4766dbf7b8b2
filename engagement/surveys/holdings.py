"""What surveys keep about a person, and what erasure does to it."""

from customers.erasure import Holding, Traces, nobody, shown, theirs
from engagement.models import SurveyAnswer, SurveyInvitation


def _forget(traces: Traces) -> None:
    theirs(SurveyAnswer, traces).update(comment="", by="", state=SurveyAnswer.State.PLAIN)


HOLDINGS = [
    Holding(
        "engagement.SurveyInvitation",
        "Kept: that somebody was asked. Its link opens nothing once the customer left.",
        export=shown(SurveyInvitation, "survey__name", "channel", "created_at", "expires_at", "answered_at"),
    ),
    Holding(
        "engagement.SurveyAnswer",
        "The comment is emptied. The score stays for the figures, with a customer who is nobody.",
        erase=_forget,
        export=shown(SurveyAnswer, "survey__name", "score", "band", "comment", "channel", "tier", "at"),
    ),
    *nobody(
        "engagement.Survey",
        "engagement.HistoricalSurvey",
        why="Kept: it is about the shop. Its history names staff, not customers.",
    ),
]
