"""Welcome, birthday and touchpoint points: given once, whatever is repeated."""

from datetime import UTC, date, datetime, timedelta

import pytest

from customers import erasure, journey, people, touchpoints
from customers.identifiers import Given
from lib import db
from loyalty import balances, bonuses, ledger, members, programs, purchases
from loyalty.members import Newcomer
from loyalty.models import EarningRule, Reference
from loyalty.models.ledger import Entry


def rule(cafe, kind, points, **params):
    program = cafe.programs.get()
    EarningRule.objects.create(
        merchant=cafe, program=program, code=kind, kind=kind, params={"points": points, **params}
    )
    programs.publish(program=program, at=datetime(2025, 6, 1, tzinfo=UTC), by="test")
    cafe.refresh_from_db()


def points(customer):
    membership = members.membership(customer=customer)
    return [
        (entry.points, entry.reason["code"])
        for entry in ledger.entries(merchant_id=customer.merchant_id, memberships=[membership.pk]).order_by(
            "pk"
        )
    ]


def join(cafe, noon, *given, verified=True):
    return members.enroll(
        merchant=cafe, identifiers=[Given(*one) for one in given], at=noon, by="till", verified=verified
    )


def relay(at):
    while journey.relay(at=at):
        pass


# --- welcome ------------------------------------------------------------------------------------------


def test_a_verified_contact_is_welcomed_at_once(cafe, noon):
    rule(cafe, "welcome", 50)

    rui = join(cafe, noon, ("email", "rui@example.com"))

    assert points(rui) == [(50, "welcome")]
    assert rui.touchpoints.get(kind="bonus.given").data["points"] == 50


def test_a_card_alone_is_welcomed_with_the_first_purchase(cafe, sale, noon):
    rule(cafe, "welcome", 50)
    rui = join(cafe, noon, ("card", "42"))
    assert points(rui) == []

    for _ in range(2):
        purchases.record(merchant=cafe, sale=sale(1000, customer_id=rui.pk), at=noon)
        relay(noon)

    assert sorted(points(rui)) == [(10, "purchase"), (10, "purchase"), (50, "welcome")]


def test_a_contact_merely_typed_in_is_welcomed_when_it_is_verified(cafe, noon):
    rule(cafe, "welcome", 50)
    rui = join(cafe, noon, ("email", "rui@example.com"), verified=False)
    assert points(rui) == []

    people.add_identifiers(customer=rui, given=[Given("email", "rui@example.com")], at=noon, by="portal")
    relay(noon)

    assert points(rui) == [(50, "welcome")]


def test_leaving_and_joining_again_gives_nothing(cafe, noon):
    rule(cafe, "welcome", 50)
    rui = join(cafe, noon, ("email", "rui@example.com"), ("phone", "912000111"))
    erasure.erase(customer=rui, at=noon, by="rui")

    again = join(cafe, noon, ("email", "other@example.com"), ("phone", "+351 912 000 111"))

    assert points(again) == []
    kept = str(list(Reference.objects.filter(merchant_id=cafe.pk).values()))
    assert "rui@" not in kept
    assert "912000111" not in kept


def test_more_contacts_give_no_second_welcome(cafe, noon):
    rule(cafe, "welcome", 50)
    rui = join(cafe, noon, ("email", "rui@example.com"))

    people.add_identifiers(customer=rui, given=[Given("phone", "912000111")], at=noon, by="till")
    relay(noon)

    assert points(rui) == [(50, "welcome")]


def test_who_joined_before_the_rule_is_not_welcomed_later(cafe, noon):
    rui = join(cafe, noon, ("email", "rui@example.com"))
    rule(cafe, "welcome", 50)

    people.add_identifiers(customer=rui, given=[Given("phone", "912000111")], at=noon, by="till")
    relay(noon)

    assert points(rui) == []


def test_an_import_of_old_members_may_leave_the_welcome_out(cafe, sale, noon):
    rule(cafe, "welcome", 50)
    crowd = [Newcomer(identifiers=(Given("card", "42"),)), Newcomer(identifiers=(Given("card", "43"),))]

    [rui, _] = members.enroll_all(merchant=cafe, people=crowd, at=noon, by="import", welcome=False)
    purchases.record(merchant=cafe, sale=sale(1000, customer_id=rui.pk), at=noon)
    relay(noon)

    assert points(rui) == [(10, "purchase")]


