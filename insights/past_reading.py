"""
The pasts of many customers, read a few hundred at a time: memory stays flat however long the history is.

Chunks by membership, in the order of ids, do what a cursor of the server would do, on SQLite too, and hold no
transaction open for minutes.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, OuterRef

from customers import segments
from customers.models import Customer
from insights.pasts import Appointed, GivenBack, Moved, Past, Sold, TakenBack
from loyalty import calendar, ledger
from loyalty.models import CustomerDay, Membership, Purchase, Refund, RuleCount, TierChange
from loyalty.plan import Plan
from loyalty.purchases import LATE
from loyalty.refunding import ReturnLine
from loyalty.sale import Line, Sale, Tender
from loyalty.standing import EVER, period_starts
from merchants.models import Merchant, Store

CHUNK = 100
SAID = (
    "id", "customer_id", "reference", "currency", "amount_minor", "tax_minor", "merchandise_minor", "lines",
    "tenders", "store_id", "channel", "points_earned", "tier", "occurred_at", "recorded_at",
)  # fmt: skip
# What a tier change says that a purchase, a check or a new set of tiers made: those happen again by themselves.
BY_ITSELF = ("reached", "not_kept", "new tiers")
LIVED_AGAIN = ("earn", "expire", "extend", "merge_in", "merge_out")


@dataclass(slots=True)
class Reader:
    """Reads the pasts of one program from `since`, a local midnight, up to `until`."""

    merchant: Merchant
    plan: Plan
    since: datetime
    until: datetime
    names_segments: bool = False
    stores: dict[int, str] = field(init=False)
    told_late: set[datetime] = field(init=False)

    def __post_init__(self) -> None:
        self.stores = dict(Store.objects.filter(merchant=self.merchant).values_list("pk", "code"))
        # An import that tells history reviews tiers at the time of each sale; a till, at the time it tells.
        late = self.purchases().filter(recorded_at__gt=F("occurred_at") + LATE)
        self.told_late = set(late.order_by().values_list("recorded_at", flat=True).distinct())

    def members(self) -> Any:
        """Return the memberships that can be rehearsed: a merge moved what others earned."""
        merged = Customer.objects.filter(merged_into=OuterRef("customer_id"))
        return Membership.objects.filter(
            ~Exists(merged),
            merchant=self.merchant,
            program_id=self.plan.program_id,
            customer__merged_into=None,
            joined_at__lte=self.until,
        )

    def purchases(self) -> Any:
        return Purchase.objects.filter(
            merchant=self.merchant,
            program_id=self.plan.program_id,
            status=Purchase.Status.RECORDED,
            occurred_at__gte=self.since,
            recorded_at__lte=self.until,
        )

    def read(self, memberships: Sequence[int]) -> list[Past]:
        """Return the pasts of these memberships, each with its events in order."""
        return _Chunk(self, memberships).pasts()


def chunks(numbers: Iterator[int], size: int = CHUNK) -> Iterator[list[int]]:
    """Yield ids in lists of at most `size`."""
    some: list[int] = []
    for number in numbers:
        some.append(number)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


class _Chunk:
    """Some memberships: one statement per table, and what was read of each put into its past."""

    def __init__(self, reader: Reader, memberships: Sequence[int]):
        self.reader, self.ids = reader, list(memberships)
        self.merchant_id, self.since = reader.merchant.pk, reader.since
        self.first_day = reader.plan.local(reader.since).date()
        names = ("pk", "customer_id", "joined_at", "tier", "is_manual", "tier_until")
        rows = list(Membership.objects.filter(pk__in=self.ids).values_list(*names))
        self.by_id = {row[0]: Past(row[0], row[1], row[2], tier=row[3]) for row in rows}
        self.by_customer = {past.customer_id: past for past in self.by_id.values()}
        self.until_of = {row[0]: row[5] for row in rows if row[4]}

    def pasts(self) -> list[Past]:
        judged = self._read_entries()
        self._read_sales(judged)
        self._read_refunds()
        self._read_tiers()
        self._read_days()
        self._read_before()
        for past in self.by_id.values():
            past.events.sort(key=lambda event: event.key)
        return list(self.by_id.values())

    # Points ----------------------------------------------------------------------------------------------

    def _read_entries(self) -> dict[int, datetime]:
        """Read what else moved points, and the lots of the beginning; return when each sale was judged."""
        found = ledger.entries(merchant_id=self.merchant_id, memberships=self.ids).filter(
            occurred_at__gte=self.since
        )
        judged: dict[int, datetime] = {}
        moved: dict[int, int] = defaultdict(int)
        total: dict[int, int] = defaultdict(int)
        for number, points, purchase_id, lots, when in found.filter(kind="earn").values_list(
            "account_id", "points", "purchase_id", "lots", "occurred_at"
        ):
            judged[purchase_id or 0] = when
            total[number] += points
            for lot, active, pending in lots:
                moved[lot] += active + pending
        names = ("pk", "account_id", "kind", "points", "pending", "purchase_id", "lots", "reason", "by")
        for row in found.exclude(kind="earn").values_list(*names, "occurred_at"):
            total[row[1]] += row[3]
            for lot, active, pending in row[6]:
                moved[lot] += active + pending
            self._add_moved(row)
        self._read_lots(moved, total)
        return judged

    def _add_moved(self, row: tuple[Any, ...]) -> None:
        number, account_id, kind, points, pending, purchase_id, _, reason, by, when = row
        of_a_sale = kind in ("clawback", "write_off") and purchase_id is not None
        if kind in LIVED_AGAIN or of_a_sale or (kind == "activate" and not by):
            return
        if kind != "activate":
            points += pending
        if not points or (kind == "write_off"):
            return
        rule = str(reason.get("rule", "")) if kind == "bonus" else ""
        moved = Moved((number, 1), when, kind, points, rule=rule, purchase_id=purchase_id)
        self.by_id[account_id].events.append(moved)

    def _read_lots(self, moved: dict[int, int], total: dict[int, int]) -> None:
        names = ("id", "state", "remaining", "earned_at", "activates_at", "expires_at", "purchase_id", "rule")
        for row in ledger.lots_of(merchant_id=self.merchant_id, memberships=self.ids, also=moved).values(
            "account_id", *names
        ):
            past = self.by_id[row.pop("account_id")]
            row["remaining"] -= moved.get(row["id"], 0)
            if row["remaining"] <= 0:
                continue
            was_pending = row["activates_at"] is None or row["activates_at"] > self.since
            past.lots.append(
                {**row, "state": "pending" if was_pending else "open", "points": row["remaining"]}
            )
        owing = ledger.with_balance(Membership.objects.filter(pk__in=self.ids))
        for pk, active, debt in owing.values_list("pk", "points_active", "points_debt"):
            self.by_id[pk].debt = max(0, total[pk] - (active - debt))

    # Sales and refunds ----------------------------------------------------------------------------------

    def _read_sales(self, judged: dict[int, datetime]) -> None:
        self.sold: dict[int, tuple[Past, Sold]] = {}
        counts = [rule.code for rule in self.reader.plan.capped]
        own = self.reader.purchases().filter(customer__in=self.by_customer)
        self.real_times: dict[int, dict[tuple[str, str, date], int]] = defaultdict(lambda: defaultdict(int))
        for row in own.values(*SAID, *(["why"] if counts else [])):
            past, when = self.by_customer[row["customer_id"]], judged.get(row["id"], row["occurred_at"])
            is_history = row["recorded_at"] in self.reader.told_late
            sold = Sold(
                (row["id"], 0),
                when,
                when if is_history else row["recorded_at"],
                self._sale(row),
                row["points_earned"],
                row["tier"],
            )
            past.events.append(sold)
            self.sold[row["id"]] = (past, sold)
            if counts:
                self._count_real(past, row, when)

    def _sale(self, row: dict[str, Any]) -> Sale:
        return Sale(
            reference=row["reference"],
            currency=row["currency"],
            amount_minor=row["amount_minor"],
            occurred_at=row["occurred_at"],
            lines=tuple(Line(**line) for line in row["lines"]),
            tenders=tuple(Tender(**tender) for tender in row["tenders"]),
            tax_minor=row["tax_minor"],
            store_id=row["store_id"],
            store=self.reader.stores.get(row["store_id"] or 0, ""),
            channel=row["channel"],
        )

    def _count_real(self, past: Past, row: dict[str, Any], when: datetime) -> None:
        """Count what capped rules really gave since the beginning: the rest they gave before."""
        day = self.reader.plan.local(when).date()
        gave = {item["rule"] for item in row["why"].get("rules", ()) if item["applied"]}
        for rule in self.reader.plan.capped:
            if rule.code in gave:
                for period in rule.caps:
                    self.real_times[past.membership_id][rule.code, period, period_starts(period, day)] += 1

    def _read_refunds(self) -> None:
        names = ("pk", "purchase_id", "amount_minor", "lines", "basis_minor", "clawed_back", "occurred_at")
        of_sale = ("customer_id", "currency", "occurred_at", "points_earned", "why", "amount_minor")
        found = Refund.objects.filter(
            merchant=self.merchant_id,
            status=Refund.Status.APPLIED,
            purchase__merchant=self.merchant_id,
            purchase__customer__in=self.by_customer,
            purchase__program_id=self.reader.plan.program_id,
            purchase__status=Purchase.Status.RECORDED,
            occurred_at__gte=self.since,
            recorded_at__lte=self.reader.until,
        )
        for row in found.values_list(*names, *(f"purchase__{name}" for name in of_sale)):
            pk, purchase_id, amount, lines, _, _, when = row[:7]
            if purchase_id not in self.sold:
                self._add_earlier(row)
                continue
            past, sold = self.sold[purchase_id]
            sold.row = sold.row or _refundable(sold)
            told = tuple(ReturnLine(**line) for line in lines)
            # One that was parked is older than its sale, and applied with it.
            key = (max(pk, purchase_id), 1)
            past.events.append(GivenBack(key, when, purchase_id, amount, told))

    def _add_earlier(self, row: tuple[Any, ...]) -> None:
        pk, purchase_id, amount, _, basis, clawed, when = row[:7]
        customer_id, currency, sold_at, earned, why, paid = row[7:]
        past = self.by_customer[customer_id]
        day = self.reader.plan.local(sold_at).date()
        qualifying = why.get("qualifying", 0) * clawed // (earned or 1)
        orders = 1 if amount == paid else 0
        past.events.append(
            TakenBack((pk, 1), when, purchase_id, day, currency, orders, basis, qualifying, clawed)
        )
        past.days.append((day, currency, orders, basis, qualifying))  # it counted until then

    # Where they stood -------------------------------------------------------------------------------------

    def _read_tiers(self) -> None:
        seen: set[int] = set()
        last: dict[int, Appointed] = {}
        changes = TierChange.objects.filter(membership__in=self.ids).order_by("at", "pk")
        for pk, number, before, after, reason, at in changes.values_list(
            "pk", "membership_id", "from_tier", "to_tier", "reason", "at"
        ):
            past = self.by_id[number]
            if at < self.since:
                past.tier, past.tier_since = after, at
            elif number not in seen and past.tier_since is None:
                past.tier = before
            seen.add(number)
            if at >= self.since and reason not in BY_ITSELF:
                last[number] = Appointed((pk, 1), at, after, calendar.FOREVER)
                past.events.append(last[number])
        for number, one in last.items():
            one.until = self.until_of.get(number) or one.until

    def _read_days(self) -> None:
        own = CustomerDay.objects.filter(
            merchant_id=self.merchant_id, membership_id__in=self.ids, day__lt=self.first_day
        )
        names = ("membership_id", "day", "currency", "orders", "spend_minor", "points")
        for number, day, currency, orders, spend, points in own.values_list(*names):
            self.by_id[number].days.append((day, currency, orders, spend, points))

    def _read_before(self) -> None:
        """Read how many purchases there were, what capped rules had given, and who is in which segment."""
        before = Purchase.objects.filter(
            merchant=self.merchant_id,
            customer__in=self.by_customer,
            status=Purchase.Status.RECORDED,
            occurred_at__lt=self.since,
        )
        for customer_id, count in before.values_list("customer_id").annotate(count=Count("pk")):
            self.by_customer[customer_id].purchases_before = count
        if self.reader.plan.capped:
            now = RuleCount.objects.filter(
                merchant_id=self.merchant_id, membership_id__in=self.ids, starts__lte=self.first_day
            )
            for number, rule, period, starts, times in now.values_list(
                "membership_id", "rule", "period", "starts", "times"
            ):
                if starts != EVER and starts < self.first_day - timedelta(days=366):
                    continue
                left = times - self.real_times[number][rule, period, starts]
                if left > 0:
                    self.by_id[number].times[rule, period, starts] = left
        if self.reader.names_segments:
            names = segments.of_customers(merchant_id=self.merchant_id, customers=set(self.by_customer))
            for customer_id, codes in names.items():
                self.by_customer[customer_id].segments = codes


def _refundable(sold: Sold) -> dict[str, Any]:
    """Return of a sale what refunds compute with, before any of them."""
    sale = sold.sale
    return {
        "currency": sale.currency,
        "amount_minor": sale.amount_minor,
        "merchandise_minor": sale.merchandise_minor,
        "lines": [
            {"id": line.id, "kind": line.kind, "amount_minor": line.amount_minor, "quantity": line.quantity}
            for line in sale.lines
        ],
        "refunded_minor": 0,
        "refunded_basis_minor": 0,
        "refunded_lines": {},
        "clawed_back": 0,
        "status": "recorded",
        "judged_at": sold.when,
    }
