"""Texts: edited with a check at once, looked at with a real customer, tried with a mail to oneself."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from customers.models import Customer
from engagement import previews, templates
from engagement.channels import CHANNELS
from engagement.models import Template
from engagement.templates import InvalidTemplate
from lib import public_ids
from lib.admin import ConfigAdmin, Door, OneMerchantForm, dress


class TemplateForm(OneMerchantForm):
    channel = forms.ChoiceField(label=_("Channel"), choices=list)
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)

    class Meta:
        model = Template
        fields = ["merchant", "name", "channel", "language", "subject", "body", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "channel" in self.fields:
            kinds = [(kind, channel.label) for kind, channel in sorted(CHANNELS.load().items())]
            self.fields["channel"].choices = kinds  # type: ignore[attr-defined]
        if "name" in self.fields:
            self.fields["name"].help_text = _("What it is for. We ship: %(names)s.") % {
                "names": ", ".join(templates.names())
            }
        if "body" in self.fields:
            self.fields["body"].help_text = _(
                "Empty lines part paragraphs. # heading, - list, **bold**, [words](address); a link alone in "
                "its paragraph is a button. Values stand in double braces, like {{ first_name }}."
            )

    def _post_clean(self) -> None:
        super()._post_clean()
        if self.errors or self.instance.merchant_id is None:
            return
        try:
            templates.check(self.instance)
        except InvalidTemplate as refusal:
            self.add_error("body", ValidationError(str(refusal)))


class PreviewForm(forms.Form):
    customer = forms.CharField(
        label=_("Customer"),
        required=False,
        max_length=40,
        help_text=_("A customer's id (cus_…). Empty: an example."),
    )


class TestForm(PreviewForm):
    address = forms.EmailField(label=_("Send it to"))


@admin.register(Template)
class TemplateAdmin(ConfigAdmin):
    form = TemplateForm
    menu, menu_order, icon = "engagement", 20, "article"
    list_display = ["name", "channel", "language", "subject", "is_active"]
    list_filter = ["channel", "language", "is_active"]
    search_fields = ["name", "subject"]
    fieldsets = [
        (None, {"fields": ["merchant", "name", "channel", "language", "is_active"]}),
        (_("Text"), {"fields": ["subject", "body"]}),
    ]
    doors = [
        Door("preview", "preview", "view", label=_("Preview")),
        Door("preview-frame", "preview_frame", "view"),
        Door("test", "send_test", "change", label=_("Send me a test")),
    ]

    change_form_before_template = "admin/rewards/actions.html"

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more = {"buttons": self.buttons(request, row) if row else []}
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def preview(self, request: HttpRequest, row: Template) -> HttpResponse:
        """Show the text as a customer gets it, in both forms."""
        rendered, problem = self._rendered(request, row)
        context = self.page(
            request,
            f"{_('Preview')}: {row}",
            form=dress(PreviewForm(request.GET)),
            rendered=rendered,
            problem=problem,
            frame=f"{self.address('preview-frame', row.pk)}?customer={request.GET.get('customer', '')[:40]}",
            back=self.address("change", row.pk),
        )
        return TemplateResponse(request, "admin/engagement/preview.html", context)

    def preview_frame(self, request: HttpRequest, row: Template) -> HttpResponse:
        """Return the mail itself, for the frame of the preview: no script runs in it, nothing is loaded."""
        rendered, problem = self._rendered(request, row)
        html = rendered.html if rendered else f"<p>{escape(problem)}</p>"
        return xframe_options_sameorigin(lambda request: previews.page(html))(request)

    def _rendered(self, request: HttpRequest, row: Template) -> tuple[Any, str]:
        try:
            return previews.render(row, self._customer(row, request.GET.get("customer", ""))), ""
        except InvalidTemplate as refusal:
            return None, str(refusal)

    def _customer(self, row: Template, shown: str) -> Customer | None:
        number = public_ids.read(Customer.prefix, shown.strip())
        if number is None:
            return None
        found = Customer.objects.filter(merchant=row.merchant_id, pk=number)
        return found.select_related("merchant").first()

    def send_test(self, request: HttpRequest, row: Template) -> HttpResponse:
        """Send the text to an address of the reader's choice, once, marked as a test."""
        initial = {"address": request.user.email}  # type: ignore[union-attr]
        form = TestForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data

            def verb() -> None:
                previews.send(
                    row,
                    customer=self._customer(row, said["customer"]),
                    address=said["address"],
                    at=timezone.now(),
                    by=request.user.get_username(),
                )

            if self.attempt(request, verb, _("Sent to %(address)s.") % {"address": said["address"]}):
                return self.back_to(row)
        return self.form_page(
            request, form, title=_("Send me a test"), button=_("Send"), back=self.address("change", row.pk)
        )
