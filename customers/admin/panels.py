"""The parts of the customer's page. Any room adds its own to `PANELS`; this room's are here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from customers import consent, merging
from customers.models import Customer, Touchpoint


@dataclass(frozen=True)
class Panel:
    """
    A part of the customer's page: `rows(customer, start, stop)` returns a slice of what it lists, newest first.

    A panel with `rows` has a page of its own, `<customer>/<name>/`, with older ones. `context(request,
    customer)` adds what else its template shows; None leaves the panel out.
    """

    name: str
    title: Any
    template: str
    permission: str
    order: int = 50
    is_side: bool = False
    rows: Callable[[Customer, int, int], Any] | None = None
    context: Callable[[HttpRequest, Customer], dict[str, Any] | None] | None = None
    empty: Any = ""


PANELS: list[Panel] = []
KINDS = {
    "customer.enrolled": _("Joined"),
    "customer.changed": _("Details changed"),
    "customer.blocked": _("Blocked"),
    "customer.unblocked": _("Let back in"),
    "customer.merged": _("Merged with another customer"),
    "customer.set_apart": _("Not the same person as another"),
    "customer.unmerged": _("Merge undone"),
    "purchase.recorded": _("Purchase recorded"),
    "purchase.refunded": _("Purchase refunded"),
    "refund.undone": _("Refund undone"),
    "purchase.voided": _("Purchase voided"),
    "points.adjusted": _("Points adjusted by staff"),
    "points.sent": _("Points sent to somebody"),
    "points.received": _("Points received from somebody"),
    "points.expired": _("Points expired"),
    "points.activated": _("Points became usable"),
    "tier.changed": _("Tier changed"),
    "tier.warned": _("Told that the tier is at risk"),
    "identifier.verified": _("Identifier confirmed"),
    "identifier.removed": _("Identifier removed"),
}
PRESENT = (Customer.Status.ACTIVE, Customer.Status.BLOCKED)


def _identifiers(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    return {
        "identifiers": list(customer.identifiers.order_by("type", "created_at")[:50]),
        "may_forget": customer.status in PRESENT
        and request.user.has_perm("customers.delete_identifier", customer),
    }


def _consents(request: HttpRequest, customer: Customer) -> dict[str, Any]:
    return {"consents": consent.current(customer=customer)}


def in_words(kind: str) -> str:
    """Return a touchpoint's kind as people say it: `purchase.recorded` is `Purchase recorded`."""
    return str(KINDS.get(kind, "")) or kind.replace(".", " ").replace("_", " ").capitalize()


def _diary(customer: Customer, start: int, stop: int) -> list[dict[str, Any]]:
    everybody = merging.everybody(customer)
    rows = Touchpoint.objects.filter(merchant=customer.merchant_id, customer__in=everybody)
    newest = rows.order_by("-occurred_at", "-pk")[start:stop]
    return [{"touchpoint": row, "words": in_words(row.kind)} for row in newest]


PANELS += [
    Panel(
        "diary",
        _("Timeline"),
        "admin/customers/customer/diary.html",
        "customers.view_touchpoint",
        order=60,
        is_side=True,
        rows=_diary,
        empty=_("Nothing happened yet."),
    ),
    Panel(
        "identifiers",
        _("Recognized by"),
        "admin/customers/customer/identifiers.html",
        "customers.view_identifier",
        order=20,
        is_side=True,
        context=_identifiers,
    ),
    Panel(
        "consents",
        _("Consents"),
        "admin/customers/customer/consents.html",
        "customers.view_consent",
        order=40,
        is_side=True,
        context=_consents,
    ),
]
