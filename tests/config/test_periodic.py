"""Periodic work: every line of the timetable is recorded, drained, judged, and never stopped by being watched."""

from datetime import timedelta

import pytest
from celery import current_app
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config import periodic, recording
from config.management.commands import drain
from config.models import PeriodicHour, PeriodicTask
from config.periodic import Run
from config.schedule import SCHEDULE
from connectors.models import InboundEvent
from merchants.models import Staff
from tests.connectors.conftest import connect

pytestmark = pytest.mark.django_db
TASKS = {line["task"] for line in SCHEDULE.values()}
INBOX = "connectors.tasks.drain"


@pytest.fixture(autouse=True)
def _nothing_written_yet():
    recording._written.clear()
    recording._kept.clear()


def ran(task=INBOX, *, at, **more):
    periodic.begin(task=task, at=at)
    periodic.end(Run(task, at, at, more.pop("seconds", 0.1), **more))


def state(at, name="inbox", **more):
    return next(one for one in periodic.work(at=at, **more) if one.name == name)


# --- the timetable agrees with itself ---------------------------------------------------------------------


def test_every_line_of_the_timetable_is_a_task():
    current_app.loader.import_default_modules()

    assert TASKS - set(current_app.tasks) == set()


def test_drain_does_everything_that_the_timetable_does():
    assert {piece.task for piece in drain.PIECES} == TASKS


def test_what_waits_is_asked_of_tasks_that_are_there(noon):
    assert set(periodic.due()) - TASKS == set()
    assert len(periodic.due()) >= 14
    assert {name for name in periodic.due() if periodic.due()[name](at=noon, merchants=None)} == set()


# --- recording --------------------------------------------------------------------------------------------


def test_a_run_is_written_down(cafe):
    current_app.tasks["rewards.tasks.warn_low_pools"].apply()

    row = PeriodicTask.objects.get(task="rewards.tasks.warn_low_pools")
    assert row.finished_at >= row.started_at
    assert row.failed_at is None
    assert PeriodicHour.objects.get().runs == 1


def test_a_run_that_fails_is_written_down_without_the_rows_values(cafe, monkeypatch):
    def broken(*, at):
        raise RuntimeError("the pool leaks\nDETAIL: ana@example.com")

    monkeypatch.setattr("rewards.pools.warn", broken)

    current_app.tasks["rewards.tasks.warn_low_pools"].apply()

    row = PeriodicTask.objects.get()
    assert row.error == "RuntimeError: the pool leaks"
    assert row.failed_at == row.finished_at
    assert state(timezone.now(), "pools that run low").state == "failed"


def test_what_cannot_be_written_stops_no_work(cafe, monkeypatch):
    def broken(*args, **more):
        raise RuntimeError("no table")

    done = []
    monkeypatch.setattr(periodic, "begin", broken)
    monkeypatch.setattr(periodic, "end", broken)
    monkeypatch.setattr("rewards.pools.warn", lambda *, at: done.append(at) or 3)

    assert current_app.tasks["rewards.tasks.warn_low_pools"].apply().get() == 3
    assert len(done) == 1


def test_a_task_that_is_woken_often_is_written_once_a_second_and_counts_all(cafe, monkeypatch):
    task = current_app.tasks["rewards.tasks.warn_low_pools"]
    monkeypatch.setattr("rewards.pools.warn", lambda *, at: 2)
    for _ in range(5):
        task.apply()
    assert PeriodicHour.objects.get().runs == 1

    recording._written.clear()
    task.apply()

    hour = PeriodicHour.objects.get()
    assert (hour.runs, hour.done) == (6, 12)


def test_two_at_once_add_up(noon):
    for seconds in (1.0, 3.0, 2.0):
        ran(at=noon, done=5, seconds=seconds)

    hour = PeriodicHour.objects.get()
    assert (hour.runs, hour.done, hour.seconds, hour.longest) == (3, 15, 6.0, 3.0)


def test_the_history_is_kept_for_fourteen_days(noon):
    ran(at=noon)
    assert periodic.forget(at=noon + timedelta(days=14)) == 0
    assert periodic.forget(at=noon + timedelta(days=14, hours=1)) == 1


# --- how it is --------------------------------------------------------------------------------------------


def test_nothing_is_late_on_a_new_machine(noon):
    assert {one.state for one in periodic.work(at=noon)} == {"waiting"}
    assert periodic.late(at=noon) == []


