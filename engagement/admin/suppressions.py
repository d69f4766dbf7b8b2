"""Contacts that are not written to: made by bounces, complaints and staff, lifted by staff."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers import identifiers
from engagement import subscriptions
from engagement.channels import CHANNELS
from engagement.models import Suppression
from lib.admin import FactAdmin, OneMerchantForm
from lib.errors import DomainError


class SuppressionForm(OneMerchantForm):
    """The contact goes in and is kept as a keyed hash."""

    channel = forms.ChoiceField(label=_("Channel"), choices=list)
    contact = forms.CharField(label=_("E-mail address or phone number"), max_length=254)

    class Meta:
        model = Suppression
        fields = ["merchant", "channel"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "channel" in self.fields:
            found = CHANNELS.load().items()
            self.fields["channel"].choices = [(kind, one.label) for kind, one in found if one.contact]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        merchant, channel = said.get("merchant") or self._only_merchant(), said.get("channel")
        if merchant is None or not channel or not said.get("contact"):
            return said
        try:
            kind = CHANNELS[channel].contact
            country = merchant.country
            said["contact"] = identifiers.normalize(type=kind, value=said["contact"], country=country)
        except DomainError as refusal:
            raise ValidationError({"contact": str(refusal)}) from refusal
        return said

    def _only_merchant(self) -> Any:
        from merchants.models import Merchant

        if self.merchant_ids is None or len(self.merchant_ids) != 1:
            return None
        return Merchant.objects.filter(pk=next(iter(self.merchant_ids))).first()


@admin.register(Suppression)
class SuppressionAdmin(FactAdmin):
    menu, menu_order, icon = "engagement", 40, "block"
    can_add = True
    form = SuppressionForm
    list_display = ["channel", "hint", "reason", "by", "at"]
    list_filter = ["channel", "reason"]
    fieldsets = [(None, {"fields": ["merchant", "channel", "contact"]})]
    actions = ["lift"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ["channel", "hint", "reason", "by", "at"]})]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        made = subscriptions.suppress(
            merchant=obj.merchant,
            channel=obj.channel,
            contact=form.cleaned_data["contact"],
            reason=Suppression.Reason.MANUAL,
            at=timezone.now(),
            by=request.user.get_username(),
        )
        obj.pk = made.pk

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        self.message_user(request, _("This contact is not written to any more."), messages.SUCCESS)
        return redirect(self.address("changelist"))

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "delete")

    @admin.action(description=_("Allow again"), permissions=["lift"])
    def lift(self, request: HttpRequest, queryset: Any) -> None:
        rows = self.narrow(request, queryset, "engagement.delete_suppression")
        count = 0
        for row in rows:
            subscriptions.lift(row)
            count += 1
        text = _("%(count)s contacts may be written to again.") % {"count": count}
        self.message_user(request, text, messages.SUCCESS)
