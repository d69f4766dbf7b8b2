"""
Merges, their undoing and transfers between sales, refunds and the clock, in any order.

Whatever happens: a merge, an undoing and a transfer move points and make none, the books agree with the
entries, and what counts for tiers is what was bought and not given back, once.
"""

import contextlib
from datetime import timedelta

import pytest
from django.db.models import Sum
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

from customers.identifiers import Given, search
from customers.models import Customer
from lib.errors import DomainError
from loyalty import (
    adjustments,
    balances,
    expiry,
    ledger,
    members,
    merges,
    programs,
    purchases,
    refunds,
    transfers,
)
from loyalty.models import CustomerDay, Merge, Purchase
from loyalty.refunds import Return
from loyalty.sale import Sale
from tests.cast import NOON, open_shop

WHO = st.integers(0, 3)


class Families(RuleBasedStateMachine):
    count = 0

    @initialize(policy=st.sampled_from(["negative", "clamp"]), pending=st.sampled_from([0, 3]))
    def open(self, policy, pending):
        Families.count += 1
        self.shop = open_shop(f"families-{Families.count}", "Shop")
        program = self.shop.programs.get()
        program.expiry_mode, program.expiry_months, program.refund_policy = "age", 1, policy
        program.extras = {"transfers": {"allowed": True}}
        program.save()
        base = program.rules.get()
        base.params = {**base.params, **({"pending_days": pending} if pending else {})}
        base.save()
        programs.publish(program=program, at=NOON - timedelta(days=1), by="test")
        self.shop.refresh_from_db()
        self.people = [
            members.enroll(
                merchant=self.shop, name=str(n), identifiers=[Given("card", f"10{n}")], at=NOON, by="test"
            )
            for n in range(4)
        ]
        self.now, self.number, self.sales = NOON, 0, []

    def next(self, letter):
        self.number += 1
        return f"{letter}-{self.number}"

    def person(self, who):
        found = Customer.objects.get(pk=self.people[who].pk)
        found.merchant = self.shop
        return found

    def total(self):
        said = [
            balances.balance(merchant=self.shop, customer_id=one.pk, at=self.now)
            for one in Customer.objects.filter(merchant=self.shop, status="active")
        ]
        return sum(one["active"] - one["debt"] for one in said), sum(one["pending"] for one in said)

    def moves(self, act):
        """Do what may only move points; return whether it was not refused."""
        before = self.total()
        try:
            act()
        except DomainError:
            assert self.total() == before
            return False
        assert self.total() == before
        return True

    @rule(who=WHO, amount=st.integers(0, 90_000))
    def buy(self, who, amount):
        sale = Sale(self.next("S"), "EUR", amount, self.now, identifier=Given("card", f"10{who}"))
        purchases.record(merchant=self.shop, sale=sale, at=self.now)
        self.sales.append((sale.reference, amount))

    @precondition(lambda self: self.sales)
    @rule(data=st.data())
    def give_back(self, data):
        reference, amount = data.draw(st.sampled_from(self.sales))
        refund = Return(
            self.next("F"),
            self.now,
            purchase_reference=reference,
            amount_minor=data.draw(st.integers(0, amount)),
        )
        with contextlib.suppress(refunds.refunding.RefundExceedsPurchase):
            refunds.record(merchant=self.shop, refund=refund, at=self.now)

    @rule(who=WHO, points=st.integers(1, 300))
    def spend(self, who, points):
        adjustments.adjust(
            customer=self.person(who),
            points=-points,
            reason="spent",
            reference=self.next("A"),
            by="test",
            at=self.now,
            allow_negative=True,
        )

    @rule(who=WHO, other=WHO, points=st.integers(1, 300))
    def send(self, who, other, points):
        self.moves(
            lambda: transfers.transfer(
                source=self.person(who),
                target=self.person(other),
                points=points,
                reference=self.next("T"),
                by="test",
                at=self.now,
            )
        )

    @rule(who=WHO, other=WHO)
    def merge(self, who, other):
        source, target = self.person(who), self.person(other)
        is_possible = source.pk != target.pk and source.status == target.status == "active"
        was_told = Merge.objects.filter(source=source, target=target, undone_at=None).exists()
        for _ in range(2):
            done = self.moves(
                lambda: merges.merge(source=source, target=target, reason="one", at=self.now, by="test")
            )
            assert done == (is_possible or was_told)

    @precondition(lambda self: hasattr(self, "shop") and Merge.objects.filter(merchant=self.shop).exists())
    @rule(data=st.data())
    def undo(self, data):
        one = data.draw(st.sampled_from(list(Merge.objects.filter(merchant=self.shop).order_by("pk"))))
        for _ in range(2):
            done = self.moves(lambda: merges.unmerge(merge=one, at=self.now, by="test"))
        if done:
            assert Merge.objects.get(pk=one.pk).undone_at

    @rule(who=WHO, other=WHO)
    def merge_and_undo_at_once(self, who, other):
        def stand():
            return [
                (one.status, balances.balance(merchant=self.shop, customer_id=one.pk, at=self.now))
                for one in Customer.objects.filter(merchant=self.shop).order_by("pk")
            ]

        source, target = self.person(who), self.person(other)
        before = stand()
        owed = [said["debt"] for _, said in before]
        try:
            done = merges.merge(source=source, target=target, reason="one", at=self.now, by="test")
        except DomainError:
            return
        if done.status == "replayed":
            return
        merges.unmerge(merge=done.merge, at=self.now, by="test")
        if not any(owed):  # what paid a debt stays paid
            assert stand() == before

    @rule(days=st.integers(1, 20), late=st.booleans())
    def wait(self, days, late):
        self.now += timedelta(days=days)
        if not late:
            expiry.run(at=self.now, merchant=self.shop)

    @invariant()
    def agrees(self):
        if not hasattr(self, "shop"):
            return
        assert list(ledger.differences(merchant_id=self.shop.pk)) == []
        left = Purchase.objects.filter(merchant=self.shop).aggregate(
            sold=Sum("basis_minor", default=0), back=Sum("refunded_basis_minor", default=0)
        )
        counted = CustomerDay.objects.filter(merchant_id=self.shop.pk).aggregate(
            it=Sum("spend_minor", default=0)
        )
        assert counted["it"] == left["sold"] - left["back"]
        for who, one in enumerate(self.people):
            found = search(merchant=self.shop, q=f"10{who}")
            assert Customer.objects.get(pk=found).status == "active"
            assert found == (self.person(who).merged_into_id or one.pk)
            assert balances.balance(merchant=self.shop, customer_id=one.pk, at=self.now) == balances.balance(
                merchant=self.shop, customer_id=found, at=self.now
            )


@pytest.mark.core
@pytest.mark.django_db
def test_merges_move_points_and_make_none():
    run_state_machine_as_test(
        Families,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
