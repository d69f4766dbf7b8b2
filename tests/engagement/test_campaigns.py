"""Campaigns: who is told, by which channel, who cannot be; paused, stopped, resumed; never twice."""

from collections import Counter
from datetime import timedelta

import pytest

from customers import segments
from customers.models import Segment
from engagement import campaigns, claims, deciding, messages, recipients, subscriptions
from engagement.campaigns import CampaignIncomplete, CampaignMoved
from engagement.models import Assignment, Campaign, Holdout, Message
from lib import db
from loyalty import merges
from tests.engagement.campaigning import draft, launch, people, write_all

pytestmark = [pytest.mark.core, pytest.mark.django_db]
MINUTE = timedelta(minutes=1)


def states_of(campaign):
    return Counter(Message.objects.filter(campaign_id=campaign.pk).values_list("status", flat=True))


def fresh(campaign):
    return Campaign.objects.get(pk=campaign.pk)


def test_everybody_gets_it_once_and_then_it_is_done(shop, noon, send, post_office):
    people(shop, 5, noon)
    campaign = launch(shop, noon)

    write_all(noon)
    write_all(noon)
    send(noon + MINUTE)
    write_all(noon + MINUTE)

    assert len(post_office.letters) == 5
    assert len({letter["To"] for letter in post_office.letters}) == 5
    row = fresh(campaign)
    assert (row.state, row.seen, row.total) == ("done", 5, 5)
    assert row.counts["email"] == 5
    assert campaigns.progress(row).messages == {"sent": 5}
    assert campaigns.progress(row).percent == 100


def test_it_begins_when_it_was_scheduled_for(cafe, noon):
    people(cafe, 1, noon)
    campaign = draft(cafe, noon)
    campaigns.schedule(campaign=campaign, starts_at=noon + timedelta(hours=1), at=noon)

    write_all(noon)
    assert (fresh(campaign).state, Message.objects.count()) == ("scheduled", 0)
    write_all(noon + timedelta(hours=1))
    assert (fresh(campaign).state, Message.objects.count()) == ("running", 1)


def test_a_segment_is_counted_and_only_it_is_told(cafe, noon):
    mine = people(cafe, 2, noon)
    people(cafe, 2, noon, says=())
    segment = Segment(merchant=cafe, code="yes", name="Yes")
    db.command(segments.save)(segment=segment, rule={"kind": "reachable", "channel": "email"}, at=noon)

    launch(cafe, noon, segment=segment)
    write_all(noon)

    assert set(Message.objects.values_list("customer", flat=True)) == {one.pk for one in mine}


def test_each_is_told_by_the_first_channel_that_reaches_them(cafe, noon, chosen_sms):
    [by_mail] = people(cafe, 1, noon)
    [by_sms] = people(cafe, 1, noon, says=("sms",))
    [by_post] = people(cafe, 1, noon, says=())
    [at_the_till] = people(cafe, 1, noon, says=(), name="")
    campaign = launch(
        cafe, noon, channels=["email", "sms", "post", "receipt"], receipt_note="Summer: 2 for 1"
    )

    write_all(noon)

    found = dict(Assignment.objects.values_list("customer", "channel"))
    assert found == {by_mail.pk: "email", by_sms.pk: "sms", by_post.pk: "post", at_the_till.pk: "receipt"}
    assert set(Message.objects.values_list("channel", flat=True)) == {"email", "sms"}
    assert campaigns.receipt_notes(customer=at_the_till, at=noon) == [(campaign.public_id, "Summer: 2 for 1")]
    assert campaigns.receipt_notes(customer=by_mail, at=noon) == []
    assert campaigns.receipt_notes(customer=at_the_till, at=noon + timedelta(days=14)) == []


