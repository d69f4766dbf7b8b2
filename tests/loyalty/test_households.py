"""A household: who is in it by their own yes, and a pool that its members share."""

from datetime import timedelta

import pytest

from customers import erasure
from customers.identifiers import Given
from customers.models import Customer, Touchpoint
from lib.errors import ReferenceReused
from loyalty import adjustments, balances, households, ledger, members, merges, programs, transfers
from loyalty.calendar import Expiry
from loyalty.households import HouseholdFull, InAnother, NotAMember, NotOffered, PoolNotEmpty
from loyalty.ledger import NotEnoughPoints
from loyalty.models import HouseholdMember
from loyalty.models.ledger import Lot
from loyalty.transfers import NotAllowed
from rewards import redemptions
from rewards.models import Redemption, Voucher
from tests.cast import NOON
from tests.rewards.conftest import put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def offered(program):
    """The café's program has households, without taking out."""
    program.extras = {"transfers": {"allowed": False, "household": True}}
    program.save()
    return program


@pytest.fixture
def eva(cafe, program):
    return members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=NOON, by="test")


def give(customer, points, reference="A-1"):
    adjustments.adjust(customer=customer, points=points, reason="x", reference=reference, by="test", at=NOON)


@pytest.fixture
def home(ana, offered):
    """Ana's household; she has 100 points."""
    give(ana, 100)
    return opened(ana).household


def opened(customer, reference="HH-1", name="The Silvas"):
    return households.create(
        customer=customer, name=name, reference=reference, at=NOON, by="till", agreed="till"
    )


def enter(home, customer, agreed="till"):
    return households.accept(household=home, customer=customer, at=NOON, by="till", agreed=agreed)


def move(source, target, points, reference="T-1", at=NOON):
    return transfers.transfer(
        source=source, target=target, points=points, reference=reference, by="till", at=at
    )


def pool(home, at=NOON):
    return households.read(household=home, at=at).points


def leave(home, customer):
    return households.leave(household=home, customer=customer, at=NOON, by="till")


def test_the_first_member_is_in_it_and_the_pool_is_empty(home, ana):
    found = households.read(household=home, at=NOON)

    assert [one.customer_id for one in found.members] == [ana.pk]
    assert (found.points, found.members[0].agreed) == (0, "till")
    assert households.of(customer=ana).household_id == home.pk


def test_told_twice_it_is_opened_once(home, ana, eva):
    assert opened(ana).status == "replayed"
    assert Customer.objects.filter(status="household").count() == 1
    with pytest.raises(ReferenceReused):
        opened(eva)


def test_only_where_the_program_has_them(ana, program):
    with pytest.raises(NotOffered):
        opened(ana)


