"""
Something said once to many: drawn up, scheduled, paused, stopped.

Who is told, and by which channel, is written by `engagement.recipients` a chunk at a time, never more ahead of
the sender than one wave: so a campaign of any size fills no worker's memory, flows wait behind no more than a
wave of it, and what pausing must take back is a wave at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from customers.models import Customer
from engagement import messages, reach
from engagement.models import Campaign, Experiment, Message
from lib import db
from lib.errors import Conflict, Fault, Malformed
from lib.wake import wake

State = Campaign.State
# What waits for a paused campaign is due then: never.
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
ARMS = ("A", "B")
HOLDOUT = "holdout"


class CampaignMoved(Conflict):
    """It is not in a state where this can be done: somebody else was faster, or it is over."""

    code = "campaign_moved"


class CampaignIncomplete(Malformed):
    code = "campaign_incomplete"


@dataclass(frozen=True, slots=True)
class Question:
    """What a campaign wants to know: did they reach the goal within so many days, against so many percent held out?"""

    goal: str = "purchase.recorded"
    days: int = 14
    holdout: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is. `waiting`, `sent` and `failed` are its messages by what became of them."""

    seen: int
    total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    messages: Mapping[str, int] = field(default_factory=dict)

    @property
    def percent(self) -> int:
        return min(100 * self.seen // self.total, 100) if self.total else 0


def arms(*, template: str, other: str = "", percent: int = 50) -> list[dict[str, Any]]:
    """Return the arms of one text, or of two of which the second gets so many percent."""
    if not other:
        return [{"name": ARMS[0], "weight": 100, "template": template}]
    return [
        {"name": ARMS[0], "weight": 100 - percent, "template": template},
        {"name": ARMS[1], "weight": percent, "template": other},
    ]


@db.inside_transaction
def save(*, campaign: Campaign, question: Question, at: datetime, by: str = "") -> Campaign:
    """
    Write a draft down. Its arms become an experiment of the same name.

    :raises CampaignMoved: it is scheduled or begun: what is said then stays as it is
    :raises CampaignIncomplete: it has no text, or no way to reach anybody
    """
    check(campaign)
    if campaign._state.adding:
        campaign.created_at = at
        campaign.experiment = Experiment(merchant_id=campaign.merchant_id, created_at=at)
    else:
        _locked(campaign, State.DRAFT)
    asked = campaign.experiment
    asked.slug, asked.name = f"campaign-{campaign.public_id[4:]}", campaign.name
    asked.arms = [{"name": arm["name"], "weight": arm["weight"]} for arm in campaign.arms]
    asked.goal, asked.days, asked.holdout = question.goal, question.days, question.holdout
    asked.save()
    campaign.experiment = asked
    campaign._change_reason = by  # type: ignore[attr-defined]
    campaign.save()
    return campaign


def check(campaign: Campaign) -> None:
    """
    Refuse a campaign that could not be sent.

    :raises CampaignIncomplete: the faults say what is missing
    """
    faults = []
    if not campaign.channels or set(campaign.channels) - set(reach.ways()):
        faults.append(Fault("/channels", "unknown_channel", _("Choose how customers are reached.")))
    if not campaign.arms or not all(arm["template"] for arm in campaign.arms):
        faults.append(Fault("/arms", "missing", _("Choose a text.")))
    if reach.RECEIPT in campaign.channels and not campaign.receipt_note:
        faults.append(Fault("/receipt_note", "missing", _("Say what the receipt tells.")))
    if campaign.segment is not None and campaign.segment.merchant_id != campaign.merchant_id:
        faults.append(Fault("/segment", "not_found", _("There is no such segment.")))
    if faults:
        raise CampaignIncomplete(_("The campaign is not complete."), faults=faults)


@db.command
def schedule(*, campaign: Campaign, starts_at: datetime | None, at: datetime) -> None:
    """
    Let a draft begin at a time, or now.

    :raises CampaignMoved: it is no draft any more
    """
    row = _locked(campaign, State.DRAFT)
    row.state, row.starts_at = State.SCHEDULED, max(starts_at or at, at)
    row.save(update_fields=["state", "starts_at"])
    _follow(campaign, row)
    wake("engagement.tasks.write_recipients")


@db.command
def pause(*, campaign: Campaign, at: datetime) -> None:
    """
    Say nothing more of it until it is resumed, also not what waits already. What is on the line is sent.

    :raises CampaignMoved: it is not under way
    """
    row = _locked(campaign, State.SCHEDULED, State.RUNNING)
    row.state = State.PAUSED
    row.save(update_fields=["state"])
    # Without its claim a message that a worker has decided already is not started (`claims.step`).
    _waiting(row).update(due_at=NEVER, reason=Message.Reason.PAUSED, claimed_until=None)
    _follow(campaign, row)


@db.command
def resume(*, campaign: Campaign, at: datetime) -> None:
    """
    Go on where it was paused.

    :raises CampaignMoved: it is not paused
    """
    row = _locked(campaign, State.PAUSED)
    row.state = State.RUNNING if row.started_at else State.SCHEDULED
    row.save(update_fields=["state"])
    _waiting(row).update(due_at=at, reason="")
    _follow(campaign, row)
    wake("engagement.tasks.write_recipients")
    wake("engagement.tasks.send")


@db.command
def stop(*, campaign: Campaign, at: datetime) -> None:
    """
    End it for good: what waits is not sent. Its results go on being counted.

    :raises CampaignMoved: it was not begun, or is over
    """
    row = _locked(campaign, State.SCHEDULED, State.RUNNING, State.PAUSED)
    row.state, row.ended_at = State.STOPPED, at
    row.save(update_fields=["state", "ended_at"])
    messages.withdraw(merchant=row.merchant, at=at, campaign_id=row.pk)
    _follow(campaign, row)


@db.inside_transaction
def withdraw_late(*, at: datetime) -> int:
    """Take back what a stopped campaign had on the line when it was stopped, and which was not taken."""
    lately = Campaign.objects.filter(state=State.STOPPED, ended_at__gt=at - timedelta(days=7))
    return sum(
        messages.withdraw(merchant=row.merchant, at=at, campaign_id=row.pk)
        for row in lately.select_related("merchant")
    )


def _waiting(campaign: Campaign) -> Any:
    return Message.objects.filter(
        merchant=campaign.merchant_id, campaign_id=campaign.pk, status=Message.Status.QUEUED
    )


def _locked(campaign: Campaign, *states: str) -> Campaign:
    row = (
        Campaign.objects.select_for_update(of=("self",))
        .select_related("merchant")
        .get(merchant=campaign.merchant_id, pk=campaign.pk)
    )
    if row.state not in states:
        raise CampaignMoved(
            _("The campaign is %(state)s by now.") % {"state": row.get_state_display().lower()}
        )
    return row


def _follow(campaign: Campaign, row: Campaign) -> None:
    for name in ("state", "starts_at", "ended_at"):
        setattr(campaign, name, getattr(row, name))


def progress(campaign: Campaign) -> Progress:
    """Return how far a campaign is: one statement beside its row."""
    rows = db.ask(
        "SELECT m.status, COUNT(*) FROM engagement_message m WHERE m.campaign_id = %s GROUP BY m.status",
        [campaign.pk],
    ).rows
    return Progress(campaign.seen, campaign.total, dict(campaign.counts), dict(rows))


def receipt_notes(*, customer: Customer, at: datetime) -> Sequence[tuple[str, str]]:
    """Return what the till's receipt shall tell this customer, newest first: (campaign, text). One statement."""
    rows = Campaign.objects.filter(
        merchant=customer.merchant_id,
        state__in=(State.RUNNING, State.DONE),
        experiment__assignments__customer=customer,
        experiment__assignments__channel=reach.RECEIPT,
        experiment__assignments__until__gt=at,
    ).order_by("-pk")[:3]
    return [(row.public_id, row.receipt_note) for row in rows]
