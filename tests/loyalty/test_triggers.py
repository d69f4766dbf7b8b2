"""What the database itself refuses: changing facts, and mixing two merchants."""

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from customers import consent
from customers.consent import Choice
from customers.models import Consent, Identifier, Touchpoint
from lib.db import is_postgres
from loyalty import members, purchases, tier_reviews, triggers
from loyalty.models import Membership, ProgramVersion, Purchase, TierChange
from loyalty.models.ledger import Account, Entry, Lot

pytestmark = pytest.mark.core


@pytest.fixture
def facts(cafe, ana, sale, noon):
    """One row of each table of facts."""
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)
    tier_reviews.assign(
        customer=ana, tier="Gold", until=None, reason="friend of the house", by="owner", at=noon
    )
    consent.choose(customer=ana, choices=[Choice("email", "marketing", True)], at=noon)
    if is_postgres():
        # Keys that wait for the commit would stand in the way of TRUNCATE and of dropping triggers.
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return ana


FACTS = [
    (Entry, {"points": 1_000_000}, "write a correcting entry"),
    (TierChange, {"to_tier": "Platinum"}, "assign the tier again"),
    (ProgramVersion, {"by": "nobody"}, "publish another one"),
    (Consent, {"granted": False}, "record the new answer"),
]


@pytest.mark.parametrize(("model", "change", "instead"), FACTS)
def test_a_fact_is_never_changed(facts, model, change, instead):
    before = list(model.objects.values())
    assert before

    with pytest.raises(DatabaseError, match=instead), transaction.atomic():
        model.objects.update(**change)

    assert list(model.objects.values()) == before


@pytest.mark.parametrize(("model", "change", "instead"), FACTS)
def test_a_fact_is_never_deleted(facts, model, change, instead):
    count = model.objects.count()

    with pytest.raises(DatabaseError, match=instead), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'DELETE FROM "{model._meta.db_table}"')

    assert model.objects.count() == count


@pytest.mark.parametrize(("model", "change", "instead"), FACTS)
def test_a_table_of_facts_is_never_emptied(facts, model, change, instead):
    if not is_postgres():
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DatabaseError, match=instead), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'TRUNCATE "{model._meta.db_table}" CASCADE')


@pytest.mark.parametrize(("model", "change", "instead"), FACTS)
def test_without_the_triggers_it_would_be(facts, model, change, instead):
    """The twin: what the tests above see is the triggers' work."""
    triggers.remove()

    assert model.objects.update(**change) > 0


def test_nothing_is_missing_after_a_migrate(db):
    assert triggers.missing() == []


def test_what_is_missing_is_named_and_put_back_by_a_migrate(db):
    with connection.cursor() as cursor:
        on = " ON loyalty_entry" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER loyalty_entry_refuses_update{on}")
    assert triggers.missing() == ["loyalty_entry_refuses_update"]

    call_command("migrate", verbosity=0)

    assert triggers.missing() == []


def test_a_trigger_that_is_switched_off_is_missing(db):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite cannot switch a trigger off")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE loyalty_entry DISABLE TRIGGER loyalty_entry_refuses_delete")
    assert triggers.missing() == ["loyalty_entry_refuses_delete"]

    triggers.install()

    assert triggers.missing() == []


# --- one merchant -------------------------------------------------------------------------------------

MIXED = [
    (Membership, "customer_id", "customer"),
    (Account, "merchant_id", "merchant"),
    (Lot, "account_id", "member"),
    (Purchase, "customer_id", "customer"),
    (Touchpoint, "customer_id", "customer"),
    (Identifier, "customer_id", "customer"),
]


@pytest.mark.parametrize(("model", "column", "theirs"), MIXED)
def test_a_row_never_mixes_two_merchants(facts, cafe, bar_nilo, bo, model, column, theirs):
    if not is_postgres():
        pytest.skip("SQLite would have to rebuild each table")
    other = {"customer": bo.pk, "merchant": bar_nilo.pk, "member": members.membership(customer=bo).pk}
    mine = model.objects.filter(merchant=cafe)
    assert mine.exists()

    with pytest.raises(IntegrityError, match="one_merchant"), transaction.atomic():
        mine.update(**{column: other[theirs]})


@pytest.mark.parametrize(
    ("model", "column"), [(Entry, "account_id"), (TierChange, "membership_id"), (Consent, "customer_id")]
)
def test_a_fact_never_mixes_two_merchants(facts, cafe, bo, model, column):
    if not is_postgres():
        pytest.skip("SQLite would have to rebuild each table")
    row = model.objects.filter(merchant=cafe).values().first()
    theirs = bo.pk if column == "customer_id" else members.membership(customer=bo).pk

    with pytest.raises(IntegrityError, match="one_merchant"), transaction.atomic():
        model.objects.create(**{**row, "id": row["id"] + 1, column: theirs} | _numbered(model))


def _numbered(model):
    return {"sequence": 99} if model is Entry else {}


def test_the_keys_are_checked_at_once(db):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has none")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, condeferrable FROM pg_constraint WHERE conname LIKE '%of_one_merchant'"
        )
        found = dict(cursor.fetchall())

    assert len(found) == 62
    assert not any(found.values())
