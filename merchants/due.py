"""How long the periodic work of this room has been waiting: see config/periodic.py."""

from datetime import datetime

from lib.due import Ids, earliest, whose
from merchants.jobs import KEEP_FILES
from merchants.models import Job, JobPiece


def work(*, at: datetime, merchants: Ids) -> datetime | None:
    """A job that another worker gave back waits since then."""
    return earliest(whose(Job.objects.filter(state=Job.State.QUEUED), merchants), "turn_at")


def forget_files(*, at: datetime, merchants: Ids) -> datetime | None:
    rows = JobPiece.objects.filter(created_at__lt=at - KEEP_FILES)
    oldest = earliest(whose(rows, merchants), "created_at")
    return oldest + KEEP_FILES if oldest else None


DUE = {"merchants.tasks.work": work, "merchants.tasks.forget_files": forget_files}