def test_the_preview_says_who_is_left_out_why_and_what_would_reach_them(cafe, noon, answer, chosen_sms):
    people(cafe, 3, noon)
    people(cafe, 2, noon, says=("sms",))
    [nobody] = people(cafe, 1, noon, says=(), name="")
    [left] = people(cafe, 1, noon)
    answer(left, "email", "marketing", False)
    [bad] = people(cafe, 1, noon)
    address = bad.identifiers.get(type="email").value
    db.command(subscriptions.suppress)(
        merchant=cafe, channel="email", contact=address, reason="manual", at=noon
    )
    campaign = draft(cafe, noon)

    seen = recipients.preview(campaign=campaign, at=noon)

    assert (seen.people, seen.channels, seen.unreached) == (8, {"email": 3}, 5)
    assert seen.reasons == {"no_consent": 3, "unsubscribed": 1, "suppressed": 1}
    assert seen.offers == {"sms": 2, "post": 4, "receipt": 5}
    assert Message.objects.count() == Assignment.objects.count() == 0
    launch(cafe, noon)
    write_all(noon)
    counted = fresh(Campaign.objects.first()).counts
    assert (counted["email"], counted["no_consent"], counted["suppressed"]) == (3, 3, 1)
    assert Assignment.objects.get(customer=nobody).reason == "no_consent"


def test_two_texts_and_a_group_that_is_held_out(cafe, noon):
    people(cafe, 120, noon)
    Holdout.objects.create(merchant=cafe, percent=10)
    launch(cafe, noon, holdout=20, arms=campaigns.arms(template="welcome", other="birthday"))

    write_all(noon)

    arms = Counter(Assignment.objects.values_list("arm", flat=True))
    assert set(arms) == {"A", "B", "holdout"}
    assert 15 <= arms["holdout"] <= 55
    assert abs(arms["A"] - arms["B"]) < 40
    texts = Counter(Message.objects.values_list("arm", "template"))
    assert texts == {("A", "welcome"): arms["A"], ("B", "birthday"): arms["B"]}


def test_what_somebody_must_know_is_kept_from_nobody_of_the_always_on_group(cafe, noon):
    people(cafe, 40, noon)
    Holdout.objects.create(merchant=cafe, percent=50)

    launch(cafe, noon, purpose="service")
    write_all(noon)

    assert Message.objects.count() == 40


def test_a_pause_holds_what_waits_and_a_resume_lets_it_go_once(shop, noon, send, post_office):
    people(shop, 4, noon)
    campaign = launch(shop, noon)
    write_all(noon)

    campaigns.pause(campaign=campaign, at=noon)
    send(noon + MINUTE)
    assert (len(post_office.letters), campaign.state) == (0, "paused")
    assert set(Message.objects.values_list("reason", flat=True)) == {"paused"}

    campaigns.resume(campaign=campaign, at=noon + timedelta(days=30))
    for _ in range(2):
        send(noon + timedelta(days=30))
    assert len(post_office.letters) == 4


def test_a_pause_reaches_a_message_that_a_worker_has_decided_already(shop, noon, post_office):
    people(shop, 1, noon)
    campaign = launch(shop, noon)
    write_all(noon)
    [message] = claims.take(at=noon, merchant=None, limit=5)
    decision = deciding.decide(message, deciding.gather([message], at=noon), at=noon)
    assert isinstance(decision, deciding.Send)

    campaigns.pause(campaign=campaign, at=noon)

    text = messages.send_due.__globals__["templates"].render("welcome", message.customer, {})
    assert not claims.step(done=None, message=message, send=decision, rendered=text, at=noon)
    claims.put_off([(message, deciding.Later(noon, "again"))], at=noon)
    assert Message.objects.get().due_at == campaigns.NEVER


def test_one_that_was_on_the_line_is_not_tried_again_while_paused(shop, noon, send, post_office):
    people(shop, 1, noon)
    campaign = launch(shop, noon)
    write_all(noon)
    campaigns.pause(campaign=campaign, at=noon)
    # The provider's "later" was written down after the pause.
    Message.objects.update(due_at=noon, reason="again")

    send(noon + MINUTE)
    assert not post_office.letters
    campaigns.stop(campaign=campaign, at=noon)
    Message.objects.update(status="queued", reason="again")
    send(noon + MINUTE)
    write_all(noon + MINUTE)
    assert not post_office.letters
    assert Message.objects.get().status == "not_sent"


