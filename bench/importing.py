"""A process that imports a file into a SQLite database of its own: started by the benchmark, which names it."""

import io
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import django


def main(people: int, many: int) -> None:
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from bench.shop import SLUG, Sales, open_shop

    shop = open_shop(people=people)
    file = Path(settings.DATA_DIR) / "purchases.csv"
    file.write_text("\n".join(Sales(shop, name="file").rows(many, at=datetime.now(UTC))))
    started = time.perf_counter()
    call_command("import_purchases", SLUG, file, "--backdate", stdout=io.StringIO(), stderr=io.StringIO())
    sys.stdout.write(f"{many / (time.perf_counter() - started)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
