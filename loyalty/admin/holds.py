"""Holds: points set aside at a checkout. A till that died leaves one behind; staff may free it before its end."""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from lib.admin import Door, FactAdmin, link_to
from lib.errors import DomainError
from loyalty import holds


class SureForm(forms.Form):
    is_sure = forms.BooleanField(label=_("I am sure."))


def _is_live(hold: Any) -> bool:
    return bool(hold.status == "active" and hold.expires_at > timezone.now())


class HoldAdmin(FactAdmin):
    menu, menu_order, icon = "points", 20, "lock_clock"
    list_display = ["created_at", "shown_customer", "points", "captured", "state", "expires_at", "reference"]
    list_select_related = ["account__membership__customer"]
    list_filter = ["status"]
    search_fields = ["=reference", "=purchase_reference"]
    search_help_text = _("The whole reference, or the hold's id.")
    fieldsets = [
        (None, {"fields": ["shown_customer", "points", "captured", "returned", "state"]}),
        (_("When"), {"fields": ["created_at", "expires_at", "ended_at"]}),
        (_("Numbers"), {"fields": ["reference", "purchase_reference", "source"]}),
    ]
    readonly_fields = ["shown_customer", "state"]
    doors = [Door("cancel", "cancel_view", "change", _("Free the points"), True, fits=_is_live)]
    change_form_before_template = "admin/rewards/actions.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        hold = self.get_object(request, object_id)
        more = {"buttons": self.buttons(request, hold)} if hold is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    @admin.display(description=_("Customer"))
    def shown_customer(self, hold: Any) -> str:
        return link_to(hold.account.membership.customer)

    @admin.display(description=_("Status"))
    def state(self, hold: Any) -> str:
        # One past its end is free whether or not a job has written that down.
        is_over = hold.status == "active" and not _is_live(hold)
        return str(type(hold).Status.EXPIRED.label if is_over else hold.get_status_display())

    def cancel_view(self, request: HttpRequest, hold: Any) -> HttpResponse:
        form = SureForm(request.POST or None)
        if form.is_valid():
            try:
                holds.cancel(
                    merchant=hold.merchant,
                    hold_id=hold.pk,
                    at=timezone.now(),
                    by=request.user.get_username(),
                    source=hold.source,
                )
            except DomainError as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(request, _("The points are free again."))
                return self.back_to(hold)
        return self.form_page(
            request,
            form,
            title=_("Free the points"),
            lead=_("The checkout that asked for them can no longer use them."),
            button=_("Free the points"),
            back=self.address("change", hold.pk),
            original=hold,
            is_danger=True,
        )


# Only loyalty.ledger works with the points tables; the admin asks Django for the one it shows.
admin.site.register(apps.get_model("loyalty", "Hold"), HoldAdmin)
