"""
All periodic work, on one page.

A wake after a commit makes things happen at once; the sweeps below find whatever a wake lost, because
the broker was down or a worker was killed. Every task may run at any time and any number of times.
"""

from typing import Any


def every(seconds: float, task: str) -> dict[str, Any]:
    """Say the task's name to the broker every so many seconds. Unheard, it expires: sweeps never pile up."""
    return {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 5.0)}}


SCHEDULE: dict[str, dict[str, Any]] = {
    "inbox": every(5, "connectors.tasks.drain"),
    "outbox": every(5, "connectors.tasks.send"),
    "endpoints that were switched off": every(300, "connectors.tasks.tell_of_endpoints"),
    "diary": every(5, "customers.tasks.relay"),
    "who was touched": every(5, "customers.tasks.follow"),
    "segments": every(60, "customers.tasks.refresh_segments"),
    "customer days": every(24 * 3600, "loyalty.tasks.rebuild_days"),
    "recency, frequency, money": every(3600, "loyalty.tasks.score_rfm"),
    "rehearsals": every(30, "insights.tasks.rehearse"),
    "reports": every(600, "insights.tasks.refresh"),
    "messages": every(5, "engagement.tasks.send"),
    "flows": every(5, "engagement.tasks.step"),
    "recipients of campaigns": every(5, "engagement.tasks.write_recipients"),
    "experiments": every(600, "engagement.tasks.measure"),
    "dates of flows": every(600, "engagement.tasks.scan"),
    "points nobody was told of": every(6 * 3600, "engagement.tasks.extend"),
    "points": every(60, "loyalty.tasks.settle"),
    "tiers": every(600, "loyalty.tasks.review_tiers"),
    "sales that wait for somebody": every(600, "loyalty.tasks.match"),
    "birthdays": every(900, "loyalty.tasks.give_birthdays"),
    "referrals": every(60, "loyalty.tasks.pay_referrals"),
    "points by day and by month of issue": every(3600, "insights.tasks.roll_up_points"),
    "recommendations": every(24 * 3600, "insights.tasks.recommend"),
    "old sightings": every(24 * 3600, "loyalty.tasks.forget_sightings"),
    "pools that run low": every(600, "rewards.tasks.warn_low_pools"),
    "journey maps": every(3600, "insights.tasks.draw_maps"),
    "old codes": every(24 * 3600, "customers.tasks.forget_codes"),
    "old messages": every(24 * 3600, "connectors.tasks.empty_bodies"),
    "old codes and sessions": every(3600, "portal.tasks.forget"),
    "old answers": every(3600, "api.tasks.purge_answers"),
    "long jobs": every(5, "merchants.tasks.work"),
    "files of old jobs": every(3600, "merchants.tasks.forget_files"),
    "old hours of this page": every(24 * 3600, "config.tasks.forget_hours"),
}
