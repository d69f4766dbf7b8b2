"""Two customers that turn out to be one person: merged, and merged no longer."""

from datetime import timedelta

import pytest

from customers import erasure, identifiers, people
from customers.identifiers import Given
from customers.models import Touchpoint
from customers.people import CustomerErased
from lib import db
from lib.errors import NotFound
from loyalty import (
    adjustments,
    balances,
    ledger,
    members,
    merges,
    programs,
    purchases,
    refunds,
    statement,
    tier_reviews,
    voids,
)
from loyalty.models import CustomerDay, Membership, Merge, Purchase, TierChange
from loyalty.refunds import Return
from loyalty.sale import Sale
from tests.cast import NOON

pytestmark = [pytest.mark.core, pytest.mark.django_db]
LATER = NOON + timedelta(days=10)


@pytest.fixture
def eva(cafe, noon):
    """Ana's second account, made with another card."""
    return members.enroll(
        merchant=cafe,
        name="Ana (new card)",
        identifiers=[Given("card", "77"), Given("email", "eva@example.com")],
        at=noon,
        by="test",
    )


@pytest.fixture
def buy(cafe):
    def act(customer, amount_minor, reference, at=NOON):
        sale = Sale(reference, "EUR", amount_minor, at, customer_id=customer.pk)
        return purchases.record(merchant=cafe, sale=sale, at=at)

    return act


@pytest.fixture
def give_back(cafe):
    def act(reference, amount_minor=None, at=LATER):
        said = Return(
            f"F-{reference}-{amount_minor}", at, purchase_reference=reference, amount_minor=amount_minor
        )
        return refunds.record(merchant=cafe, refund=said, at=at)

    return act


def join(source, target, at=NOON):
    return merges.merge(source=source, target=target, reason="same person", at=at, by="owner")


def has(customer, at=LATER):
    said = balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=at)
    return said["active"], said["pending"], said["debt"]


def take(customer, points, reference, at=NOON, **more):
    return adjustments.adjust(
        customer=customer, points=-points, reason="spent", reference=reference, by="test", at=at, **more
    )


def spend_of(customer):
    rows = CustomerDay.objects.filter(
        membership_id__in=Membership.objects.filter(customer=customer).values("pk")
    )
    return sum(row.spend_minor for row in rows), sum(row.orders for row in rows)


def agrees():
    return list(ledger.differences()) == []


def test_the_target_gets_everything_and_the_source_leads_to_it(cafe, ana, eva, buy):
    buy(ana, 100_00, "R-1")
    buy(eva, 30_00, "R-2")

    done = join(eva, ana)

    assert (done.status, done.points, done.balance["active"]) == ("created", 30, 130)
    assert has(ana) == has(eva) == (130, 0, 0)
    found = identifiers.resolve(merchant=cafe, given=[Given("card", "77"), Given("email", "eva@example.com")])
    assert found == [ana.pk, ana.pk]
    assert identifiers.search(merchant=cafe, q=eva.public_id) == ana.pk
    assert spend_of(ana) == (130_00, 2)
    assert spend_of(eva) == (0, 0)
    assert agrees()


