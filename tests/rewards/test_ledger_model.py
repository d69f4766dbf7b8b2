"""
The ledger against a plain model of itself: purchases, refunds, adjustments, rewards redeemed and given
back, expiry and the clock, in any order, with everything told twice. The model is a list of
lots and a debt, written without looking.
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
from loyalty import adjustments, balances, expiry, ledger, members, programs, purchases, refunds
from loyalty.calendar import Expiry
from loyalty.refunds import Return
from loyalty.sale import Sale
from rewards import redemptions
from rewards.vouchers import VoucherExpired
from tests.cast import NOON, open_shop
from tests.rewards.conftest import put_up


class Wallet:
    """What the customer should have: lots of [expires at, points, sale], and a debt."""

    def __init__(self):
        self.lots, self.debt = [], 0

    def gain(self, points, ends, sale=None):
        paid = min(self.debt, points)
        self.debt -= paid
        self.lots.append([ends, points - paid, sale])

    def lose(self, points, sale=None):
        own = [lot for lot in self.lots if sale is not None and lot[2] == sale]
        rest = sorted((lot for lot in self.lots if lot not in own), key=lambda lot: lot[0])
        for lot in own + rest:
            part = min(lot[1], points)
            lot[1] -= part
            points -= part
        self.debt += points

    def spend(self, points):
        """Take points, earliest expiry first; return what was taken of which lot."""
        taken = []
        for lot in sorted(self.lots, key=lambda lot: lot[0]):
            if part := min(lot[1], points):
                lot[1] -= part
                points -= part
                taken.append((lot, part))
        return taken

    def return_to_lots(self, taken, keep_until):
        for lot, part in taken:
            paid = min(self.debt, part)
            self.debt -= paid
            if lot[0] < keep_until:
                self.lots.append([keep_until, part - paid, lot[2]])
            else:
                lot[1] += part - paid

    def age(self, now):
        self.lots = [lot for lot in self.lots if lot[0] > now]

    @property
    def active(self):
        return sum(points for _, points, _ in self.lots)


class Books(RuleBasedStateMachine):
    count = 0

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
        self.now, self.sales, self.wallet, self.number = NOON, [], Wallet(), 0
        self.reward, self.redeemed = put_up(program, cost=40), []

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
                assert self.wallet.debt or -points > self.wallet.active
                return
        if points > 0:
            self.wallet.gain(points, self.ends())
        else:
            self.wallet.lose(-points)

    @rule()
    def redeem(self):
        self.number += 1
        for _ in range(2):
            try:
                receipt = redemptions.redeem(
                    customer=self.ana, reward=self.reward, reference=f"X-{self.number}", at=self.now
                )
            except DomainError:
                assert self.wallet.debt or self.wallet.active < 40
                return
        self.redeemed.append([receipt.redemption, self.wallet.spend(40)])

    @precondition(lambda self: self.redeemed)
    @rule(data=st.data())
    def cancel(self, data):
        one = data.draw(st.sampled_from(self.redeemed))
        try:
            for _ in range(2):
                redemptions.cancel(redemption=one[0], at=self.now)
        except VoucherExpired:
            assert self.now >= one[0].recorded_at + timedelta(days=30)
            return
        self.wallet.return_to_lots(one[1], self.now + timedelta(days=30))
        one[1] = []

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


@pytest.mark.core
@pytest.mark.django_db
def test_the_books_agree_with_a_plain_model():
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
