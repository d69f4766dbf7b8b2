"""Who may bring whom, what looks doubtful, and what is kept of it."""

import pytest

from customers import erasure, people
from customers import referrals as claims
from customers.identifiers import Given
from customers.models import Customer, Referral, Sighting
from customers.referrals import AlreadyReferred, Claim, FriendNotNew, NoSuchCode, SelfReferral, UnknownCode
from lib import db
from loyalty import ledger, members, referrals
from loyalty.members import Newcomer
from tests.cast import NOON, open_shop
from tests.loyalty.bringing import DAY, buy, claim, join, of, offer, points

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def cafe(cafe):
    offer(cafe)
    return cafe


@pytest.fixture
def rui(cafe, ana):
    return join(cafe, "42", code=ana.referral_code)


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
