"""Benefits: looked at, used no more often than they may be, and undone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, transaction

from customers import erasure
from customers.identifiers import Given
from customers.models import Customer
from lib.db import watching
from lib.errors import NotFound, ReferenceReused
from loyalty import members, merges, tier_perks, tier_reviews
from loyalty.purchases import CustomerBlocked
from rewards import perks
from rewards.models import PerkUse
from rewards.perks import PerkLimitReached, PerkNotAvailable, UnknownPerk
from tests.cast import NOON
from tests.rewards.giving import COFFEE, OAT, WELCOME, buy, promise

pytestmark = [pytest.mark.core, pytest.mark.django_db]
DAY = timedelta(days=1)
LISBON = ZoneInfo("Europe/Lisbon")
CAKE = {"kind": "benefit", "name": "Cake", "id": "cake", "limit": {"times": 2, "per": "month"}}


@pytest.fixture
def club(cafe, ana):
    """Bronze has oat milk, Silver two cakes a month; Ana is Bronze."""
    promise(cafe, Bronze=[OAT], Silver=[CAKE, WELCOME])
    return cafe


@pytest.fixture
def silver(club, ana):
    """Ana in Silver."""
    buy(ana, 600)
    return ana


@pytest.fixture
def eat():
    """`eat(ana)` uses the cake under a number of its own."""
    count = iter(range(1, 10_000))

    def act(customer, perk="cake", at=NOON, reference="", **more):
        said = reference or f"P-{next(count)}"
        return perks.use(customer=customer, perk=perk, reference=said, at=at, by="till", **more)

    return act


def left(customer, perk="cake", at=NOON):
    return {one.perk.id: one.left for one in perks.of_customer(customer=customer, at=at)}[perk]


def limit(cafe, per, times=1):
    promise(cafe, Bronze=[CAKE | {"limit": {"times": times, "per": per}}])


def test_a_level_has_the_benefits_of_those_below(silver):
    found = perks.of_customer(customer=silver, at=NOON)

    assert [(one.perk.id, one.perk.tier, one.used, one.left) for one in found] == [
        ("cake", "Silver", 0, 2),
        ("silver-welcome-to-silver", "Silver", 1, 0),
        ("oat", "Bronze", 0, None),
    ]
    assert found[0].resets_at == datetime(2026, 5, 31, 23, tzinfo=UTC)  # midnight in Lisbon


def test_the_same_id_in_a_higher_level_is_the_same_perk(cafe, ana, eat):
    promise(cafe, Bronze=[CAKE], Silver=[CAKE | {"limit": {"times": 5, "per": "month"}}])
    eat(ana)

    buy(ana, 600)

    [one] = perks.of_customer(customer=ana, at=NOON)
    assert (one.perk.tier, one.used, one.left) == ("Silver", 1, 4)


def test_a_benefit_is_used_until_its_limit(silver, eat):
    first, second = eat(silver), eat(silver)

    with pytest.raises(PerkLimitReached, match="more from 2026-06-01 on"):
        eat(silver)

    assert (first.holding.left, second.holding.left) == (1, 0)
    assert left(silver) == 0
    assert eat(silver, at=NOON.replace(month=6)).holding.left == 1
    assert silver.touchpoints.filter(kind="perk.used").count() == 3


def test_one_without_a_limit_is_counted_all_the_same(silver, eat):
    for _ in range(5):
        receipt = eat(silver, "oat")

    assert (receipt.holding.used, receipt.holding.left) == (5, None)


def test_told_twice_it_is_used_once(silver, eat):
    first, again = eat(silver, reference="P"), eat(silver, reference="P")

    assert (first.status, again.status) == ("created", "replayed")
    assert again.use == first.use
    assert left(silver) == 1


def test_a_reference_belongs_to_one_use(silver, club, eat):
    eva = members.enroll(merchant=club, identifiers=[Given("card", "77")], at=NOON, by="test")
    eat(silver, reference="P")

    with pytest.raises(ReferenceReused) as refused:
        eat(eva, "oat", reference="P")

    assert [fault.pointer for fault in refused.value.faults] == ["/customer", "/perk"]


def test_what_the_level_does_not_have_is_refused(club, ana, eat):
    with pytest.raises(PerkNotAvailable):
        eat(ana)
    with pytest.raises(UnknownPerk):
        eat(ana, "caviar")


def test_what_is_given_on_entry_is_not_used(silver, eat):
    with pytest.raises(PerkNotAvailable, match="by itself"):
        eat(silver, "silver-welcome-to-silver")


def test_who_is_blocked_uses_nothing(silver, eat):
    Customer.objects.filter(pk=silver.pk).update(status="blocked")

    with pytest.raises(CustomerBlocked):
        eat(silver)


def test_who_left_the_level_keeps_the_answers_of_before(silver, eat):
    eat(silver, reference="P")
    tier_reviews.assign(customer=silver, tier="Bronze", until=None, reason="x", by="owner", at=NOON)

    with pytest.raises(PerkNotAvailable):
        eat(silver)
    again = eat(silver, reference="P")
    assert (again.status, again.holding) == ("replayed", None)


def test_an_undone_use_counts_for_nothing(silver, eat):
    used = eat(silver, reference="P").use

    first, again = (perks.undo(use=used, at=NOON, by="till") for _ in range(2))

    assert (first.status, again.status) == ("created", "replayed")
    assert left(silver) == 2
    assert PerkUse.objects.count() == 2
    replayed = eat(silver, reference="P")
    assert (replayed.status, replayed.is_rolled_back) == ("replayed", True)
    assert silver.touchpoints.filter(kind="perk.rolled_back").count() == 1


def test_only_ones_own_use_is_found(silver, club, eat, bo):
    eat(silver, reference="P")
    eva = members.enroll(merchant=club, identifiers=[Given("card", "77")], at=NOON, by="test")

    assert perks.find_use(customer=silver, perk="cake", reference="P").reference == "P"
    for customer, perk, reference in (
        (eva, "cake", "P"),
        (bo, "cake", "P"),
        (silver, "oat", "P"),
        (silver, "cake", "Q"),
    ):
        with pytest.raises(NotFound):
            perks.find_use(customer=customer, perk=perk, reference=reference)


def test_uses_of_who_was_merged_count(silver, club, eat):
    other = members.enroll(merchant=club, identifiers=[Given("card", "77")], at=NOON, by="test")
    buy(other, 600, "S-2")
    eat(other, reference="P")
    merges.merge(source=other, target=silver, reason="one", at=NOON, by="test")

    assert left(silver) == 1
    assert eat(silver, reference="P").status == "replayed"


def test_a_use_is_never_changed(silver, eat):
    eat(silver)

    with pytest.raises(DatabaseError, match="undo the use"), transaction.atomic():
        PerkUse.objects.update(reference="Z")


def test_what_is_kept_is_shown_and_stays_without_the_person(silver, eat):
    eat(silver, reference="P")

    told = erasure.export(customer=silver)
    assert [one["reference"] for one in told["perkuse"]] == ["P"]
    assert [one["points"] for one in told["perkgrant"]] == [100]
    erasure.erase(customer=silver, at=NOON, by="owner")
    assert PerkUse.objects.count() == 1


def test_many_perks_cost_as_many_statements_as_one(cafe, ana):
    def asked(*told):
        promise(cafe, Bronze=list(told))
        with watching() as seen:
            perks.of_customer(customer=ana, at=NOON)
        return seen.statements

    few = asked(OAT, WELCOME)
    assert asked(OAT, WELCOME, CAKE, COFFEE, *(OAT | {"id": f"oat-{n}"} for n in range(20))) == few


# --- periods --------------------------------------------------------------------------------------------


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=LISBON)


@pytest.mark.parametrize(
    ("per", "last", "first"),
    [
        ("day", "2026-05-01T23:59:59", "2026-05-02T00:00"),
        ("week", "2026-05-03T23:59:59", "2026-05-04T00:00"),  # Sunday, Monday
        ("month", "2026-05-31T23:59:59", "2026-06-01T00:00"),
        ("year", "2026-12-31T23:59:59", "2027-01-01T00:00"),
        ("membership_year", "2027-04-30T23:59:59", "2027-05-01T00:00"),  # Ana joined on 1 May
    ],
)
def test_a_period_ends_at_midnight_in_the_shops_zone(cafe, ana, eat, per, last, first):
    limit(cafe, per)
    eat(ana, at=at("2026-05-01T13:00"))

    assert perks.of_customer(customer=ana, at=at("2026-05-01T14:00"))[0].resets_at == at(first)
    with pytest.raises(PerkLimitReached):
        eat(ana, at=at(last))
    assert eat(ana, at=at(first)).holding.left == 0


def test_a_lifetime_does_not_end(cafe, ana, eat):
    limit(cafe, "lifetime")
    eat(ana)

    with pytest.raises(PerkLimitReached, match=r"may be\.$"):
        eat(ana, at=NOON + 3000 * DAY)


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-10", 24)],
)
def test_a_day_in_which_the_clocks_change_is_one_day(cafe, ana, eat, day, hours):
    limit(cafe, "day")
    starts = at(f"{day}T00:00").astimezone(UTC)
    ends = starts + timedelta(hours=hours)

    eat(ana, at=starts)
    with pytest.raises(PerkLimitReached):
        eat(ana, at=ends - timedelta(seconds=1))

    assert perks.of_customer(customer=ana, at=starts)[0].resets_at == ends
    assert eat(ana, at=ends).status == "created"


def test_joined_on_29_february_the_year_begins_on_the_28th():
    joined = datetime(2024, 2, 29, 12, tzinfo=UTC)

    starts, ends = tier_perks.period("membership_year", at("2026-05-01T12:00"), zone=LISBON, joined_at=joined)

    assert (starts.isoformat()[:10], ends.isoformat()[:10]) == ("2026-02-28", "2027-02-28")
