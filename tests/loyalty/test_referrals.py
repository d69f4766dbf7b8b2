"""Ana brings Rui: what it pays, when, and what takes it back."""

from datetime import timedelta

import pytest

from customers import erasure, journey, people
from customers import referrals as claims
from customers.identifiers import Given
from customers.models import Customer, Referral, Sighting
from customers.referrals import AlreadyReferred, Claim, FriendNotNew, NoSuchCode, SelfReferral, UnknownCode
from lib import db
from loyalty import balances, ledger, members, programs, purchases, referrals, refunds, statement, voids
from loyalty.earning.base import Tender
from loyalty.members import Newcomer
from loyalty.refunds import Return
from loyalty.sale import Sale
from tests.cast import NOON, open_shop

pytestmark = [pytest.mark.core, pytest.mark.django_db]

DAY = timedelta(days=1)
TERMS = {"referrer_points": 200, "friend_points": 100, "min_amount_minor": 1000}


def offer(merchant, **more):
    """The shop pays for bringing friends."""
    program = merchant.programs.get()
    program.extras = {"referral": TERMS | more}
    program.save()
    programs.publish(program=program, at=NOON - 30 * DAY, by="test")
    merchant.refresh_from_db()


@pytest.fixture
def cafe(cafe):
    offer(cafe)
    return cafe


def join(cafe, card, *, at=NOON, code="", **seen):
    return members.enroll(
        merchant=cafe,
        identifiers=[Given("card", card)],
        at=at,
        by="till",
        claim=Claim(code, **seen) if code or seen else None,
    )


@pytest.fixture
def rui(cafe, ana):
    return join(cafe, "42", code=ana.referral_code)


def buy(customer, amount_minor=1500, reference="S-1", at=NOON, **more):
    sale = Sale(reference, "EUR", amount_minor, at, customer_id=customer.pk, **more)
    receipt = purchases.record(merchant=customer.merchant, sale=sale, at=at)
    relay(at)
    return receipt


def give_back(merchant, amount_minor=None, purchase="S-1", at=NOON, reference="F-1"):
    refunds.record(merchant=merchant, refund=Return(reference, at, None, purchase, amount_minor), at=at)
    relay(at)


def relay(at):
    while journey.relay(at=at):
        pass


def claim(friend, code, at=NOON, **seen):
    return referrals.claim(friend=friend, claim=Claim(code, **seen), at=at, by="till")


def points(customer, at=NOON):
    said = balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=at)
    return said["active"], said["pending"]


def of(friend):
    return Referral.objects.get(friend=friend)


# --- the story ----------------------------------------------------------------------------------------


def test_a_friend_who_buys_pays_both_after_the_return_window(cafe, ana, rui):
    assert of(rui).state == "joined"

    buy(rui, 1500)

    one = of(rui)
    assert (one.state, one.referrer_points, one.friend_points) == ("qualified", 200, 100)
    assert one.activates_at == NOON + 14 * DAY
    assert points(ana) == (0, 200)
    assert points(rui) == (15, 100)
    assert points(ana, NOON + 14 * DAY) == (200, 0)
    assert points(rui, NOON + 14 * DAY) == (115, 0)
    referrals.run(at=NOON + 14 * DAY)
    assert of(rui).state == "rewarded"
    assert list(ledger.differences()) == []


def test_the_statement_says_why(cafe, ana, rui):
    buy(rui)

    said = [
        statement.sentence(entry, language="en", points_name="beans")
        for customer in (ana, rui)
        for entry in statement.entries(customer=customer)
    ]

    assert said == ["Thank you for bringing a friend", "You came with a friend's code", "Purchase of €15.00"]


def test_it_pays_once_however_often_it_is_told(cafe, ana, rui):
    buy(rui)
    for customer in (ana, rui):
        customer.touchpoints.update(relayed_at=None)  # as if the worker had died before it wrote that down
    relay(NOON)
    referrals.run(at=NOON)
    buy(rui, reference="S-2")

    assert points(ana) == (0, 200)


def test_points_of_a_referral_lift_no_tier(cafe, ana, rui):
    offer(cafe, referrer_points=5000)
    buy(rui)

    assert members.membership(customer=ana).tier == "Bronze"