def test_the_welcome_of_another_merchant_is_its_own(cafe, bar_nilo, noon):
    rule(cafe, "welcome", 50)
    rule(bar_nilo, "welcome", 70)

    join(cafe, noon, ("email", "rui@example.com"))

    assert points(join(bar_nilo, noon, ("email", "rui@example.com"))) == [(70, "welcome")]


def test_points_of_a_bonus_may_wait(cafe, noon):
    rule(cafe, "welcome", 50, pending_days=14)

    rui = join(cafe, noon, ("email", "rui@example.com"))

    now = balances.balance(merchant=cafe, customer_id=rui.pk, at=noon)
    later = balances.balance(merchant=cafe, customer_id=rui.pk, at=noon + timedelta(days=14))
    assert (now["active"], now["pending"]) == (0, 50)
    assert (later["active"], later["pending"]) == (50, 0)


def test_a_bonus_that_qualifies_lifts_the_tier(cafe, noon):
    rule(cafe, "welcome", 600, qualifies=True)

    rui = join(cafe, noon, ("email", "rui@example.com"))

    assert members.membership(customer=rui).tier == "Silver"
    assert rui.touchpoints.filter(kind="tier.changed").count() == 1


def test_a_bonus_that_does_not_qualify_lifts_nothing(cafe, noon):
    rule(cafe, "welcome", 600)

    assert members.membership(customer=join(cafe, noon, ("email", "rui@example.com"))).tier == "Bronze"


# --- birthday -----------------------------------------------------------------------------------------


def born(cafe, at, day, number="1"):
    return members.enroll(merchant=cafe, identifiers=[Given("card", number)], birthday=day, at=at, by="till")


def test_the_birthday_gives_points_once_a_year(cafe, noon):
    rule(cafe, "birthday", 100)
    rui = born(cafe, noon - timedelta(days=31), "05-01")

    assert bonuses.give_birthdays(at=noon) == 1
    assert bonuses.give_birthdays(at=noon + timedelta(hours=3)) == 0
    assert bonuses.give_birthdays(at=noon + timedelta(days=2)) == 0
    assert bonuses.give_birthdays(at=noon.replace(year=2027)) == 1

    assert points(rui) == [(100, "birthday"), (100, "birthday")]


def test_nobody_has_a_birthday_when_it_pays(cafe, noon):
    rule(cafe, "birthday", 100)
    born(cafe, noon - timedelta(days=29), "05-01")

    assert bonuses.give_birthdays(at=noon) == 0


def test_the_day_is_the_merchants_own(cafe, noon):
    rule(cafe, "birthday", 100)
    born(cafe, noon - timedelta(days=60), "05-02")

    # 23:30 UTC on the first is half past midnight on the second in Lisbon's summer.
    assert bonuses.give_birthdays(at=noon.replace(hour=22, minute=30)) == 0
    assert bonuses.give_birthdays(at=noon.replace(hour=23, minute=30)) == 1


def test_a_day_that_was_missed_is_made_up_for_within_a_week(cafe, noon):
    rule(cafe, "birthday", 100)
    rui = born(cafe, noon - timedelta(days=60), "04-25")
    born(cafe, noon - timedelta(days=60), "04-20", "2")

    assert bonuses.give_birthdays(at=noon) == 1
    assert points(rui) == [(100, "birthday")]


@pytest.mark.parametrize(
    ("day", "who"),
    [
        (date(2027, 2, 28), ["02-28", "02-29"]),
        (date(2028, 2, 28), ["02-28"]),
        (date(2028, 2, 29), ["02-29"]),
        (date(2027, 3, 1), ["03-01"]),
    ],
)
def test_29_february_is_the_28th_in_other_years(day, who):
    assert bonuses.birthdays_on(day) == who


