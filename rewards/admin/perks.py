"""Uses of benefits and what levels gave: read here; a use is undone by a command."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from lib.admin import Door, FactAdmin, link_to
from loyalty.admin.facts import SureForm
from rewards import perks
from rewards.models import PerkGrant, PerkUse


def _counts(use: PerkUse) -> bool:
    return use.undoes_id is None and not PerkUse.objects.filter(undoes=use).exists()


@admin.register(PerkUse)
class PerkUseAdmin(FactAdmin):
    menu, menu_order, icon = "rewards", 60, "volunteer_activism"
    list_display = ["name", "state", "shown_customer", "tier", "reference", "occurred_at"]
    list_select_related = ["customer", "merchant", "undone_by"]
    list_filter = ["tier"]
    search_fields = ["=reference", "=perk"]
    search_help_text = _("The whole reference, or the perk's id.")
    fieldsets = [
        (None, {"fields": ["name", "state", "shown_customer", "tier", "perk"]}),
        (_("When and where"), {"fields": ["occurred_at", "source", "reference", "by"]}),
    ]
    readonly_fields = ["state", "shown_customer"]
    doors = [Door("undo", "undo_view", "change", _("Undo"), True, fits=_counts)]
    change_form_before_template = "admin/rewards/actions.html"

    @admin.display(description=_("What"))
    def state(self, use: PerkUse) -> Any:
        if use.undoes_id is not None:
            return _("Undoing of a use")
        return _("Used, undone later") if hasattr(use, "undone_by") else _("Used")

    @admin.display(description=_("Customer"))
    def shown_customer(self, use: PerkUse) -> str:
        return link_to(use.customer)

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more = {"buttons": self.buttons(request, row) if row else []}
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def undo_view(self, request: HttpRequest, use: PerkUse) -> HttpResponse:
        if not _counts(use):
            return self.back_to(use)
        form = SureForm(request.POST or None)
        if form.is_valid():
            by = request.user.get_username()
            self.attempt(
                request,
                lambda: perks.undo(use=use, at=timezone.now(), by=by),
                _("Undone. The use counts for nothing now."),
            )
            return self.back_to(use)
        return self.form_page(
            request,
            form,
            title=say("Undo the use: %(use)s") % {"use": use},
            button=_("Undo the use"),
            back=self.address("change", use.pk),
            original=use,
            is_danger=True,
        )


@admin.register(PerkGrant)
class PerkGrantAdmin(FactAdmin):
    menu, menu_order, icon = "rewards", 65, "redeem"
    list_display = ["name", "status", "shown_customer", "tier", "points", "occurred_at"]
    list_select_related = ["customer", "merchant"]
    list_filter = ["status", "kind"]
    search_fields = ["=perk"]
    search_help_text = _("The perk's id, or the id of what was given.")
    fieldsets = [
        (None, {"fields": ["name", "status", "note", "shown_customer", "tier", "perk"]}),
        (_("What was given"), {"fields": ["kind", "points", "taken", "shown_redemption"]}),
        (_("When"), {"fields": ["occurred_at", "created_at", "ended_at"]}),
    ]
    readonly_fields = ["shown_customer", "shown_redemption"]

    @admin.display(description=_("Customer"))
    def shown_customer(self, grant: PerkGrant) -> str:
        return link_to(grant.customer)

    @admin.display(description=_("Redemption"))
    def shown_redemption(self, grant: PerkGrant) -> str:
        return link_to(grant.redemption)