def test_lots_keep_their_own_dates(cafe, ana, eva, program):
    program.expiry_mode, program.expiry_months = "age", 1
    program.save()
    programs.publish(program=program, at=NOON - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    ana.merchant = eva.merchant = cafe
    for who, day in ((eva, 0), (ana, 9)):
        sale = Sale(f"R-{day}", "EUR", 50_00, NOON + timedelta(days=day), customer_id=who.pk)
        purchases.record(merchant=cafe, sale=sale, at=sale.occurred_at)
    before = balances.balance(merchant=cafe, customer_id=eva.pk, at=LATER)["expiring"]

    join(eva, ana, at=LATER)

    after = balances.balance(merchant=cafe, customer_id=ana.pk, at=LATER)["expiring"]
    assert after[0] == before[0]
    assert [one["points"] for one in after] == [50, 50]
    assert after[0]["at"] < after[1]["at"]
    assert has(ana, at=before[0]["at"]) == (50, 0, 0)


def test_points_that_wait_go_on_waiting(cafe, ana, eva, program):
    rule = program.rules.get()
    rule.params = {**rule.params, "pending_days": 14}
    rule.save()
    programs.publish(program=program, at=NOON - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    ana.merchant = eva.merchant = cafe
    purchases.record(merchant=cafe, sale=Sale("R-1", "EUR", 50_00, NOON, customer_id=eva.pk), at=NOON)

    join(eva, ana)

    assert has(ana) == (0, 50, 0)
    assert has(ana, at=NOON + timedelta(days=15)) == (50, 0, 0)
    released = voids.release(merchant=cafe, purchase_id=_purchase("R-1"), at=LATER)
    assert released.balance["active"] == 50
    assert agrees()


def _purchase(reference):
    return Purchase.objects.get(reference=reference).pk


@pytest.mark.parametrize(("mine", "left"), [(100, (70, 0, 0)), (20, (0, 0, 10)), (0, (0, 0, 30))])
def test_a_debt_moves_and_is_paid_by_what_is_there(cafe, ana, eva, mine, left):
    take(eva, 30, "A-1", allow_negative=True)
    if mine:
        adjustments.adjust(customer=ana, points=mine, reason="gift", reference="A-2", by="test", at=NOON)

    assert join(eva, ana).debt == 30

    assert has(ana) == left
    assert agrees()


def test_what_comes_pays_what_the_target_owes(cafe, ana, eva, buy):
    take(ana, 30, "A-1", allow_negative=True)
    buy(eva, 50_00, "R-1")

    join(eva, ana)

    assert has(ana) == (20, 0, 0)
    assert agrees()


def test_the_higher_tier_wins(cafe, ana, eva, buy):
    buy(eva, 600_00, "R-1")
    since = Membership.objects.get(customer=eva)

    done = join(eva, ana)

    mine = Membership.objects.get(customer=ana)
    assert (done.tier_before, done.tier, mine.tier) == ("Bronze", "Silver", "Silver")
    assert mine.tier_until == since.tier_until
    assert TierChange.objects.get(membership=mine, to_tier="Silver").reason == "merged"


def test_what_counts_for_tiers_adds_up(cafe, ana, eva, buy):
    buy(ana, 300_00, "R-1")
    buy(eva, 300_00, "R-2")

    assert join(eva, ana).tier == "Silver"


def test_a_refund_of_what_the_source_bought_takes_from_the_target(cafe, ana, eva, buy, give_back):
    buy(eva, 50_00, "R-1")
    join(eva, ana)

    told = give_back("R-1", 20_00)

    assert (told.status, told.clawed_back, told.balance["active"]) == ("created", 20, 30)
    assert spend_of(ana) == (30_00, 1)
    assert agrees()


def test_a_sale_of_the_source_told_again_is_the_same_sale(cafe, ana, eva, buy):
    buy(eva, 50_00, "R-1")
    take(eva, 1, "A-1")
    join(eva, ana)

    assert buy(eva, 50_00, "R-1").status == "replayed"
    assert take(eva, 1, "A-1").status == "replayed"
    assert has(ana) == (49, 0, 0)


def test_the_card_of_the_source_earns_for_the_target(cafe, ana, eva):
    join(eva, ana)

    sale = Sale("R-1", "EUR", 10_00, NOON, identifier=Given("card", "77"))
    assert purchases.record(merchant=cafe, sale=sale, at=NOON).row["customer_id"] == ana.pk


def test_told_twice_is_done_once(cafe, ana, eva, buy):
    buy(eva, 50_00, "R-1")
    first, again = join(eva, ana), join(eva, ana)

    assert (first.status, again.status) == ("created", "replayed")
    assert again.merge.pk == first.merge.pk
    assert has(ana) == (50, 0, 0)


def test_a_dry_run_shows_it_and_saves_nothing(cafe, ana, eva, buy):
    buy(eva, 600_00, "R-1")

    with db.dry_run():
        shown = join(eva, ana)

    assert (shown.balance["active"], shown.tier) == (600, "Silver")
    assert (has(ana), has(eva)) == ((0, 0, 0), (600, 0, 0))
    assert not Merge.objects.exists()


def test_the_statement_says_where_points_came_from(cafe, ana, eva, buy):
    buy(eva, 50_00, "R-1")
    join(eva, ana)

    [entry] = statement.entries(customer=ana)
    said = statement.sentence(entry, language="en", points_name="beans")
    assert said == f"From your other account {eva.public_id}, joined with this one"
    assert Touchpoint.objects.filter(customer=ana, kind="customer.merged").count() == 1


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (lambda eva: erasure.erase(customer=eva, at=NOON, by="test"), CustomerErased),
        (lambda eva: people.block(customer=eva, at=NOON, by="test", reason="theft"), merges.IsBlocked),
    ],
)
def test_who_is_not_there_is_not_merged(cafe, ana, eva, spoil, refusal):
    spoil(eva)

    with pytest.raises(refusal) as said:
        join(eva, ana)
    assert said.value.faults[0].pointer == "/source"
    with pytest.raises(refusal) as said:
        join(ana, eva)
    assert said.value.faults[0].pointer == "/target"