def test_without_return_days_it_is_paid_at_once(cafe, ana, rui):
    program = cafe.programs.get()
    program.refund_return_days = 0
    program.save()
    programs.publish(program=program, at=NOON - DAY, by="test")
    cafe.refresh_from_db()

    buy(Customer.objects.get(pk=rui.pk))

    assert of(rui).state == "rewarded"
    assert points(ana) == (200, 0)


def test_a_small_purchase_does_not_count_but_a_later_one_does(cafe, ana, rui):
    buy(rui, 999)
    assert of(rui).state == "joined"

    buy(rui, 1000, "S-2")
    assert of(rui).state == "joined"  # only first purchases are listened to; the sweep sees the others
    assert referrals.run(at=NOON) == 1

    assert of(rui).state == "qualified"


def test_what_is_paid_with_points_is_not_paid(cafe, ana, rui):
    buy(rui, 1500, tenders=(Tender("points", 600), Tender("other", 900)))

    assert of(rui).state == "joined"


def test_both_diaries_tell_it(cafe, ana, rui):
    buy(rui)
    referrals.run(at=NOON + 20 * DAY)

    for who in (ana, rui):
        kinds = who.touchpoints.filter(kind__startswith="referral.").order_by("pk")
        assert [one.kind for one in kinds] == ["referral.joined", "referral.qualified", "referral.rewarded"]


def test_a_sale_asks_nothing_of_referrals(cafe, rui, sale):
    with db.watching() as watch:
        purchases.record(merchant=cafe, sale=sale(1500, customer_id=rui.pk), at=NOON)

    assert watch.texts
    assert not any("customers_referral" in text for text in watch.texts)
    # A second sale is not even told to the listener.
    relay(NOON)
    purchases.record(merchant=cafe, sale=sale(1500, customer_id=rui.pk), at=NOON)
    assert journey.relay(at=NOON) == 0


def test_hearing_of_many_first_sales_costs_no_more_than_of_one(cafe, ana):
    counts = []
    for size in (1, 8):
        crowd = [join(cafe, f"{size}-{n}", code=ana.referral_code) for n in range(size)]
        sales = [Sale(f"S-{one.pk}", "EUR", 1500, NOON, customer_id=one.pk) for one in crowd]
        purchases.record_all(merchant=cafe, sales=sales, at=NOON)
        with db.watching() as watch:
            relay(NOON)
        counts.append(watch.statements)

    assert counts[0] == counts[1]


# --- refunds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [0, 20])
def test_a_full_refund_takes_both_back_also_after_activation(cafe, ana, rui, later):
    buy(rui)
    when = NOON + later * DAY
    referrals.run(at=when)

    give_back(cafe, at=when)

    one = of(rui)
    assert (one.state, one.ended_at) == ("clawed_back", when)
    assert points(ana, when) == (0, 0)
    assert points(rui, when) == (0, 0)
    assert list(ledger.differences()) == []


def test_a_void_takes_both_back(cafe, ana, rui):
    receipt = buy(rui)

    voids.void(merchant=cafe, purchase_id=receipt.row["id"], reference="V-1", at=NOON)
    relay(NOON)

    assert of(rui).state == "clawed_back"
    assert (points(ana), points(rui)) == ((0, 0), (0, 0))


def test_a_partial_refund_counts_only_below_the_minimum(cafe, ana, rui):
    buy(rui, 1500)

    give_back(cafe, 500)
    assert of(rui).state == "qualified"
    give_back(cafe, 1, reference="F-2")

    assert of(rui).state == "clawed_back"
    assert points(ana) == (0, 0)


def test_points_already_spent_become_debt(cafe, ana, rui):
    from loyalty import adjustments

    buy(rui)
    later = NOON + 20 * DAY
    adjustments.adjust(customer=ana, points=-150, reason="spent", reference="A", by="t", at=later)

    give_back(cafe, at=later)

    assert balances.balance(merchant=cafe, customer_id=ana.pk, at=later)["debt"] == 150
    assert list(ledger.differences()) == []


def test_a_refund_told_twice_takes_back_once(cafe, ana, rui):
    buy(rui)
    give_back(cafe)
    rui.touchpoints.update(relayed_at=None)
    relay(NOON)

    assert points(ana) == (0, 0)
    assert of(rui).state == "clawed_back"


def test_the_minimum_of_the_day_it_qualified_counts(cafe, ana, rui):
    buy(rui, 1500)
    offer(cafe, min_amount_minor=5000)

    give_back(cafe, 100)

    assert of(rui).state == "qualified"


