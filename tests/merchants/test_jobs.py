"""Long jobs: rehearsed, worked on in turns, cancelled, resumed; one worker's at a time, one merchant's always."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import erasure
from customers.models import Customer, Segment
from lib import db
from loyalty import balances as books
from loyalty import tier_reviews
from loyalty.models import Membership, Purchase
from merchants import job_files, jobs
from merchants.job_files import Lines
from merchants.models import Job, JobPiece
from tests.merchants.jobbing import balances, now, people, report, start, work

pytestmark = [pytest.mark.django_db, pytest.mark.core]


def points(customer):
    return books.of_many(merchant=customer.merchant, customers=[customer.pk], at=timezone.now())[customer.pk][
        "available"
    ]


# --- a rehearsal, and then in earnest -----------------------------------------------------------------------


def test_a_rehearsal_says_what_would_happen_and_saves_nothing(cafe):
    job = start(cafe, "import_balances", text=balances(30, bad=[3]), map="ours")
    work()

    seen = now(job)
    assert (seen.phase, seen.state, seen.done, seen.total) == ("check", "done", 31, 31)
    assert (seen.counts["created"], seen.counts["rejected"], seen.counts["points"]) == (29, 1, 290)
    assert seen.faults[0]["line"] == 5
    assert "ten" in seen.faults[0]["row"]
    assert not Customer.objects.filter(merchant=cafe).exists()

    jobs.confirm(job=job, by="mira", at=timezone.now())
    work()

    done = now(job)
    assert (done.phase, done.state) == ("run", "done")
    assert done.counts["created"] == 29
    assert Customer.objects.filter(merchant=cafe).count() == 29
    assert report(job).count("\n") == 2  # of the work itself, not of the rehearsal too


def test_it_is_confirmed_once(cafe):
    job = start(cafe, "import_balances", text=balances(2), map="ours")
    with pytest.raises(jobs.NotNow):
        jobs.confirm(job=job, by="mira", at=timezone.now())
    work()
    jobs.confirm(job=job, by="mira", at=timezone.now())

    with pytest.raises(jobs.NotNow):
        jobs.confirm(job=job, by="mira", at=timezone.now())


def test_the_same_file_again_changes_nothing(cafe):
    for _ in range(2):
        job = start(cafe, "import_balances", text=balances(5), map="ours")
        work()
        jobs.confirm(job=job, by="mira", at=timezone.now())
        work()

    assert now(job).counts["replayed"] == 5
    assert Customer.objects.filter(merchant=cafe).count() == 5


def in_earnest(job):
    work()
    if now(job).phase == "check":
        jobs.confirm(job=job, by="mira", at=timezone.now())
        work()
    done = now(job)
    assert done.state == "done", done.error
    return done


def test_purchases_come_in(cafe, ana):
    text = (
        "customer,reference,occurred_at,amount_minor\n"
        "ana@example.com,R1,2026-04-01T10:00:00Z,1200\nana@example.com,R2,2026-04-01T10:00:00Z,x\n"
    )
    done = in_earnest(start(cafe, "import_purchases", text=text, as_of="today", enroll=False))

    assert (done.counts["created"], done.counts["rejected"]) == (1, 1)
    assert Purchase.objects.get(merchant=cafe).amount_minor == 1200
    assert points(ana) == 12


def test_customers_come_in(cafe):
    text = "external_id,email,name\n1,eva@example.com,Eva\n2,leo@example.com,Leo\n"
    done = in_earnest(start(cafe, "import_customers", text=text, source="plain", welcome=False))

    assert done.counts["created"] == 2
    assert set(Customer.objects.values_list("name", flat=True)) == {"Eva", "Leo"}


def test_a_segment_is_counted(cafe, ana, noon):
    Segment.objects.create(merchant=cafe, code="all", name="All", rule={"all": []}, changed_at=noon)
    done = in_earnest(start(cafe, "refresh_segment", segment="all"))

    assert done.counts == {"members": 1}


def test_points_are_given_once_per_reference(cafe, ana):
    said = {"who": "all", "points": 25, "reason": "Summer", "reference": "summer"}
    assert in_earnest(start(cafe, "adjust_points", **said)).counts["changed"] == 1
    assert in_earnest(start(cafe, "adjust_points", **said)).counts["unchanged"] == 1

    assert points(ana) == 25


def test_one_who_has_too_few_points_spoils_nothing(cafe, ana, noon):
    others = people(cafe, 3, at=noon)
    in_earnest(start(cafe, "adjust_points", who="all", points=5, reason="a", reference="a"))
    in_earnest(start(cafe, "adjust_points", who="all", points=10, reason="a", reference="b"))
    Customer.objects.filter(pk=others[0].pk).update(status="blocked")
    in_earnest(start(cafe, "adjust_points", who="all", points=-15, reason="a", reference="c"))
    done = in_earnest(start(cafe, "adjust_points", who="all", points=-1, reason="a", reference="d"))

    assert done.counts == {"customers": 3, "changed": 0, "unchanged": 0, "rejected": 3}
    assert done.faults[0]["code"] == "insufficient_points"
    assert points(others[0]) == 15


def test_a_tier_is_given_to_many_once(cafe, ana, noon):
    people(cafe, 3, at=noon)
    tier_reviews.assign(customer=ana, tier="Gold", until=None, reason="x", by="x", at=noon)
    said = {"who": "tier:Bronze", "tier": "Silver", "until": "2027-01-31", "reason": "Thanks"}
    done = in_earnest(start(cafe, "set_tier", **said))

    assert done.counts["changed"] == 3
    assert Membership.objects.filter(merchant=cafe, tier="Silver").count() == 3
    assert Membership.objects.get(customer=ana).tier == "Gold"


def test_bulk_reaches_no_other_merchant(cafe, ana, bar_nilo, bo):
    Segment.objects.create(merchant=bar_nilo, code="vip", name="VIP", changed_at=timezone.now())
    in_earnest(start(cafe, "adjust_points", who="all", points=25, reason="a", reference="a"))
    none = in_earnest(start(cafe, "adjust_points", who="segment:vip", points=9, reason="a", reference="b"))

    assert none.counts == {}
    assert (points(ana), points(bo)) == (25, 0)


# --- workers -----------------------------------------------------------------------------------------------


def test_a_job_is_one_workers(cafe):
    job = start(cafe, "import_balances", text=balances(3), map="ours")

    assert jobs._take(at=timezone.now(), merchant=None).pk == job.pk
    assert jobs._take(at=timezone.now(), merchant=None) is None


def test_a_worker_that_lost_its_job_writes_nothing(cafe):
    start(cafe, "import_balances", text=balances(3), map="ours")
    at = timezone.now()
    first = jobs.Work(jobs._take(at=at, merchant=None), timezone.now, at, float("inf"))
    later = at + jobs.LEASE
    second = jobs.Work(jobs._take(at=later, merchant=None), timezone.now, later, float("inf"))

    with pytest.raises(jobs.Stop):
        first.tell(place=2, done=2, counts={"rows": 99})
    jobs._finish(first, "failed", error="late")
    second.tell(place=1, done=1, counts={"rows": 1})

    assert (now(first.job).state, now(first.job).counts) == ("running", {"rows": 1})


def test_a_lease_of_a_clock_that_was_ahead_ends(cafe):
    job = start(cafe, "import_balances", text=balances(3), map="ours")
    ahead = timezone.now() + timedelta(days=1)
    assert jobs._take(at=ahead, merchant=None)

    assert jobs._take(at=timezone.now(), merchant=None).pk == job.pk


def test_a_long_job_lets_others_have_their_turn(cafe, bar_nilo, noon, monkeypatch):
    people(cafe, 120, at=noon)
    people(bar_nilo, 1, at=noon)
    long = start(cafe, "adjust_points", who="all", points=1, reason="a", reference="a", at=noon)
    short = start(bar_nilo, "adjust_points", who="all", points=1, reason="a", reference="a")
    monkeypatch.setattr(jobs, "TURN_SECONDS", 0)

    jobs.work_due(clock=timezone.now)
    assert (now(long).state, now(long).done) == ("queued", 50)
    jobs.work_due(clock=timezone.now)
    assert now(short).done == 1
    assert work() > 2

    assert now(long).counts["changed"] == 120


def test_a_file_goes_on_where_it_was(cafe, monkeypatch):
    job = start(cafe, "import_balances", text=balances(1203, bad=[7, 900]), map="ours")
    monkeypatch.setattr(jobs, "TURN_SECONDS", 0)

    jobs.work_due(clock=timezone.now)
    assert now(job).place == 501
    work()

    seen = now(job)
    assert (seen.state, seen.done, seen.counts["rows"], seen.counts["created"]) == ("done", 1204, 1203, 1201)
    assert [fault["line"] for fault in seen.faults] == [9, 902]
    assert [line.split(",")[0] for line in report(job).splitlines()] == ["line", "9", "902"]


def test_a_cancelled_job_stops_at_its_next_chunk_and_can_go_on(cafe, noon, monkeypatch):
    people(cafe, 120, at=noon)
    job = start(cafe, "adjust_points", who="all", points=1, reason="a", reference="a")
    save, saved = jobs._save, []

    def cancelling(*args, **more):
        save(*args, **more)
        saved.append(more["done"])
        if len(saved) == 1:
            jobs.cancel(job=job, at=timezone.now())

    monkeypatch.setattr(jobs, "_save", cancelling)
    work()
    assert (now(job).state, now(job).done) == ("cancelled", 50)
    assert saved == [50]

    jobs.resume(job=job, at=timezone.now())
    work()

    assert (now(job).state, now(job).counts["customers"]) == ("done", 120)
    with pytest.raises(jobs.NotNow):
        jobs.resume(job=job, at=timezone.now())


@pytest.mark.parametrize(
    ("text", "said"), [("name\nx\n", "points"), ("reference,email,points,points\n", "twice")]
)
def test_a_file_that_is_none_says_why(cafe, text, said):
    job = start(cafe, "import_balances", text=text, map="ours")
    work()

    assert now(job).state == "failed"
    assert said in now(job).error


def test_what_breaks_is_told_without_its_innards(cafe, ana, monkeypatch):
    def broken(*args, **more):
        raise RuntimeError("secret of ana@example.com")

    monkeypatch.setattr("loyalty.adjustments.adjust", broken)
    job = start(cafe, "adjust_points", who="all", points=1, reason="a", reference="a")
    work()

    assert now(job).state == "failed"
    assert "RuntimeError" in now(job).error
    assert "secret" not in now(job).error


def test_an_empty_file_is_refused_at_once(cafe):
    with pytest.raises(jobs.NoFile):
        start(cafe, "import_balances", text="", map="ours")
    assert not Job.objects.exists()


def test_twenty_wait_at_most(cafe, bar_nilo):
    for _ in range(jobs.MOST_OPEN):
        start(cafe, "import_balances", text=balances(1), map="ours")

    with pytest.raises(jobs.TooManyJobs):
        start(cafe, "import_balances", text=balances(1), map="ours")
    start(bar_nilo, "import_balances", text=balances(1), map="ours")


def test_telling_how_far_a_job_is_costs_one_statement(cafe):
    start(cafe, "import_balances", text=balances(3), map="ours")
    at = timezone.now()
    turn = jobs.Work(jobs._take(at=at, merchant=None), timezone.now, at, float("inf"))

    with CaptureQueriesContext(connection) as queries:
        turn.tell(place=2, done=2, counts={"rows": 2})

    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) == 1


# --- files ----------------------------------------------------------------------------------------------------


def test_rows_with_line_breaks_are_never_cut():
    text = '"a\nb",c\n"1\n2",x\n"3\n\n4",y\n5,z\n'
    whole = text.splitlines(keepends=True)

    assert list(Lines(iter(whole), place=0)) == whole
    assert list(Lines(iter(whole), place=4)) == [*whole[:2], *whole[4:]]
    assert Lines(iter(whole), place=4).ahead == 2


def test_a_packed_file_is_read(cafe):
    import gzip

    body = gzip.compress(balances(4).encode())
    job = jobs.start(
        merchant=cafe, kind="import_balances", parameters={"map": "ours"}, by="mira", at=timezone.now(),
        file=("file.csv.gz", lambda: [body[:20], body[20:]]),
    )  # fmt: skip
    work()

    assert now(job).counts["created"] == 4


def test_files_go_after_fourteen_days(cafe, noon):
    job = start(cafe, "import_balances", text=balances(3, bad=[1]), map="ours", at=noon)
    work()
    JobPiece.objects.update(created_at=noon)

    assert jobs.forget(at=noon + jobs.KEEP_FILES) == 0
    assert jobs.forget(at=noon + jobs.KEEP_FILES + timedelta(seconds=1)) == 2
    assert now(job).faults == []
    with pytest.raises(jobs.NotNow):
        jobs.resume(job=job, at=noon)


def test_erasing_somebody_takes_the_files_along(cafe, ana, bar_nilo):
    job = start(cafe, "import_balances", text=balances(3, bad=[1]), map="ours")
    other = start(bar_nilo, "import_balances", text=balances(3), map="ours")
    work()
    waiting = start(cafe, "import_balances", text=balances(3), map="ours")

    erasure.erase(customer=ana, at=timezone.now(), by="mira")

    assert job_files.roles(job) == []
    assert now(job).faults == []
    assert job_files.roles(waiting) == job_files.roles(other) == ["upload"]


def test_a_repeated_piece_is_refused_by_the_database(cafe):
    job = start(cafe, "import_balances", text=balances(1), map="ours")

    @db.command
    def twice():
        job_files.write(job=job, role="upload", chunks=[b"x"], at=timezone.now())

    twice()
    assert [piece.number for piece in JobPiece.objects.order_by("number")] == [0, 1]
