"""The diary of all customers, as a list."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from customers.models import Touchpoint
from lib.admin import FactAdmin, link_to


@admin.register(Touchpoint)
class TouchpointAdmin(FactAdmin):
    menu, menu_order, icon = "customers", 20, "timeline"
    list_display = ["kind", "shown_customer", "channel", "occurred_at", "reference"]
    list_select_related = ["customer"]
    list_filter = ["channel"]
    search_fields = ["kind__startswith", "=reference"]
    search_help_text = _("Start of the kind, like purchase, or the whole reference.")

    @admin.display(description=_("Customer"))
    def shown_customer(self, touchpoint: Touchpoint) -> str:
        return link_to(touchpoint.customer)
