"""
Who is at the customer's door: which merchant's, signed in or not, in which language and time zone.

A customer is not a user of Django. The session keeps, per merchant's short name, which customer signed in
here, so a customer of one merchant is nobody at another one. Every request asks again, in the statement
that finds the merchant, whether the customer still is one: who is blocked or erased is out at once,
everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from customers.models import Customer
from loyalty import referrals
from merchants.models import Merchant
from portal import words
from rewards import vouchers

SIGNED_IN = "customers"
PROVING = "proving"
PROVED = "proved"
BROUGHT = "brought"
Page = Callable[..., HttpResponse]


@dataclass
class Visit:
    """One request at a merchant's door. `customer` is None until somebody signed in."""

    request: HttpRequest
    merchant: Merchant
    customer: Customer | None
    language: str

    @property
    def locale(self) -> str:
        """How numbers, money and dates are written here."""
        return words.locale(self.language, self.merchant.country)

    @property
    def has_referrals(self) -> bool:
        """Whether bringing a friend pays here. The plan is kept by the process: it costs no statement."""
        return referrals.terms(merchant=self.merchant) is not None

    @property
    def member(self) -> Customer:
        """The customer, on pages that only show when somebody is signed in."""
        assert self.customer is not None
        return self.customer

    @property
    def has_vouchers(self) -> bool:
        """Whether the navigation leads to vouchers: only where the shop gives any."""
        return vouchers.has_any(merchant=self.merchant)


def door(page: Page) -> Page:
    """Turn `page(visit)` into a view of /{slug}/…: never cached, in the visitor's language and zone."""

    @wraps(page)
    def view(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponse:
        visit = _visit(request, slug)
        request.visit = visit  # type: ignore[attr-defined]
        with translation.override(visit.language), timezone.override(visit.merchant.zone):
            response = page(visit, **kwargs)
            response.headers.setdefault("Content-Language", visit.language)
        add_never_cache_headers(response)
        patch_vary_headers(response, ["Cookie", "Accept-Language"])
        return response

    return view


def member_door(page: Page) -> Page:
    """The same for pages of signed-in customers; everybody else is sent to the merchant's first page."""

    @wraps(page)
    def ask_who(visit: Visit, **kwargs: Any) -> HttpResponse:
        if visit.customer is None:
            return redirect("portal:home", slug=visit.merchant.slug)
        return page(visit, **kwargs)

    return door(ask_who)


def show(visit: Visit, page: str, *, status: int = 200, **context: Any) -> HttpResponse:
    """Return the page `templates/portal/<page>.html`."""
    return render(visit.request, f"portal/{page}.html", {"visit": visit, **context}, status=status)


def sign_in(visit: Visit, customer: Customer) -> None:
    """Remember the customer in this browser, under a new session key."""
    session = visit.request.session
    session.cycle_key()
    session[SIGNED_IN] = {**session.get(SIGNED_IN, {}), visit.merchant.slug: str(customer.pk)}
    forget(visit, PROVING, PROVED, BROUGHT)


def sign_out(visit: Visit) -> None:
    """Forget this merchant's customer in this browser; other merchants' stay."""
    session = visit.request.session
    others = {slug: one for slug, one in session.get(SIGNED_IN, {}).items() if slug != visit.merchant.slug}
    if not others and "_auth_user_id" not in session:
        session.flush()
        return
    forget(visit, PROVING, PROVED)
    session[SIGNED_IN] = others
    session.cycle_key()


def remember(visit: Visit, what: str, value: str, *, seconds: int) -> None:
    """Keep one text for this merchant in the session for so many seconds."""
    until = timezone.now().timestamp() + seconds
    visit.request.session[what] = {
        **visit.request.session.get(what, {}),
        visit.merchant.slug: [value, until],
    }


def recall(visit: Visit, what: str) -> str | None:
    """Return what `remember` kept, None when there is nothing or its time is over."""
    value, until = visit.request.session.get(what, {}).get(visit.merchant.slug, ("", 0))
    return str(value) if until > timezone.now().timestamp() else None


def forget(visit: Visit, *what: str) -> None:
    """Drop what `remember` kept for this merchant."""
    for name in what:
        kept = visit.request.session.get(name, {})
        if visit.merchant.slug in kept:
            visit.request.session[name] = {
                slug: one for slug, one in kept.items() if slug != visit.merchant.slug
            }


def _visit(request: HttpRequest, slug: str) -> Visit:
    signed_in = request.session.get(SIGNED_IN, {}).get(slug)
    if signed_in is not None:
        customer = (
            Customer.objects.select_related("merchant")
            .filter(
                pk=int(signed_in),
                status=Customer.Status.ACTIVE,
                merchant__slug=slug,
                merchant__is_active=True,
            )
            .first()
        )
        if customer is not None:
            language = customer.language or _language(request, customer.merchant)
            return Visit(request, customer.merchant, customer, _spoken(language) or settings.LANGUAGE_CODE)
    merchant = Merchant.objects.filter(slug=slug, is_active=True).first()
    if merchant is None:
        raise Http404
    return Visit(request, merchant, None, _language(request, merchant))


def _language(request: HttpRequest, merchant: Merchant) -> str:
    """The one chosen on the page, else the first the browser asks for that we speak, else the merchant's."""
    wishes = [request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")]
    for part in request.META.get("HTTP_ACCEPT_LANGUAGE", "").split(",")[:10]:
        wishes.append(part.split(";")[0].strip())
    for wish in [*wishes, merchant.language]:
        if spoken := _spoken(wish):
            return spoken
    return settings.LANGUAGE_CODE


def _spoken(wish: str) -> str | None:
    if not wish or wish == "*":
        return None
    try:
        return translation.get_supported_language_variant(wish.lower())
    except LookupError:
        return None
