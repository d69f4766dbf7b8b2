"""The language of the pages: kept in a cookie, and for a customer also with their data."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from customers import people
from portal.visits import Visit, door

YEAR_SECONDS = 365 * 24 * 3600


@require_POST
@door
def choose(visit: Visit) -> HttpResponse:
    """Switch the language and come back to the page the choice was made on."""
    response = redirect(_back(visit))
    wanted = visit.request.POST.get("language", "")
    if wanted in dict(settings.LANGUAGES):
        if visit.customer is not None and visit.customer.language != wanted:
            people.change(customer=visit.customer, at=timezone.now(), by="customer", language=wanted)
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            wanted,
            max_age=YEAR_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def _back(visit: Visit) -> str:
    target = visit.request.POST.get("next", "")
    home = f"/{visit.merchant.slug}"
    is_here = target == home or target.startswith((f"{home}/", f"{home}?"))
    if is_here and url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return target
    return home
