"""A merchant goes out as one file and comes in as another merchant, who has the same of everything."""

import io
import re
from contextlib import contextmanager
from datetime import timedelta

import orjson
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils.module_loading import import_string

from connectors import endpoints
from connectors.models import Connection
from customers import consent
from customers.consent import Choice
from customers.identifiers import Given
from customers.models import Customer, Segment, Touchpoint
from lib import db, secrets
from lib.errors import ReferenceReused
from loyalty import (
    balances,
    customer_days,
    households,
    ledger,
    members,
    merges,
    purchases,
    refunds,
    statement,
    tier_reviews,
)
from loyalty.models import EarningRule, Membership, Reference
from loyalty.models.ledger import Account, Entry, Lot
from loyalty.refunds import Return
from loyalty.sale import Line, Sale
from merchants import open_file
from merchants.models import Merchant, Store
from merchants.open_file import BooksDiffer, NotAnOpenFile, NotEmpty
from merchants.open_rows import Table
from rewards import bearers, gift_cards, holding, perks, pools, redemptions, vouchers
from rewards.models import CodePool, GiftCard, Reward, Voucher
from tests.house.tree import ROOT
from tests.loyalty.bringing import offer
from tests.loyalty.holding import give, hold
from tests.rewards.conftest import put_up
from tests.rewards.giving import WELCOME, promise, relay

pytestmark = [pytest.mark.django_db, pytest.mark.core]
ID = re.compile(r"\b[a-z]{3}_[0-9a-hjkmnp-tv-z]{13}\b")
DAY = timedelta(days=1)


def out(merchant, noon):
    sink = io.BytesIO()
    open_file.export(merchant=merchant, at=noon, write=sink.write)
    return sink.getvalue()


def come_in(body, noon, slug="cafe-nova", **more):
    @contextmanager
    def opened():
        yield io.BytesIO(body)

    return open_file.load(open=opened, slug=slug, at=noon, **more)


def lines(body):
    return [orjson.loads(line) for line in body.splitlines()]


@pytest.fixture
def busy(cafe, ana, program, noon):
    """The café after a lively year: something of everything that a merchant can have."""
    program.expiry_mode, program.expiry_months = "age", 12
    program.save()
    EarningRule.objects.create(
        merchant=cafe, program=program, code="hello", kind="welcome", params={"points": 10}
    )
    offer(cafe)
    store = Store.objects.create(merchant=cafe, code="baixa", name="Baixa")
    rui = members.enroll(
        merchant=cafe, identifiers=[Given("email", "rui@example.com")], at=noon, by="till", birthday="05-31"
    )
    twin = members.enroll(merchant=cafe, identifiers=[Given("card", "777")], at=noon, by="till")
    consent.choose(customer=ana, choices=[Choice("email", "marketing", True, "till", "Yes please")], at=noon)
    for number, (who, amount) in enumerate([(ana, 90_000), (rui, 12_345), (twin, 5_000)]):
        sale = Sale(
            f"S-{number}", "EUR", amount, noon - 3 * DAY, customer_id=who.pk, store_id=store.pk, store="baixa",
            lines=(Line("1", amount, category="coffee"),),
        )  # fmt: skip
        purchases.record(merchant=cafe, sale=sale, at=noon - 3 * DAY)
    refunds.record(merchant=cafe, refund=Return("F-1", noon, None, "S-1", 5_000), at=noon)
    refunds.record(merchant=cafe, refund=Return("F-2", noon, None, "never-came", 100), at=noon)
    stranger = Sale("S-9", "EUR", 700, noon, identifier=Given("email", "later@example.com"))
    purchases.record(merchant=cafe, sale=stranger, at=noon)
    give(rui, -20, noon, "A-1")
    hold(ana, 30, noon)
    tier_reviews.assign(
        customer=rui, tier="Gold", until=noon + 90 * DAY, reason="friend", by="owner", at=noon
    )
    merges.merge(source=twin, target=rui, reason="one person", at=noon, by="owner")
    Connection.objects.create(
        merchant=cafe, code="main", kind="stripe", secret_sealed=secrets.seal("whsec_x")
    )
    return cafe


