"""What time does to points and tiers, for the worker."""

from celery import shared_task
from django.utils import timezone

from customers import referrals as claims
from loyalty import bonuses, customer_days, expiry, matching, parking, referrals, rfm, tier_reviews


@shared_task
def settle() -> int:
    """End the holds, activate and expire the points that are due. Reads and spending never wait for it."""
    return expiry.run(at=timezone.now())


@shared_task
def review_tiers() -> int:
    """Put scheduled tiers in force, review whose check date is past, and warn whose is near."""
    at = timezone.now()
    return tier_reviews.publish_due(at=at) + tier_reviews.review_due(at=at)


@shared_task
def give_birthdays() -> int:
    """Give the points of today's birthdays."""
    return bonuses.give_birthdays(at=timezone.now())


@shared_task
def match() -> int:
    """Give waiting sales the customers, and waiting refunds the purchases, that are here by now."""
    at = timezone.now()
    return matching.match_everybody(at=at) + parking.unpark_everybody(at=at)


@shared_task
def pay_referrals() -> int:
    """Pay for the friends who bought by now, and end what waited too long."""
    return referrals.run(at=timezone.now())


@shared_task
def forget_sightings() -> int:
    """Delete what was kept against self-referral and is old."""
    return claims.forget_sightings(at=timezone.now())


@shared_task
def rebuild_days() -> int:
    """Make the days of whoever bought or gave back lately anew: what the diary missed, this finds."""
    return customer_days.rebuild_lately(at=timezone.now())


@shared_task
def score_rfm() -> int:
    """Compare everybody with everybody: how lately, how often, for how much."""
    return rfm.score_all(at=timezone.now())
