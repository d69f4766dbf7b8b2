"""Campaigns under races and kills: one message each, whoever works, whenever a worker dies."""

from datetime import timedelta

import pytest

from engagement import campaigns, recipients, trials
from engagement.campaigns import CampaignMoved
from engagement.models import Assignment, Campaign, Experiment, Message
from tests.engagement.campaigning import launch, people, write_all
from tests.faults.killing import at_every_statement

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("not __import__('lib.db').db.is_postgres()", reason="SQLite has one writer"),
]


def told_at_once(cafe, noon, at_once):
    people(cafe, 12, noon)
    launch(cafe, noon)
    recipients.begin_due(at=noon)

    def work(_number):
        for _ in range(40):
            recipients.write_due(at=noon)

    found = at_once(4, work)
    write_all(noon)
    return found


def test_workers_at_once_write_everybody_once(cafe, noon, at_once, monkeypatch):
    monkeypatch.setattr(recipients, "CHUNK", 1)

    found = told_at_once(cafe, noon, at_once)

    assert not [one for one in found if isinstance(one, Exception)]
    assert (Assignment.objects.count(), Message.objects.count()) == (12, 12)
    assert Campaign.objects.get().seen == 12


def test_without_the_lock_on_its_row_they_stand_in_each_others_way(cafe, noon, at_once, monkeypatch):
    """The twin: the constraint keeps everybody told once, but workers fail or count twice."""
    monkeypatch.setattr(recipients, "CHUNK", 1)
    monkeypatch.setattr(
        recipients,
        "_taken",
        lambda number, state: (
            Campaign.objects.select_related("merchant", "experiment").filter(pk=number, state=state).first()
        ),
    )

    found = told_at_once(cafe, noon, at_once)

    assert [one for one in found if isinstance(one, Exception)] or Campaign.objects.get().seen != 12


def test_a_worker_killed_at_any_statement_tells_nobody_twice(cafe, noon, monkeypatch):
    monkeypatch.setattr(recipients, "CHUNK", 2)
    people(cafe, 3, noon)
    launch(cafe, noon)

    def adds_up():
        campaign = Campaign.objects.get()
        assert Assignment.objects.count() == Message.objects.count() == campaign.seen
        assert campaign.counts.get("email", 0) == campaign.seen

    def whole():
        write_all(noon)

    statements = at_every_statement(whole, check=adds_up)

    assert statements > 3
    assert Message.objects.count() == 3


def test_a_pause_and_a_chunk_at_once_leave_nothing_to_send(cafe, noon, at_once, monkeypatch):
    monkeypatch.setattr(recipients, "CHUNK", 1)
    people(cafe, 20, noon)
    campaign = launch(cafe, noon)
    recipients.begin_due(at=noon)

    def act(number):
        if number:
            return campaigns.pause(campaign=campaign, at=noon)
        return write_all(noon)

    found = at_once(2, act)

    assert not [one for one in found if isinstance(one, Exception)]
    assert not Message.objects.filter(due_at__lte=noon + timedelta(days=1)).exists()


def test_of_two_who_stop_at_once_one_is_told_so(cafe, noon, at_once):
    people(cafe, 1, noon)
    campaign = launch(cafe, noon)

    found = at_once(2, lambda _: campaigns.stop(campaign=campaign, at=noon))

    assert sorted(type(one) for one in found if one is not None) == [CampaignMoved]


def test_two_tills_at_once_put_a_customer_into_one_arm(cafe, ana, noon, at_once):
    experiment = Experiment.objects.create(
        merchant=cafe, slug="x", name="X", created_at=noon, arms=[{"name": "A", "weight": 1}]
    )

    found = at_once(4, lambda _: trials.arm(experiment=experiment, customer=ana, at=noon))

    assert found == ["A"] * 4
    assert Assignment.objects.count() == 1