def test_after_it_was_taken_back_no_other_purchase_counts(cafe, ana, rui):
    buy(rui)
    give_back(cafe)
    buy(rui, reference="S-2")
    referrals.run(at=NOON)

    assert of(rui).state == "clawed_back"
    assert points(ana) == (0, 0)


# --- caps and time ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap", "told"),
    [("cap_per_month", "cap_per_month_reached"), ("cap_per_year", "cap_per_year_reached")],
)
def test_over_the_cap_the_friend_still_gets_theirs(cafe, ana, cap, told):
    offer(cafe, **{cap: 2})
    crowd = [join(cafe, f"{n}", code=ana.referral_code) for n in range(3)]
    for number, friend in enumerate(crowd):
        buy(friend, reference=f"S-{number}")

    assert [of(one).referrer_points for one in crowd] == [200, 200, 0]
    assert [of(one).friend_points for one in crowd] == [100, 100, 100]
    assert of(crowd[2]).refusal == told
    assert points(ana) == (0, 400)


def test_a_cap_holds_within_one_batch_too(cafe, ana):
    offer(cafe, cap_per_month=1)
    crowd = [join(cafe, f"{n}", code=ana.referral_code) for n in range(3)]
    sales = [Sale(f"S-{one.pk}", "EUR", 1500, NOON, customer_id=one.pk) for one in crowd]
    purchases.record_all(merchant=cafe, sales=sales, at=NOON)

    relay(NOON)

    assert sorted(of(one).referrer_points for one in crowd) == [0, 0, 200]


def test_a_new_month_has_room_again(cafe, ana):
    offer(cafe, cap_per_month=1)
    for number, when in enumerate((NOON, NOON + 31 * DAY)):
        buy(join(cafe, f"{number}", code=ana.referral_code, at=when), reference=f"S-{number}", at=when)

    assert points(ana, NOON + 31 * DAY) == (200, 200)


def test_what_was_taken_back_makes_room_again(cafe, ana):
    offer(cafe, cap_per_month=1)
    buy(join(cafe, "1", code=ana.referral_code))
    give_back(cafe)

    buy(join(cafe, "2", code=ana.referral_code), reference="S-2")

    assert points(ana) == (0, 200)


def test_who_never_buys_expires(cafe, ana, rui):
    assert referrals.run(at=NOON + 89 * DAY) == 0
    assert referrals.run(at=NOON + 90 * DAY) == 1
    assert of(rui).state == "expired"

    buy(rui, at=NOON + 91 * DAY)
    referrals.run(at=NOON + 91 * DAY)

    assert points(ana, NOON + 91 * DAY) == (0, 0)


def test_any_number_is_found_in_pieces(cafe, ana, monkeypatch):
    monkeypatch.setattr(referrals, "AT_ONCE", 4)
    monkeypatch.setattr(claims, "AT_ONCE", 2)
    crowd = [join(cafe, f"{n}", code=ana.referral_code) for n in range(7)]
    sales = [
        Sale(f"S-{n}-{one.pk}", "EUR", 1500, NOON, customer_id=one.pk) for one in crowd for n in range(3)
    ]
    purchases.record_all(merchant=cafe, sales=sales, at=NOON)

    assert referrals.run(at=NOON) == 7
    assert referrals.run(at=NOON + 14 * DAY) == 7
    assert points(ana, NOON + 14 * DAY) == (1400, 0)


# --- who may bring whom -------------------------------------------------------------------------------


def test_staff_claim_later_and_again(cafe, ana):
    rui = join(cafe, "42")

    first, is_new = claim(rui, f" {ana.referral_code[:4].lower()}-{ana.referral_code[4:]} ", NOON + 30 * DAY)
    again, is_new_again = claim(rui, ana.referral_code, NOON + 60 * DAY)

    assert (is_new, is_new_again) == (True, False)
    assert again.pk == first.pk


def test_the_first_code_counts(cafe, ana, rui):
    eva = join(cafe, "77")

    with pytest.raises(AlreadyReferred):
        claim(rui, eva.referral_code)
    assert of(rui).referrer == ana


def test_nobodys_code(cafe, ana, bar_nilo, bo):
    rui = join(cafe, "42")

    for code in ("XXXXXXXX", bo.referral_code):
        with pytest.raises(UnknownCode) as refused:
            claim(rui, code)
        assert refused.value.faults[0].pointer == "/code"


