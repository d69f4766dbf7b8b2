"""Households: read here. Members come and go at the till and in the portal."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from lib.admin import FactAdmin, link_to
from loyalty import households
from loyalty.models import Household


@admin.register(Household)
class HouseholdAdmin(FactAdmin):
    menu, menu_order, icon = "customers", 50, "group"
    list_display = ["__str__", "created_at", "by"]
    search_fields = ["=reference", "name"]
    fieldsets = [
        (None, {"fields": ["name", "points", "shown_members"]}),
        (_("When and where"), {"fields": ["created_at", "by", "reference"]}),
    ]
    readonly_fields = ["points", "shown_members"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("merchant")

    @admin.display(description=_("In the pool"))
    def points(self, household: Household) -> str:
        return str(households.read(household=household, at=timezone.now()).points)

    @admin.display(description=_("Members"))
    def shown_members(self, household: Household) -> Any:
        found = households.read(household=household, at=timezone.now()).members
        return lines_of([(one.customer, one.joined_at is None) for one in found])


def lines_of(people: list[tuple[Any, bool]]) -> Any:
    """Return a line per member, with a link; those who were only asked are said to be."""
    lines = ((link_to(one), format_html(" ({})", _("asked")) if is_asked else "") for one, is_asked in people)
    return format_html_join("", "<div>{}{}</div>", lines)
