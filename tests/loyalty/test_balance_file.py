"""Balances of other systems: each row once, with its dates; what is refused says what to do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from customers.identifiers import Given
from customers.models import Consent, Customer, Identifier, Touchpoint
from lib import db
from loyalty import balance_file, column_map, ledger, members
from loyalty.balance_rows import BadHeaders
from loyalty.models import Membership, TierChange

pytestmark = [pytest.mark.django_db, pytest.mark.core]
SAMPLES = Path(__file__).resolve().parents[1] / "data" / "balances"
HEAD = "reference,email,phone,points,expires_at"


def load(merchant, noon, *lines, head=HEAD, name="ours", **more):
    refused = []
    counts = balance_file.load(
        merchant=merchant,
        columns=column_map.load(name),
        file=[f"{line}\n" for line in (head, *lines)],
        at=noon,
        by="test",
        refuse=lambda headers, refusal: refused.append((refusal.line, refusal.code, refusal.reason)),
        **more,
    )
    return counts, refused


def sample(merchant, noon, name):
    head, *lines = (SAMPLES / f"{name}.csv").read_text().splitlines()
    return load(merchant, noon, *lines, head=head, name=name)


def membership_of(merchant, email):
    return Membership.objects.get(
        merchant=merchant, customer__identifiers__type="email", customer__identifiers__value=email
    )


def lots_of(merchant, email):
    number = membership_of(merchant, email).pk
    return [
        (lot.remaining, lot.earned_at, lot.expires_at)
        for lot in ledger.lots(merchant_id=merchant.pk, membership_id=number)
    ]


def books(merchant):
    return list(ledger.differences(merchant_id=merchant.pk))


def test_rows_become_lots_with_their_own_dates(cafe, noon):
    counts, refused = sample(cafe, noon, "ours")

    assert refused == []
    assert (counts.rows, counts.created, counts.customers, counts.enrolled) == (4, 4, 3, 3)
    assert (counts.points_in_file, counts.points, counts.tiers) == (185, 185, {"Silver": 1})
    assert lots_of(cafe, "rui@example.com") == [
        # Points last until the evening of their last day in the shop's zone (Lisbon, UTC in winter).
        (120, datetime(2025, 11, 2, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (80, datetime(2026, 2, 3, tzinfo=UTC), None),
    ]
    assert ledger.totals(merchant_id=cafe.pk) == {
        "active": 200,
        "pending": 0,
        "debt": 15,
        "held": 0,
        "lifetime_earned": 980,
    }
    assert books(cafe) == []


def test_what_is_known_of_the_person_comes_along(cafe, noon):
    sample(cafe, noon, "ours")

    rui = membership_of(cafe, "rui@example.com")
    assert (rui.customer.name, rui.customer.birthday, rui.customer.language) == ("Rui Costa", "05-31", "pt")
    assert (rui.tier, rui.tier_until) == ("Silver", datetime(2027, 2, 1, tzinfo=UTC))
    assert not rui.is_manual
    assert rui.joined_at == datetime(2024, 3, 1, tzinfo=UTC)
    assert TierChange.objects.get(membership=rui).reason == "imported"
    answers = Consent.objects.filter(customer=rui.customer).values_list("channel", "granted", "source")
    assert set(answers) == {("email", True, "import:ours"), ("sms", False, "import:ours")}
    assert Identifier.objects.filter(customer=rui.customer).count() == 4


def test_bringing_people_tells_nobody(cafe, noon):
    sample(cafe, noon, "ours")

    noted = Touchpoint.objects.filter(merchant=cafe)
    assert set(noted.values_list("kind", flat=True)) >= {
        "customer.enrolled",
        "points.imported",
        "tier.changed",
    }
    assert not noted.filter(relayed_at=None).exists()


def test_the_same_file_again_adds_nothing(cafe, noon):
    sample(cafe, noon, "ours")
    before = ledger.totals(merchant_id=cafe.pk)

    counts, refused = sample(cafe, noon + timedelta(days=1), "ours")

    assert (counts.created, counts.replayed, counts.points_before, refused) == (0, 4, 185, [])
    assert ledger.totals(merchant_id=cafe.pk) == before
    assert Customer.objects.filter(merchant=cafe).count() == 3


def test_a_corrected_file_names_the_rows_that_differ(cafe, noon):
    load(cafe, noon, "a,a@example.com,,10,2027-01-01", "b,b@example.com,,20,")

    counts, refused = load(cafe, noon, "a,a@example.com,,12,2027-01-01", "b,b@example.com,,20,")

    assert counts.replayed == 1
    [(line, code, reason)] = refused
    assert (line, code) == (2, "reference_reused")
    assert "points 10, now 12" in reason
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 30


@pytest.mark.parametrize(
    ("name", "rows", "created", "skipped", "points"),
    [
        ("smile", 3, 2, 1, 1290),
        ("loyaltylion", 3, 2, 1, 2300),
        ("square", 2, 2, 0, 21),
        ("odoo", 2, 2, 0, 1135),
    ],
)
def test_each_systems_sample_comes_in(cafe, noon, name, rows, created, skipped, points):
    counts, refused = sample(cafe, noon, name)

    assert refused == []
    assert counts.unknown_columns == []
    assert (counts.rows, counts.created, counts.skipped, counts.points) == (rows, created, skipped, points)
    assert ledger.totals(merchant_id=cafe.pk)["active"] == points
    assert books(cafe) == []
    assert sample(cafe, noon, name)[0].replayed == created


def test_spellings_of_a_system_are_read(cafe, noon):
    sample(cafe, noon, "smile")

    jane = membership_of(cafe, "jane@example.com")
    assert (jane.tier, jane.customer.birthday, jane.customer.name) == ("Gold", "05-27", "Jane Doe")
    assert lots_of(cafe, "jane@example.com")[0][0::2] == (1250, datetime(2027, 1, 1, tzinfo=UTC))
    assert Identifier.objects.get(customer=jane.customer, type="external_id").source == "smile"


def test_somebody_who_is_here_is_found_and_keeps_what_they_said(cafe, ana, noon):
    head = "email,phone,card,name,points"

    counts, refused = load(cafe, noon, "ANA@example.com,,9990001,Anna,50", head=head)

    assert refused == []
    assert (counts.enrolled, counts.customers) == (0, 1)
    ana.refresh_from_db()
    assert ana.name == "Ana"
    assert Identifier.objects.get(value="9990001").customer == ana


def test_one_person_in_several_rows_is_one_customer(cafe, noon):
    counts, refused = load(
        cafe,
        noon,
        "1,x@example.com,+351911000001,10,",
        "2,,+351911000001,20,",
        "3,x@example.com,,30,",
    )

    assert refused == []
    assert counts.enrolled == 1
    assert [points for points, _, _ in lots_of(cafe, "x@example.com")] == [10, 20, 30]


def test_two_customers_in_one_row_are_refused(cafe, ana, noon):
    members.enroll(merchant=cafe, identifiers=[Given("email", "z@example.com")], at=noon, by="test")

    counts, refused = load(cafe, noon, "1,z@example.com,+351912345678,10,")

    assert [code for _, code, _ in refused] == ["two_customers"]
    assert counts.points_rejected == 10


def test_what_somebody_only_typed_in_matches_nothing(cafe, noon):
    thief = members.enroll(
        merchant=cafe, identifiers=[Given("email", "v@example.com")], at=noon, by="portal", verified=False
    )

    counts, _ = load(cafe, noon, "1,v@example.com,,10,")

    assert counts.enrolled == 1
    assert membership_of(cafe, "v@example.com").customer != thief


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("r,bad@,,5,", "invalid_identifier"),
        ("r,,,5,", "invalid_request"),
        (",,,5,", "no_key"),
        ("r,q@example.com,,,", "no_points"),
        ("r,q@example.com,,1.5,", "bad_points"),
        ("r,q@example.com,,1_000,", "bad_points"),
        ("r,q@example.com,,5,31.12.2026", "bad_expires_at"),
        ("r,q@example.com,,5,2026-04-30", "expired"),
        ("r,q@example.com,,5", "wrong_columns"),
        ("r,q\x00@example.com,,5,", "not_text"),
        ("good-1,q@example.com,,5,", "named_twice"),
    ],
)
def test_a_bad_row_is_refused_with_its_number_and_spoils_no_other(cafe, noon, line, code):
    counts, refused = load(
        cafe, noon, "good-1,g1@example.com,,10,", line, "good-2,g2@example.com,,10,2027-01-01"
    )

    assert [(where, what) for where, what, _ in refused] == [(3, code)]
    assert (counts.rows, counts.created, counts.rejected, counts.points) == (3, 2, 1, 20)


def test_an_unknown_tier_names_those_that_are_there(cafe, noon):
    _, refused = load(cafe, noon, "t@example.com,5,Platinum", head="email,points,tier")

    [(_, code, reason)] = refused
    assert code == "unknown_tier"
    assert "Bronze, Silver, Gold" in reason


def test_unknown_columns_are_named(cafe, noon):
    counts, _ = load(cafe, noon, "t@example.com,5,red", head="EMAIL,Points,Shoe size")

    assert counts.unknown_columns == ["Shoe size"]
    assert counts.created == 1


@pytest.mark.parametrize("head", ["email,score", "points,shoe", "", "email,points,E-mail,POINTS"])
def test_a_file_without_what_is_needed_is_refused_as_a_whole(cafe, noon, head):
    with pytest.raises(BadHeaders):
        load(cafe, noon, "t@example.com,5,6,7", head=head)


def test_a_dry_run_counts_and_saves_nothing(cafe, noon):
    lines = [f"r{n},p{n % 5}@example.com,,10," for n in range(20)]

    counts, _ = load(cafe, noon, *lines, dry_run=True, size=3)

    assert (counts.created, counts.points, counts.customers, counts.enrolled) == (20, 200, 5, 5)
    assert not Customer.objects.filter(merchant=cafe).exists()


class Stopped(Exception):
    pass


@pytest.mark.parametrize("line", range(1, 11))
def test_stopped_at_any_line_it_goes_on(cafe, noon, line):
    lines = [f"{HEAD}\n", *(f"r{n},p{n}@example.com,,{n + 1},\n" for n in range(10))]

    def stopping():
        yield from lines[:line]
        raise Stopped

    columns = column_map.load("ours")
    with pytest.raises(Stopped):
        balance_file.load(merchant=cafe, columns=columns, file=stopping(), at=noon, by="test", size=3)
    counts = balance_file.load(merchant=cafe, columns=columns, file=lines, at=noon, by="test", size=3)

    assert counts.created + counts.replayed == 10
    assert counts.points + counts.points_before == 55
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 55
    assert books(cafe) == []


def test_a_file_for_one_merchant_never_touches_another(cafe, bar_nilo, bo, noon):
    load(bar_nilo, noon, "1,bo@example.com,,7,")

    counts, refused = load(cafe, noon, "1,bo@example.com,,10,")

    assert refused == []
    assert (counts.enrolled, counts.replayed) == (1, 0)
    assert ledger.totals(merchant_id=bar_nilo.pk)["active"] == 7
    assert membership_of(cafe, "bo@example.com").customer != bo


def test_thousands_take_the_statements_of_a_few(cafe, noon):
    def statements(first, count):
        lines = [f"{first + n},p{first + n}@example.com,,10," for n in range(count)]
        with db.watching() as watch:
            load(cafe, noon, *lines)
        return watch.statements

    assert statements(1000, 500) <= statements(0, 60) + 2
