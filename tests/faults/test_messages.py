"""A message is sent at most once, whatever dies when. A real mail server counts, workers are real processes."""

import time
import tracemalloc
from datetime import timedelta

import pytest
from django.db import connections, transaction

from customers.identifiers import Given
from engagement import messages, subscriptions
from engagement.messages import Draft
from engagement.models import ChannelSettings, Message
from loyalty import members
from tests.mail import post_office

__all__ = ["post_office"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.core]

SEND = """
import time
from datetime import UTC, datetime
from django.conf import settings
settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", {port}, False
from engagement import claims, messages, sending
from engagement.channels import email
noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
{before}
while messages.send_due(at=noon, limit=20):
    pass
"""
# Where the worker stops for ever, until it is killed: at the seventh message.
STOP = """
count = 0
def stop(act, after=False):
    def run(*args, **more):
        global count
        count += 1
        if count < 7:
            return act(*args, **more)
        if after:
            act(*args, **more)
        print("here", flush=True)
        time.sleep(600)
    return run
"""
MOMENTS = {
    "before it starts": STOP + "claims.step = stop(claims.step)",
    "after it started": STOP + "claims.step = stop(claims.step, after=True)",
    "before the server's yes": STOP + "email.Line.send = stop(email.Line.send)",
    "after the server's yes": STOP + "email.Line.send = stop(email.Line.send, after=True)",
}
PEOPLE = 12


@pytest.fixture
def shop(cafe):
    cafe.is_test = False
    cafe.save()
    return cafe


@pytest.fixture
def people(shop, noon):
    return [
        members.enroll(
            merchant=shop,
            name=f"Guest {n}",
            identifiers=[Given("email", f"guest{n}@example.com")],
            at=noon,
            by="test",
        )
        for n in range(PEOPLE)
    ]


@pytest.fixture
def queued(people, noon):
    drafts = [
        Draft(one, f"hello:{n}", "email", "welcome", {}, "service", noon) for n, one in enumerate(people)
    ]
    with transaction.atomic():
        messages.queue_all(drafts, at=noon)
    return people


def receivers(post_office):
    return sorted(letter.recipients[0] for letter in post_office.letters)


def states():
    return dict(Message.objects.values_list("key", "status"))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_worker_repeats_nothing(moment, queued, worker, noon, post_office, settings):
    process = worker(SEND.format(port=settings.EMAIL_PORT, before=MOMENTS[moment]))
    assert process.stdout.readline() == "here\n"
    process.kill()
    process.wait()

    # Within the lease nobody knows better, afterwards others go on.
    for minutes in (0, 4, 8):
        while messages.send_due(at=noon + timedelta(minutes=minutes)):
            pass

    got = receivers(post_office)
    assert len(got) == len(set(got))
    told = states()
    assert sorted(told.values()) == ["sent"] * (PEOPLE - 1) + ["unknown"]
    # What nobody knows of: before a start it is the message before, whose outcome goes with the start.
    has_arrived = moment in ("before it starts", "after the server's yes")
    assert len(got) == PEOPLE - (not has_arrived)


def test_killed_anywhere_ten_times_nothing_comes_twice(queued, worker, noon, post_office, settings):
    at = noon
    for wait in (0.05, 0.01, 0.02, 0.03, 0.04):
        process = worker(SEND.format(port=settings.EMAIL_PORT, before='print("go", flush=True)'))
        assert process.stdout.readline() == "go\n"
        before = len(post_office.letters)
        ends = time.monotonic() + 5
        while len(post_office.letters) == before and process.poll() is None and time.monotonic() < ends:
            time.sleep(0.001)
        time.sleep(wait / 10)
        process.kill()
        process.wait()
        Message.objects.filter(status="queued").update(claimed_until=None)
    while messages.send_due(at=at + timedelta(minutes=4)):
        pass

    got = receivers(post_office)
    assert len(got) == len(set(got))
    told = states()
    assert set(told.values()) <= {"sent", "unknown"}
    sent = {f"guest{key.partition(':')[2]}@example.com" for key, status in told.items() if status == "sent"}
    assert sent <= set(got)


def test_a_person_sends_an_unknown_one_again(queued, worker, noon, post_office, settings):
    process = worker(SEND.format(port=settings.EMAIL_PORT, before=MOMENTS["after the server's yes"]))
    assert process.stdout.readline() == "here\n"
    process.kill()
    process.wait()
    messages.send_due(at=noon + timedelta(minutes=4))
    lost = Message.objects.get(status="unknown")

    assert messages.resend(message=lost, at=noon + timedelta(minutes=5))
    assert not messages.resend(message=lost, at=noon + timedelta(minutes=5))
    messages.send_due(at=noon + timedelta(minutes=5))

    assert set(states().values()) == {"sent"}
    assert len(post_office.letters) == PEOPLE + 1


