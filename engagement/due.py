"""How long the periodic work of this room has been waiting: see config/periodic.py."""

from datetime import datetime

from engagement.models import FlowRun, Message
from lib.due import Ids, earliest, whose


def send(*, at: datetime, merchants: Ids) -> datetime | None:
    rows = Message.objects.filter(status=Message.Status.QUEUED, due_at__lte=at)
    return earliest(whose(rows, merchants), "due_at")


def step(*, at: datetime, merchants: Ids) -> datetime | None:
    rows = FlowRun.objects.filter(state=FlowRun.State.WAITING, due_at__lte=at, flow__is_on=True)
    return earliest(whose(rows, merchants), "due_at")


DUE = {"engagement.tasks.send": send, "engagement.tasks.step": step}