def test_new_year_belongs_to_its_own_year(cafe, noon):
    rule(cafe, "birthday", 100)
    rui = born(cafe, noon, "12-31")

    assert bonuses.give_birthdays(at=datetime(2027, 1, 2, 12, tzinfo=UTC)) == 1
    assert bonuses.give_birthdays(at=datetime(2027, 12, 31, 12, tzinfo=UTC)) == 1
    assert len(points(rui)) == 2


def test_the_blocked_and_the_erased_have_no_birthday_here(cafe, noon):
    rule(cafe, "birthday", 100)
    early = noon - timedelta(days=60)
    people.block(customer=born(cafe, early, "05-01"), at=early, by="owner", reason="fraud")
    erasure.erase(customer=born(cafe, early, "05-01", "2"), at=early, by="rui")

    assert bonuses.give_birthdays(at=noon) == 0


def test_birthdays_come_in_any_number(cafe, noon, monkeypatch):
    monkeypatch.setattr(bonuses, "BIRTHDAYS_AT_ONCE", 10)
    rule(cafe, "birthday", 100)
    crowd = [Newcomer(identifiers=(Given("card", f"{n}"),), birthday="05-01") for n in range(25)]
    members.enroll_all(merchant=cafe, people=crowd, at=noon - timedelta(days=60), by="import")

    assert bonuses.give_birthdays(at=noon) == 25
    assert bonuses.give_birthdays(at=noon) == 0


@pytest.mark.django_db(transaction=True)
def test_two_jobs_at_once_give_one_birthday(cafe, noon, at_once):
    rule(cafe, "birthday", 100)
    rui = born(cafe, noon - timedelta(days=60), "05-01")

    results = at_once(4, lambda number: bonuses.give_birthdays(at=noon))

    assert sorted(results) == [0, 0, 0, 1]
    assert points(rui) == [(100, "birthday")]


# --- touchpoints --------------------------------------------------------------------------------------


def told(customer, at, kind="review.posted", **more):
    db.command(journey.note)(customer=customer, kind=kind, at=at, **more)


def test_what_the_rule_names_gives_points_once(cafe, ana, noon):
    rule(cafe, "touchpoint", 20, touchpoint="review.posted")
    told(ana, noon)
    told(ana, noon, kind="page.viewed")

    relay(noon)
    ana.touchpoints.update(relayed_at=None)  # as if the worker had died before it wrote that down
    relay(noon)

    assert points(ana) == [(20, "touchpoint")]


def test_the_cap_of_the_rule_holds(cafe, ana, noon):
    rule(cafe, "touchpoint", 20, touchpoint="review.posted", cap_per_month=2)
    for _ in range(2):
        told(ana, noon)
        told(ana, noon)
        relay(noon)
    told(ana, noon + timedelta(days=31))
    relay(noon + timedelta(days=31))

    assert len(points(ana)) == 3


def test_conditions_are_judged_by_when_it_happened(cafe, ana, noon):
    rule(cafe, "touchpoint", 20, touchpoint="review.posted", weekdays=["fri"])  # noon is a Friday
    told(ana, noon, now=noon + timedelta(days=1))
    told(ana, noon + timedelta(days=1))
    relay(noon + timedelta(days=1))

    assert points(ana) == [(20, "touchpoint")]


def test_a_touchpoint_of_another_merchant_gives_nothing_here(cafe, ana, bo, noon):
    rule(cafe, "touchpoint", 20, touchpoint="review.posted")
    told(bo, noon)
    relay(noon)

    assert Entry.objects.count() == 0


def test_rules_are_not_asked_about_purchases():
    """Flows hear of every purchase; the rules of this room hear only what they may give something for."""
    heard = {listener.__module__ for listener in journey.listeners("purchase.recorded")}

    assert "loyalty.bonuses" not in heard


def test_nobody_outside_tells_what_is_ours():
    assert {"bonus.", "purchase.", "identifier.", "customer."} <= set(touchpoints.OURS)


def test_a_merchant_without_a_program_stops_nobody(cafe, ana, noon):
    rule(cafe, "touchpoint", 20, touchpoint="review.posted")
    ana.merchant.programs.update(is_active=False)
    cafe.config_version += 1
    cafe.save()
    told(ana, noon)

    assert journey.relay(at=noon) > 0
