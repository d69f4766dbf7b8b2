"""
The ledger against a plain model of itself: purchases, refunds, adjustments, holds, expiry and the clock, in
any order, with everything told twice. The model is a list of lots and a debt, written without looking.
"""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from customers.identifiers import Given
from lib.errors import DomainError
from loyalty import adjustments, balances, expiry, holds, ledger, members, programs, purchases, refunds
from loyalty.calendar import Expiry
from loyalty.refunds import Return
from loyalty.sale import Sale
from tests.cast import NOON, open_shop


class Wallet:
    """What the customer should have: lots of [expires at, points, sale], a debt, and live holds."""

    def __init__(self):
        self.lots, self.debt, self.holds, self.now = [], 0, {}, NOON

    def gain(self, points, ends, sale=None):
        paid = min(self.debt, points)
        self.debt -= paid
        self.lots.append([ends, points - paid, sale])

    def lose(self, points, sale=None):
        """Take points in any case: the sale's own, then others by expiry, what a hold alone keeps last."""
        own = [lot for lot in self.lots if sale is not None and lot[2] == sale]
        rest = sorted(
            (lot for lot in self.lots if lot not in own), key=lambda lot: (lot[0] <= self.now, lot[0])
        )
        self.debt += self._use(own + rest, points)
        for reference in sorted(self.holds, key=lambda name: self.holds[name][2], reverse=True):
            if self.held > self.active:
                del self.holds[reference]
        self.age(self.now)

    def capture(self, reference, points):
        """Use points, those of a live hold by expiry alone; its rest is free."""
        was_live = self.holds.pop(reference, None) is not None
        if not was_live:
            self.lose(points)
            return
        self._use(sorted(self.lots, key=lambda lot: lot[0]), points)
        self.age(self.now)

    def _use(self, lots, points):
        for lot in lots:
            part = min(lot[1], points)
            lot[1] -= part
            points -= part
        return points

    def age(self, now):
        """Let the clock run, moment by moment: a hold ends when it ends, points then."""
        ends = sorted({end for _, end, _ in self.holds.values() if end <= now})
        for moment in [*ends, now]:
            self.holds = {name: hold for name, hold in self.holds.items() if hold[1] > moment}
            kept = self.held
            for lot in sorted(self.lots, key=lambda lot: lot[0]):
                part = min(kept, lot[1])
                kept -= part
                if lot[0] <= moment:
                    lot[1] = part
        self.now = now
        self.lots = [lot for lot in self.lots if lot[0] > now or lot[1]]

    @property
    def active(self):
        return sum(points for _, points, _ in self.lots)

    @property
    def held(self):
        return sum(points for points, _, _ in self.holds.values())

    @property
    def available(self):
        return max(0, self.active - self.held)


