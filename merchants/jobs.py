"""
Long work that staff start: a row that a worker takes, works on for a while, and gives back.

A kind is a file in a package of `settings.JOB_KINDS`. It works in chunks, each a transaction of its own that may be
repeated, and says after each how far it is (`Work.tell`): that is saved, with the rows it refused, and only as long as
the job is still this worker's. So a worker that is killed loses at most the chunk it was in, two workers never write
one job, and a job that is cancelled stops at its next chunk. After a minute the next job has its turn.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.db.models import Q

from lib import db, public_ids
from lib.errors import Conflict, DomainError, Malformed, Refused
from lib.registry import Registry
from lib.wake import wake
from merchants import job_files
from merchants.job_files import Lines
from merchants.models import Job, JobPiece, Merchant

TASK = "merchants.tasks.work"
LEASE = timedelta(minutes=2)  # longer than any chunk takes
TURN_SECONDS = 60.0
KEEP_FILES = timedelta(days=14)
MOST_FAULTS = 20
MOST_OPEN = 20

State, Phase, Role = Job.State, Job.Phase, JobPiece.Role
log = logging.getLogger(__name__)


class NotNow(Conflict):
    """The job is not in the state for it: somebody else was faster."""

    code = "job_state"


class TooManyJobs(Refused):
    code = "too_many_jobs"


class NoFile(Malformed):
    code = "file_missing"


class Stop(Exception):
    """The turn is over, or the job is somebody else's now: what was told so far is saved."""


Refusals = Sequence[tuple[int, Sequence[str], str, str]]


@dataclass
class Work:
    """One worker's turn at one job, begun `at`. A kind reads what is to be done and tells how far it is."""

    job: Job
    clock: Callable[[], datetime]
    at: datetime
    until: float
    columns: Sequence[str] = ()
    refused: list[tuple[int, Sequence[str], str, str]] = field(default_factory=list)

    @property
    def is_rehearsal(self) -> bool:
        return self.job.phase == Phase.CHECK

    def refuse(self, columns: Sequence[str], line: int, row: Sequence[str], code: str, reason: str) -> None:
        """Note a row that was not taken over, to be saved with the next `tell`."""
        self.columns = columns
        self.refused.append((line, list(row), code, reason))

    def tell(self, *, place: int, done: int, counts: Mapping[str, Any]) -> None:
        """
        Save how far the job is, and the rows refused since last time.

        :raises Stop: it was cancelled, its lease ran out, or its turn is over
        """
        _save(self, place=place, done=done, counts=counts)
        self.refused = []
        if time.monotonic() >= self.until:
            raise Stop

    def keep(self, *, chunks: Iterable[bytes], done: int, counts: Mapping[str, Any]) -> None:
        """Save what was made, whole, in place of what an earlier turn made. :raises Stop: it is not ours any more"""
        _keep(self, chunks=chunks, done=done, counts=counts)


