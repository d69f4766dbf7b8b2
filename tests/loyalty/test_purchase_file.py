"""Purchases from a CSV file: each once, each refused line with its number and reason."""

from datetime import timedelta

import pytest

from customers.models import Customer, Identifier
from loyalty import expiry, ledger, members, programs, purchase_file, purchases
from loyalty.models import Purchase
from loyalty.sale import Given, Sale
from merchants.models import Store

pytestmark = pytest.mark.django_db
HEAD = "customer,reference,occurred_at,amount_minor"


def load(cafe, noon, *lines, head=HEAD, **more):
    refused = []
    counts = purchase_file.load(
        merchant=cafe,
        file=[f"{line}\n" for line in (head, *lines)],
        at=noon,
        by="test",
        refuse=lambda columns, refusal: refused.append((refusal.line, refusal.code)),
        **more,
    )
    return counts, refused


@pytest.mark.core
def test_a_line_becomes_a_purchase_with_its_points(cafe, ana, noon):
    counts, refused = load(cafe, noon, "ana@example.com,r1,2026-04-30T09:00:00+01:00,1299")
    assert (counts.created, counts.points, refused) == (1, 12, [])
    assert Purchase.objects.get().customer == ana


@pytest.mark.core
def test_loading_again_records_nothing_twice(cafe, ana, noon):
    lines = [f"4000000001,r{number},2026-04-01T09:00:00Z,1000" for number in range(20)]
    assert load(cafe, noon, *lines[:12])[0].created == 12
    again, refused = load(cafe, noon, *lines)
    assert (again.created, again.replayed, refused) == (8, 12, [])
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 200


@pytest.mark.core
def test_shares_hold_each_line_once_and_a_customer_whole(cafe, ana, noon):
    people = ["ana@example.com", " ANA@example.com", "c1", "c2", "c3", "c4", ""]
    lines = [f"{people[n % 7]},r{n},2026-04-01T09:00:00Z,1000" for n in range(70)]

    parts = [load(cafe, noon, *lines, share=(part, 3))[0] for part in range(3)]

    assert sum(counts.lines for counts in parts) == 70
    assert sum(counts.rejected for counts in parts) == 10
    assert sum(1 for counts in parts if counts.created) == 1  # Ana's, however she is spelled
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 200


def test_what_the_till_told_is_known_to_the_import(cafe, ana, noon):
    sale = Sale("r1", "EUR", 1299, noon, identifier=Given("email", "ana@example.com"))
    purchases.record(merchant=cafe, sale=sale, at=noon)
    counts, _ = load(cafe, noon, f"ana@example.com,r1,{noon.isoformat()},1299")
    assert counts.replayed == 1


@pytest.mark.parametrize(
    "customer",
    [
        "ana@example.com",
        " ANA@example.com ",
        "+351 912 345 678",
        "912345678",
        "4000000001",
        "card:4000000001",
    ],
)
def test_a_customer_is_known_in_any_spelling(cafe, ana, noon, customer):
    load(cafe, noon, f"{customer},r1,2026-04-30,500")
    assert Purchase.objects.get().customer == ana


def test_a_customer_is_known_by_its_own_id_and_an_outside_one(cafe, ana, noon):
    members.enroll(merchant=cafe, identifiers=[Given("external_id", "crm-7")], at=noon, by="test")
    counts, _ = load(cafe, noon, f"{ana.public_id},r1,2026-04-30,500", "crm-7,r2,2026-04-30,500")
    assert counts.created == 2


def test_another_merchants_customer_is_nobody_here(cafe, bo, noon):
    counts, refused = load(
        cafe, noon, "bo@example.com,r1,2026-04-30,500", f"{bo.public_id},r2,2026-04-30,500"
    )
    assert (counts.unmatched, refused) == (1, [(3, "not_found")])


def test_whoever_is_unknown_is_kept_waiting_or_enrolled(cafe, noon):
    line = "new@example.com,r1,2026-04-30,500"
    assert load(cafe, noon, line)[0].unmatched == 1
    assert not Customer.objects.filter(merchant=cafe).exists()
    counts, _ = load(cafe, noon, line.replace("r1", "r2"), line.replace("r1", "r3"), enroll=True)
    assert (counts.enrolled, counts.created) == (1, 2)
    assert Identifier.objects.get(value="new@example.com").verified_at


