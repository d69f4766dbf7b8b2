"""How a merchant reaches customers, and how much of it is enough."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError as InvalidOptions

from engagement.channels import CHANNELS
from engagement.models import ChannelSettings, SendingLimits
from lib import secrets
from lib.admin import ConfigAdmin, OneMerchantForm


class ChannelForm(OneMerchantForm):
    """The secret goes in and never comes out; leaving it empty keeps the one that is there."""

    kind = forms.ChoiceField(label=_("Channel"), choices=list)
    secret = forms.CharField(
        label=_("Secret"),
        required=False,
        max_length=4000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("The provider's password or key. It is stored encrypted and never shown again."),
    )

    class Meta:
        model = ChannelSettings
        fields = ["merchant", "kind", "is_active", "options"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            kinds = [(kind, channel.label) for kind, channel in sorted(CHANNELS.load().items())]
            self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
        if "options" in self.fields:
            self.fields["options"].required = False
            self.fields["options"].help_text = _options_help()

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        kind = said.get("kind") or self.instance.kind
        if not kind or "options" not in said:
            return said
        said["options"] = said["options"] or {}
        try:
            CHANNELS[kind].Options.model_validate(said["options"])
        except InvalidOptions as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ValidationError({"options": f"{place}: {first['msg']}"}) from error
        return said


def _options_help() -> str:
    """Return what may be said, taken from the channels themselves."""
    parts = [
        f"{channel.label}: {name} – {option.description}"
        for _kind, channel in sorted(CHANNELS.load().items())
        for name, option in channel.Options.model_fields.items()
    ]
    return "; ".join(parts)


@admin.register(ChannelSettings)
class ChannelSettingsAdmin(ConfigAdmin):
    form = ChannelForm
    menu, menu_order, icon = "engagement", 30, "settings_input_antenna"
    list_display = ["kind", "is_active", "paused_until", "error", "merchant"]
    list_select_related = ["merchant"]
    fieldsets = [
        (None, {"fields": ["merchant", "kind", "is_active"]}),
        (_("Provider"), {"fields": ["options", "secret", "state"]}),
    ]
    readonly_fields = ["state"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        return (*fixed, "kind") if obj else fixed

    @admin.display(description=_("State"))
    def state(self, row: ChannelSettings) -> Any:
        if row.paused_until is not None:
            return _("Rests until %(time)s (UTC): %(error)s") % {
                "time": f"{row.paused_until:%Y-%m-%d %H:%M}",
                "error": row.error,
            }
        return _("A secret is set.") if row.secret_sealed else _("No secret.")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if secret := form.cleaned_data.get("secret", ""):
            obj.secret_sealed = secrets.seal(secret)
        # Whoever mended the settings need not wait for the pause to end.
        obj.paused_until, obj.pauses, obj.error = None, 0, ""
        super().save_model(request, obj, form, change)


class LimitsForm(OneMerchantForm):
    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if (said.get("quiet_from") is None) != (said.get("quiet_until") is None):
            raise ValidationError(_("Quiet hours need a beginning and an end."))
        return said


@admin.register(SendingLimits)
class SendingLimitsAdmin(ConfigAdmin):
    form = LimitsForm
    menu, menu_order, icon = "engagement", 35, "speed"
    list_display = ["merchant", "per_day", "per_week", "quiet_from", "quiet_until"]
    list_select_related = ["merchant"]
    fieldsets = [(None, {"fields": ["merchant", "per_day", "per_week", "quiet_from", "quiet_until"]})]
