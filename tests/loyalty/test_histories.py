"""What happened at another system: lines of the statement that move nothing."""

from datetime import UTC, datetime

import pytest

from customers.models import Customer
from loyalty import column_map, histories, ledger, statement
from tests.loyalty.test_balance_file import load as load_balances
from tests.loyalty.test_balance_file import membership_of

pytestmark = [pytest.mark.django_db, pytest.mark.core]
HEAD = "customer,at,points,reason,reference"
LINES = (
    "h@example.com,2025-03-01,100,Order 1001,o-1001",
    "h@example.com,2025-01-02,20,,o-1000",
    "h@example.com,2025-03-20,-30,Free coffee,o-1002",
)


def load(merchant, noon, *lines, head=HEAD, **more):
    refused = []
    counts = histories.load(
        merchant=merchant,
        columns=column_map.load("ours"),
        file=[f"{line}\n" for line in (head, *lines)],
        at=noon,
        by="test",
        refuse=lambda headers, refusal: refused.append((refusal.line, refusal.code)),
        **more,
    )
    return counts, refused


def told(merchant, email):
    customer = membership_of(merchant, email).customer
    rows = reversed(statement.entries(customer=customer))
    return [
        (
            row.occurred_at.date().isoformat(),
            row.points,
            statement.sentence(row, language="en", points_name="beans"),
        )
        for row in rows
    ]


def test_lines_are_told_oldest_first_and_the_balance_counts_once(cafe, noon):
    counts, refused = load(cafe, noon, *LINES)
    load_balances(cafe, noon, "1,h@example.com,,90,")

    assert (counts.created, counts.points, refused) == (3, 90, [])
    assert told(cafe, "h@example.com") == [
        ("2025-01-02", 0, "Before you were here: +20"),
        ("2025-03-01", 0, "Before you were here: +100, Order 1001"),
        ("2025-03-20", 0, "Before you were here: -30, Free coffee"),
        ("2026-05-01", 90, "Your points from before"),
    ]
    assert membership_of(cafe, "h@example.com").joined_at == datetime(2025, 1, 2, tzinfo=UTC)
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 90
    assert list(ledger.differences(merchant_id=cafe.pk)) == []


def test_told_twice_nothing_is_written_twice(cafe, noon):
    load(cafe, noon, *LINES)

    counts, _ = load(cafe, noon, *LINES, size=1)

    assert (counts.created, counts.replayed) == (0, 3)
    assert len(told(cafe, "h@example.com")) == 3


def test_lines_that_say_the_same_twice_are_two_and_stay_two(cafe, noon):
    twice = ("h@example.com,2025-01-02,5,Stamp,", "h@example.com,2025-01-02,5,Stamp,")

    assert load(cafe, noon, *twice)[0].created == 2
    assert load(cafe, noon, *twice)[0].replayed == 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("h@example.com,yesterday,5,,", "unreadable"),
        ("h@example.com,2025-01-02,x,,", "unreadable"),
        ("h@example.com,2027-01-02,5,,", "time_out_of_range"),
        (",2025-01-02,5,,", "unreadable"),
        ("no@,2025-01-02,5,,", "invalid_identifier"),
        ("h@example.com,2025-01-02,5", "wrong_columns"),
    ],
)
def test_a_bad_line_spoils_no_other(cafe, noon, line, code):
    counts, refused = load(cafe, noon, LINES[0], line, LINES[1])

    assert refused == [(3, code)]
    assert counts.created == 2


def test_a_history_for_one_merchant_never_touches_another(cafe, bar_nilo, bo, noon):
    load(cafe, noon, "bo@example.com,2025-01-02,5,,")

    assert not list(ledger.entries(merchant_id=bar_nilo.pk))
    assert Customer.objects.filter(merchant=cafe).count() == 1
