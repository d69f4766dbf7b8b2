"""The admin's tests: staff at their pages, and a shop next door with one row in every table."""

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client

from connectors import endpoints, outbox
from connectors.models import Connection, InboundEvent
from customers import sites
from customers.identifiers import Given
from customers.models import Referral, Segment
from engagement import gallery, messages, subscriptions
from engagement.messages import Draft
from engagement.models import ChannelSettings, Experiment, FlowRun, Holdout, SendingLimits, Template
from engagement.surveys import answering
from engagement.surveys.answering import Said
from insights import points, rehearsal, snapshots
from insights.models import JourneyStages
from lib import db
from lib.admin import path_to_merchant, within
from loyalty import customer_days, drafts, holds, households, members, merges, purchases, refunds
from loyalty.models import Program
from loyalty.refunds import Return
from loyalty.sale import Sale
from merchants import keys
from merchants.models import Store
from rewards import gift_cards, perks, pools, redemptions, vouchers
from rewards.models import CodePool
from tests.cast import staff_of
from tests.engagement.asking import ask, invite
from tests.engagement.campaigning import launch
from tests.merchants.jobbing import balances, start
from tests.rewards.conftest import put_up
from tests.rewards.giving import WELCOME, promise, relay


@pytest.fixture
def sit_down():
    """`sit_down(owner)` is the owner's browser, signed in."""

    def open_browser(staff):
        browser = Client()
        browser.force_login(staff)
        return browser

    return open_browser


@pytest.fixture
def desk(sit_down, owner):
    """The café owner's browser."""
    return sit_down(owner)


def give_flows(merchant, customer, noon):
    launch(merchant, noon, name="Nilo summer")
    Experiment.objects.create(
        merchant=merchant, slug="nilo", name="Nilo offer", arms=[{"name": "A", "weight": 1}], created_at=noon
    )
    flow = gallery.copy(merchant=merchant, slug="welcome", at=noon, by="test")
    Holdout.objects.create(merchant=merchant, percent=5)
    FlowRun.objects.create(
        merchant=merchant, flow=flow, version=flow.versions.get(), customer=customer, key="nilo-run", step="1",
        due_at=noon, began_at=noon, started_at=noon,
    )  # fmt: skip


@pytest.fixture
def next_door(bar_nilo, bo, noon):
    """The outsider's shop, with at least one row in every table that the admin shows."""
    staff_of(bar_nilo, "owner")
    Store.objects.create(merchant=bar_nilo, code="quay", name="Nilo Quay")
    keys.issue(merchant=bar_nilo, name="nilo till")
    sale = Sale(reference="N-1", currency="EUR", amount_minor=90_000, occurred_at=noon, customer_id=bo.pk)
    purchases.record(merchant=bar_nilo, sale=sale, at=noon)
    unknown = Sale(
        reference="N-2",
        currency="EUR",
        amount_minor=500,
        occurred_at=noon,
        identifier=Given("card", "4999999999"),
    )
    purchases.record(merchant=bar_nilo, sale=unknown, at=noon)
    back = Return(reference="NR-1", occurred_at=noon, purchase_reference="N-1", amount_minor=100)
    refunds.record(merchant=bar_nilo, refund=back, at=noon)
    nia = members.enroll(
        merchant=bar_nilo, name="Nia", identifiers=[Given("email", "nia@example.com")], at=noon, by="test"
    )
    merges.merge(source=nia, target=bo, reason="Nia is Bo", at=noon, by="test")
    friend = members.enroll(merchant=bar_nilo, identifiers=[Given("card", "4999999998")], at=noon, by="test")
    Referral.objects.create(
        merchant=bar_nilo, referrer=bo, friend=friend, code=bo.referral_code, state="flagged",
        signals=["same_address"], claimed_at=noon, expires_at=noon,
    )  # fmt: skip
    machine = Connection.objects.create(merchant=bar_nilo, code="nilo", kind="plain", secret_sealed="-")
    InboundEvent.objects.create(
        merchant=bar_nilo, connection=machine, event_id="nilo-1", type="purchase", body='{"who": "Bo"}',
        status="failed", due_at=noon, occurred_at=noon, received_at=noon,
    )  # fmt: skip
    start(bar_nilo, "import_balances", text=balances(1), map="ours", at=noon)
    _talks(bar_nilo, bo, noon)
    _gives(bar_nilo, bo, noon)
    JourneyStages.objects.create(merchant=bar_nilo, kinds={"awareness": ["nilo.seen"]})
    _asks(bar_nilo, bo, noon)
    return bar_nilo


