"""A campaign to everybody: how fast its recipients are written, with their messages, and in how much memory."""

import resource
import time
from datetime import UTC, datetime

from bench.shop import Shop
from engagement import campaigns, recipients
from engagement.campaigns import Question
from engagement.models import Assignment, Campaign, Message
from lib import db
from loyalty.models import Membership

MOST_KB = 60_000


def run(shop: Shop) -> float:
    """Write a service campaign to all members by inbox, which needs no consent; return recipients per second."""
    at = datetime.now(UTC)
    arms = campaigns.arms(template="welcome", other="birthday")
    campaign = Campaign(
        merchant=shop.merchant, name="Bench", channels=["inbox"], arms=arms, purpose="service"
    )
    db.command(campaigns.save)(campaign=campaign, question=Question(holdout=10), at=at)
    campaigns.schedule(campaign=campaign, starts_at=None, at=at)
    many = Membership.objects.filter(merchant=shop.merchant).count()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    while recipients.write_due(at=at, wave=many + 1):
        pass
    seconds = time.perf_counter() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    campaign.refresh_from_db()
    campaigns.stop(campaign=campaign, at=datetime.now(UTC))
    told = Message.objects.filter(campaign_id=campaign.pk).count()
    held = Assignment.objects.filter(experiment=campaign.experiment_id, arm="holdout").count()
    if campaign.seen != many or told + held != many:
        raise RuntimeError(f"{many} customers, but {told} told and {held} held out")
    if grown > MOST_KB:
        raise RuntimeError(f"writing {many} recipients took {grown} kB more memory")
    return many / seconds