@pytest.fixture
def shelf(busy, ana, program, noon):
    """Rewards, vouchers of both kinds, a pool and a gift card; what the tests need of them by name."""
    espresso = Reward.objects.create(
        merchant=busy, program=program, code="espresso", name="Espresso", kind="voucher", cost=100,
        stock=5, stock_total=6,
    )  # fmt: skip
    bound = redemptions.redeem(customer=ana, reward=espresso, reference="X-1", at=noon, by="till")
    worth = {"kind": "free_item", "item": "Coffee"}
    [bearer] = bearers.issue(
        merchant=busy, count=1, name="Coffee", worth=worth, reference="B", at=noon, by="owner"
    )
    pool = CodePool.objects.create(merchant=busy, code="kino", name="Kino", warns_below=1)
    pools.upload(pool=pool, given=["kino-1", "kino-2"], at=noon)
    card = gift_cards.buy(
        merchant=busy, currency="EUR", amount_minor=5_000, reference="G-1", at=noon, by="till"
    )
    gift_cards.charge(merchant=busy, code=card.code, amount_minor=1_500, reference="C-1", at=noon, by="till")
    voucher = Voucher.objects.get(redemption=bound.redemption)
    return {"bound": vouchers.code_of(voucher), "bearer": bearer, "card": card.code}


@pytest.fixture
def company(busy, shelf, ana, program, noon):
    """What levels give, who shares points, a group of customers, and who is told of it all."""
    promise(busy, Silver=[{"kind": "benefit", "name": "Oat milk", "id": "oat"}, WELCOME])
    relay()
    perks.use(customer=ana, perk="oat", reference="P-1", at=noon, by="till")
    mug = put_up(program, "mug", kind="gift", cost=1, stock=3)
    holding.create(customer=ana, reward=mug, reference="H-9", at=noon, by="till")
    type(program).objects.filter(pk=program.pk).update(extras={"transfers": {"household": True}})
    households.create(customer=ana, name="Mira's", reference="HH-1", at=noon, by="till", agreed="till")
    Segment.objects.create(merchant=busy, code="all", name="Everybody", rule={"all": []}, changed_at=noon)
    for _done in customer_days.rebuild(merchant=busy, at=noon):
        pass
    endpoints.add(merchant=busy, url="https://1.1.1.1/hooks", kinds=["tier.*"], at=noon)
    return busy


def renamed(body):
    """The lines with every id replaced by its turn, without what is another on arrival."""
    turns = {}
    found = []
    for line in body.decode().splitlines()[1:]:
        text = ID.sub(lambda id: turns.setdefault(id.group(), f"{id.group()[:4]}{len(turns)}"), line)
        told = orjson.loads(text)
        if told["line"] not in ("program_file", "connection", "webhook_endpoint"):
            # The house's own references name rows by their bare numbers.
            for name in ("reference",):
                if isinstance(told.get(name), str):
                    told[name] = re.sub(r"\d{16,}", "N", told[name])
            found.append(told)
    return found


def test_all_of_it_comes_back_line_by_line(busy, company, noon):
    body = out(busy, noon)

    arrived = come_in(body, noon)

    again = out(arrived.merchant, noon)
    ours = sorted(map(orjson.dumps, renamed(body)))
    theirs = sorted(map(orjson.dumps, renamed(again)))
    assert len(ours) == len(theirs)
    assert [line for line in theirs if line not in set(ours)] == []
    assert {line["line"] for line in lines(body)[1:-1]} == {section.kind for section in open_file.sections()} - {
        "not_the_same", "rule_count", "sale_link", "voucher_use", "referral",
    }  # fmt: skip
    assert not arrived.left


def by_name(merchant):
    """Each customer's standing by an identifier: what people would notice."""
    found = {}
    for one in Customer.objects.filter(merchant=merchant, status="active"):
        membership = Membership.objects.get(customer=one)
        name = one.identifiers.order_by("type", "value").values_list("value", flat=True).first()
        balance = balances.balance(merchant=merchant, customer_id=one.pk, at=one.created_at)
        found[name] = {
            "balance": {key: value for key, value in balance.items() if key != "customer"},
            "tier": (membership.tier, membership.tier_until, membership.is_manual, membership.joined_at),
            "lots": list(
                ledger.lots(merchant_id=merchant.pk, membership_id=membership.pk).values_list(
                    "state", "points", "remaining", "rule", "earned_at", "activates_at", "expires_at"
                )
            ),
            "statement": [
                (entry.kind, entry.points, entry.balance_after, entry.occurred_at, entry.created_at, entry.by,
                 re.sub(ID, "…", statement.sentence(entry, language="en", points_name="beans")))
                for entry in statement.entries(customer=one)
            ],
            "code": one.referral_code,
        }  # fmt: skip
    return found


def test_every_balance_lot_tier_and_statement_is_the_same(busy, shelf, noon):
    there = come_in(out(busy, noon), noon).merchant

    assert by_name(there) == by_name(busy)
    assert len(by_name(there)) == 2
    assert ledger.totals(merchant_id=there.pk) == ledger.totals(merchant_id=busy.pk)
    for path in settings.BOOKS:
        assert list(import_string(path)(merchant_id=there.pk)) == []