def _talks(bar_nilo, bo, noon):
    """What the shop says to customers and to other machines."""
    ear, _ = endpoints.add(merchant=bar_nilo, url="https://1.1.1.1/nilo", kinds=["tier.*"], at=noon)
    outbox.test(endpoint=ear, at=noon)
    Segment.objects.create(
        merchant=bar_nilo, code="nilo", name="Nilo regulars", rule={"all": []}, changed_at=noon
    )
    sites.issue(merchant=bar_nilo, name="Nilo's pages", origins=["https://nilo.example"], at=noon)
    with transaction.atomic():
        messages.queue_all([Draft(bo, "nilo", "email", "welcome", {}, "service", noon)], at=noon)
    db.command(subscriptions.suppress)(
        merchant=bar_nilo, channel="email", contact="nia@example.com", reason="manual", at=noon
    )
    Template.objects.create(merchant=bar_nilo, name="welcome", subject="Nilo greets", body="Hello")
    ChannelSettings.objects.create(merchant=bar_nilo, kind="email")
    SendingLimits.objects.create(merchant=bar_nilo)


def _gives(bar_nilo, bo, noon):
    """What the shop gives for points, for levels and for money."""
    holds.create(customer=bo, points=1, reference="NH-1", at=noon)
    mug = put_up(bar_nilo.programs.get(), "mug", kind="gift", cost=1)
    redemptions.redeem(customer=bo, reward=mug, reference="N-3", at=noon, by="till")
    db.command(vouchers.issue)(
        merchant=bar_nilo, name="Nilo beer", worth={}, at=noon, by="test", origin="perk",
        reference="NV-1", customer=bo,
    )  # fmt: skip
    promise(bar_nilo, Silver=[{"kind": "benefit", "name": "Nilo tea", "id": "tea"}, WELCOME])
    relay()
    perks.use(customer=bo, perk="tea", reference="NP-1", at=noon, by="till")
    Program.objects.filter(merchant=bar_nilo).update(extras={"transfers": {"household": True}})
    households.create(customer=bo, name="Nilos", reference="NH-1", at=noon, by="till", agreed="till")
    rehearsal.order(
        program=bar_nilo.programs.get(), draft=drafts.in_force(bar_nilo.programs.get()), name="Nilo draft",
        at=noon, by="test",
    )  # fmt: skip
    pool = CodePool.objects.create(merchant=bar_nilo, code="nilo", name="Nilo pool")
    pools.upload(pool=pool, given=["nilo-code"], at=noon)
    gift_cards.buy(
        merchant=bar_nilo,
        amount_minor=1000,
        currency="EUR",
        reference="NG-1",
        at=noon,
        by="test",
        customer=bo,
    )
    give_flows(bar_nilo, bo, noon)
    points.roll_up(merchant=bar_nilo, at=noon)
    for _done in customer_days.rebuild(merchant=bar_nilo, at=noon):
        pass
    snapshots.refresh(merchant=bar_nilo, at=noon)


def _asks(bar_nilo, bo, noon):
    """What the shop asks, and an answer that only its own staff may read."""
    survey = ask(bar_nilo, name="Nilo asks")
    said = Said(2, "Nilo was loud")
    answering.answer(invitation=invite(survey, bo, noon), said=said, at=noon)


def scoped_models():
    """Every registered table whose rows hang from a merchant, as (label, model)."""
    return {model._meta.label: model for model in admin.site._registry if path_to_merchant(model) is not None}


def row_of(merchant, model):
    """One row of the merchant in this table. A new table needs one in `next_door`."""
    row = within(model._default_manager.all(), frozenset({merchant.pk})).first()
    assert row is not None, f"{model._meta.label} has no row next door: make one in tests/admin/conftest.py"
    return row
