"""A process whose ten tills all serve one customer: each sells or redeems until the time is up."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import django

THREADS = 10


def main(name: str, seconds: float) -> None:
    """Say `ready`, wait for `go`, then answer how many sales and redemptions were made, as JSON."""
    django.setup()
    from django.db import connections

    from bench.shop import find_shop
    from customers.models import Customer
    from loyalty import purchases
    from loyalty.sale import Sale
    from rewards import redemptions
    from rewards.models import Reward

    shop = find_shop().merchant
    reward = Reward.objects.get(merchant=shop, code="crowd")
    customer = Customer.objects.get(merchant=shop, name="Everybody's friend")
    customer.merchant = shop

    def till(number: int) -> tuple[int, int]:
        done = [0, 0]
        until = time.perf_counter() + seconds
        try:
            while time.perf_counter() < until:
                reference, at = f"{name}-{number}-{sum(done)}", datetime.now(UTC)
                if sum(done) % 2:
                    redemptions.redeem(
                        customer=customer, reward=reward, reference=reference, at=at, by="bench"
                    )
                    done[1] += 1
                else:
                    sale = Sale(reference, "EUR", 1000, at, customer_id=customer.pk)
                    purchases.record(merchant=shop, sale=sale, at=at).or_raise()
                    done[0] += 1
        finally:
            connections.close_all()
        return done[0], done[1]

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as tills:
        made = list(tills.map(till, range(THREADS)))
    sys.stdout.write(json.dumps([sum(one[0] for one in made), sum(one[1] for one in made)]))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