def test_what_was_told_before_is_known_there_too(busy, ana, noon):
    there = come_in(out(busy, noon), noon).merchant
    whole = ledger.totals(merchant_id=there.pk)
    mine = Customer.objects.get(merchant=there, referral_code=ana.referral_code)
    sale = Sale("S-0", "EUR", 90_000, noon - 3 * DAY, customer_id=mine.pk, sent=frozenset({"amount_minor"}))

    assert purchases.record(merchant=there, sale=sale, at=noon).status == "replayed"
    with pytest.raises(ReferenceReused):
        purchases.record(
            merchant=there, sale=Sale("S-0", "EUR", 1, noon - 3 * DAY, customer_id=mine.pk), at=noon
        )
    assert (
        refunds.record(merchant=there, refund=Return("F-1", noon, None, "S-1", 5_000), at=noon).status
        == "replayed"
    )
    assert give(mine, 5, noon, "A-2").status == "created"
    assert ledger.totals(merchant_id=there.pk)["active"] == whole["active"] + 5


def test_life_goes_on_there(busy, ana, noon):
    """A parked refund meets its purchase, a stranger joins and gets what waited for them and the welcome."""
    there = come_in(out(busy, noon), noon).merchant
    mine = Customer.objects.get(merchant=there, referral_code=ana.referral_code)

    purchases.record(merchant=there, sale=Sale("never-came", "EUR", 500, noon, customer_id=mine.pk), at=noon)
    later = members.enroll(
        merchant=there, identifiers=[Given("email", "later@example.com")], at=noon + DAY, by="till"
    )

    assert refunds.Refund.objects.get(merchant=there, reference="F-2").status == "applied"
    assert balances.balance(merchant=there, customer_id=later.pk, at=noon + DAY)["active"] == 7 + 10
    names = Reference.objects.filter(merchant_id=there.pk, source="program").values_list(
        "reference", flat=True
    )
    program_id = str(there.programs.get().pk)
    assert [name for name in names if name.startswith("welcome:")]
    assert all(name.split(":")[1] == program_id for name in names if name.startswith("welcome:"))
    assert list(ledger.differences(merchant_id=there.pk)) == []


def test_codes_work_there(busy, shelf, noon):
    there = come_in(out(busy, noon), noon).merchant

    for number, code in enumerate((shelf["bound"], shelf["bearer"])):
        used = vouchers.redeem(merchant=there, code=code, reference=f"U-{number}", at=noon, by="till")
        assert used.status == "created"
    assert gift_cards.find(merchant=there, code=shelf["card"]).balance_minor == 3_500
    pool = CodePool.objects.get(merchant=there)
    assert pools.left(pool, at=noon) == 2


def test_at_another_installation_only_what_nobody_can_see_again_is_lost(busy, shelf, noon):
    body = out(busy, noon)

    with override_settings(LOOKUP_KEY="another installation's key, as long as that"):
        arrived = come_in(body, noon)
        there = arrived.merchant
        assert (
            vouchers.redeem(merchant=there, code=shelf["bound"], reference="U", at=noon, by="till").status
            == "created"
        )
        with pytest.raises(Exception, match="no such object"):
            vouchers.find(merchant=there, code=shelf["bearer"])
    assert Voucher.objects.get(merchant=there, origin="staff").status == "cancelled"
    assert sum(GiftCard.objects.filter(merchant=there).values_list("balance_minor", flat=True)) == 3_500
    assert sum(arrived.left.values()) == 2


def test_nobody_is_told_and_secrets_stay(busy, noon):
    body = out(busy, noon)
    there = come_in(body, noon).merchant

    assert not Touchpoint.objects.filter(merchant=there, relayed_at=None).exists()
    assert b"secret_sealed" not in body
    assert not Connection.objects.get(merchant=there).is_active
    assert b'"chain"' not in body


def test_a_merchant_who_has_something_is_never_mixed_with_another(busy, bar_nilo, bo, noon):
    body = out(busy, noon)
    before = out(bar_nilo, noon)

    with pytest.raises(NotEmpty):
        come_in(body, noon, slug="bar-nilo")
    come_in(body, noon)

    assert out(bar_nilo, noon) == before
    assert b"bo@example.com" not in body


def test_an_empty_merchant_is_filled(busy, noon):
    empty = Merchant.objects.create(slug="nova", name="x", currency="USD", timezone="UTC", country="US")

    assert come_in(out(busy, noon), noon, slug="nova").merchant.pk == empty.pk
    empty.refresh_from_db()
    assert (empty.name, empty.currency) == ("Café Mira", "EUR")


def test_a_dry_run_saves_nothing(busy, noon):
    with db.dry_run():
        assert come_in(out(busy, noon), noon).lines["customer"] == 3

    assert not Merchant.objects.filter(slug="cafe-nova").exists()


