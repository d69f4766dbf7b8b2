"""Messages: queued once for ever, sent once, and each that is not sent says why."""

from datetime import time, timedelta

import pytest

from customers import erasure
from customers.identifiers import Given
from customers.models import Touchpoint
from engagement import messages, subscriptions
from engagement.models import ChannelSettings, Message, SendingLimits
from lib import db
from lib.db import watching
from loyalty import members, merges

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


def test_a_message_told_twice_is_queued_once(draft, queue, noon):
    first = queue(draft("a", data={"points": 3}), draft("b"))
    again = queue(draft("a"), draft("b"), draft("a", channel="sms"), at=noon + timedelta(days=400))

    assert (first, again) == (2, 1)
    kept = Message.objects.get(key="a", channel="email")
    assert kept.data == {"points": 3}
    assert (kept.status, kept.due_at, kept.created_at) == ("queued", noon, noon)


def test_a_message_is_sent_and_told_of(shop, ana, draft, queue, send, states, post_office):
    queue(draft())

    assert send() == 1
    assert send() == 0

    [letter] = post_office.letters
    assert letter.recipients == ["ana@example.com"]
    assert letter["Subject"] == "Welcome to Café Mira"
    assert "Café Mira <" in letter["From"] or letter["From"].startswith("=?")
    assert "Hello Ana," in letter.get_body(("plain",)).get_content()
    assert "Hello Ana," in letter.get_body(("html",)).get_content()
    assert states() == {"welcome:1": ("sent", "")}
    told = Touchpoint.objects.get(kind="message.sent")
    assert (told.customer_id, told.channel, told.data["template"]) == (ana.pk, "email", "welcome")


def test_nothing_is_sent_before_it_is_due(shop, draft, queue, send, noon, post_office):
    queue(draft(due_at=noon + timedelta(hours=1)))

    assert send(noon + timedelta(minutes=59)) == 0
    assert send(noon + timedelta(hours=1)) == 1


