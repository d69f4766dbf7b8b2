"""The merchant's colors as a style sheet of its own, so that no page needs an inline style."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from lib import colors
from merchants.models import Merchant

YEAR_SECONDS = 365 * 24 * 3600


def css(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the palette. An address that carries the current color is kept by browsers for ever."""
    merchant = get_object_or_404(Merchant, slug=slug, is_active=True)
    palette_day, palette_night = colors.day(merchant.color), colors.night(merchant.color)
    response = HttpResponse(
        f":root{{{palette_day.css()}}}\n"
        f"@media (prefers-color-scheme: dark){{:root{{{palette_night.css()}}}}}\n"
        f"@media print{{:root{{{palette_day.css()}}}}}\n",
        content_type="text/css; charset=utf-8",
    )
    is_current = request.GET.get("v") == merchant.color[1:]
    lifetime = f"max-age={YEAR_SECONDS}, immutable" if is_current else "max-age=60"
    response.headers["Cache-Control"] = f"public, {lifetime}"
    return response
