"""The doors' reads of the points tables: one balance, statements, sums for lists and for the start page."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from lib import db
from loyalty.ledger import balance
from loyalty.ledger.rows import key
from loyalty.ledger.states import AccountState, HoldState, LotState
from loyalty.models.ledger import Account, Entry, Hold, Lot

_HOLD = ("id", "points", "status", "expires_at", "created_at")
_LOT = (
    "id",
    "state",
    "points",
    "remaining",
    "earned_at",
    "activates_at",
    "expires_at",
    "purchase_id",
    "rule",
)
_ACCOUNT = """
    a.membership_id, a.merchant_id, a.active, a.pending, a.held, a.debt, a.lifetime_earned, a.purchases,
    a.sequence, a.head, a.next_due_at, a.active_at"""
_DUE_AT = "CASE WHEN l.state = 'pending' THEN l.activates_at ELSE l.expires_at END"


def accounts_sql(*, lots: bool = False) -> str:
    """
    Return the columns of an account and what its lots come to, by state and date, as a JSON list.

    With `lots`, what must be known of an account where something is due: its open and pending lots, and its
    live holds where some are held.
    """
    lots_of = "l.merchant_id = a.merchant_id AND l.account_id = a.membership_id AND l.state <> 'closed'"
    if not lots:
        return f"""{_ACCOUNT},
            CASE WHEN a.active + a.pending > 0 THEN (
                SELECT {_as_list("s", ("state", "due_at", "points"))} FROM (
                    SELECT l.state, {_DUE_AT} AS due_at, SUM(l.remaining) AS points
                    FROM loyalty_lot l WHERE {lots_of} GROUP BY 1, 2) s) END
        """
    return f"""{_ACCOUNT},
        (SELECT {_as_list("l", _LOT)} FROM loyalty_lot l WHERE {lots_of}),
        CASE WHEN a.held > 0 THEN (
            SELECT {_as_list("h", _HOLD)} FROM loyalty_hold h WHERE h.merchant_id = a.merchant_id
            AND h.account_id = a.membership_id AND h.status = 'active') END
    """


def available_sql() -> str:
    """Return a SELECT of the points (`points`) that each membership of the customer `c` can spend: for segments."""
    return (
        "SELECT a.active - a.held AS points FROM loyalty_membership m "
        "JOIN loyalty_account a ON a.merchant_id = m.merchant_id AND a.membership_id = m.id "
        "WHERE m.merchant_id = c.merchant_id AND m.customer_id = c.id"
    )


def _as_list(alias: str, names: tuple[str, ...]) -> str:
    parts = ", ".join(f"{alias}.{name}" for name in names)
    if db.is_postgres():
        return f"json_agg(json_build_array({parts}))"
    return f"json_group_array(json_array({parts}))"


def account_of(values: Sequence[Any]) -> tuple[AccountState, list[balance.Sum]]:
    """Return the account behind `accounts_sql`'s columns, and the sums of its lots."""
    sums = [(state, db.time(due_at), int(points)) for state, due_at, points in db.loaded(values[12]) or []]
    return _account(values), sums


def account_at(values: Sequence[Any], *, at: datetime) -> AccountState:
    """Return the account behind `accounts_sql(lots=True)`, with all done in memory that is due by `at`."""
    state = _account(values)
    state.lots = []
    for row in db.loaded(values[12]) or []:
        lot = LotState(*row)
        lot.earned_at = db.time(lot.earned_at) or at
        lot.activates_at, lot.expires_at = db.time(lot.activates_at), db.time(lot.expires_at)
        state.lots.append(lot)
    for row in db.loaded(values[13]) or []:
        number, points, status, ends, began = row
        state.holds.append(HoldState(number, points, status, db.time(ends) or at, db.time(began) or at))
    return balance.as_of(state, at=at, key=key())


def _account(values: Sequence[Any]) -> AccountState:
    state = AccountState(*values[:12])
    state.next_due_at, state.active_at = db.time(state.next_due_at), db.time(state.active_at)
    return state


def entries(*, merchant_id: int, memberships: Iterable[int] | None = None) -> QuerySet[Entry]:
    """Return the entries of a merchant, or of some memberships, newest first."""
    found = Entry.objects.filter(merchant_id=merchant_id)
    if memberships is not None:
        found = found.filter(account_id__in=list(memberships)).order_by("account_id", "-sequence")
    return found


def entry(*, entry_id: int) -> dict[str, Any]:
    """Return one entry's customer, points and reason."""
    found = Entry.objects.values("points", "reason", customer_id=F("account__membership__customer_id"))
    return dict(found.get(pk=entry_id))


def with_balance(rows: QuerySet[Any], *, membership: str = "pk") -> QuerySet[Any]:
    """Annotate memberships (or rows that have one) with points_active, points_pending, points_debt."""
    account = Account.objects.filter(membership_id=OuterRef(membership))
    annotated: QuerySet[Any, Any] = rows.annotate(
        **{
            f"points_{name}": Coalesce(Subquery(account.values(name)[:1]), 0)
            for name in ("active", "pending", "debt")
        }
    )
    return annotated


