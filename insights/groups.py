"""Customer value by group, summed up once per run and kept with it: a report then reads one row."""

import time
from typing import Any

from insights.models import Band, ClvRun, Lifecycle
from lib import db
from loyalty.models import Program

_SUMS = (
    "COUNT(*), CAST(SUM(s.historic_minor) AS bigint), CAST(SUM(s.value_minor) AS bigint), "
    "COUNT(CASE WHEN s.lifecycle = 3 THEN 1 END)"
)
_SEGMENT = (
    "JOIN customers_segmentmember sm ON sm.merchant_id = s.merchant_id AND sm.customer_id = s.customer_id "
    "JOIN customers_segment g ON g.id = sm.segment_id AND g.merchant_id = sm.merchant_id AND g.is_active "
)
_KEYS: dict[str, tuple[str, str]] = {
    "lifecycle": ("CAST(s.lifecycle AS varchar(2))", ""),
    "band": ("CAST(s.band AS varchar(2))", ""),
    "cohort": ("SUBSTR(CAST(s.first_day AS varchar(10)), 1, 4)", ""),
    "tier": (
        "COALESCE(m.tier, '')",
        "LEFT JOIN loyalty_membership m ON m.merchant_id = s.merchant_id AND m.customer_id = s.customer_id "
        "AND m.program_id = %s",
    ),
    "segment": ("g.code", _SEGMENT),
    "persona": ("g.code", _SEGMENT + "AND g.is_persona"),
    "rfm": (
        "r.name",
        "JOIN loyalty_rfmscore r ON r.merchant_id = s.merchant_id AND r.customer_id = s.customer_id",
    ),
}
DIMENSIONS = tuple(_KEYS)


def sum_up(*, run: ClvRun, began: float) -> None:
    """Sum the scores of a run by each dimension; keep them, and how long the refresh took."""
    program = (
        Program.objects.filter(merchant=run.merchant_id, is_active=True).values_list("pk", flat=True).first()
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for name, (key, join) in _KEYS.items():
        params = [program or 0] if name == "tier" else []
        rows = db.ask(
            f"SELECT {key} AS named, {_SUMS} FROM insights_clvscore s {join} "
            "WHERE s.merchant_id = %s GROUP BY named ORDER BY named",
            [*params, run.merchant_id],
        ).rows
        found[name] = [
            {"key": _named(name, str(row[0])), "customers": int(row[1]), "historic_minor": int(row[2]),
             "value_minor": int(row[3]), "at_risk": int(row[4])}
            for row in rows
        ]  # fmt: skip
    run.groups, run.seconds = found, round(time.monotonic() - began, 2)
    run.save(update_fields=["groups", "seconds"])


def _named(dimension: str, key: str) -> str:
    """Return the word of a stored number."""
    if dimension == "lifecycle":
        return Lifecycle(int(key)).name.lower()
    if dimension == "band":
        return Band(int(key)).name.lower()
    return key
