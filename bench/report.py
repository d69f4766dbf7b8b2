"""What a run found: as a table for people, as `results.json` for the next run."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.db import connection

from bench.measures import Results

# What is reached or missed: the ratio, and whether more is better.
GOALS = {
    "purchase_http": (0.20, True),
    "redemption_http": (0.20, True),
    "batch_http": (0.35, True),
    "inbox_drain": (0.35, True),
    "import": (0.35, True),
    "webhook_accept": (0.70, True),
    "balance_read": (0.50, True),
    "one_account": (0.02, True),
    "growth_1m": (1.20, False),
    "growth_10m": (1.20, False),
}
LIMIT_OF = {
    "purchase_http": "single",
    "redemption_http": "single",
    "batch_http": "together",
    "inbox_drain": "together",
    "import": "together",
    "webhook_accept": "insert_view",
    "balance_read": "no_op_view",
    "one_account": "one_row",
}


def missed(results: Results) -> list[str]:
    """Return the names of the ratios that are worse than their goal."""
    return [
        name
        for name, ratio in results.ratios.items()
        if (ratio < GOALS[name][0] if GOALS[name][1] else ratio > GOALS[name][0])
    ]


def table(results: Results) -> str:
    """Return the ratios with what they are made of."""
    lines = [f"{'measure':<16}{'ours/s':>10}{'limit/s':>10}{'ratio':>8}{'goal':>8}  {'p50/p99 ms':<16}"]
    for name, ratio in results.ratios.items():
        goal, is_more_better = GOALS[name]
        rate, limit = results.rates.get(name), results.limits.get(LIMIT_OF.get(name, ""))
        latency = results.latency.get(name)
        times = f"{latency['p50']:g} / {latency['p99']:g}" if latency else ""
        wanted = f"{'≥' if is_more_better else '≤'} {goal:.2f}"
        said = "missed" if name in missed(results) else ""
        lines.append(
            f"{name:<16}{_number(rate):>10}{_number(limit):>10}{ratio:>8.2f}{wanted:>8}  {times:<16}{said}"
        )
    if sqlite := results.rates.get("import_sqlite"):
        lines.append(f"{'import, SQLite':<16}{_number(sqlite):>10}{'':>10}{'':>8}{'≥ 3,000':>8}")
    if pool := results.rates.get("pool"):
        lines.append(f"{'pool, 16 clients':<16}{_number(pool):>10}")
    if mails := results.rates.get("messages_smtp_per_second"):
        alone = results.limits["smtplib_per_second"]
        lines.append(f"{'mails by SMTP':<16}{_number(mails):>10}{_number(alone):>10}{mails / alone:>8.2f}")
    if steps := results.rates.get("flow_steps_per_second"):
        lines.append(f"{'flow steps':<16}{_number(steps):>10}")
    if told := results.rates.get("campaign_recipients_per_second"):
        lines.append(f"{'recipients':<16}{_number(told):>10}")
    for name, statements in results.statements.items():
        lines.append(f"{name}: {statements:g} statements in {results.trips[name]:g} round trips")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def document(results: Results, *, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return everything a run found, with the machine and the versions it was found on."""
    return {
        "ratios": _rounded(results.ratios, 3),
        "limits": _rounded(results.limits, 1),
        "rates": _rounded(results.rates, 1),
        "latency_ms": results.latency,
        "statements": results.statements,
        "trips": results.trips,
        "growth": results.growth,
        "segments": results.segments,
        "reports": results.reports,
        "journeys": results.journeys,
        "arguments": arguments,
        "machine": {
            "processors": os.cpu_count(),
            "processor": _processor(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": platform.platform(),
            "load_before": results.load,
        },
        "versions": {
            "python": platform.python_version(),
            "postgresql": _postgres(),
            **{name: version(name) for name in ("Django", "djangorestframework", "granian", "psycopg")},
        },
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write(path: Path, found: dict[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=2) + "\n")


def _rounded(values: dict[str, float], digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


def _postgres() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip()
