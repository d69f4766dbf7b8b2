"""The review queue: referrals with a doubt wait here for a yes or a no."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from customers.models import Referral
from lib.admin import Door, FactAdmin, Ids, link_to, within
from lib.errors import DomainError
from lib.start_page import Alert, part
from loyalty import referrals
from loyalty.admin.facts import SureForm
from loyalty.models import Purchase

MOST = 1000
CODES = {
    "same_address": _("Friend and referrer were seen at one network address, as in a household."),
    "device_of_another_customer": _("The friend's device was seen with another customer before."),
    "was_here_before": _("The friend was a customer before."),
    "same_customer": _("Friend and referrer are one customer."),
    "referrer_gone": _("The referrer left or is blocked."),
    "cap_per_month_reached": _("The referrer was paid as often as may be this month."),
    "cap_per_year_reached": _("The referrer was paid as often as may be this year."),
}
ENDED = ("rejected", "expired", "clawed_back")


class RejectForm(forms.Form):
    reason = forms.CharField(max_length=200, label=_("Reason"), help_text=_("Staff see it here."))


@admin.register(Referral)
class ReferralAdmin(FactAdmin):
    menu, menu_order, icon = "customers", 40, "diversity_1"
    list_display = ["claimed_at", "shown_referrer", "shown_friend", "state", "doubts", "referrer_points"]
    list_select_related = ["referrer", "friend", "merchant"]
    list_filter = ["state"]
    search_fields = ["=code"]
    search_help_text = _("The code, or the referral's id.")
    fieldsets = [
        (None, {"fields": ["state", "shown_referrer", "shown_friend", "code", "claimed_at", "claimed_by"]}),
        (_("What is doubtful"), {"fields": ["doubts", "shown_refusal"]}),
        (
            _("Points"),
            {
                "fields": [
                    "shown_purchase",
                    "referrer_points",
                    "friend_points",
                    "qualified_at",
                    "activates_at",
                ]
            },
        ),
        (_("Decision"), {"fields": ["decided_by", "decided_at", "reason", "expires_at", "ended_at"]}),
    ]
    readonly_fields = ["shown_referrer", "shown_friend", "doubts", "shown_refusal", "shown_purchase"]
    doors = [
        Door("approve", "approve_view", "change", _("Approve"), fits=lambda one: one.state == "flagged"),
        Door(
            "reject", "reject_view", "change", _("Reject"), is_danger=True,
            fits=lambda one: one.state not in ENDED,
        ),
    ]  # fmt: skip
    change_form_template = "admin/loyalty/referral/page.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        one = self.get_object(request, object_id)
        buttons = self.buttons(request, one) if one is not None else []
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "buttons": buttons}
        )

    @admin.display(description=_("Referrer"))
    def shown_referrer(self, one: Referral) -> str:
        return link_to(one.referrer)

    @admin.display(description=_("Friend"))
    def shown_friend(self, one: Referral) -> str:
        return link_to(one.friend)

    @admin.display(description=_("Doubts"))
    def doubts(self, one: Referral) -> str:
        return " ".join(str(CODES.get(code, code)) for code in one.signals) or "–"

    @admin.display(description=_("Why not"))
    def shown_refusal(self, one: Referral) -> str:
        return str(CODES.get(one.refusal, one.refusal)) or "–"

    @admin.display(description=_("Purchase"))
    def shown_purchase(self, one: Referral) -> str:
        return link_to(Purchase.objects.filter(merchant=one.merchant_id, pk=one.purchase_id or 0).first())

    # What staff do -------------------------------------------------------------------------------

    def _ask(
        self, request: HttpRequest, one: Referral, form: Any, *, title: Any, done: Any, do: Any, **more: Any
    ) -> HttpResponse:
        if form.is_valid():
            try:
                do(form.cleaned_data, at=timezone.now(), by=request.user.get_username())
            except DomainError as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(request, done)
                return self.back_to(one)
        back = self.address("change", one.pk)
        return self.form_page(request, form, title=title, button=title, back=back, original=one, **more)

    def approve_view(self, request: HttpRequest, one: Referral) -> HttpResponse:
        return self._ask(
            request,
            one,
            SureForm(request.POST or None),
            title=_("Approve"),
            lead=self.doubts(one),
            done=_("Approved. Both sides get their points with the friend's first purchase."),
            do=lambda said, **who: referrals.approve(referral=one, **who),
        )

    def reject_view(self, request: HttpRequest, one: Referral) -> HttpResponse:
        return self._ask(
            request,
            one,
            RejectForm(request.POST or None),
            title=_("Reject"),
            is_danger=True,
            lead=_("It pays nothing. Points it gave already are taken back from both."),
            done=_("Rejected."),
            do=lambda said, **who: referrals.reject(referral=one, reason=said["reason"], **who),
        )


@part("alerts", permission="customers.view_referral", order=30)
def flagged(ids: Ids) -> Iterable[Alert]:
    count = within(Referral.objects.filter(state="flagged"), ids).order_by().values("pk")[: MOST + 1].count()
    if count:
        link = reverse("admin:customers_referral_changelist") + "?state__exact=flagged"
        yield Alert(
            say("Referrals wait for a decision"), f"{MOST:,}+" if count > MOST else f"{count:,}", link
        )
