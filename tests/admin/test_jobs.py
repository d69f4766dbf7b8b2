"""Staff start long jobs, look at the rehearsal, run them, and take what came of it; nobody else's are there."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from customers.models import Customer
from merchants import jobs
from merchants.models import Job
from tests.cast import staff_of
from tests.merchants.jobbing import balances, now, start, work

pytestmark = pytest.mark.django_db
LIST, ADD = reverse("admin:merchants_job_changelist"), reverse("admin:merchants_job_add")


def page(name, job):
    return reverse(f"admin:merchants_job_{name}", args=[job.pk])


def form(kind, merchant):
    return f"{ADD}?kind={kind}&merchant={merchant.public_id}"


def upload(desk, merchant, text):
    file = SimpleUploadedFile("balances.csv", text.encode())
    return desk.post(form("import_balances", merchant), {"map": "ours", "file": file})


def test_from_a_file_to_customers(desk, cafe):
    assert "Import balances of another system" in desk.get(ADD).content.decode()
    assert 'enctype="multipart/form-data"' in desk.get(form("import_balances", cafe)).content.decode()

    answer = upload(desk, cafe, balances(4, bad=[1]))
    job = Job.objects.get()
    assert answer.headers["Location"] == page("change", job)
    waiting = desk.get(page("change", job))
    assert waiting.headers["Refresh"] == "3"

    work()
    rehearsed = desk.get(page("change", job))
    said = rehearsed.content.decode()
    assert "Refresh" not in rehearsed.headers
    assert "Rehearsed: waits for your word" in said
    assert "The first refused rows" in said
    assert not Customer.objects.exists()

    desk.post(page("run", job))
    work()
    assert Customer.objects.filter(merchant=cafe).count() == 3
    report = desk.get(page("report", job))
    assert "no-store" in report.headers["Cache-Control"]
    assert b"".join(report.streaming_content).startswith(b"line,code,reason,reference")


def test_what_a_form_lacks_is_said(desk, cafe):
    assert "This field is required" in desk.post(form("adjust_points", cafe), {}).content.decode()
    assert "required" in desk.post(form("import_balances", cafe), {"map": "ours"}).content.decode()
    assert not Job.objects.exists()


def test_points_for_a_tier(desk, cafe, ana):
    said = {"who": "tier:Bronze", "points": "25", "reason": "Summer", "reference": "summer"}
    desk.post(form("adjust_points", cafe), said)
    job = Job.objects.get()
    work()

    shown = desk.get(page("change", job)).content.decode()
    assert "Tier: Bronze" in shown
    assert re.search(r"<dt>Get the points</dt><dd>1</dd>", shown)


def test_a_job_is_cancelled_and_goes_on(desk, cafe):
    job = start(cafe, "import_balances", text=balances(2), map="ours")
    desk.post(page("cancel", job))
    assert now(job).state == "cancelled"

    desk.post(page("resume", job))

    assert now(job).state == "queued"


def test_a_button_is_pressed_and_never_followed(desk, cafe):
    job = start(cafe, "import_balances", text=balances(2), map="ours")
    for door in ("run", "cancel", "resume"):
        assert desk.get(page(door, job)).status_code == 404
    assert now(job).state == "queued"


def test_only_owners_export_everything(sit_down, owner, manager, cafe):
    assert sit_down(owner).get(form("export_merchant", cafe)).status_code == 200
    assert sit_down(manager).get(form("export_merchant", cafe)).status_code == 403
    assert sit_down(manager).get(form("import_balances", cafe)).status_code == 200
    job = start(cafe, "export_merchant")
    work()

    assert now(job).state == "done"
    assert sit_down(owner).get(page("result", job)).status_code == 200
    assert sit_down(manager).get(page("result", job)).status_code == 403


def test_an_analyst_looks_and_touches_nothing(sit_down, analyst, cafe):
    job = start(cafe, "import_balances", text=balances(3, bad=[1]), map="ours")
    work()
    desk = sit_down(analyst)

    said = desk.get(page("change", job)).content.decode()
    assert "c1@example.com" not in said
    assert "Run it" not in said
    for door in ("run", "report"):
        assert desk.post(page(door, job)).status_code == 403
    assert desk.get(ADD).status_code == 403


def test_a_cashier_has_no_jobs(sit_down, cashier, cafe):
    job = start(cafe, "import_balances", text=balances(1), map="ours")

    assert sit_down(cashier).get(LIST).status_code == 403
    assert sit_down(cashier).get(page("change", job)).status_code == 302


def test_an_outsiders_jobs_are_not_there(desk, cafe, bar_nilo):
    job = start(bar_nilo, "import_balances", text=balances(2, bad=[1]), map="ours")
    work()

    for door in ("run", "cancel", "resume", "report", "result"):
        assert desk.post(page(door, job)).status_code == 302
        assert desk.get(page(door, job)).headers["Location"] == reverse("admin:index")
    assert now(job).phase == "check"
    assert job.public_id not in desk.get(LIST).content.decode()
    assert desk.get(form("import_balances", bar_nilo)).status_code == 404
    assert desk.post(form("adjust_points", bar_nilo), {}).status_code == 404


def test_a_manager_of_two_shops_starts_a_job_at_the_right_one(sit_down, owner, cafe, bar_nilo):
    staff_of(bar_nilo, "owner")
    owner.roles.create(merchant=bar_nilo, kind="analyst")

    assert sit_down(owner).get(form("import_balances", cafe)).status_code == 200
    assert sit_down(owner).get(form("import_balances", bar_nilo)).status_code == 404


def test_the_list_sends_the_same_statements_for_any_number(desk, cafe):
    start(cafe, "import_balances", text=balances(1), map="ours")
    with CaptureQueriesContext(connection) as one:
        desk.get(LIST)
    for _ in range(8):
        start(cafe, "import_balances", text=balances(1), map="ours")
    with CaptureQueriesContext(connection) as nine:
        said = desk.get(LIST).content.decode()

    assert len(nine) <= len(one)
    assert said.count("Import balances") >= 9


def test_a_page_of_a_job_sends_few_statements(desk, cafe):
    job = start(cafe, "import_balances", text=balances(3, bad=[1]), map="ours")
    work()
    with CaptureQueriesContext(connection) as queries:
        desk.get(page("change", job))

    assert len(queries) <= 8


def test_a_kind_that_is_gone_is_still_shown(desk, cafe):
    job = start(cafe, "import_balances", text=balances(1), map="ours")
    Job.objects.update(kind="long_gone")

    assert "long_gone" in desk.get(page("change", job)).content.decode()
    assert jobs.work_due(clock=timezone.now) == 1
    assert now(job).state == "failed"