def test_nobody_is_merged_with_themselves_or_a_stranger(cafe, ana, bo):
    with pytest.raises(merges.SamePerson):
        join(ana, ana)
    with pytest.raises(NotFound):
        join(ana, bo)
    with pytest.raises(merges.ReasonMissing):
        merges.merge(source=ana, target=bo, reason=" ", at=NOON, by="x")


def test_held_points_are_not_moved(cafe, ana, eva, buy):
    buy(eva, 50_00, "R-1")
    ledger.rows.Account.objects.filter(membership__customer=eva).update(held=10)

    with pytest.raises(merges.PointsAreHeld):
        join(eva, ana)


# --- chains -----------------------------------------------------------------------------------------------


@pytest.fixture
def zoe(cafe, noon):
    return members.enroll(merchant=cafe, name="Zoe", identifiers=[Given("card", "88")], at=noon, by="test")


def test_a_chain_ends_at_the_last_target(cafe, ana, eva, zoe, buy, give_back):
    buy(eva, 50_00, "R-1")
    join(eva, ana)
    join(ana, zoe)

    assert identifiers.resolve(merchant=cafe, given=[Given("card", "77")]) == [zoe.pk]
    assert has(eva) == has(ana) == has(zoe) == (50, 0, 0)
    assert give_back("R-1").balance["active"] == 0
    with pytest.raises(merges.AlreadyMerged):
        join(zoe, ana)
    assert agrees()


def test_a_chain_is_undone_from_its_end(cafe, ana, eva, zoe, buy):
    buy(eva, 50_00, "R-1")
    buy(ana, 20_00, "R-2")
    first, second = join(eva, ana), join(ana, zoe)
    take(zoe, 5, "A-1")

    with pytest.raises(merges.MergedSince):
        merges.unmerge(merge=first.merge, at=LATER, by="owner")
    merges.unmerge(merge=second.merge, at=LATER, by="owner")
    assert (has(zoe), has(ana), has(eva)) == ((0, 0, 0), (65, 0, 0), (65, 0, 0))
    merges.unmerge(merge=first.merge, at=LATER, by="owner")

    assert sum(points for points, *_ in (has(ana), has(eva))) == 65
    assert has(ana)[0] in (15, 20)
    assert identifiers.resolve(merchant=cafe, given=[Given("card", "77")]) == [eva.pk]
    assert agrees()


# --- undoing ----------------------------------------------------------------------------------------------


def test_undone_everybody_has_what_they_had(cafe, ana, eva, buy):
    buy(ana, 100_00, "R-1")
    buy(eva, 600_00, "R-2")
    stood = Membership.objects.get(customer=ana).tier_until
    done = join(eva, ana)
    assert Membership.objects.get(customer=ana).tier == "Silver"

    undone = merges.unmerge(merge=done.merge, at=LATER, by="owner")

    assert (undone.status, has(ana), has(eva)) == ("created", (100, 0, 0), (600, 0, 0))
    mine, theirs = Membership.objects.get(customer=ana), Membership.objects.get(customer=eva)
    assert (mine.tier, mine.tier_until, theirs.tier) == ("Bronze", stood, "Silver")
    assert (spend_of(ana), spend_of(eva)) == ((100_00, 1), (600_00, 1))
    assert identifiers.resolve(merchant=cafe, given=[Given("card", "77")]) == [eva.pk]
    eva.refresh_from_db()
    assert (eva.status, eva.merged_into) == ("active", None)
    assert agrees()