def test_a_bad_code_enrolls_nobody(cafe, ana):
    with pytest.raises(NoSuchCode):
        join(cafe, "42", code="XXXXXXXX")

    assert Customer.objects.count() == 1


def test_one_bad_code_of_many_spoils_only_its_own(cafe, ana):
    crowd = [
        Newcomer(identifiers=(Given("card", f"{n}"),), claim=Claim(code))
        for n, code in enumerate((ana.referral_code, "XXXXXXXX", ""))
    ]

    said = members.enroll_all(merchant=cafe, people=crowd, at=NOON, by="import")

    assert [type(one) for one in said] == [Customer, NoSuchCode, Customer]
    assert Referral.objects.get().friend_id == said[0].pk


def test_enrolling_without_a_code_asks_nothing_of_referrals(cafe, ana):
    with db.watching() as watch:
        join(cafe, "42")

    assert watch.texts
    assert not any("customers_referral" in text or "customers_sighting" in text for text in watch.texts)


def test_nobody_brings_themselves(cafe, ana):
    with pytest.raises(SelfReferral):
        claim(ana, ana.referral_code)


def test_the_same_mailbox_is_the_same_person(cafe, ana):
    given = [Given("email", "Ana+two@example.com")]

    with pytest.raises(SelfReferral) as refused:
        members.enroll(merchant=cafe, identifiers=given, at=NOON, by="till", claim=Claim(ana.referral_code))
    assert refused.value.faults[0].code == "self_referral"
    friend = members.enroll(merchant=cafe, identifiers=given, at=NOON, by="till")
    with pytest.raises(SelfReferral):
        claim(friend, ana.referral_code)


def test_the_same_device_is_the_same_person(cafe):
    eva = join(cafe, "77", device="phone-1")

    with pytest.raises(SelfReferral):
        join(cafe, "42", code=eva.referral_code, device="phone-1")
    rui = join(cafe, "42", device="phone-1")
    with pytest.raises(SelfReferral):
        claim(rui, eva.referral_code)
    assert "phone-1" not in str(list(Sighting.objects.values()))


def test_who_bought_before_is_not_new(cafe, ana):
    rui = join(cafe, "42")
    buy(rui)

    with pytest.raises(FriendNotNew):
        claim(rui, ana.referral_code)


def test_who_joined_long_ago_is_not_new(cafe, ana):
    rui = join(cafe, "42")

    with pytest.raises(FriendNotNew):
        claim(rui, ana.referral_code, NOON + 31 * DAY)


def test_leaving_and_joining_again_does_not_count(cafe, ana):
    given = [Given("email", "rui@example.com")]
    rui = members.enroll(merchant=cafe, identifiers=given, at=NOON, by="till")
    erasure.erase(customer=rui, at=NOON, by="rui")

    again = members.enroll(
        merchant=cafe, identifiers=given, at=NOON + DAY, by="till", claim=Claim(ana.referral_code)
    )
    buy(again, at=NOON + DAY)

    assert (of(again).state, of(again).refusal) == ("rejected", "was_here_before")
    assert points(ana, NOON + DAY) == (0, 0)


def test_the_code_of_who_left_or_is_blocked_is_nobodys(cafe, ana):
    rui, code = join(cafe, "42"), ana.referral_code
    people.block(customer=ana, at=NOON, by="owner", reason="fraud")
    with pytest.raises(UnknownCode):
        claim(rui, code)
    people.unblock(customer=ana, at=NOON, by="owner")
    erasure.erase(customer=ana, at=NOON, by="ana")
    with pytest.raises(UnknownCode):
        claim(rui, code)


def test_a_shop_that_pays_nothing_takes_no_codes(db):
    shop = open_shop("plain", "Plain")
    eva, rui = join(shop, "1"), join(shop, "2")

    with pytest.raises(referrals.NoReferrals):
        claim(rui, eva.referral_code)
    with pytest.raises(referrals.NoReferrals):
        join(shop, "3", code=eva.referral_code)
    assert Customer.objects.filter(merchant=shop).count() == 2


def test_a_referrer_who_left_gets_nothing_and_the_friend_theirs(cafe, ana, rui):
    erasure.erase(customer=ana, at=NOON, by="ana")

    buy(rui)

    one = of(rui)
    assert (one.refusal, one.referrer_points, one.friend_points) == ("referrer_gone", 0, 100)


# --- doubts -------------------------------------------------------------------------------------------


