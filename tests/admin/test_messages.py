"""Messages in the admin: read, sent again, and texts that are checked and tried."""

import pytest
from django.db import transaction
from django.urls import reverse

from engagement import messages
from engagement.messages import Draft
from engagement.models import ChannelSettings, Message, Suppression, Template
from lib.db import watching
from tests.mail import post_office

__all__ = ["post_office"]
pytestmark = pytest.mark.django_db(transaction=True)


def page(name, *args):
    return reverse(f"admin:engagement_{name}", args=args)


@pytest.fixture
def said(cafe, ana, noon):
    with transaction.atomic():
        drafts = [Draft(ana, f"k{n}", "email", "welcome", {}, "service", noon) for n in range(6)]
        messages.queue_all(drafts, at=noon)
    rows = list(Message.objects.order_by("pk"))
    Message.objects.filter(pk=rows[0].pk).update(status="unknown")
    Message.objects.filter(pk=rows[1].pk).update(status="not_sent", reason="no_consent")
    Message.objects.filter(pk=rows[2].pk).update(status="sent")
    return rows


def test_the_list_says_why_and_costs_the_same_for_many(desk, said):
    address = page("message_changelist")
    desk.get(address)
    with watching() as few:
        text = desk.get(address, {"reason": "no_consent"}).content.decode()
    with watching() as many:
        desk.get(address)

    assert "The customer did not agree" in text
    assert many.statements <= few.statements + 1


def test_unknown_ones_are_sent_again_and_sent_ones_are_not(desk, said):
    ids = [row.pk for row in said[:3]]

    desk.post(page("message_changelist"), {"action": "resend", "_selected_action": ids})

    now = dict(Message.objects.filter(pk__in=ids).values_list("pk", "status"))
    assert [now[pk] for pk in ids] == ["queued", "not_sent", "sent"]


def test_who_may_only_look_sends_nothing_again(sit_down, analyst, said):
    answer = sit_down(analyst).post(
        page("message_changelist"), {"action": "resend", "_selected_action": [said[0].pk]}
    )

    assert answer.status_code in (200, 302, 403)
    assert Message.objects.get(pk=said[0].pk).status == "unknown"


def test_the_customers_page_shows_what_was_said(desk, ana, said):
    text = desk.get(reverse("admin:customers_customer_change", args=[ana.pk])).content.decode()

    assert "Unknown: may have been sent" in text
    assert "The customer did not agree" in text


def test_a_wrong_text_is_refused_beside_its_field(desk, cafe):
    said = {"name": "welcome", "channel": "email", "language": "en", "subject": "Hi", "is_active": "on"}

    wrong = desk.post(page("template_add"), {**said, "body": "Hi {{ nmae }}"})
    assert wrong.status_code == 200
    assert "nmae" in str(wrong.context["adminform"].form.errors["body"])
    assert desk.post(page("template_add"), {**said, "body": "Hi {{ name }}"}).status_code == 302
    assert Template.objects.get().merchant == cafe


def test_a_text_is_looked_at_with_a_real_customer_and_no_other_merchants(desk, cafe, ana, bo):
    row = Template.objects.create(
        merchant=cafe, name="welcome", subject="Hi {{ name }}", body="Hi {{ name }}"
    )

    assert "Hi Ana Lima" in desk.get(page("template_preview", row.pk)).content.decode()
    mine = desk.get(page("template_preview", row.pk), {"customer": ana.public_id}).content.decode()
    assert "Hi Ana<" in mine.replace("\n", "")
    theirs = desk.get(page("template_preview", row.pk), {"customer": bo.public_id}).content.decode()
    assert "Hi Bo" not in theirs
    frame = desk.get(page("template_preview-frame", row.pk))
    assert "sandbox" in frame.headers["Content-Security-Policy"]
    assert frame.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_a_test_is_mailed_and_kept_nowhere(desk, cafe, post_office):
    cafe.is_test = False
    cafe.save()
    row = Template.objects.create(merchant=cafe, name="welcome", subject="Hi", body="Hi {{ name }}")

    answer = desk.post(page("template_test", row.pk), {"address": "me@example.com", "customer": ""})

    assert answer.status_code == 302
    [letter] = post_office.letters
    assert letter["Subject"] == "[Test] Hi"
    assert not Message.objects.exists()


def test_a_contact_is_blocked_and_allowed_again(desk, cafe, owner):
    desk.post(page("suppression_add"), {"channel": "email", "contact": " Ana@Example.com "})

    row = Suppression.objects.get()
    assert (row.merchant, row.hint, row.by) == (cafe, "a…@example.c", owner.username)
    desk.post(page("suppression_changelist"), {"action": "lift", "_selected_action": [row.pk]})
    assert not Suppression.objects.exists()


def test_a_channels_secret_goes_in_and_never_comes_out(desk, cafe):
    said = {
        "kind": "email",
        "is_active": "on",
        "options": '{"host": "mail.example.com"}',
        "secret": "s3cret!",
    }
    assert desk.post(page("channelsettings_add"), said).status_code == 302

    row = ChannelSettings.objects.get()
    assert "s3cret!" not in row.secret_sealed
    assert "s3cret!" not in desk.get(page("channelsettings_change", row.pk)).content.decode()
    wrong = desk.post(page("channelsettings_change", row.pk), {"is_active": "on", "options": '{"hots": "x"}'})
    assert "hots" in str(wrong.context["adminform"].form.errors["options"])
