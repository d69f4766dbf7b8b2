"""What this room keeps about a person, and what erasure does to it: the books stay, the person goes."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from customers.erasure import Holding, Traces, deleted, nobody, plain, shown, theirs
from loyalty import ledger
from loyalty.models import (
    CustomerDay,
    HouseholdMember,
    Membership,
    Merge,
    Purchase,
    Refund,
    RevenueDay,
    RfmScore,
    TierChange,
)

BOOKS = "Kept: the books must add up. It names a membership, which leads to nobody after erasure."


def _forget_waiting(traces: Traces) -> None:
    """Purchases still waiting for this person wait for nobody: their identifier goes, the sale stays."""
    waiting = Purchase.objects.filter(merchant=traces.customer.merchant_id, status="unmatched")
    for text in traces.texts:
        waiting.filter(waits_for__endswith=f"|{text}").update(waits_for="")


def _memberships(traces: Traces) -> list[int]:
    return list(theirs(Membership, traces).values_list("pk", flat=True))


def _entries(traces: Traces) -> Iterable[dict[str, Any]]:
    rows = ledger.entries(merchant_id=traces.customer.merchant_id, memberships=_memberships(traces))
    return plain(
        rows.order_by("pk"),
        *("kind", "points", "pending", "balance_after", "reference", "reason", "occurred_at", "created_at"),
    )


def _lots(traces: Traces) -> Iterable[dict[str, Any]]:
    names = ("state", "points", "remaining", "earned_at", "activates_at", "expires_at")
    for number in _memberships(traces):
        rows = ledger.lots(merchant_id=traces.customer.merchant_id, membership_id=number)
        yield from plain(rows.order_by("pk"), *names)


def _holds(traces: Traces) -> Iterable[dict[str, Any]]:
    rows = ledger.holds(merchant_id=traces.customer.merchant_id, memberships=_memberships(traces))
    return plain(
        rows.order_by("pk"),
        *("reference", "status", "points", "captured", "returned", "purpose", "purchase_reference"),
        *("expires_at", "ended_at", "created_at"),
    )


def _refunds(traces: Traces) -> list[dict[str, Any]]:
    rows = Refund.objects.filter(
        merchant=traces.customer.merchant_id, purchase__customer__in=traces.ids
    ).order_by("pk")
    return plain(
        rows,
        *(
            "reference",
            "purchase_reference",
            "amount_minor",
            "lines",
            "clawed_back",
            "returned",
            "occurred_at",
        ),
    )


def _by_membership(model: Any, *names: str) -> Any:
    return lambda traces: plain(
        model.objects.filter(
            merchant_id=traces.customer.merchant_id, membership_id__in=_memberships(traces)
        ).order_by("pk"),
        *names,
    )


def _by_customer(model: Any, *names: str) -> Any:
    return lambda traces: list(theirs(model, traces).order_by("pk").values(*names))


def _of_merges(traces: Traces) -> Any:
    rows = Merge.objects.filter(merchant=traces.customer.merchant_id)
    return rows.filter(Q(source__in=traces.ids) | Q(target__in=traces.ids))


def _forget_merges(traces: Traces) -> None:
    _of_merges(traces).update(reason="")


def _merges(traces: Traces) -> list[dict[str, Any]]:
    return plain(_of_merges(traces).order_by("pk"), "reason", "merged_at", "undone_at")


def _leave_households(traces: Traces) -> None:
    """Nobody is left to share: the place is empty, what the pool has stays with those who are in it."""
    theirs(HouseholdMember, traces).filter(left_at=None).update(left_at=traces.at)


HOLDINGS = [
    Holding(
        "loyalty.HouseholdMember",
        "Kept: the books must add up. The person leaves the household, its pool stays with the others.",
        erase=_leave_households,
        export=shown(HouseholdMember, "household__name", "asked_at", "joined_at", "agreed", "left_at"),
    ),
    Holding(
        "loyalty.Membership",
        BOOKS,
        export=shown(Membership, "program__name", "tier", "tier_since", "tier_until", "joined_at"),
    ),
    Holding(
        "loyalty.Purchase",
        "Kept: the shop's books. The identifier of a sale that still waits for its customer is emptied.",
        erase=_forget_waiting,
        export=shown(
            Purchase,
            *("reference", "currency", "amount_minor", "lines", "tenders", "channel", "points_earned"),
            *("refunded_minor", "clawed_back", "why", "occurred_at", "recorded_at"),
        ),
    ),
    Holding("loyalty.Refund", BOOKS, export=_refunds),
    Holding("loyalty.Entry", BOOKS, export=_entries),
    Holding("loyalty.Lot", BOOKS, export=_lots),
    Holding("loyalty.Hold", BOOKS, export=_holds),
    Holding("loyalty.Account", "Kept: sums of the entries."),
    Holding(
        "loyalty.TierChange", BOOKS, export=_by_membership(TierChange, "from_tier", "to_tier", "reason", "at")
    ),
    Holding(
        "loyalty.CustomerDay",
        "Kept: sums of the purchases of a day.",
        export=_by_membership(
            CustomerDay,
            *("day", "currency", "orders", "revenue_minor", "refunds_minor", "spend_minor", "points"),
        ),
    ),
    Holding(
        "loyalty.RevenueDay",
        "Kept: what a day was worth to the shop, under a number that leads to nobody.",
        export=_by_customer(RevenueDay, "day", "currency", "orders", "net_revenue_minor", "refunds_minor"),
    ),
    Holding(
        "loyalty.RfmScore",
        "Deleted: it says what kind of customer the person was.",
        erase=deleted(RfmScore),
        export=_by_customer(RfmScore, "recency", "frequency", "money", "name"),
    ),
    Holding("loyalty.RuleCount", "Kept: how often a rule gave points."),
    Holding(
        "loyalty.Reference",
        "Kept: nothing may be counted twice, ever. Of a contact it has a keyed hash only, so that leaving and "
        "joining again does not give the welcome points again.",
    ),
    Holding(
        "loyalty.Merge",
        "The books' side stays: which accounts were joined. What staff wrote as the reason is emptied.",
        erase=_forget_merges,
        export=_merges,
    ),
    *nobody(
        "loyalty.Household",
        "loyalty.Program",
        "loyalty.ProgramVersion",
        "loyalty.TierSet",
        "loyalty.Tier",
        "loyalty.EarningRule",
        "loyalty.HistoricalProgram",
        "loyalty.HistoricalTierSet",
        "loyalty.HistoricalTier",
        "loyalty.HistoricalEarningRule",
        why="Kept: it is about the program.",
    ),
]
