"""What the tests of holds share."""

from loyalty import adjustments, balances, holds, ledger


def give(customer, points, at, reference):
    return adjustments.adjust(
        customer=customer, points=points, reason="gift", reference=reference, by="test", at=at
    )


def hold(customer, points, at, reference="H-1", **more):
    return holds.create(customer=customer, points=points, reference=reference, at=at, **more)


def stands(customer, at):
    found = balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=at)
    return found["active"], found["held"], found["available"]


def proved(merchant):
    return list(ledger.differences(merchant_id=merchant.pk)) == []
