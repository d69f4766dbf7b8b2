"""What points buy: the shelf, redeeming after one more question, the vouchers, and giving one back."""

import re
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from insights import recommendations
from lib import public_ids
from lib.errors import DomainError
from loyalty import programs
from portal import refusals
from portal.visits import Visit, member_door, show
from portal.vouchers import image
from rewards import catalogue, pricing, redemptions, vouchers
from rewards.catalogue import Offer
from rewards.models import Redemption, Voucher

SOURCE = "portal"
MOST_SHOWN = 50
FEW = 4
_TOKEN = re.compile(r"[0-9a-f]{32}")


@require_safe
@member_door
def page(visit: Visit) -> HttpResponse:
    """What can be redeemed now comes first, then what is not far away, then what was redeemed."""
    try:
        plan = programs.current(merchant=visit.merchant)
    except programs.NoProgram:
        return show(visit, "no_program", here="rewards")
    now = timezone.now()
    offers = catalogue.offers(merchant=visit.merchant, customer_id=visit.member.pk, at=now)
    liked: list[Offer] = []
    if len(offers) > FEW:  # where everything fits on a screen, the list itself is the recommendation
        liked = recommendations.rewards_for(
            merchant=visit.merchant, customer_id=visit.member.pk, at=now, offers=offers
        )
    return show(
        visit,
        "rewards",
        here="rewards",
        plan=plan,
        liked=[_card(offer) for offer in liked],
        offers=[_card(offer) for offer in offers],
        mine=[_mine(row) for row in _own(visit)[:MOST_SHOWN]],
    )


def _card(offer: Offer) -> dict[str, Any]:
    """Return a reward as the page shows it: `why` says in the customer's words why not now."""
    return {
        "reward": offer.reward,
        "missing": offer.missing_points,
        "is_paid_at_till": offer.reward.kind == pricing.PAYMENT,
        "can_be_redeemed": offer.can_be_redeemed,
        "why": refusals.words(offer.refusal) if offer.refusal and not offer.missing_points else "",
    }


def _own(visit: Visit) -> Any:
    rows = Redemption.objects.filter(merchant=visit.merchant, customer=visit.member)
    return rows.select_related("voucher", "reward").order_by("-recorded_at", "-pk")


def _mine(row: Redemption) -> dict[str, Any]:
    voucher = getattr(row, "voucher", None)
    return {
        "row": row,
        "voucher": voucher,
        "is_open": is_open(row),
        "state": _state(row, is_open=is_open(row)),
    }


def is_open(row: Redemption) -> bool:
    """Tell whether the customer has still something of it: a voucher to use, goods to come."""
    voucher = getattr(row, "voucher", None)
    if voucher is None:
        return row.status == Redemption.Status.PENDING
    is_unused = vouchers.state(voucher, at=timezone.now()) == Voucher.Status.ISSUED and not voucher.used
    return bool(row.status == Redemption.Status.FULFILLED and is_unused)


def _state(row: Redemption, *, is_open: bool) -> str:
    voucher = getattr(row, "voucher", None)
    if row.status == Redemption.Status.CANCELLED:
        return _("Given back")
    if row.status == Redemption.Status.FAILED:
        return _("Could not be handed over; your points are back")
    if row.status == Redemption.Status.PENDING:
        return _("Waits for you at the shop")
    if voucher is None:
        return _("Done")
    if is_open:
        return _("Ready to use")
    return _("Used") if voucher.used else _("Expired")


@require_http_methods(["GET", "HEAD", "POST"])
@member_door
def one(visit: Visit, reward: str) -> HttpResponse:
    """Ask once more, then redeem. The form carries a number of its own: pressing twice redeems once."""
    now = timezone.now()
    number = public_ids.read("rwd", reward)
    try:
        offers = catalogue.offers(merchant=visit.merchant, customer_id=visit.member.pk, at=now)
    except programs.NoProgram:
        raise Http404 from None
    offer = next((found for found in offers if found.reward.pk == number), None)
    if offer is None or offer.reward.kind == pricing.PAYMENT:
        raise Http404
    problem = ""
    token = visit.request.POST.get("token", "")
    if visit.request.method == "POST" and _TOKEN.fullmatch(token):
        try:
            receipt = redemptions.redeem(
                customer=visit.member,
                reward=offer.reward,
                reference=f"form:{token}",
                at=now,
                by="customer",
                source=SOURCE,
            )
        except DomainError as refusal:
            problem = refusals.words(refusal)
        else:
            return redirect(
                "portal:redeemed", slug=visit.merchant.slug, redemption=receipt.redemption.public_id
            )
    return show(
        visit,
        "reward",
        status=422 if problem else 200,
        here="rewards",
        plan=programs.current(merchant=visit.merchant),
        offer=_card(offer),
        problem=problem,
        token=uuid4().hex,
    )


@require_safe
@member_door
def redeemed(visit: Visit, redemption: str) -> HttpResponse:
    """One redemption: the voucher with its code while it can be used."""
    row = _find(visit, redemption)
    mine = _mine(row)
    code = vouchers.code_of(mine["voucher"]) if mine["voucher"] and mine["is_open"] else ""
    picture = image(code, _("QR code of your voucher"))
    plan = programs.current(merchant=visit.merchant)
    return show(visit, "redeemed", here="rewards", plan=plan, mine=mine, code=code, image=picture)


@require_POST
@member_door
def give_back(visit: Visit, redemption: str) -> HttpResponse:
    """Give back what was not used: the points return with time to use them. Pressing twice changes nothing."""
    row = _find(visit, redemption)
    try:
        if not is_open(row) and row.status != Redemption.Status.CANCELLED:
            raise redemptions.RedemptionClosed("This can no longer be given back.")
        redemptions.cancel(redemption=row, at=timezone.now(), by="customer")
    except DomainError as refusal:
        messages.error(visit.request, refusals.words(refusal))
        return redirect("portal:redeemed", slug=visit.merchant.slug, redemption=redemption)
    messages.success(visit.request, _("Given back. Your points are here again."))
    return redirect("portal:rewards", slug=visit.merchant.slug)


def _find(visit: Visit, said: str) -> Redemption:
    number = public_ids.read(Redemption.prefix, said)
    row = _own(visit).filter(pk=number).first() if number is not None else None
    if row is None:
        raise Http404
    row.merchant = visit.merchant
    found: Redemption = row
    return found
