"""The Celery application. Tasks live in each room's `tasks.py`; the timetable is `config/schedule.py`."""

import os

from celery import Celery
from celery.signals import worker_process_init

from config import recording  # noqa: F401  (hears each run)
from lib import cycles

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("loyalty")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _started(**_signal: object) -> None:
    cycles.search_rarely()