def test_a_dry_run_counts_and_saves_nothing(cafe, ana, noon):
    counts, _ = load(
        cafe, noon, "4000000001,r1,2026-04-30,500", "9,r2,2026-04-30,500", dry_run=True, enroll=True
    )
    assert (counts.created, counts.points, counts.unmatched) == (1, 5, 1)
    assert not Purchase.objects.exists()
    assert Customer.objects.filter(merchant=cafe).count() == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (",r,2026-04-30,5", "no_customer"),
        ("4000000001,,2026-04-30,5", "no_reference"),
        ("4000000001,r,yesterday,5", "bad_time"),
        ("4000000001,r,2026-02-30,5", "bad_time"),
        ("4000000001,r,2027-04-30,5", "time_out_of_range"),
        ("4000000001,r,1066-10-14,5", "time_out_of_range"),
        ("4000000001,r,0001-01-01T00:00:00+14:00,5", "bad_time"),
        ("4000000001,r,2026-04-30,12.50", "bad_amount"),
        ("4000000001,r,2026-04-30,", "bad_amount"),
        ("4000000001,r,2026-04-30,1_000", "bad_amount"),
        ("4000000001,r,2026-04-30,٣", "bad_amount"),
        ("4000000001,r,2026-04-30,-5", "negative_amount"),
        ("4000000001,r,2026-04-30,9999999999999999", "amount_out_of_range"),
        ("4000000001,r,2026-04-30", "wrong_columns"),
        ("4000000001,r,2026-04-30,5,6", "wrong_columns"),
        ("4000000001,r\x00,2026-04-30,5", "not_text"),
        ("4000000001,r\udce9,2026-04-30,5", "not_text"),
        (f"4000000001,{'r' * 201},2026-04-30,5", "too_long"),
        ("+1,r,2026-04-30,5", "invalid_identifier"),
        ("no@mail@example.com,r,2026-04-30,5", "invalid_identifier"),
        (f"4000000001,{'r' * 200_000},2026-04-30,5", "unreadable"),
    ],
)
def test_one_bad_line_is_refused_with_its_number_and_spoils_nothing(cafe, ana, noon, line, code):
    good = "4000000001,good-{},2026-04-30,500"
    counts, refused = load(cafe, noon, good.format(1), line, good.format(2))
    assert refused == [(3, code)]
    assert (counts.lines, counts.created, counts.rejected) == (3, 2, 1)


def test_the_same_reference_with_other_content_is_refused(cafe, ana, noon):
    _, refused = load(cafe, noon, "4000000001,r,2026-04-30,500", "4000000001,r,2026-04-30,600")
    assert refused == [(3, "reference_reused")]


def test_currency_store_channel_and_category_are_read(cafe, ana, noon):
    Store.objects.create(merchant=cafe, code="baixa", name="Baixa")
    head = f"{HEAD},currency,store,channel,category"
    row = "4000000001,r{},2026-04-30,500,{},{},web,pastry"
    lines = [row.format(1, "EUR", "baixa"), row.format(2, "eur", "baixa"), row.format(3, "EUR", "porto")]
    _, refused = load(cafe, noon, *lines, head=head)
    assert refused == [(3, "bad_currency"), (4, "unknown_store")]
    told = Purchase.objects.get()
    assert (told.store.code, told.channel, told.lines[0]["category"]) == ("baixa", "web", "pastry")
    assert load(cafe, noon, lines[2], head=head, add_stores=True)[0].created == 1


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("customer,reference", "Missing columns: 'occurred_at', 'amount_minor'"),
        (f"{HEAD},color", "Unknown columns (remove or rename them): 'color'"),
        (f"{HEAD},customer", "named twice: 'customer'"),
        ("", "Missing columns"),
        ("\x00c\x00u", "not UTF-8"),
    ],
)
def test_wrong_columns_are_refused_before_anything_is_read(cafe, noon, head, said):
    with pytest.raises(purchase_file.BadColumns) as refused:
        load(cafe, noon, "4000000001,r,2026-04-30,5", head=head)
    assert said in str(refused.value)


def test_semicolons_and_empty_lines_are_understood(cafe, ana, noon):
    counts, refused = load(cafe, noon, "", "4000000001;r;2026-04-30;500", head=HEAD.replace(",", ";"))
    assert (counts.created, refused) == (1, [])


def test_a_time_without_zone_is_the_merchants(cafe, ana, noon):
    cafe.timezone = "America/New_York"
    load(cafe, noon, "4000000001,r,2026-04-30 08:00,500")
    assert Purchase.objects.get().occurred_at.hour == 12


def test_old_purchases_earn_today_or_as_of_their_date(cafe, ana, noon):
    program = cafe.programs.get()
    program.expiry_mode, program.expiry_months = "age", 12
    program.save()
    programs.publish(program=program, at=noon - timedelta(days=900), by="test")
    cafe.refresh_from_db()
    load(cafe, noon, "4000000001,new,2024-04-01,50000")
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 500
    load(cafe, noon, "4000000001,old,2024-04-01,70000", as_of="history")
    expiry.run(at=noon)
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 500, "earned in 2024, expired in 2025"
    assert not list(ledger.differences())