def test_points_are_moved_in_and_keep_their_dates(cafe, program, ana, home):
    program.expiry_mode, program.expiry_months = "age", 2
    program.save()
    programs.publish(program=program, at=NOON - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    ana.merchant = cafe
    give(ana, 50, "A-2")
    ends = Expiry("age", 2).ends(NOON, zone=cafe.zone)

    assert move(ana, home.holder, 70).balance["active"] == 80
    assert move(ana, home.holder, 70).status == "replayed"

    assert pool(home) == 70
    moved = Lot.objects.filter(account__membership__customer=home.holder)
    assert ends in set(moved.values_list("expires_at", flat=True))
    assert pool(home, at=ends + timedelta(days=1)) < 70
    assert list(ledger.differences()) == []


def test_a_stranger_neither_puts_in_nor_takes_out(home, ana, eva, offered):
    give(eva, 10, "A-3")
    with pytest.raises(NotAMember):
        move(eva, home.holder, 5)
    move(ana, home.holder, 50)
    with pytest.raises(NotAMember):
        move(home.holder, eva, 5, "T-2")


def test_taking_out_needs_the_program_or_to_be_alone(home, ana, eva, offered):
    move(ana, home.holder, 50)
    assert move(home.holder, ana, 10, "T-2").status == "created"  # alone: they are her own
    enter(home, eva)

    with pytest.raises(NotAllowed):
        move(home.holder, ana, 10, "T-3")
    offered.extras = {"transfers": {"allowed": False, "household": True, "take_out": True}}
    offered.save()

    assert move(home.holder, ana, 10, "T-3").status == "created"
    assert pool(home) == 30


def test_between_customers_nothing_is_given_where_only_households_share(home, ana, eva):
    with pytest.raises(NotAllowed):
        move(ana, eva, 5)


def test_nobody_is_in_it_without_a_yes(home, ana, eva):
    with pytest.raises(NotAMember):
        enter(home, eva, "portal")
    households.invite(household=home, customer=eva, at=NOON, by="customer")
    households.invite(household=home, customer=eva, at=NOON, by="customer")
    assert HouseholdMember.objects.filter(joined_at=None).count() == 1
    with pytest.raises(NotAMember):
        move(eva, home.holder, 1)

    assert enter(home, eva, "portal").status == "changed"
    assert enter(home, eva, "portal").status == "replayed"
    assert HouseholdMember.objects.get(customer=eva).agreed == "portal"


def test_a_customer_is_in_one_household(home, ana, eva):
    other = opened(eva, "HH-2").household

    with pytest.raises(InAnother):
        enter(other, ana)


def test_a_household_has_an_end(cafe, home):
    for n in range(households.MOST_MEMBERS - 1):
        card = [Given("card", f"88{n}")]
        enter(home, members.enroll(merchant=cafe, identifiers=card, at=NOON, by="test"))
    last = members.enroll(merchant=cafe, identifiers=[Given("card", "999")], at=NOON, by="test")

    with pytest.raises(HouseholdFull):
        enter(home, last)


def test_who_leaves_leaves_the_points_and_the_last_one_takes_them(home, ana, eva):
    enter(home, eva)
    move(ana, home.holder, 50)

    leave(home, ana)
    assert leave(home, ana).status == "replayed"
    assert pool(home) == 50
    with pytest.raises(NotAMember):
        move(home.holder, ana, 5, "T-2")
    with pytest.raises(PoolNotEmpty):
        leave(home, eva)
    move(home.holder, eva, 50, "T-3")
    leave(home, eva)

    assert households.of(customer=eva) is None
    assert list(ledger.differences()) == []


def test_a_member_redeems_from_the_pool(home, ana, eva, program):
    enter(home, eva)
    move(ana, home.holder, 90)
    cake = put_up(program, "cake", cost=60, stock=1)

    def redeem(customer, reference):
        return redemptions.redeem(
            customer=customer, reward=cake, reference=reference, at=NOON, pool=home.holder
        )

    made = redeem(eva, "X-1")
    assert redeem(eva, "X-1").status == "replayed"

    assert (pool(home), made.redemption.customer_id, Voucher.objects.get().customer_id) == (
        30,
        eva.pk,
        eva.pk,
    )
    assert made.redemption.payer_id == home.holder_id
    redemptions.cancel(redemption=Redemption.objects.select_related("reward").get(), at=NOON)
    assert pool(home) == 90
    assert list(ledger.differences()) == []


def test_strangers_and_empty_pools_redeem_nothing(home, ana, eva, program):
    cake = put_up(program, "cake", cost=60)
    with pytest.raises(NotAMember):
        redemptions.redeem(customer=eva, reward=cake, reference="X-1", at=NOON, pool=home.holder)
    with pytest.raises(NotEnoughPoints):
        redemptions.redeem(customer=ana, reward=cake, reference="X-2", at=NOON, pool=home.holder)


def test_moving_points_moves_no_tier(cafe, home, ana):
    before = balances.balance(merchant=cafe, customer_id=ana.pk, at=NOON)
    move(ana, home.holder, 100)
    after = balances.balance(merchant=cafe, customer_id=ana.pk, at=NOON)

    assert (after["tier"], after["lifetime_earned"]) == (before["tier"], before["lifetime_earned"])


def test_who_was_merged_stays_in_it_as_the_target(home, ana, eva):
    move(ana, home.holder, 50)
    merges.merge(source=ana, target=eva, reason="one person", at=NOON, by="test")

    assert households.of(customer=eva).household_id == home.pk
    assert move(eva, home.holder, 10, "T-2").status == "created"
    assert pool(home) == 60


def test_who_is_erased_leaves_and_the_pool_stays(home, ana, eva):
    enter(home, eva)
    move(ana, home.holder, 50)

    erasure.erase(customer=ana, at=NOON, by="test")

    found = households.read(household=home, at=NOON)
    assert ([one.customer_id for one in found.members], found.points) == ([eva.pk], 50)


def test_each_step_is_noted(home, ana, eva):
    households.invite(household=home, customer=eva, at=NOON, by="customer")
    leave(home, eva)

    kinds = Touchpoint.objects.filter(kind__startswith="household.").order_by("pk")
    assert list(kinds.values_list("kind", flat=True)) == [
        "household.joined",
        "household.invited",
        "household.declined",
    ]