def test_two_workers_share_the_queue(queued, worker, noon, post_office, settings):
    code = SEND.format(port=settings.EMAIL_PORT, before="sending.BATCH = 3")

    for process in [worker(code) for _ in range(2)]:
        assert process.wait(60) == 0

    assert len(receivers(post_office)) == len(set(receivers(post_office))) == PEOPLE
    assert set(Message.objects.values_list("status", "attempts")) == {("sent", 1)}


def test_a_provider_that_is_down_loses_nothing(queued, shop, noon, post_office, settings):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 9

    assert messages.send_due(at=noon) == 0
    assert messages.send_due(at=noon + timedelta(seconds=20)) == 0

    paused = ChannelSettings.objects.get(merchant=shop, kind="email")
    assert paused.pauses == 1
    assert noon + timedelta(seconds=25) < paused.paused_until < noon + timedelta(seconds=60)
    assert set(states().values()) == {"queued"}
    assert messages.send_due(at=noon + timedelta(minutes=2)) == 0
    paused.refresh_from_db()
    assert paused.pauses == 2

    settings.EMAIL_PORT = port
    assert messages.send_due(at=noon + timedelta(minutes=10)) == PEOPLE
    assert set(states().values()) == {"sent"}
    paused.refresh_from_db()
    assert (paused.pauses, paused.paused_until) == (0, None)


def test_a_server_that_is_busy_is_asked_again_later(queued, noon, post_office):
    post_office.refuses = True
    messages.send_due(at=noon)
    assert set(Message.objects.values_list("status", "reason", "attempts")) == {("queued", "again", 1)}
    assert messages.send_due(at=noon + timedelta(seconds=10)) == 0

    post_office.refuses = False
    messages.send_due(at=noon + timedelta(minutes=2))

    assert set(Message.objects.values_list("status", "attempts")) == {("sent", 2)}


def test_a_letter_that_is_refused_for_good_is_not_tried_again(queued, noon, post_office):
    post_office.answer = "554 5.7.1 we do not like this"
    messages.send_due(at=noon)
    post_office.answer = ""

    for hours in (1, 20):
        assert messages.send_due(at=noon + timedelta(hours=hours)) == 0

    assert set(Message.objects.values_list("status", "attempts")) == {("failed", 1)}
    assert "we do not like this" in Message.objects.first().error
    assert post_office.letters == []


def test_an_address_that_does_not_exist_is_not_written_to_again(queued, people, noon, post_office):
    post_office.unknown = {"guest3@example.com"}
    messages.send_due(at=noon)
    with transaction.atomic():
        again = [Draft(people[3], "again", "email", "welcome", {}, "transactional", noon)]
        messages.queue_all(again, at=noon)
    messages.send_due(at=noon)

    assert states()["hello:3"] == "failed"
    assert Message.objects.get(key="again").reason == "suppressed"
    assert len(post_office.letters) == PEOPLE - 1


def test_a_line_that_breaks_after_the_letter_leaves_it_unknown(queued, noon, post_office):
    post_office.hangs_up_after = 4

    for minutes in (0, 1, 5, 30):
        while messages.send_due(at=noon + timedelta(minutes=minutes)):
            pass

    got = receivers(post_office)
    assert len(got) == len(set(got)) == PEOPLE
    assert sorted(states().values()) == ["sent"] * (PEOPLE - 1) + ["unknown"]


def test_unsubscribing_during_a_batch_stops_the_rest(shop, people, noon, post_office):
    """Six messages to one person are in one batch; the click comes when the second has arrived."""
    ana = people[0]
    subscriptions.choose(customer=ana, answers={("email", "marketing"): True}, at=noon, source="portal")
    with transaction.atomic():
        drafts = [Draft(ana, f"news:{n}", "email", "welcome", {}, "marketing", noon) for n in range(6)]
        messages.queue_all(drafts, at=noon)
    first = Message.objects.get(key="news:0")

    def click():
        if len(post_office.letters) == 2:
            subscriptions.stop(message=first, at=noon + timedelta(seconds=1))
            connections.close_all()

    post_office.on_letter = click

    messages.send_due(at=noon)

    assert len(post_office.letters) == 2
    assert (
        sorted(Message.objects.values_list("status", "reason"))
        == [
            ("not_sent", "unsubscribed"),
        ]
        * 4
        + [("sent", "")] * 2
    )


@pytest.mark.slow
def test_ten_thousand_messages_need_no_more_memory_than_a_thousand(people, noon):
    """Written down in the inbox, so that it is the queue that is measured and not a mail server."""

    def peak(many, name):
        for start in range(0, many, 1_000):
            drafts = [
                Draft(people[n % PEOPLE], f"{name}:{n}", "inbox", "welcome", {}, "service", noon)
                for n in range(start, start + 1_000)
            ]
            with transaction.atomic():
                messages.queue_all(drafts, at=noon)
        tracemalloc.start()
        while messages.send_due(at=noon):
            pass
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1_000, "warm")
    few, many = peak(1_000, "few"), peak(10_000, "many")

    assert Message.objects.filter(status="delivered").count() == 12_000
    assert many < few * 1.5 + 2_000_000
