"""Who wants to hear is asked amid whatever is being written, and believed for a few seconds."""

import pytest

from connectors import endpoints
from customers import journey
from customers.models import Touchpoint
from engagement.flows import hearing
from lib import db
from loyalty import purchases

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def stale():
    for wishes in (endpoints.WISHES, hearing.WISHES):
        wishes.forget()


def test_a_sale_is_recorded_by_a_process_that_has_to_ask(cafe, ana, sale, noon, stale):
    purchases.record(merchant=cafe, sale=sale(1000), at=noon)

    assert Touchpoint.objects.filter(kind="purchase.recorded", relayed_at=noon).exists()


def test_it_is_asked_amid_statements_that_are_gathered(cafe, ana, noon, stale):
    @db.command
    def act():
        with db.together():
            answer = db.ask("SELECT 1", [])
            journey.note(customer=ana, kind="visit.made", at=noon)
        return answer.rows

    assert act() == [(1,)]
    assert Touchpoint.objects.get(kind="visit.made").relayed_at is None  # rules hear what is told


def test_it_is_asked_once_in_a_while_only(cafe, ana, sale, noon, stale):
    purchases.record(merchant=cafe, sale=sale(1000), at=noon)
    with db.watching() as watch:
        purchases.record(merchant=cafe, sale=sale(1000), at=noon)

    assert not [text for text in watch.texts if "engagement_flow" in text or "webhookendpoint" in text]
