"""Shortcuts for tests about long jobs."""

from datetime import timedelta

from django.utils import timezone

from customers.identifiers import Given
from loyalty import members
from merchants import job_files, jobs
from merchants.models import Job


def start(merchant, kind, *, text=None, at=None, name="file.csv", **parameters):
    """A job of this kind, queued; with a file if there is a text."""
    file = (name, lambda: [text.encode()]) if text is not None else None
    return jobs.start(
        merchant=merchant, kind=kind, parameters=parameters, by="mira", at=at or timezone.now(), file=file
    )


def work(*, ahead=timedelta()):
    """A worker takes its turns until nothing waits; return how many it took."""
    turns = 0
    while jobs.work_due(clock=lambda: timezone.now() + ahead):
        turns += 1
        assert turns < 100
    return turns


def now(job):
    return Job.objects.select_related("merchant").get(pk=job.pk)


def report(job):
    return b"".join(job_files.pieces(job=job, role="report")).decode()


def people(merchant, count, *, at):
    return members.enroll_all(
        merchant=merchant,
        people=[
            members.Newcomer(identifiers=(Given("card", f"77{number:06}"),), name=f"N{number}")
            for number in range(count)
        ],
        at=at,
        by="test",
    )


def balances(count, *, bad=()):
    """A file of so many customers with 10 points each; what is bad cannot be read."""
    rows = [f"r-{n},c{n}@example.com,{'ten' if n in bad else 10}" for n in range(count)]
    return "\n".join(["reference,email,points", *rows, ""])