def test_undone_twice_is_undone_once(cafe, ana, eva, buy):
    buy(eva, 50_00, "R-1")
    done = join(eva, ana)

    said = [merges.unmerge(merge=done.merge, at=LATER, by="owner").status for _ in range(2)]

    assert said == ["created", "replayed"]
    assert has(eva) == (50, 0, 0)
    assert join(eva, ana, at=LATER).status == "created"
    assert has(ana) == (50, 0, 0)
    assert agrees()


def test_what_was_spent_stays_spent(cafe, ana, eva, buy, give_back):
    buy(eva, 50_00, "R-1")
    done = join(eva, ana)
    take(ana, 30, "A-1")
    buy(ana, 10_00, "R-2", at=LATER)

    merges.unmerge(merge=done.merge, at=LATER, by="owner")

    assert (has(ana), has(eva)) == ((10, 0, 0), (20, 0, 0))
    assert give_back("R-1").balance["debt"] == 30
    assert agrees()


def test_a_refund_in_between_is_not_given_back(cafe, ana, eva, buy, give_back):
    buy(eva, 50_00, "R-1")
    buy(ana, 10_00, "R-2", at=NOON + timedelta(days=1))
    done = join(eva, ana, at=NOON + timedelta(days=2))
    give_back("R-1")

    merges.unmerge(merge=done.merge, at=LATER, by="owner")

    assert (has(ana), has(eva)) == ((10, 0, 0), (0, 0, 0))
    assert (spend_of(ana), spend_of(eva)) == ((10_00, 1), (0, 0))
    assert agrees()


def test_a_debt_goes_back_as_far_as_it_is_owed(cafe, ana, eva, buy):
    take(eva, 30, "A-1", allow_negative=True)
    done = join(eva, ana)
    buy(ana, 10_00, "R-1", at=LATER)

    merges.unmerge(merge=done.merge, at=LATER, by="owner")

    assert (has(ana), has(eva)) == ((0, 0, 0), (0, 0, 20))
    assert agrees()


def test_a_tier_given_since_stays(cafe, ana, eva, buy):
    buy(eva, 600_00, "R-1")
    done = join(eva, ana)
    tier_reviews.assign(customer=ana, tier="Gold", until=None, reason="friend", at=LATER, by="owner")

    merges.unmerge(merge=done.merge, at=LATER, by="owner")

    assert Membership.objects.get(customer=ana).tier == "Gold"


def test_after_ninety_days_it_is_too_late(cafe, ana, eva):
    done = join(eva, ana)

    with pytest.raises(merges.MergeTooOld):
        merges.unmerge(merge=done.merge, at=NOON + timedelta(days=90, seconds=1), by="owner")
    assert merges.unmerge(merge=done.merge, at=NOON + timedelta(days=90), by="owner").status == "created"


def test_erased_after_a_merge_both_are_gone_for_good(cafe, ana, eva):
    done = join(eva, ana)
    erasure.erase(customer=ana, at=NOON, by="test")

    with pytest.raises(CustomerErased):
        merges.unmerge(merge=done.merge, at=LATER, by="owner")
    assert Merge.objects.get().reason == ""
    assert identifiers.resolve(merchant=cafe, given=[Given("card", "77")]) == [None]


def test_an_export_shows_both(cafe, ana, eva, buy):
    buy(eva, 50_00, "R-1")
    join(eva, ana)

    kept = erasure.export(customer=ana)

    assert len(kept["customer"]) == 2
    assert [one["reference"] for one in kept["purchase"]] == ["R-1"]
    assert len(kept["merge"]) == 1
