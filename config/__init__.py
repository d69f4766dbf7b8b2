"""
The fuse box: settings, addresses, schedule, checks. Wiring only; no room imports it.

The Celery application is made with the settings, so that every process (web, worker, command) can
publish to the same broker.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