def test_a_stop_is_for_good(shop, noon, send, post_office):
    people(shop, 3, noon)
    campaign = launch(shop, noon)
    write_all(noon)

    campaigns.stop(campaign=campaign, at=noon)
    write_all(noon + MINUTE)
    send(noon + MINUTE)

    assert not post_office.letters
    assert states_of(campaign) == {"not_sent": 3}
    for verb in (campaigns.resume, campaigns.pause, campaigns.stop):
        with pytest.raises(CampaignMoved):
            verb(campaign=campaign, at=noon)


def test_who_unsubscribes_on_the_way_gets_nothing(shop, noon, send, answer, post_office):
    first, second = people(shop, 2, noon)
    launch(shop, noon)
    write_all(noon)
    answer(second, "email", "marketing", False)

    send(noon + MINUTE)

    assert len(post_office.letters) == 1
    assert dict(Message.objects.values_list("customer", "reason")) == {
        first.pk: "",
        second.pk: "unsubscribed",
    }


def test_only_a_wave_waits_at_a_time(cafe, noon):
    people(cafe, 7, noon)
    campaign = launch(cafe, noon)

    write_all(noon, wave=3)
    assert (states_of(campaign)["queued"], fresh(campaign).seen) == (3, 3)
    Message.objects.update(status="sent")
    write_all(noon, wave=3)
    assert (states_of(campaign)["queued"], fresh(campaign).seen) == (3, 6)


def test_a_flow_waits_behind_no_more_than_a_wave(cafe, ana, noon, queue, post_office):
    people(cafe, 6, noon)
    launch(cafe, noon)
    write_all(noon, wave=2)
    queue(messages.Draft(ana, "flow", "email", "welcome", {}, "service", noon + MINUTE), at=noon + MINUTE)

    taken = claims.take(at=noon + MINUTE, merchant=None, limit=3)

    assert "flow" in {one.key for one in taken}


def test_somebody_merged_on_the_way_is_told_once(cafe, noon, monkeypatch):
    monkeypatch.setattr(recipients, "CHUNK", 1)
    old, new = people(cafe, 2, noon)
    launch(cafe, noon)
    recipients.write_due(at=noon)
    merges.merge(source=old, target=new, reason="one", at=noon, by="test")

    write_all(noon)

    assert Message.objects.count() == 1


def test_a_draft_can_be_edited_and_nothing_else(cafe, noon):
    campaign = draft(cafe, noon)
    campaigns.schedule(campaign=campaign, starts_at=None, at=noon)

    with pytest.raises(CampaignMoved):
        db.command(campaigns.save)(campaign=campaign, question=campaigns.Question(), at=noon)
    with pytest.raises(CampaignMoved):
        campaigns.schedule(campaign=campaign, starts_at=None, at=noon)


@pytest.mark.parametrize(
    "more",
    [
        {"channels": []},
        {"channels": ["pigeon"]},
        {"arms": campaigns.arms(template="")},
        {"channels": ["receipt"]},
    ],
)
def test_what_is_not_complete_is_refused(cafe, noon, more):
    with pytest.raises(CampaignIncomplete):
        draft(cafe, noon, **more)


def test_another_shops_segment_and_customers_are_out_of_reach(cafe, bar_nilo, bo, noon):
    theirs = Segment.objects.create(merchant=bar_nilo, code="n", name="N", rule={"all": []}, changed_at=noon)
    with pytest.raises(CampaignIncomplete):
        draft(cafe, noon, segment=theirs)
    people(cafe, 1, noon)
    launch(cafe, noon)
    write_all(noon)

    assert not Assignment.objects.filter(customer=bo).exists()


def test_a_chunk_takes_the_same_statements_however_many(cafe, noon):
    def statements():
        with db.watching() as watch:
            recipients.write_due(at=noon)
        return watch.statements

    people(cafe, 2, noon)
    launch(cafe, noon)
    few = statements()
    Campaign.objects.update(state="stopped", ended_at=noon - timedelta(days=8))
    people(cafe, 20, noon)
    launch(cafe, noon)
    assert statements() == few
    assert Message.objects.count() == 24