def change(body, name, **values):
    """The file with the first such line changed."""
    found, changed = [], False
    for line in lines(body):
        if line["line"] == name and not changed:
            line, changed = {**line, **values}, True
        found.append(orjson.dumps(line))
    return b"\n".join(found) + b"\n"


@pytest.mark.parametrize(
    ("spoil", "refusal", "told"),
    [
        (lambda body: b"", NotAnOpenFile, "first line"),
        (lambda body: body.replace(b'"version":1', b'"version":2', 1), NotAnOpenFile, "version 2"),
        (lambda body: body[: len(body) * 2 // 3], NotAnOpenFile, "not JSON"),
        (lambda body: b"".join(body.splitlines(keepends=True)[:-1]), NotAnOpenFile, "cut off"),
        (lambda body: body + b"{}\n", NotAnOpenFile, "after the last"),
        (lambda body: b"".join(x for x in body.splitlines(keepends=True) if b'"line":"consent"' not in x),
         NotAnOpenFile, "lines are missing"),
        (lambda body: change(body, "lot", remaining=1), BooksDiffer, "lot"),
        (lambda body: change(body, "entry", points=1_000_000), BooksDiffer, "entry"),
        (lambda body: change(body, "entry", lots=[["cus_0000000000000", 1, 0]]), NotAnOpenFile, "no lot"),
        (lambda body: change(body, "customer", created_at="yesterday"), NotAnOpenFile, "created_at"),
        (lambda body: change(body, "customer", shoe_size=42), NotAnOpenFile, "shoe_size"),
        (lambda body: change(body, "customer", id=7), NotAnOpenFile, "cus_"),
        (lambda body: change(body, "customer", line="shoe"), NotAnOpenFile, "shoe"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_whole_leaves_nothing_behind(busy, noon, spoil, refusal, told):
    body = out(busy, noon)
    counts = [model.objects.count() for model in (Customer, Account, Entry, Lot, Merchant)]

    with pytest.raises(refusal, match=told):
        come_in(spoil(body), noon)

    assert [model.objects.count() for model in (Customer, Account, Entry, Lot, Merchant)] == counts


def test_the_file_says_each_thing_openly(busy, noon):
    found = lines(out(busy, noon))

    head = found[0]
    assert (head["line"], head["version"], head["merchant"]["slug"]) == ("loyalty-open-file", 1, "cafe-mira")
    entry = next(line for line in found if line["line"] == "entry" and line["lots"])
    assert entry["account"].startswith("mem_")
    assert entry["lots"][0][0].startswith("lot_")
    assert entry["occurred_at"].endswith("Z")
    assert "program:" in next(line for line in found if line["line"] == "program_file")["text"]
    assert found[-1]["lines"]["customer"] == 3


def test_every_table_of_a_merchant_is_in_the_file_or_left_out_for_a_reason():
    rooms = {path.split(".")[0] for path in settings.OPEN_FILE}
    carried = {table.model._meta.label for table in open_file.sections() if isinstance(table, Table)}
    left_out = {}
    for path in settings.OPEN_FILE:
        left_out |= import_string(path.replace("SECTIONS", "LEFT_OUT"))
    tables = {
        model._meta.label
        for model in apps.get_models()
        if model._meta.app_label in rooms and not model.__name__.startswith("Historical")
    }

    assert tables - carried - left_out.keys() == set(), "add them to open_sections.py, or to its LEFT_OUT"
    assert carried & left_out.keys() == set()
    assert all(left_out.values())


def test_the_guide_lists_every_column():
    guide = (ROOT / "docs" / "guides" / "open-file.md").read_text()

    assert [row for row in open_file.described() if row not in guide] == []


def test_the_commands_write_and_read_it_packed_or_not(busy, tmp_path, capsys):
    for name in ("cafe.jsonl", "cafe.jsonl.gz"):
        file = tmp_path / name
        call_command("export_merchant", "cafe-mira", str(file))
        assert file.stat().st_mode & 0o777 == 0o600
        call_command("import_merchant", str(file), slug=f"nova-{len(name)}")

    said = capsys.readouterr().out
    assert said.count(" 3 customer,") == 4
    assert said.count("The books add up.") == 2
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(CommandError, match="Choose another name"):
        call_command("import_merchant", str(tmp_path / "cafe.jsonl"))
    call_command("import_merchant", str(tmp_path / "cafe.jsonl"), slug="dry", dry_run=True)
    assert not Merchant.objects.filter(slug="dry").exists()
    with pytest.raises(CommandError, match="Known: cafe-mira"):
        call_command("export_merchant", "nobody", str(tmp_path / "x.jsonl"))
