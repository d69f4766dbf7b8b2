"""A worker that is killed in the middle of a long job, before or after it said how far it is: each row counts once."""

from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from customers.models import Customer, Segment, SegmentMember
from loyalty import balances as books
from loyalty.models import Membership, Purchase, TierChange
from merchants import job_files, jobs
from tests.merchants.jobbing import balances, now, people, report, start, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# Chunks of fifty; the second time it would say how far it is, it says so to us instead, and waits to be killed.
WORK = """
import time
from django.utils import timezone
from customers import segments
from connectors import customer_file
from loyalty import balance_file, bulk, purchase_file
from merchants import jobs, open_file
segments.CHUNK = customer_file.CHUNK = open_file.CHUNK = bulk.CHUNK = 50
purchase_file.Reader.chunks.__defaults__ = (50,)
load = balance_file.load
balance_file.load = lambda **said: load(**{**said, "size": 50})
save, told = jobs._save, []
def dying(*args, **more):
    told.append(1)
    if AFTER:
        save(*args, **more)
    if len(told) == 2:
        print("there", flush=True)
        time.sleep(300)
    if not AFTER:
        save(*args, **more)
jobs._save = dying
jobs.work_due(clock=timezone.now)
print("done", flush=True)
"""
MANY = 230


def points(merchant):
    ids = list(Customer.objects.filter(merchant=merchant).values_list("pk", flat=True))
    found = books.of_many(merchant=merchant, customers=ids, at=timezone.now())
    return [one["available"] for one in found.values()]


def import_balances(cafe, noon):
    yield start(cafe, "import_balances", text=balances(MANY, bad=[3, 70]), map="ours")
    assert points(cafe) == [10] * (MANY - 2)


def import_purchases(cafe, noon):
    people(cafe, 10, at=noon)
    rows = [
        f"770000{n % 10:02},R-{n},2026-04-01T10:00:00Z,{'x' if n in (3, 70) else 100}" for n in range(MANY)
    ]
    text = "\n".join(["customer,reference,occurred_at,amount_minor", *rows, ""])
    yield start(cafe, "import_purchases", text=text, as_of="today", enroll=False)
    assert Purchase.objects.filter(merchant=cafe).count() == MANY - 2
    assert sum(points(cafe)) == MANY - 2


def import_customers(cafe, noon):
    rows = [f"{n},{'no mail' if n in (3, 70) else f'e{n}@example.com'}" for n in range(MANY)]
    text = "\n".join(["external_id,email", *rows, ""])
    yield start(cafe, "import_customers", text=text, source="plain", welcome=False)
    assert Customer.objects.filter(merchant=cafe).count() == MANY - 2


def adjust_points(cafe, noon):
    people(cafe, MANY, at=noon)
    yield start(cafe, "adjust_points", who="all", points=7, reason="Summer", reference="summer")
    assert points(cafe) == [7] * MANY


def set_tier(cafe, noon):
    people(cafe, MANY, at=noon)
    yield start(cafe, "set_tier", who="all", tier="Gold", until="2027-01-31", reason="Thanks")
    assert Membership.objects.filter(merchant=cafe, tier="Gold").count() == MANY
    assert TierChange.objects.filter(merchant=cafe, to_tier="Gold").count() == MANY


def refresh_segment(cafe, noon):
    people(cafe, MANY, at=noon)
    segment = Segment.objects.create(
        merchant=cafe, code="all", name="All", rule={"all": []}, changed_at=timezone.now()
    )
    yield start(cafe, "refresh_segment", segment="all")
    assert SegmentMember.objects.filter(segment=segment).count() == MANY


def export_merchant(cafe, noon):
    people(cafe, MANY, at=noon)
    job = start(cafe, "export_merchant")
    yield job
    import gzip

    lines = gzip.decompress(b"".join(job_files.pieces(job=job, role="result"))).splitlines()
    assert sum(b'"line":"customer"' in line for line in lines) == MANY
    assert orjson.loads(lines[-1])["line"] == "end"


KINDS = [
    import_balances, import_purchases, import_customers, adjust_points, set_tier, refresh_segment, export_merchant,
]  # fmt: skip
WITH_BAD_ROWS = (import_balances, import_purchases, import_customers)


def test_every_kind_of_job_is_killed_here():
    assert {kind.__name__ for kind in KINDS} == set(jobs.kinds())


@pytest.mark.parametrize("after", [True, False], ids=["after it said so", "before it said so"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_killed_job_goes_on(cafe, noon, worker, kind, after):
    steps = kind(cafe, noon)
    job = next(steps)
    if jobs.kinds()[job.kind].has_rehearsal:
        work()
        jobs.confirm(job=job, by="mira", at=timezone.now())
    process = worker(WORK.replace("AFTER", str(after)))
    assert process.stdout.readline() == "there\n"
    process.kill()
    process.wait()
    halfway = now(job)
    assert halfway.state == "running"
    assert 0 < halfway.done < halfway.total or not halfway.total

    assert work() == 0  # it is still the dead one's
    # A segment is counted under a lease of its own, which is longer.
    work(ahead=max(jobs.LEASE, timedelta(minutes=16)))

    assert now(job).state == "done", now(job).error
    next(steps, None)
    if kind in WITH_BAD_ROWS:
        assert len(report(job).splitlines()) == 3
        assert now(job).counts["rejected"] == 2
        assert now(job).done == MANY + 1


def test_two_workers_share_the_jobs(cafe, noon, worker):
    people(cafe, 60, at=noon)
    started = [
        start(cafe, "adjust_points", who="all", points=1, reason="a", reference=f"r{n}") for n in range(6)
    ]
    work()
    for job in started:
        jobs.confirm(job=job, by="mira", at=timezone.now())
    code = (
        "from django.utils import timezone\nfrom merchants import jobs\n"
        "while jobs.work_due(clock=timezone.now): print('turn', flush=True)"
    )
    both = [worker(code) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]

    assert "".join(said).count("turn") == 6
    assert points(cafe) == [6] * 60