class Kind:
    """One kind of job: what it asks for, and how it does it. `permission` is asked at the job's merchant."""

    kind: ClassVar[str]
    label: ClassVar[Any]
    lead: ClassVar[Any] = ""
    permission: ClassVar[str]
    needs_file: ClassVar[bool] = False
    has_rehearsal: ClassVar[bool] = True
    result: ClassVar[str] = ""

    def fields(self, merchant: Merchant) -> dict[str, forms.Field]:
        """Return what is asked beside the file; the answers are the job's parameters, as JSON."""
        return {}

    def total(self, job: Job) -> int:
        """Return how many there are to do, for the bar."""
        raise NotImplementedError

    def run(self, work: Work) -> None:
        """Do the job from its `place` on, telling after each chunk. Any chunk may come again."""
        raise NotImplementedError

    def said(self, counts: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        """Return the counts for people, as (what, how many)."""
        return list(counts.items())


class FileKind(Kind):
    """A kind that reads an uploaded CSV file through a room's own verb, line by line."""

    needs_file = True

    def total(self, job: Job) -> int:
        return job_files.length(job)

    def load(self, work: Work, lines: Iterable[str], **heard: Any) -> None:
        """Call the verb with `refuse` and `each`, as it hears them; in a rehearsal it saves nothing."""
        raise NotImplementedError

    def run(self, work: Work) -> None:
        before = work.job.counts
        with job_files.opened(work.job) as file:
            lines = Lines(file, place=work.job.place)

            def refuse(columns: Sequence[str], refusal: Any) -> None:
                work.refuse(columns, refusal.line + lines.ahead, refusal.row, refusal.code, refusal.reason)

            def each(counts: Any) -> None:
                work.tell(place=lines.place, done=lines.place, counts=added(before, asdict(counts)))

            self.load(work, lines, refuse=refuse, each=each, dry_run=work.is_rehearsal)


def added(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of two turns together; what is no number is as it is now."""
    return {
        name: count + before.get(name, 0) if isinstance(count, int) else count for name, count in now.items()
    }


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind of job of every room."""
    found: dict[str, Kind] = {}
    for package in settings.JOB_KINDS:
        found |= Registry(package, Kind).load()
    return found


# --- what staff do --------------------------------------------------------------------------------------


@db.command
def start(
    *,
    merchant: Merchant,
    kind: str,
    parameters: Mapping[str, Any],
    by: str,
    at: datetime,
    file: tuple[str, Callable[[], Iterable[bytes]]] | None = None,
) -> Job:
    """
    Queue a job; one with a rehearsal begins with that.

    :param file: its name, and a function that reads its body in chunks, anew if the command is run again
    :raises NoFile: the kind needs a file and there is none, or an empty one
    :raises TooManyJobs: twenty of the merchant's wait already
    """
    wanted = kinds()[kind]
    # The lock keeps two who start at once from both being the twentieth.
    Merchant.objects.select_for_update().get(pk=merchant.pk)
    if Job.objects.filter(merchant=merchant, state__in=[State.QUEUED, State.RUNNING]).count() >= MOST_OPEN:
        raise TooManyJobs(f"{MOST_OPEN} jobs wait already. Wait for them, or cancel some.")
    job = Job.objects.create(
        merchant=merchant,
        kind=kind,
        parameters=dict(parameters),
        phase=Phase.CHECK if wanted.has_rehearsal else Phase.RUN,
        file_name=file[0][:200] if file else "",
        started_by=by,
        created_at=at,
        turn_at=at,
    )
    size = job_files.write(job=job, role=Role.UPLOAD, chunks=file[1](), at=at) if file else 0
    if wanted.needs_file and not size:
        raise NoFile("There is no file, or it is empty.")
    wake(TASK)
    return job


@db.command
def confirm(*, job: Job, by: str, at: datetime) -> None:
    """
    Do in earnest what was rehearsed.

    :raises NotNow: the rehearsal is not over, or it was confirmed already
    """
    found = _own(job).filter(phase=Phase.CHECK, state=State.DONE).update(
        phase=Phase.RUN, state=State.QUEUED, started_by=by, done=0, place=0, counts={}, faults=[],
        began_at=None, ended_at=None, turn_at=at,
    )  # fmt: skip
    if not found:
        raise NotNow("Only a job whose rehearsal is over can be run, and only once.")
    JobPiece.objects.filter(merchant=job.merchant_id, job=job, role=Role.REPORT).delete()
    wake(TASK)


@db.command
def cancel(*, job: Job, at: datetime) -> None:
    """Stop a job at its next chunk. What it did so far stays. :raises NotNow: it is over already"""
    open_ones = Q(state__in=[State.QUEUED, State.RUNNING]) | Q(state=State.DONE, phase=Phase.CHECK)
    found = (
        _own(job).filter(open_ones).update(state=State.CANCELLED, ended_at=at, lease=None, leased_until=None)
    )
    if not found:
        raise NotNow("The job is over already.")


@db.command
def resume(*, job: Job, at: datetime) -> None:
    """
    Go on with a job that failed or was cancelled, where it was.

    :raises NotNow: it did not, or its file is gone
    """
    found = (
        _own(job)
        .filter(state__in=[State.FAILED, State.CANCELLED])
        .update(state=State.QUEUED, ended_at=None, error="", turn_at=at)
    )
    has_file = JobPiece.objects.filter(merchant=job.merchant_id, job=job, role=Role.UPLOAD).exists()
    if not found or (job.file_name and not has_file):
        raise NotNow("Only a job that failed or was cancelled goes on, as long as its file is kept.")
    wake(TASK)


# --- what workers do ------------------------------------------------------------------------------------


def work_due(
    *, clock: Callable[[], datetime], until: float | None = None, merchant: Merchant | None = None
) -> int:
    """
    Give one job its turn: whoever waits the longest. Return 1, or 0 when none waits.

    Any number of workers may: a job is one's. `until` (time.monotonic) ends the turn early.
    """
    at = clock()
    job = _take(at=at, merchant=merchant)
    if job is None:
        return 0
    ends = time.monotonic() + TURN_SECONDS
    work = Work(job, clock, at, min(ends, until) if until else ends)
    try:
        job.total = job.total or kinds()[job.kind].total(job)
        kinds()[job.kind].run(work)
    except Stop:
        _finish(work, State.QUEUED)
    except DomainError as refusal:
        _finish(work, State.FAILED, error=str(refusal))
    except Exception as error:
        # The kind's own fault, or the database's: staff read that it failed, operators read why.
        log.exception("job %s failed", job.public_id)
        _finish(
            work,
            State.FAILED,
            error=f"It broke ({type(error).__name__}). Try to go on, or ask who runs the service.",
        )
    else:
        _finish(work, State.DONE)
    return 1


@db.command
def _take(*, at: datetime, merchant: Merchant | None) -> Job | None:
    rows = Job.objects.select_for_update(skip_locked=True, of=("self",)).select_related("merchant")
    free = Q(state=State.QUEUED) | Q(state=State.RUNNING, leased_until__lte=at)
    # A clock that was set back: a lease may not reach further than any lease does.
    free |= Q(state=State.RUNNING, leased_until__gt=at + 2 * LEASE)
    rows = rows.filter(free, merchant__is_active=True)
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    job = rows.order_by("turn_at", "pk").first()
    if job is None:
        return None
    job.state, job.lease, job.leased_until, job.turn_at = State.RUNNING, public_ids.new(), at + LEASE, at
    job.began_at = job.began_at or at
    job.save(update_fields=["state", "lease", "leased_until", "turn_at", "began_at"])
    return job


@db.command
def _save(work: Work, *, place: int, done: int, counts: Mapping[str, Any]) -> None:
    """Keep how far a job is together with its refused rows: what came with one commit is never told twice."""
    job, at = work.job, work.clock()
    shown = [
        {"line": line, "row": [text[:80] for text in row][:12], "code": code, "reason": reason[:300]}
        for line, row, code, reason in work.refused[: MOST_FAULTS - len(job.faults)]
    ]
    faults = [*job.faults, *shown]
    held = _own(job).filter(state=State.RUNNING, lease=job.lease).update(
        place=place, done=done, counts=dict(counts), faults=faults, leased_until=at + LEASE,
        total=max(job.total, done),
    )  # fmt: skip
    if not held:
        raise Stop
    if work.refused:
        is_first = not JobPiece.objects.filter(merchant=job.merchant_id, job=job, role=Role.REPORT).exists()
        body = job_files.report(work.columns, work.refused, first=is_first)
        job_files.write(job=job, role=Role.REPORT, chunks=[body], at=at)
    job.place, job.done, job.counts, job.faults = place, done, dict(counts), faults


@db.command
def _keep(work: Work, *, chunks: Iterable[bytes], done: int, counts: Mapping[str, Any]) -> None:
    job, at = work.job, work.clock()
    held = (
        _own(job)
        .filter(state=State.RUNNING, lease=job.lease)
        .update(done=done, total=done, counts=dict(counts), leased_until=at + LEASE)
    )
    if not held:
        raise Stop
    JobPiece.objects.filter(merchant=job.merchant_id, job=job, role=Role.RESULT).delete()
    job_files.write(job=job, role=Role.RESULT, chunks=chunks, at=at)


@db.command
def _finish(work: Work, state: str, *, error: str = "") -> None:
    at = work.clock()
    more = {} if state == State.QUEUED else {"ended_at": at}
    _own(work.job).filter(state=State.RUNNING, lease=work.job.lease).update(
        state=state, error=error[:500], lease=None, leased_until=None, turn_at=at, **more
    )


def _own(job: Job) -> Any:
    return Job.objects.filter(merchant=job.merchant_id, pk=job.pk)


# --- what time does -------------------------------------------------------------------------------------


@db.command
def forget(*, at: datetime) -> int:
    """Delete the files, and the rows shown of them, of 14 days ago; return how many pieces went."""
    old = JobPiece.objects.filter(created_at__lt=at - KEEP_FILES)
    Job.objects.filter(created_at__lt=at - KEEP_FILES).exclude(faults=[]).update(faults=[])
    return old.delete()[0]


@db.inside_transaction
def forget_files_of(*, merchant_id: int) -> None:
    """Delete what jobs that are over keep of a merchant's customers: somebody in them is being erased."""
    over = Job.objects.filter(merchant=merchant_id, state__in=[State.DONE, State.FAILED, State.CANCELLED])
    JobPiece.objects.filter(merchant=merchant_id, job__in=over).delete()
    over.update(faults=[])