def totals(*, merchant_id: int) -> dict[str, int]:
    """Return the merchant's points outstanding: sums over accounts, never over entries."""
    sums = Account.objects.filter(merchant_id=merchant_id).aggregate(
        **{name: Coalesce(Sum(name), 0) for name in ("active", "pending", "debt", "held", "lifetime_earned")}
    )
    return {name: int(value) for name, value in sums.items()}


def due_accounts(*, at: datetime, limit: int, merchant_id: int | None = None) -> list[tuple[int, int]]:
    """
    Return (merchant, membership) of accounts where a lot activates or expires, or a hold ends, by `at`,
    earliest first.
    """
    due = Account.objects.filter(next_due_at__lte=at)
    if merchant_id is not None:
        due = due.filter(merchant_id=merchant_id)
    return list(due.order_by("next_due_at").values_list("merchant_id", "membership_id")[:limit])


def due_since(*, at: datetime, merchants: frozenset[int] | None) -> datetime | None:
    """Return since when the account that waits the longest has been due; None: nothing is."""
    due = Account.objects.filter(next_due_at__lte=at)
    if merchants is not None:
        due = due.filter(merchant_id__in=merchants)
    return due.order_by("next_due_at").values_list("next_due_at", flat=True).first()


def expiring_within(
    *, merchant_id: int, since: datetime, until: datetime, after: int, limit: int
) -> list[tuple[int, datetime, int]]:
    """
    Return (customer, when, points) of the open lots that expire after `since` and by `until`.

    Of at most `limit` customers, those with ids above `after` first; only customers who are active. An account
    knows when something is due next: whoever has nothing due is not looked at.
    """
    rows = db.ask(
        """
        SELECT due.customer_id, l.expires_at, SUM(l.remaining)
        FROM (
            SELECT m.customer_id, m.id FROM loyalty_membership m
            JOIN loyalty_account a ON a.membership_id = m.id
            JOIN customers_customer c ON c.id = m.customer_id AND c.status = 'active'
            WHERE m.merchant_id = %s AND m.customer_id > %s AND a.next_due_at <= %s AND EXISTS (
                SELECT 1 FROM loyalty_lot e WHERE e.merchant_id = m.merchant_id AND e.account_id = m.id
                AND e.state <> 'closed' AND e.state = 'open' AND e.expires_at > %s AND e.expires_at <= %s)
            ORDER BY m.customer_id LIMIT %s
        ) AS due
        JOIN loyalty_lot l ON l.merchant_id = %s AND l.account_id = due.id
             AND l.state <> 'closed' AND l.state = 'open' AND l.expires_at > %s AND l.expires_at <= %s
        GROUP BY due.customer_id, l.expires_at ORDER BY due.customer_id, l.expires_at
        """,
        [merchant_id, after, until, since, until, limit, merchant_id, since, until],
    ).rows
    return [(number, ends, int(points)) for number, when, points in rows if (ends := db.time(when))]


def lots(*, merchant_id: int, membership_id: int) -> QuerySet[Lot]:
    """Return the lots of one membership that are not closed, in the order they are used."""
    found = Lot.objects.filter(merchant_id=merchant_id, account_id=membership_id).exclude(state="closed")
    return found.order_by(F("expires_at").asc(nulls_last=True), "earned_at", "pk")


def lots_of(*, merchant_id: int, memberships: Iterable[int], also: Iterable[int] = ()) -> QuerySet[Lot]:
    """Return the lots of these memberships that are not closed, and those of `also` that are."""
    found = Lot.objects.filter(merchant_id=merchant_id, account_id__in=list(memberships))
    return found.filter(~Q(state="closed") | Q(pk__in=list(also)))


def holds(*, merchant_id: int, memberships: Iterable[int] | None = None) -> QuerySet[Hold]:
    """Return the holds of a merchant, or of some memberships. One past its end may still read `active`."""
    found = Hold.objects.filter(merchant_id=merchant_id)
    return found if memberships is None else found.filter(account_id__in=list(memberships))


def hold(*, merchant_id: int, hold_id: int) -> dict[str, Any] | None:
    """Return one hold as it is stored, with its customer; None when the merchant has no such one."""
    names = ("id", "status", "points", "captured", "reference", "expires_at", "created_at")
    customer_id = F("account__membership__customer_id")
    rows = holds(merchant_id=merchant_id).filter(pk=hold_id).values(*names, customer_id=customer_id)
    return next((dict(row) for row in rows), None)


def hold_owner(*, merchant_id: int, hold_id: int) -> tuple[Any, ...] | None:
    """Return (program, customer, the customer's status, membership, when they joined) of a hold."""
    names = ("program_id", "customer_id", "customer__status", "id", "joined_at")
    found = holds(merchant_id=merchant_id).filter(pk=hold_id)
    return found.values_list(*(f"account__membership__{name}" for name in names)).first()
