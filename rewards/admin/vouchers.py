"""Vouchers: read here, cancelled by a command, and codes for bearers are made here, once."""

import csv
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from lib import public_ids
from lib.admin import Door, FactAdmin, link_to, merchants_where
from lib.errors import DomainError
from loyalty.admin.facts import SureForm
from merchants.admin import OwnMerchant
from rewards import bearers, vouchers
from rewards.admin.tables import table
from rewards.models import Voucher

STATUSES = dict(Voucher.Status.choices)


class IssueForm(OwnMerchant):
    """What is asked before codes are made. `batch` is drawn when the form is shown: two clicks make one lot."""

    name = forms.CharField(max_length=120, label=_("Name"), help_text=_("As the till shows it: Free coffee."))
    count = forms.IntegerField(min_value=1, max_value=bearers.MOST_AT_ONCE, label=_("How many codes"))
    uses = forms.IntegerField(
        min_value=1,
        max_value=1_000_000,
        required=False,
        initial=1,
        label=_("Uses of each code"),
        help_text=_("Empty: without end."),
    )
    once_per_customer = forms.BooleanField(required=False, label=_("Each customer once"))
    expires_at = forms.DateTimeField(
        required=False,
        label=_("Valid until"),
        help_text=_("Empty: without end."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    batch = forms.CharField(max_length=40, widget=forms.HiddenInput)
    field_order = ["merchant", "name", "count", "uses", "once_per_customer", "expires_at", "batch"]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if said.get("expires_at") and said["expires_at"] <= timezone.now():
            self.add_error("expires_at", _("This lies in the past."))
        return said


@admin.register(Voucher)
class VoucherAdmin(FactAdmin):
    can_add = True
    menu, menu_order, icon = "rewards", 30, "confirmation_number"
    list_display = [
        "name",
        "ends_with",
        "state",
        "shown_customer",
        "origin",
        "used",
        "expires_at",
        "created_at",
    ]
    list_select_related = ["customer", "merchant"]
    list_filter = ["status", "origin"]
    search_fields = ["=last_four", "=reference"]
    search_help_text = _("The last four letters of the code, or the whole reference.")
    fieldsets = [
        (None, {"fields": ["name", "ends_with", "state", "shown_customer", "worth"]}),
        (_("Use"), {"fields": ["uses", "used", "once_per_customer", "starts_at", "expires_at", "history"]}),
        (_("Where from"), {"fields": ["origin", "reference", "reward", "redemption", "created_at", "by"]}),
    ]
    readonly_fields = ["ends_with", "state", "shown_customer", "history"]
    doors = [
        Door(
            "cancel",
            "cancel_view",
            "change",
            _("Cancel"),
            True,
            fits=lambda one: one.status in vouchers.OPEN and not one.used and one.redemption_id is None,
        )
    ]
    change_form_before_template = "admin/rewards/actions.html"

    @admin.display(description=_("Code ends with"))
    def ends_with(self, voucher: Voucher) -> str:
        return f"…{voucher.last_four}"

    @admin.display(description=_("State"))
    def state(self, voucher: Voucher) -> Any:
        return STATUSES[vouchers.state(voucher, at=timezone.now())]

    @admin.display(description=_("Customer"))
    def shown_customer(self, voucher: Voucher) -> Any:
        return link_to(voucher.customer) if voucher.customer else _("Whoever shows it")

    @admin.display(description=_("Uses and rollbacks"))
    def history(self, voucher: Voucher) -> str:
        rows = voucher.trail.select_related("customer").order_by("-pk")[:50]
        return table(
            [_("What"), _("Reference"), _("Purchase"), _("Customer"), _("When")],
            [
                [
                    _("Rolled back") if use.undoes_id else _("Used"),
                    use.reference,
                    use.purchase_reference or "–",
                    link_to(use.customer) if use.customer else "–",
                    f"{timezone.localtime(use.occurred_at):%Y-%m-%d %H:%M}",
                ]
                for use in rows
            ],
        )

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more = {"buttons": self.buttons(request, row) if row else []}
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def cancel_view(self, request: HttpRequest, voucher: Voucher) -> HttpResponse:
        form = SureForm(request.POST or None)
        if form.is_valid():
            by = request.user.get_username()
            self.attempt(
                request,
                lambda: vouchers.withdraw(voucher=voucher, at=timezone.now(), by=by),
                _("Cancelled. The code is worth nothing now."),
            )
            return self.back_to(voucher)
        return self.form_page(
            request,
            form,
            title=say("Cancel: %(voucher)s") % {"voucher": voucher},
            button=_("Cancel the voucher"),
            back=self.address("change", voucher.pk),
            original=voucher,
            is_danger=True,
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        ids = merchants_where(request.user, "rewards.add_voucher")
        batch = {"batch": public_ids.show("lot", public_ids.new())}
        form = IssueForm(request.POST or None, ids=ids, initial=batch)
        if form.is_valid():
            try:
                return self._issued(request, form.cleaned_data)
            except DomainError as refusal:
                form.add_error(None, str(refusal))
        return self.form_page(
            request,
            form,
            title=_("New codes for whoever shows them"),
            button=_("Make the codes and download them"),
            back=self.address("changelist"),
            facts=[_("The codes are in this one file and nowhere else: only a hash of each is kept.")],
        )

    def _issued(self, request: HttpRequest, said: dict[str, Any]) -> HttpResponse:
        made = bearers.issue(
            merchant=said["merchant"],
            count=said["count"],
            name=said["name"],
            worth={},
            reference=said["batch"],
            uses=said["uses"],
            once_per_customer=said["once_per_customer"],
            expires_at=said["expires_at"],
            at=timezone.now(),
            by=request.user.get_username(),
        )
        self.message_user(request, _("%(count)s codes were made.") % {"count": len(made)}, messages.SUCCESS)
        answer = HttpResponse(content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="{said["batch"]}.csv"'
        answer.headers["Cache-Control"] = "no-store"
        csv.writer(answer).writerows([["code"], *([code] for code in made)])
        return answer