def test_a_shared_address_waits_for_staff_and_is_never_refused(cafe, ana):
    claims.saw(customer=ana, at=NOON, address="192.0.2.7")
    rui = join(cafe, "42", code=ana.referral_code, address="192.0.2.7")
    assert (of(rui).state, of(rui).signals) == ("flagged", ["same_address"])

    buy(rui)
    assert points(ana) == (0, 0)
    referrals.approve(referral=of(rui), at=NOON + DAY, by="owner")

    one = of(rui)
    assert (one.state, one.decided_by) == ("qualified", "owner")
    assert points(ana, NOON + DAY) == (0, 200)
    assert referrals.approve(referral=one, at=NOON + 2 * DAY, by="owner").state == "qualified"


def test_approved_before_the_purchase_it_goes_on(cafe, ana):
    claims.saw(customer=ana, at=NOON, address="192.0.2.7")
    rui = join(cafe, "42", code=ana.referral_code, address="192.0.2.7")

    assert referrals.approve(referral=of(rui), at=NOON, by="owner").state == "joined"
    buy(rui)

    assert points(ana) == (0, 200)


def test_one_phone_for_many_friends_waits_for_staff(cafe, ana):
    join(cafe, "1", device="kiosk", code=ana.referral_code)
    second = join(cafe, "2", device="kiosk", code=ana.referral_code)

    assert (of(second).state, of(second).signals) == ("flagged", ["device_of_another_customer"])


def test_rejected_it_pays_nothing(cafe, ana):
    claims.saw(customer=ana, at=NOON, address="192.0.2.7")
    rui = join(cafe, "42", code=ana.referral_code, address="192.0.2.7")

    referrals.reject(referral=of(rui), reason="Both are Ana", at=NOON, by="owner")
    buy(rui)
    referrals.run(at=NOON)

    one = of(rui)
    assert (one.state, one.reason, one.decided_by) == ("rejected", "Both are Ana", "owner")
    assert points(ana) == (0, 0)
    with pytest.raises(referrals.NotWaiting):
        referrals.approve(referral=one, at=NOON, by="owner")


def test_rejected_after_it_paid_takes_both_back_once(cafe, ana, rui):
    buy(rui)
    for _ in range(2):
        referrals.reject(referral=of(rui), reason="Both are Ana", at=NOON, by="owner")

    assert (points(ana), points(rui)) == ((0, 0), (15, 0))
    assert list(ledger.differences()) == []


def test_a_rejection_needs_a_reason_and_something_to_reject(cafe, ana, rui):
    with pytest.raises(referrals.ReasonMissing):
        referrals.reject(referral=of(rui), reason=" ", at=NOON, by="owner")
    referrals.run(at=NOON + 90 * DAY)
    with pytest.raises(referrals.NotWaiting):
        referrals.reject(referral=of(rui), reason="late", at=NOON, by="owner")


# --- what is kept -------------------------------------------------------------------------------------


def test_an_export_names_both_sides_without_the_other_one(cafe, ana, rui):
    buy(rui)

    [mine] = erasure.export(customer=ana)["referral"]
    [theirs] = erasure.export(customer=rui)["referral"]

    assert (mine["role"], mine["points"], theirs["role"], theirs["points"]) == (
        "referrer",
        200,
        "friend",
        100,
    )
    assert rui.public_id not in str(mine)
    assert ana.public_id not in str(theirs)


def test_erasure_leaves_numbers_only(cafe, ana):
    rui = join(cafe, "42", code=ana.referral_code, device="phone", address="192.0.2.7")
    referrals.reject(referral=of(rui), reason="Rui is a cousin", at=NOON, by="owner")

    erasure.erase(customer=rui, at=NOON, by="rui")

    assert (of(rui).reason, of(rui).code) == ("", "")
    assert not Sighting.objects.filter(customer=rui).exists()


def test_old_sightings_are_forgotten(cafe, ana):
    claims.saw(customer=ana, at=NOON, address="192.0.2.7")

    assert claims.forget_sightings(at=NOON + 400 * DAY) == 0
    assert claims.forget_sightings(at=NOON + 401 * DAY) == 1


def test_seen_again_is_kept_once_with_the_new_time(cafe, ana):
    claims.saw(customer=ana, at=NOON, address="192.0.2.7")
    claims.saw(customer=ana, at=NOON + DAY, address="192.0.2.7")

    assert Sighting.objects.get().seen_at == NOON + DAY
