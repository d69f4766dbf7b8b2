"""Fifty tills on one account: started, timed, and counted against the books."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from django.db.models import Count, Q

from bench.crowding import THREADS
from bench.place import ROOT, Place
from customers.identifiers import Given
from customers.models import Customer
from loyalty import ledger, members, purchases
from loyalty.models import Membership, Purchase
from loyalty.sale import Sale
from merchants.models import Merchant
from rewards.models import Redemption, Reward

TILLS = 50


def with_fifty_tills(place: Place, merchant: Merchant, *, seconds: float) -> float:
    """Return the sales and redemptions per second. A lost or doubled one, or a false balance, is an error."""
    customer = _customer(merchant)
    before = _counted(customer)
    name = f"crowd{time.time_ns()}"
    programs = [["bench.crowding", f"{name}-{n}", str(seconds)] for n in range(TILLS // THREADS)]
    answers, took = race(programs, place)
    told = [sum(column) for column in zip(*(json.loads(answer) for answer in answers), strict=True)]
    found = [after - was for after, was in zip(_counted(customer), before, strict=True)]
    if told != found:
        raise RuntimeError(f"{told} sales and redemptions were told, {found} are in the books")
    # Only theirs: other measures fill accounts by SQL, without the chain that a command writes.
    theirs = f"account {Membership.objects.get(customer=customer).pk} "
    if wrong := [one for one in ledger.differences(merchant_id=merchant.pk) if theirs in one]:
        raise RuntimeError(f"the books do not add up: {wrong[:3]}")
    return sum(told) / took


def _customer(merchant: Merchant) -> Customer:
    """
    Return the customer whom all tills serve, and put up a reward that costs what a sale earns: points come and
    go, and lots close, as in a shop.
    """
    if found := Customer.objects.filter(merchant=merchant, name="Everybody's friend").first():
        return found
    at, program = datetime.now(UTC), merchant.programs.get()
    card = Given("card", "crowd-1")
    made = members.enroll(merchant=merchant, name="Everybody's friend", identifiers=[card], at=at, by="bench")
    sale = Sale("crowd", "EUR", 1_000, at, customer_id=made.pk)
    purchases.record(merchant=merchant, sale=sale, at=at)
    Reward.objects.create(
        merchant=merchant, program=program, code="crowd", name="Espresso", kind="voucher", cost=10,
    )  # fmt: skip
    return made


def _counted(customer: Customer) -> list[int]:
    sales = Purchase.objects.filter(customer=customer).aggregate(n=Count("pk", filter=~Q(reference="crowd")))
    return [sales["n"], Redemption.objects.filter(customer=customer, status="fulfilled").count()]


def race(programs: Sequence[Sequence[str]], place: Place) -> tuple[list[str], float]:
    """Start modules of ours together once all are ready; return what they answered, and the seconds."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", *program],
            env=place.environment(),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for program in programs
    ]
    for worker in workers:
        assert worker.stdout is not None
        if worker.stdout.readline() != "ready\n":
            raise RuntimeError("a process of the benchmark did not start")
    started = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = [worker.communicate()[0] for worker in workers]
    return said, time.perf_counter() - started