def test_a_sandbox_reaches_nobody(cafe, draft, queue, send, states, post_office, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    queue(draft())

    send()

    assert post_office.letters == []
    assert states() == {"welcome:1": ("delivered", "")}
    [kept] = (tmp_path / "mail").iterdir()
    assert "Welcome to" in kept.read_text() or "=?utf-8?" in kept.read_text()


@pytest.mark.parametrize(
    ("purpose", "consent", "becomes"),
    [
        ("transactional", None, ("sent", "")),
        ("transactional", False, ("sent", "")),
        ("service", None, ("sent", "")),
        ("service", False, ("not_sent", "unsubscribed")),
        ("marketing", None, ("not_sent", "no_consent")),
        ("marketing", False, ("not_sent", "unsubscribed")),
        ("marketing", True, ("sent", "")),
    ],
)
def test_consent_is_asked_when_it_is_sent(
    purpose, consent, becomes, shop, ana, draft, queue, send, states, answer, post_office
):
    queue(draft("a", purpose=purpose))
    if consent is not None:
        answer(ana, "email", purpose, consent)

    send()

    assert states() == {"a": becomes}
    assert len(post_office.letters) == (becomes[0] == "sent")


def test_who_has_no_proved_address_gets_none(shop, draft, queue, send, states, noon, post_office):
    nobody = members.enroll(
        merchant=shop, name="Cora", identifiers=[Given("card", "4000000009")], at=noon, by="test"
    )
    typed = members.enroll(
        merchant=shop,
        name="Dan",
        identifiers=[Given("email", "dan@example.com")],
        at=noon,
        by="test",
    )
    typed.identifiers.update(verified_at=None)
    queue(draft("a", customer=nobody), draft("b", customer=typed))

    send()

    assert states() == {"a": ("not_sent", "no_contact"), "b": ("not_sent", "no_contact")}
    assert post_office.letters == []


@pytest.mark.parametrize("purpose", ["transactional", "service"])
def test_a_suppressed_address_gets_nothing_whoever_has_it(
    purpose, shop, draft, queue, send, states, noon, post_office
):
    db.command(subscriptions.suppress)(
        merchant=shop, channel="email", contact="ana@example.com", reason="manual", at=noon, by="owner"
    )
    queue(draft("a", purpose=purpose))

    send()

    assert states() == {"a": ("not_sent", "suppressed")}


def test_a_suppression_is_one_merchants_own(shop, bar_nilo, draft, queue, send, states, noon, post_office):
    db.command(subscriptions.suppress)(
        merchant=bar_nilo, channel="email", contact="ana@example.com", reason="manual", at=noon
    )
    queue(draft("a"))

    send()

    assert states() == {"a": ("sent", "")}


def test_who_left_gets_nothing(shop, ana, draft, queue, send, states, noon, post_office):
    queue(draft("a", data={"gift": "a secret"}))
    erasure.erase(customer=ana, at=noon, by="customer")
    queue(draft("b"))

    send()

    assert states() == {"a": ("not_sent", "erased"), "b": ("not_sent", "erased")}
    assert Message.objects.get(key="a").data == {}
    assert post_office.letters == []


def test_enough_is_enough(shop, draft, queue, send, states, noon, post_office):
    SendingLimits.objects.create(merchant=shop, per_day=2, per_week=3)
    queue(*(draft(f"{n}") for n in range(3)), draft("receipt", purpose="transactional"))
    send()
    assert states() == {
        "0": ("sent", ""),
        "1": ("sent", ""),
        "2": ("not_sent", "frequency_cap"),
        "receipt": ("sent", ""),
    }

    later = noon + timedelta(days=2)
    queue(draft("3", due_at=later), draft("4", due_at=later), at=later)
    send(later)
    assert states()["3"] == ("sent", "")
    assert states()["4"] == ("not_sent", "frequency_cap")


def test_the_night_is_quiet_where_the_customer_lives(
    shop, ana, draft, queue, send, states, noon, post_office
):
    SendingLimits.objects.create(
        merchant=shop, per_day=9, per_week=9, quiet_from=time(21), quiet_until=time(8)
    )
    ana.timezone = "Asia/Tokyo"  # noon in UTC is nine in the evening there
    ana.save()
    queue(draft("a"), draft("receipt", purpose="transactional"))

    send()

    assert states() == {"a": ("queued", "quiet_hours"), "receipt": ("sent", "")}
    assert Message.objects.get(key="a").due_at == noon + timedelta(hours=11)
    assert send(noon + timedelta(hours=10, minutes=59)) == 0
    assert send(noon + timedelta(hours=11)) == 1
    assert states()["a"] == ("sent", "")


def test_a_holdout_is_kept_and_not_sent(shop, draft, queue, send, states, post_office):
    queue(draft("a", arm="holdout"), draft("b", arm="b"))

    send()

    assert states() == {"a": ("not_sent", "holdout"), "b": ("sent", "")}


def test_what_is_days_late_is_not_sent(shop, draft, queue, send, states, noon, post_office):
    queue(draft("a"))

    send(noon + timedelta(days=4))

    assert states() == {"a": ("not_sent", "expired")}


def test_a_channel_that_is_off_sends_nothing(shop, draft, queue, send, states, post_office):
    ChannelSettings.objects.create(merchant=shop, kind="email", is_active=False)
    queue(draft("a"), draft("b", channel="carrier-pigeon"))

    send()

    assert states() == {"a": ("not_sent", "channel_off"), "b": ("not_sent", "channel_off")}


def test_what_was_stopped_is_not_sent(shop, draft, queue, send, states, noon, post_office):
    from django.db import transaction

    queue(draft("a", flow_run_id=1), draft("b", flow_run_id=2), draft("c", campaign_id=7), draft("d"))
    with transaction.atomic():
        assert messages.withdraw(merchant=shop, at=noon, flow_run_ids=[1], campaign_id=7) == 2

    send()

    assert states() == {
        "a": ("not_sent", "paused"),
        "b": ("sent", ""),
        "c": ("not_sent", "paused"),
        "d": ("sent", ""),
    }


def test_a_text_that_names_what_is_missing_fails_and_says_so(shop, draft, queue, send, states, post_office):
    queue(draft("a", template="no-such-text"))

    send()

    assert states()["a"][0] == "failed"
    assert "no-such-text" in Message.objects.get().error


def test_the_inbox_needs_no_address(shop, draft, queue, send, states, post_office):
    queue(draft("a", channel="inbox"))

    send()

    assert states() == {"a": ("delivered", "")}
    kept = Message.objects.get()
    assert kept.subject == "Welcome to Café Mira"
    assert "Hello Ana," in kept.text


def test_one_merchants_drain_leaves_the_others_alone(
    shop, bar_nilo, bo, draft, queue, send, states, post_office
):
    queue(draft("a"), draft("b", customer=bo))

    send(merchant=shop)

    assert states()["a"] == ("sent", "")
    assert states()["b"] == ("queued", "")


def test_who_was_merged_is_written_to_as_who_they_are_now(
    shop, ana, draft, queue, send, states, noon, post_office
):
    old = members.enroll(
        merchant=shop, name="Anna", identifiers=[Given("email", "old@example.com")], at=noon, by="test"
    )
    queue(draft("a", customer=old))
    merges.merge(source=old, target=ana, reason="one person", at=noon, by="owner")

    send()

    assert states()["a"] == ("sent", "")
    assert len(post_office.letters) == 1


def test_two_workers_never_pass_the_cap_together(shop, draft, queue, states, noon, post_office, at_once):
    SendingLimits.objects.create(merchant=shop, per_day=1, per_week=1)
    queue(*(draft(f"{n}") for n in range(6)))

    at_once(2, lambda _n: messages.send_due(at=noon, limit=3))
    messages.send_due(at=noon)

    assert len(post_office.letters) == 1
    assert sorted(states().values()) == [("not_sent", "frequency_cap")] * 5 + [("sent", "")]


def test_a_batch_costs_the_same_few_statements_whatever_its_size(cafe, draft, queue, send, noon):
    def cost(many, name):
        queue(*(draft(f"{name}{n}", channel="inbox", arm="holdout") for n in range(many)))
        with watching() as watch:
            send()
        return watch.statements

    cost(2, "warm")
    assert cost(40, "many") == cost(2, "few")
