"""What is measured: each measure runs a limit and the service by turns, on the same servers."""

import hashlib
import hmac
import io
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from django.core.management import call_command
from django.db import transaction

from bench import campaigning, load, mailing, stepping, web
from bench.crowd import race, with_fifty_tills
from bench.limits import Limits
from bench.place import ROOT, Place
from bench.shop import SLUG, Sales, Shop
from connectors import connections
from connectors.models import Connection, InboundEvent
from lib import db, public_ids
from rewards import pools
from rewards.models import CodePool, PoolCode

SIGNED_WITH = "whsec_bench"
HOOK = f"/hooks/stripe/{SLUG}/main"


@dataclass
class Results:
    """What a run found. `rates` and `limits` are per second; `latency` is in milliseconds."""

    ratios: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    statements: dict[str, float] = field(default_factory=dict)
    trips: dict[str, float] = field(default_factory=dict)
    growth: dict[str, float] = field(default_factory=dict)
    segments: dict[str, float] = field(default_factory=dict)
    reports: dict[str, float] = field(default_factory=dict)
    journeys: dict[str, float] = field(default_factory=dict)
    load: float = 0.0


class Measures:
    """All measures of a run that has an open shop."""

    def __init__(
        self, place: Place, shop: Shop, limits: Limits, *, seconds: float, rounds: int, results: Results
    ):
        self.place, self.shop, self.limits, self.results = place, shop, limits, results
        self.seconds, self.rounds = seconds, rounds
        self.connection_id = _connect(shop)
        self.stack = ExitStack()
        self._ports: dict[str, int] = {}
        self._runs = 0

    def port(self, application: str) -> int:
        """Return the port of a web server, started when it is first needed."""
        if application not in self._ports:
            served = web.served(application, environment=self.place.environment())
            self._ports[application] = self.stack.enter_context(served)
        return self._ports[application]

    def sales(self, name: str) -> Sales:
        self._runs += 1
        return Sales(self.shop, name=f"{name}{self._runs}")

    def compare(
        self, name: str, *, limit: str, at_most: Callable[[], float], ours: Callable[[], float]
    ) -> None:
        """Measure limit and service by turns; the ratio is that of the medians."""
        limits, rates = [at_most()], []
        for _ in range(self.rounds):
            rates.append(ours())
            limits.append(at_most())
        self.results.limits[limit] = statistics.median(limits)
        self.results.rates[name] = statistics.median(rates)
        self.results.ratios[name] = self.results.rates[name] / self.results.limits[limit]

    # --- limits ----------------------------------------------------------------------------------------

    def best(self, script: str, *, clients: tuple[int, ...], each: int = 1) -> float:
        """Return what pgbench reaches with the number of clients that suits the script best."""
        found = {
            count: each * self.limits.run(script, clients=count, seconds=self.seconds) for count in clients
        }
        for count, rate in found.items():
            name = f"{script}_{count}_clients"
            self.results.limits[name] = max(rate, self.results.limits.get(name, 0.0))
        return max(found.values())

    def together(self) -> float:
        return self.best("together", clients=(1, 2), each=self.limits.batch)

    def call(
        self, name: str, application: str, requests: Iterator[bytes], *, expected: int, **how: Any
    ) -> float:
        answered = load.run(
            self.port(application),
            requests,
            seconds=how.pop("seconds", self.seconds),
            expected=expected,
            **how,
        )
        self.results.latency[name] = {
            f"p{share}": round(answered.percentile(share / 100) * 1000, 2) for share in (50, 99)
        }
        return answered.rate

    # --- the measures --------------------------------------------------------------------------------

    def purchase_http(self) -> None:
        """One purchase per request, with a key, an Idempotency-Key, validation, rules, lots and tiers."""
        self.results.limits["function"] = self.best("function", clients=(1, 4, 8))
        self.compare(
            "purchase_http",
            limit="single",
            at_most=lambda: self.best("single", clients=(1, 4, 8)),
            ours=lambda: self.call("purchase_http", web.OURS, self._purchases(), expected=201),
        )

    def _purchases(self) -> Iterator[bytes]:
        sales = self.sales("till")
        while True:
            body = sales.body()
            headers = f"{self._key}Idempotency-Key: {body['reference']}\r\n"
            yield load.request("POST", "/api/v1/purchases", body=orjson.dumps(body), headers=headers)

    def redemption_http(self) -> None:
        """A reward per request: points taken from lots, a voucher issued, an entry, a touchpoint."""
        reward, people = self.shop.shelf()
        self.compare(
            "redemption_http",
            limit="single",
            at_most=lambda: self.best("single", clients=(1, 4, 8)),
            ours=lambda: self.call(
                "redemption_http", web.OURS, self._redemptions(reward, people), expected=201
            ),
        )

    def _redemptions(self, reward: str, people: list[str]) -> Iterator[bytes]:
        self._runs += 1
        for number in itertools.count():
            reference = f"redeem{self._runs}-{number}"
            body = {"reference": reference, "customer": people[number % len(people)], "reward": reward}
            headers = f"{self._key}Idempotency-Key: {reference}\r\n"
            yield load.request("POST", "/api/v1/redemptions", body=orjson.dumps(body), headers=headers)

    @property
    def _key(self) -> str:
        return f"Authorization: Bearer {self.shop.key}\r\n"

    def batch_http(self) -> None:
        """A thousand purchases per request."""

        def ours() -> float:
            made = self.sales("batch")
            # Enough to outlast the warm-up: small batches, of a small shop, are answered faster.
            many = (round(10 * self.seconds) + 24) * (1 if self.limits.batch == 1000 else 12)
            bodies = [made.batch(self.limits.batch) for _ in range(many)]
            requests = (
                load.request(
                    "POST",
                    "/api/v1/batches",
                    body=body,
                    headers=f"{self._key}Idempotency-Key: {made.name}-{number}\r\n",
                )
                for number, body in enumerate(bodies)
            )
            rate = self.call(
                "batch_http", web.OURS, requests, expected=200, seconds=2 * self.seconds, warm_up=3.0
            )
            return rate * self.limits.batch

        self.compare("batch_http", limit="together", at_most=self.together, ours=ours)

    def balance_read(self) -> None:
        """A customer's balance and tier."""
        path = f"/api/v1/customers/{public_ids.show('cus', self.shop.customers[0])}/balance"
        ours = load.request("GET", path, headers=self._key)
        bare = load.request("GET", "/api/v1/nothing", headers=self._key)
        self.compare(
            "balance_read",
            limit="no_op_view",
            at_most=lambda: self.call("no_op_view", web.BARE, _always(bare), expected=200),
            ours=lambda: self.call("balance_read", web.OURS, _always(ours), expected=200),
        )

    def webhook_accept(self) -> None:
        """A signed Stripe event, checked and stored."""
        self.results.limits["inbox_insert"] = self.best("inbox", clients=(1, 4, 8))
        self.compare(
            "webhook_accept",
            limit="insert_view",
            at_most=lambda: self.call("insert_view", web.BARE, self._events("/hooks/insert"), expected=200),
            ours=lambda: self.call("webhook_accept", web.OURS, self._events(HOOK), expected=200),
        )

    def _events(self, path: str) -> Iterator[bytes]:
        sales = self.sales("hook")
        while True:
            _, body = sales.session()
            yield load.request("POST", path, body=body, headers=signature(body))

    def inbox_drain(self) -> None:
        """Stored Stripe events become purchases: by one process, and by two at once."""
        InboundEvent.objects.filter(status="waiting").update(status="done")
        many = round(2_500 * self.seconds)
        for count in (1, 2):
            self.compare(
                f"inbox_drain_{count}",
                limit="together",
                at_most=self.together,
                ours=lambda count=count: self._drain(many, processes=count),
            )
        rates, ratios = self.results.rates, self.results.ratios
        best = max(("inbox_drain_1", "inbox_drain_2"), key=lambda name: ratios[name])
        rates["inbox_drain"], ratios["inbox_drain"] = rates[best], ratios[best]
        del ratios["inbox_drain_1"], ratios["inbox_drain_2"]

    def _drain(self, many: int, *, processes: int) -> float:
        self._store_events(many)
        done, seconds = _race([["bench.draining"]] * processes, self.place)
        left = InboundEvent.objects.exclude(status="done").count()
        if done != many or left:
            raise RuntimeError(f"{done} of {many} events were drained, {left} are not done")
        return many / seconds

    def _store_events(self, many: int) -> None:
        sales, now = self.sales("drain"), datetime.now(UTC)
        rows = []
        for number in public_ids.new_many(many):
            event_id, body = sales.session()
            rows.append(
                {
                    "id": number,
                    "merchant_id": self.shop.merchant.pk,
                    "connection_id": self.connection_id,
                    "event_id": event_id,
                    "type": "checkout.session.completed",
                    "body": body.decode(),
                    "status": "waiting",
                    "tries": 0,
                    "error": "",
                    **dict.fromkeys(("occurred_at", "received_at", "due_at"), now),
                }
            )
        with transaction.atomic():
            db.insert(InboundEvent, rows)

    def pool(self) -> None:
        """Codes of another shop, handed out by four processes with four clients each: none is given twice."""
        rates = [self._hand_out(round(2_500 * self.seconds)) for _ in range(self.rounds)]
        self.results.rates["pool"] = statistics.median(rates)

    def _hand_out(self, many: int) -> float:
        at = datetime.now(UTC)
        self._runs += 1
        pool, _ = CodePool.objects.get_or_create(
            merchant=self.shop.merchant, code="bench", defaults={"name": "Bench"}
        )
        before = set(PoolCode.objects.filter(pool=pool).values_list("voucher_id", flat=True))
        pools.upload(pool=pool, given=[f"{self._runs}-{number}" for number in range(many)], at=at)
        done, seconds = _race([["bench.pooling", f"{self._runs}-{n}"] for n in range(4)], self.place)
        given = PoolCode.objects.filter(pool=pool).exclude(voucher_id__in=before)
        vouchers = given.exclude(voucher=None).values("voucher").distinct().count()
        if (done, given.count(), vouchers) != (many, many, many):
            raise RuntimeError(f"{done} of {many} codes were handed out, as {vouchers} vouchers")
        return many / seconds

    def one_account(self) -> None:
        """Fifty tills sell to one customer and redeem for them, by turns: one row is the lock of all."""
        self.compare(
            "one_account",
            limit="one_row",
            at_most=lambda: self.limits.run("one_row", clients=50, seconds=self.seconds),
            ours=lambda: with_fifty_tills(self.place, self.shop.merchant, seconds=self.seconds),
        )

    def messages(self) -> None:
        """Mails that are due, to a real mail server."""
        mailing.measure(self.shop, self.results, seconds=self.seconds, rounds=self.rounds)

    def flow_steps_per_second(self) -> None:
        """Runs that are due at once in one flow, and a few in a newer one, moved by one process."""
        rates = [stepping.run(self.shop, many=round(4_000 * self.seconds)) for _ in range(self.rounds)]
        self.results.rates["flow_steps_per_second"] = statistics.median(rates)

    def campaign_recipients_per_second(self) -> None:
        """A campaign to all members: recipients and their messages written by one process."""
        rates = [campaigning.run(self.shop) for _ in range(self.rounds)]
        self.results.rates["campaign_recipients_per_second"] = statistics.median(rates)

    def imports(self) -> None:
        """`manage.py import_purchases` of a CSV file."""
        many = round(12_500 * self.seconds)

        def ours() -> float:
            file = self.place.folder / "purchases.csv"
            file.write_text("\n".join(self.sales("file").rows(many, at=datetime.now(UTC))))
            started = time.perf_counter()
            call_command(
                "import_purchases", SLUG, file, "--backdate", stdout=io.StringIO(), stderr=io.StringIO()
            )
            return many / (time.perf_counter() - started)

        self.compare("import", limit="together", at_most=self.together, ours=ours)
        self.results.rates["import_sqlite"] = self._import_on_sqlite(many)

    def _import_on_sqlite(self, many: int) -> float:
        data = self.place.folder / "sqlite"
        data.mkdir()
        environment = {**self.place.environment(), "DATA_DIR": str(data), "DATABASE_URL": ""}
        del environment["DATABASE_URL"]
        said = subprocess.run(
            [sys.executable, "-m", "bench.importing", str(len(self.shop.customers)), str(many)],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode:
            raise RuntimeError(f"import on SQLite: {said.stderr[-2000:]}")
        return float(said.stdout.splitlines()[-1])


def _race(programs: Sequence[Sequence[str]], place: Place) -> tuple[int, float]:
    """Start modules of ours together once all are ready; return the sum of what they did, and the seconds."""
    answers, seconds = race(programs, place)
    return sum(int(answer) for answer in answers), seconds


def _always(request: bytes) -> Iterator[bytes]:
    while True:
        yield request


def signature(body: bytes) -> str:
    now = int(time.time())
    digest = hmac.new(SIGNED_WITH.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"Stripe-Signature: t={now},v1={digest}\r\n"


@transaction.atomic
def _connect(shop: Shop) -> int:
    made = Connection(merchant=shop.merchant, code="main", kind="stripe")
    connections.keep(connection=made, secret=SIGNED_WITH, at=datetime.now(UTC))
    return made.pk