def test_what_does_not_run_is_late_after_three_intervals(noon):
    ran("loyalty.tasks.review_tiers", at=noon)

    assert state(noon + timedelta(minutes=30), "tiers").state == "ok"
    late = state(noon + timedelta(minutes=31), "tiers")
    assert late.state == "late"
    assert "too long" in late.said


def test_what_never_ran_while_others_do_is_late(noon):
    ran(at=noon)

    assert state(noon + timedelta(minutes=31), "tiers").state == "late"
    assert state(noon + timedelta(minutes=31), "customer days").state == "waiting"


def test_a_run_that_was_killed_is_seen(noon):
    periodic.begin(task="loyalty.tasks.review_tiers", at=noon)

    assert state(noon + timedelta(minutes=1), "tiers").state == "running"
    assert state(noon + timedelta(minutes=11), "tiers").state == "late"


def test_a_clock_that_is_set_back_does_not_hide_a_dead_worker(noon):
    ran(at=noon)

    assert state(noon - timedelta(hours=5)).state == "late"
    ran(at=noon - timedelta(hours=5))
    assert state(noon - timedelta(hours=5)).state == "ok"


def wait(merchant, at, number="1"):
    machine = connect(merchant, at=at)
    return InboundEvent.objects.create(
        merchant=merchant, connection=machine, event_id=number, type="x", body="{}", status="waiting",
        due_at=at, occurred_at=at, received_at=at,
    )  # fmt: skip


def test_what_waits_for_long_is_late_although_it_runs(cafe, bar_nilo, noon):
    wait(cafe, noon)
    ran(at=noon + timedelta(minutes=6))

    behind = state(noon + timedelta(minutes=6))
    assert (behind.state, behind.lag) == ("late", timedelta(minutes=6))
    theirs = state(noon + timedelta(minutes=6), merchants=frozenset({bar_nilo.pk}))
    assert (theirs.state, theirs.lag) == ("ok", timedelta())


def test_a_load_balancer_is_told_and_takes_nobody_away(client, noon):
    ran(at=timezone.now() - timedelta(hours=1))

    answer = client.get("/health/ready")

    assert answer.status_code == 200
    assert "inbox" in answer.json()["late"]


def test_it_costs_a_load_balancer_one_statement_more(client, noon):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/health/ready")

    assert len(queries) == 2


# --- draining ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_drain_keeps_the_timetables_books_and_does_its_upkeep_once(cafe, capsys):
    call_command("drain", "--json")
    days = PeriodicTask.objects.get(task="loyalty.tasks.rebuild_days").finished_at
    call_command("drain", "--json")

    assert set(PeriodicTask.objects.values_list("task", flat=True)) == TASKS
    assert PeriodicTask.objects.get(task="loyalty.tasks.rebuild_days").finished_at == days
    assert PeriodicTask.objects.get(task=INBOX).finished_at > days


# --- the page ---------------------------------------------------------------------------------------------


@pytest.fixture
def timetable(client):
    def open_page(staff):
        client.force_login(staff)
        return client.get(reverse("admin:config_periodictask_changelist"))

    return open_page


def test_an_owner_sees_the_timetable_but_no_complaint(timetable, owner, cafe):
    ran(at=timezone.now(), error="IntegrityError: somebody else's row")

    said = timetable(owner).content.decode()

    assert all(name in said for name in SCHEDULE)
    assert "Failed" in said
    assert "somebody else" not in said


def test_who_runs_the_service_sees_the_complaint(timetable, cafe):
    ran(at=timezone.now(), error="IntegrityError: somebody else's row")
    root = Staff.objects.create_superuser("root")

    assert "IntegrityError: somebody else" in timetable(root).content.decode()


@pytest.mark.parametrize("kind", ["manager", "cashier", "analyst"])
def test_others_have_no_such_page(timetable, kind, request):
    assert timetable(request.getfixturevalue(kind)).status_code == 403


def test_the_page_sends_few_statements(timetable, client, owner, cafe):
    timetable(owner)
    for name in TASKS:
        ran(name, at=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("admin:config_periodictask_changelist"))

    # One per kind of row that may wait (two have two), the records, session, reader and roles.
    assert len(queries) <= len(periodic.due()) + 2 + 6


def test_a_task_has_a_page_of_its_hours(timetable, client, owner, cafe):
    ran(at=timezone.now(), done=7)
    timetable(owner)

    said = client.get(reverse("admin:config_periodictask_change", args=[INBOX])).content.decode()

    assert '<td class="l-num">7</td>' in said
