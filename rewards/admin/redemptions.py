"""Redemptions: read here; goods are handed over, and what went wrong is given back, by commands."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from lib.admin import Door, FactAdmin, Ids, link_to, within
from lib.errors import DomainError
from lib.start_page import Alert, part
from rewards import redemptions
from rewards.models import Redemption

HAND_OVER, GIVE_BACK = "rewards.hand_over", "rewards.give_back"


class NoteForm(forms.Form):
    reason = forms.CharField(max_length=200, required=False, label=_("Note"))


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=200, label=_("Reason"), widget=forms.TextInput(attrs={"autofocus": True})
    )


def _waits(row: Redemption) -> bool:
    return row.status == "pending"


@admin.register(Redemption)
class RedemptionAdmin(FactAdmin):
    menu, menu_order, icon = "rewards", 20, "local_mall"
    list_display = ["reward_name", "shown_customer", "points", "status", "source", "occurred_at"]
    list_select_related = ["customer", "reward", "merchant"]
    list_filter = ["status", "reward"]
    search_fields = ["=reference", "=purchase_reference"]
    search_help_text = _("The whole reference, or the redemption's id.")
    fieldsets = [
        (None, {"fields": ["reward_link", "shown_customer", "points", "status", "voucher_state", "note"]}),
        (_("When and where"), {"fields": ["occurred_at", "closed_at", "source", "by"]}),
        (_("Numbers"), {"fields": ["reference", "purchase_reference", "worth"]}),
    ]
    readonly_fields = ["reward_link", "shown_customer", "voucher_state"]
    doors = [
        Door("fulfill", "fulfill_view", HAND_OVER, _("Handed over"), fits=_waits),
        Door("fail", "fail_view", GIVE_BACK, _("Cannot be handed over"), True, fits=_waits),
        Door(
            "cancel",
            "cancel_view",
            GIVE_BACK,
            _("Give back"),
            True,
            fits=lambda row: row.status in ("pending", "fulfilled"),
        ),
    ]
    change_form_before_template = "admin/rewards/redemption/doors.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        more = {"buttons": self.buttons(request, row)} if row is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    @admin.display(description=_("Customer"))
    def shown_customer(self, row: Redemption) -> str:
        return link_to(row.customer)

    @admin.display(description=_("Reward"))
    def reward_link(self, row: Redemption) -> str:
        return link_to(row.reward)

    @admin.display(description=_("Voucher"))
    def voucher_state(self, row: Redemption) -> str:
        voucher = getattr(row, "voucher", None)
        return f"…{voucher.last_four}: {voucher.get_status_display()}" if voucher else "–"

    # What staff do -------------------------------------------------------------------------------

    def fulfill_view(self, request: HttpRequest, row: Redemption) -> HttpResponse:
        return self._ask(
            request,
            row,
            NoteForm(request.POST or None),
            title=_("Handed over"),
            done=_("Handed over."),
            do=redemptions.fulfill,
        )

    def fail_view(self, request: HttpRequest, row: Redemption) -> HttpResponse:
        return self._ask(
            request,
            row,
            ReasonForm(request.POST or None),
            title=_("Cannot be handed over"),
            lead=_("The customer gets the points back, and the stock is counted again."),
            done=_("The points are back."),
            do=redemptions.fail,
        )

    def cancel_view(self, request: HttpRequest, row: Redemption) -> HttpResponse:
        return self._ask(
            request,
            row,
            ReasonForm(request.POST or None),
            title=_("Give back"),
            lead=_("The points return to where they came from, and the voucher is worth nothing any more."),
            done=_("Given back."),
            do=redemptions.cancel,
        )

    def _ask(
        self,
        request: HttpRequest,
        row: Redemption,
        form: Any,
        *,
        title: Any,
        done: Any,
        do: Callable[..., Any],
        **more: Any,
    ) -> HttpResponse:
        # An empty note is no field at all: POST itself says that the button was pressed.
        if request.method == "POST" and not form.is_bound:
            form = type(form)({})
        if form.is_valid():
            try:
                do(
                    redemption=row,
                    at=timezone.now(),
                    by=request.user.get_username(),
                    reason=form.cleaned_data["reason"],
                )
            except DomainError as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(request, done)
                return self.back_to(row)
        back = self.address("change", row.pk)
        return self.form_page(
            request, form, title=f"{title}: {row.reward_name}", button=title, back=back, original=row, **more
        )


@part("alerts", permission="rewards.view_redemption", order=20)
def to_hand_over(ids: Ids) -> list[Alert]:
    """Say how many goods wait to be handed over."""
    waiting = within(Redemption.objects.filter(status="pending"), ids)
    count = min(waiting.values("pk")[:1001].count(), 1000)
    if not count:
        return []
    link = f"{reverse('admin:rewards_redemption_changelist')}?status__exact=pending"
    return [Alert(str(_("Rewards to hand over")), f"{count}", link)]
