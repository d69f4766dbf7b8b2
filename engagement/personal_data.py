"""What this room keeps about a person, and what erasure does to it."""

from customers.erasure import Holding, Traces, deleted, nobody, shown, theirs
from engagement import deciding
from engagement.models import Assignment, Message, OptIn, Suppression


def _forget_messages(traces: Traces) -> None:
    mine = theirs(Message, traces)
    mine.filter(status=Message.Status.QUEUED).update(
        status=Message.Status.NOT_SENT,
        reason=Message.Reason.ERASED,
        ended_at=traces.at,
        claimed_until=None,
    )
    mine.update(data={}, subject="", text="", error="", contact_hash="", provider_id="")


def _suppressed(traces: Traces) -> list[dict[str, object]]:
    merchant = traces.customer.merchant_id
    hashes = [deciding.contact_hash(merchant, text) for text in traces.texts]
    rows = Suppression.objects.filter(merchant=merchant, contact_hash__in=hashes).order_by("pk")
    return [{"channel": row.channel, "reason": row.reason, "at": row.at} for row in rows]


HOLDINGS = [
    Holding(
        "engagement.Message",
        "What waits is not sent. That something was said, and when, stays for the figures; the words, the values "
        "in them and where they went are emptied.",
        erase=_forget_messages,
        export=shown(
            Message,
            *("channel", "template", "purpose", "status", "reason", "subject", "text", "data"),
            *("created_at", "ended_at", "delivered_at", "read_at"),
        ),
    ),
    Holding(
        "engagement.Suppression",
        "Kept, so that somebody who complained is never written to again: a keyed hash that leads to nobody.",
        export=_suppressed,
    ),
    Holding(
        "engagement.OptIn",
        "Deleted: a question that waits for its answer. The answer itself is a consent.",
        erase=deleted(OptIn),
        export=shown(OptIn, "channel", "purpose", "source", "wording", "asked_at", "confirmed_at"),
    ),
    Holding(
        "engagement.Assignment",
        "Kept: that somebody was in an arm, for the figures. It names a customer who is nobody.",
        export=shown(Assignment, "experiment__name", "arm", "channel", "reason", "assigned_at"),
    ),
    *nobody(
        "engagement.Campaign",
        "engagement.HistoricalCampaign",
        "engagement.Experiment",
        "engagement.ExperimentDay",
        "engagement.Template",
        "engagement.HistoricalTemplate",
        "engagement.ChannelSettings",
        "engagement.SendingLimits",
        "engagement.HistoricalSendingLimits",
        why="Kept: it is about the shop.",
    ),
]
