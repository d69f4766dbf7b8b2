"""A campaign to a hundred thousand: memory stays what it was, and nothing is written twice."""

import resource

import pytest
from django.db import connection

from engagement import recipients
from engagement.models import Assignment, Campaign, Message
from tests.engagement.campaigning import launch

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MANY = 100_000
MOST_KB = 40_000


def test_memory_does_not_grow_with_the_recipients(cafe, noon):
    if connection.vendor != "postgresql":
        pytest.skip("the customers are made by PostgreSQL")
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO customers_customer
               (id, merchant_id, name, status, birthday, language, referral_code, timezone, written, created_at)
               SELECT n, %s, 'Person ' || n, 'active', '', '', n::text, '', '{}', now()
               FROM generate_series(1, %s) AS n""",
            [cafe.pk, MANY],
        )
    launch(cafe, noon, channels=["inbox"], purpose="service", holdout=10)
    for _ in range(5):  # what the first chunks load stays loaded
        recipients.write_due(at=noon, wave=MANY)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while recipients.write_due(at=noon, wave=MANY):
        pass

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KB
    assert Campaign.objects.get().seen == Assignment.objects.count() == MANY
    assert Message.objects.count() == MANY - Assignment.objects.filter(arm="holdout").count()
