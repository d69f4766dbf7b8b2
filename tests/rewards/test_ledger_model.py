"""The ledger's model grows a shelf: rewards redeemed and given back, among all that it knew before."""

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from lib.errors import DomainError
from rewards import redemptions
from rewards.vouchers import VoucherExpired
from tests.loyalty.test_ledger_model import Books, Wallet, run
from tests.rewards.conftest import put_up

COST = 40


class Purse(Wallet):
    """A wallet that remembers which lots paid for what."""

    def spend(self, points):
        """Take points as `lose` does, and return what was taken of which lot."""
        before = [(lot, lot[1]) for lot in self.lots]
        self.lose(points)
        return [(lot, had - lot[1]) for lot, had in before if had > lot[1]]

    def return_to_lots(self, taken, keep_until):
        for lot, part in taken:
            paid = min(self.debt, part)
            self.debt -= paid
            if lot[0] < keep_until:
                self.lots.append([keep_until, part - paid, lot[2]])
            else:
                lot[1] += part - paid


class Shelf(Books):
    wallet_of = Purse

    def furnish(self, program):
        self.reward, self.redeemed = put_up(program, cost=COST), []

    @rule()
    def redeem(self):
        self.number += 1
        for _ in range(2):
            try:
                receipt = redemptions.redeem(
                    customer=self.ana, reward=self.reward, reference=f"X-{self.number}", at=self.now
                )
            except DomainError:
                assert self.wallet.debt or self.wallet.available < COST
                return
        self.redeemed.append([receipt.redemption, self.wallet.spend(COST)])

    @precondition(lambda self: self.redeemed)
    @rule(data=st.data())
    def give_reward_back(self, data):
        one = data.draw(st.sampled_from(self.redeemed))
        try:
            for _ in range(2):
                redemptions.cancel(redemption=one[0], at=self.now)
        except VoucherExpired:
            assert self.now >= one[0].recorded_at + timedelta(days=30)
            return
        self.wallet.return_to_lots(one[1], self.now + timedelta(days=30))
        one[1] = []


@pytest.mark.core
@pytest.mark.django_db
def test_the_books_agree_with_a_plain_model_that_redeems():
    run(Shelf)