class Books(RuleBasedStateMachine):
    """A shop, a customer, and what happens to her points. Rooms above add their verbs to it."""

    count = 0
    wallet_of = Wallet

    @initialize(policy=st.sampled_from(["negative", "clamp"]))
    def open(self, policy):
        Books.count += 1
        self.policy = policy
        self.shop = open_shop(f"shop-{Books.count}", "Shop")
        program = self.shop.programs.get()
        program.tier_sets.update(status="retired")
        program.expiry_mode, program.expiry_months, program.refund_policy = "age", 1, policy
        program.save()
        programs.publish(program=program, at=NOON - timedelta(days=1), by="test")
        self.shop.refresh_from_db()
        self.ana = members.enroll(
            merchant=self.shop, name="Ana", identifiers=[Given("card", "1")], at=NOON, by="test"
        )
        self.now, self.sales, self.wallet, self.number = NOON, [], self.wallet_of(), 0
        self.held = {}  # reference: [hold's id, points, state, when made], of every hold ever made
        self.furnish(program)

    def furnish(self, program):
        """What a room above needs in the shop."""

    def ends(self):
        return Expiry("age", 1).ends(self.now, zone=self.shop.zone)

    @rule(amount=st.integers(0, 20_000))
    def buy(self, amount):
        self.number += 1
        sale = Sale(f"S-{self.number}", "EUR", amount, self.now, customer_id=self.ana.pk)
        for _ in range(2):
            purchases.record(merchant=self.shop, sale=sale, at=self.now)
        self.wallet.gain(amount // 100, self.ends(), sale.reference)
        self.sales.append({"sale": sale, "earned": amount // 100, "back": 0, "clawed": 0})

    @precondition(lambda self: self.sales)
    @rule(data=st.data())
    def give_back(self, data):
        one = data.draw(st.sampled_from(self.sales))
        left = one["sale"].amount_minor - one["back"]
        amount = data.draw(st.integers(0, left + 10))
        self.number += 1
        refund = Return(
            f"F-{self.number}", self.now, purchase_reference=one["sale"].reference, amount_minor=amount
        )
        for _ in range(2):
            try:
                refunds.record(merchant=self.shop, refund=refund, at=self.now)
            except refunds.refunding.RefundExceedsPurchase:
                assert amount > left
                return
        assert amount <= left
        one["back"] += amount
        total = one["sale"].amount_minor
        target = one["earned"] * one["back"] // total if total and one["back"] < total else one["earned"]
        owed = self.wallet.debt
        self.wallet.lose(target - one["clawed"], one["sale"].reference)
        if self.policy == "clamp":
            self.wallet.debt = owed
        one["clawed"] = target

    @rule(points=st.integers(-150, 150).filter(bool), may_owe=st.booleans())
    def adjust(self, points, may_owe):
        self.number += 1
        for _ in range(2):
            try:
                adjustments.adjust(
                    customer=self.ana,
                    points=points,
                    reason="by hand",
                    reference=f"A-{self.number}",
                    by="test",
                    at=self.now,
                    allow_negative=may_owe,
                )
            except DomainError:
                assert points < 0
                assert not may_owe
                assert self.wallet.debt or -points > self.wallet.available
                return
        if points > 0:
            self.wallet.gain(points, self.ends())
        else:
            self.wallet.lose(-points)

    @rule(days=st.integers(1, 7), anew=st.booleans(), data=st.data())
    def hold(self, days, anew, data):
        self.number += 1
        most = self.wallet.available
        points = data.draw(st.integers(1, most + 2) | st.integers(max(1, most // 2), max(1, most)))
        open_ones = [name for name, (_, _, state, _) in self.held.items() if state == "open"]
        reference = f"H-{self.number}" if anew or not open_ones else data.draw(st.sampled_from(open_ones))
        beside = self.wallet.holds.get(reference, (0,))[0]
        ends = self.now + timedelta(days=days)
        for _ in range(2):
            try:
                made = holds.create(
                    customer=self.ana,
                    points=points,
                    reference=reference,
                    ttl_seconds=days * 24 * 3600,
                    at=self.now,
                )
            except DomainError:
                assert self.wallet.debt or points > self.wallet.available + beside
                return
        if (made.hold.points, made.hold.expires_at) != (points, ends):
            # The very same was said before the clock moved: the first hold stands.
            assert (points, days * 24 * 3600) == (made.hold.points, made.hold.ttl_seconds)
            assert self.wallet.holds[reference][:2] == (points, made.hold.expires_at)
            return
        assert not self.wallet.debt
        assert points <= self.wallet.available + beside
        began = (made.hold.created_at, made.hold.id)
        self.held[reference] = [made.hold.id, points, "open", began]
        self.wallet.holds[reference] = (points, ends, began)
        self.wallet.age(self.now)

    def tell(self, verb, data, **more):
        """Say a verb twice of a hold that was made; return its reference, points and whether it was done."""
        reference = data.draw(st.sampled_from(sorted(self.held)))
        number, points, state, _ = self.held[reference]
        for _ in range(2):
            try:
                verb(merchant=self.shop, hold_id=number, at=self.now, **more)
            except DomainError as refusal:
                return reference, points, state, refusal
        return reference, points, state, None

    @precondition(lambda self: self.held)
    @rule(data=st.data(), part=st.integers(1, 130) | st.none())
    def capture(self, data, part):
        reference, points, state, refusal = self.tell(holds.capture, data, points=part)
        wanted = points if part is None else part
        is_live = reference in self.wallet.holds
        if state != "open":
            same = state == wanted or (part is None and state != "cancelled")
            assert (refusal is None) == same
        elif refusal is not None:
            assert wanted > points or not is_live
            assert wanted > points or self.wallet.debt or wanted > self.wallet.available
        else:
            assert wanted <= points
            self.wallet.capture(reference, wanted)
            self.held[reference][2] = wanted

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def cancel(self, data):
        reference, _, state, refusal = self.tell(holds.cancel, data)
        assert (refusal is None) == (state in ("open", "cancelled"))
        if state == "open":
            self.wallet.holds.pop(reference, None)
            self.wallet.age(self.now)
            self.held[reference][2] = "cancelled"

    @precondition(lambda self: self.held)
    @rule(data=st.data(), days=st.integers(1, 7))
    def extend(self, data, days):
        reference, points, state, refusal = self.tell(holds.extend, data, ttl_seconds=days * 24 * 3600)
        is_live = reference in self.wallet.holds
        if refusal is not None:
            assert state != "open" or not is_live
            return
        said = holds.read(merchant=self.shop, hold_id=self.held[reference][0], at=self.now)
        assert said["status"] == "active"
        assert said["expires_at"] <= said["created_at"] + timedelta(days=7)
        assert is_live or points <= self.wallet.available
        self.wallet.holds[reference] = (points, said["expires_at"], self.held[reference][3])

    @precondition(lambda self: self.wallet.lots)
    @rule(days=st.integers(-2, 2), late=st.booleans())
    def wait_for_an_expiry(self, days, late):
        """The interesting days: points expire while some are held."""
        ahead = min(lot[0] for lot in self.wallet.lots) - self.now + timedelta(days=days)
        self.wait(max(ahead, timedelta(hours=1)) / timedelta(days=1), late)

    @rule(days=st.integers(1, 20), late=st.booleans())
    def wait(self, days, late):
        self.now += timedelta(days=days)
        self.wallet.age(self.now)
        if not late:
            expiry.run(at=self.now, merchant=self.shop)

    @invariant()
    def agrees(self):
        if not hasattr(self, "wallet"):
            return
        said = balances.balance(merchant=self.shop, customer_id=self.ana.pk, at=self.now)
        assert (said["active"], said["debt"]) == (self.wallet.active, self.wallet.debt)
        assert (said["held"], said["available"]) == (self.wallet.held, self.wallet.available)
        assert sum(one["points"] for one in said["expiring"]) == self.wallet.active
        assert list(ledger.differences(merchant_id=self.shop.pk)) == []

    def teardown(self):
        if not hasattr(self, "wallet"):
            return
        for one in self.sales:
            if one["back"] == one["sale"].amount_minor:
                named = ledger.entries(merchant_id=self.shop.pk).filter(
                    purchase_id=purchases.record(
                        merchant=self.shop, sale=one["sale"], at=self.now
                    ).purchase_id
                )
                assert sum(entry.points + entry.pending for entry in named) == 0


def run(books):
    run_state_machine_as_test(
        books,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.core
@pytest.mark.django_db
def test_the_books_agree_with_a_plain_model():
    run(Books)
