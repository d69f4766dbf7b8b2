"""A process that records purchases when it is told to, and says how long it took: started by `bench.growth`."""

import sys
import time
from datetime import UTC, datetime

import django

SINGLES, BATCH = 60, 1_000


def main() -> None:
    """Read `single` or `batch`, line by line; answer the seconds."""
    django.setup()
    from bench.shop import Sales, find_shop
    from loyalty import purchases

    shop = find_shop()
    sales = Sales(shop, name=f"growth-{time.time()}")
    for line in sys.stdin:
        now = datetime.now(UTC)
        is_single = line == "single\n"
        told = [sales.sale(at=now) for _ in range(SINGLES if is_single else BATCH)]
        started = time.perf_counter()
        for piece in [[sale] for sale in told] if is_single else [told]:
            receipts = purchases.record_all(merchant=shop.merchant, sales=piece, at=now)
            if any(receipt.status != "created" for receipt in receipts):
                raise RuntimeError(f"not recorded: {receipts[0].error}")
        sys.stdout.write(f"{time.perf_counter() - started}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
