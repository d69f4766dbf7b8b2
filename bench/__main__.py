"""`python -m bench`: measure everything, print the table, write `bench/results.json`."""

import argparse
import os
import sys
import time
from pathlib import Path

import django

from bench import place, priority

NAMED = {"messages": "messages_smtp_per_second"}
NAMES = (
    *("purchase_http", "redemption_http", "batch_http", "inbox_drain", "import", "webhook_accept"),
    *("balance_read", "pool", "one_account", "messages", "flow_steps_per_second", "growth", "segments"),
    *("campaign_recipients_per_second", "reports", "journeys"),
)


def main() -> None:
    said = _arguments()
    started = time.monotonic()
    if not priority.go_first():
        print("measuring at the usual priority: other programs on this machine disturb the result")
    with place.place() as ground:
        django.setup()
        found = _run(
            ground, said, say=lambda text: print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)
        )
    if said.output:
        print(f"\nwritten to {said.output}")
    if missed := found:
        print(f"missed: {', '.join(missed)}")


def _run(ground: place.Place, said: argparse.Namespace, *, say) -> list[str]:
    from django.db import connection

    from bench import counting, growth, journeys, report, reports, segments, shop
    from bench.limits import Limits
    from bench.measures import Measures, Results

    results = Results(load=round(os.getloadavg()[0], 2))
    say(f"a shop with {said.people:,} customers joins")
    opened = shop.open_shop(people=said.people)
    limits = Limits(ground, opened)
    limits.prepare()
    wanted = [said.only] if said.only else list(NAMES)
    if "growth" in wanted:
        connection.close()  # a database that is copied may have no visitors
        growth.copy(ground, said.entries)
    if "segments" in wanted:
        connection.close()
        segments.copy(ground)
    if "reports" in wanted:
        connection.close()
        reports.copy(ground)
    if "journeys" in wanted:
        connection.close()
        journeys.copy(ground)
    measures = Measures(ground, opened, limits, seconds=said.seconds, rounds=said.rounds, results=results)
    with measures.stack:
        for name in wanted:
            if name not in ("growth", "segments", "reports", "journeys"):
                getattr(measures, "imports" if name == "import" else name)()
                say(_said(results, name))
    counting.count(opened, results)
    if "growth" in wanted:
        results.growth = growth.measure(ground, limits, said.entries, say=say)
        for size, key in ((1_000_000, "growth_1m"), (10_000_000, "growth_10m")):
            if size in said.entries[1:]:
                results.ratios[key] = max(results.growth[f"{what}_{size}"] for what in ("single", "batch"))
    if "segments" in wanted:
        results.segments = segments.measure(ground, said.segment_people)
        say(", ".join(f"{name} {figure:,g}" for name, figure in results.segments.items()))
    if "reports" in wanted:
        results.reports = reports.measure(ground, said.report_people)
        say(", ".join(f"{name} {figure:,g}" for name, figure in results.reports.items()))
    if "journeys" in wanted:
        results.journeys = journeys.measure(ground, said.touches)
        say(", ".join(f"{name} {figure:,g}" for name, figure in results.journeys.items()))
    print()
    print(report.table(results))
    if said.output:
        report.write(said.output, report.document(results, arguments=_shown(said)))
    return report.missed(results)


def _said(results, name: str) -> str:
    name = NAMED.get(name, name)
    ratio = results.ratios.get(name)
    return (
        f"{name}: {results.rates[name]:,.0f} a second"
        if ratio is None
        else f"{name}: {ratio:.2f} of the limit"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each round takes (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of limit and service (default: 3)")
    parser.add_argument("--people", type=int, default=20_000, help="customers of the shop (default: 20,000)")
    parser.add_argument("--only", choices=NAMES, help="one measure")
    parser.add_argument(
        "--entries",
        default="10000,1000000",
        help="sizes for growth, the smallest first (default: %(default)s)",
    )
    parser.add_argument(
        "--report-people", type=int, default=100_000, help="buyers in the reports (default: 100,000)"
    )
    parser.add_argument(
        "--touches", type=int, default=1_000_000, help="touchpoints of the journeys (default: 1,000,000)"
    )
    parser.add_argument(
        "--segment-people", type=int, default=100_000, help="customers of the segment (default: 100,000)"
    )
    parser.add_argument("--ten-million", action="store_true", help="also at 10 million entries")
    parser.add_argument("--output", type=Path, help="where to write (default: bench/results.json if all ran)")
    said = parser.parse_args()
    said.entries = [int(size) for size in said.entries.split(",")]
    if said.ten_million:
        said.entries.append(10_000_000)
    if said.output is None and said.only is None:
        said.output = place.ROOT / "bench" / "results.json"
    return said


def _shown(said: argparse.Namespace) -> dict[str, object]:
    return {name: value for name, value in vars(said).items() if name not in ("output", "only")}


if __name__ == "__main__":
    sys.exit(main())
