"""Pools: named here, filled with a file, and the number left is in the list and on the start page."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from lib.admin import ConfigAdmin, Door, Ids, within
from lib.errors import DomainError
from lib.start_page import Alert, part
from rewards import pools
from rewards.models import CodePool

MOST_BYTES = 5 * 1024 * 1024
MOST_NAMED = 5


class UploadForm(forms.Form):
    codes = forms.CharField(
        required=False,
        label=_("Codes"),
        help_text=_("One a line."),
        widget=forms.Textarea(attrs={"rows": 8, "autocomplete": "off", "spellcheck": "false"}),
    )
    file = forms.FileField(
        required=False, label=_("Or a file"), help_text=_("Text or CSV: the first column is the code.")
    )
    expires_at = forms.DateTimeField(
        required=False,
        label=_("The codes are valid until"),
        help_text=_("Empty: without end."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        texts = [said.get("codes", "")]
        if (file := said.get("file")) is not None:
            if file.size > MOST_BYTES:
                raise ValidationError(_("The file is too large: at most 5 MB."))
            try:
                texts.append(file.read().decode("utf-8-sig"))
            except UnicodeDecodeError:
                raise ValidationError(_("The file is not text in UTF-8.")) from None
        try:
            told = [text for text in texts if text.strip()] or [""]
            said["found"] = [code for text in told for code in pools.read(text)]
        except DomainError as refusal:
            raise ValidationError(str(refusal)) from None
        return said


@admin.register(CodePool)
class CodePoolAdmin(ConfigAdmin):
    menu, menu_order, icon = "rewards", 40, "inventory_2"
    list_display = ["name", "code", "left", "warns_below", "warned_at", "merchant"]
    list_select_related = ["merchant"]
    search_fields = ["name", "code"]
    can_delete = False
    fieldsets = [(None, {"fields": ["merchant", "name", "code", "warns_below", "left", "warned_at"]})]
    readonly_fields = ["left", "warned_at"]
    change_form_before_template = "admin/rewards/actions.html"
    doors = [Door("upload", "upload_view", "change", _("Add codes"))]

    def get_queryset(self, request: HttpRequest) -> Any:
        usable = Q(codes__voucher=None) & ~Q(codes__expires_at__lte=timezone.now())
        return super().get_queryset(request).annotate(waiting=Count("codes", filter=usable))

    @admin.display(description=_("Codes left"))
    def left(self, pool: Any) -> str:
        return f"{getattr(pool, 'waiting', 0):,}"

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more = {"buttons": self.buttons(request, row) if row else []}
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def upload_view(self, request: HttpRequest, pool: CodePool) -> HttpResponse:
        form = UploadForm(request.POST or None, request.FILES or None)
        if form.is_valid():
            said = form.cleaned_data
            told = pools.upload(
                pool=pool, given=said["found"], at=timezone.now(), expires_at=said["expires_at"]
            )
            self.message_user(request, _told(told))
            return self.back_to(pool)
        return self.form_page(
            request,
            form,
            title=say("Add codes: %(pool)s") % {"pool": pool},
            button=_("Add codes"),
            back=self.address("change", pool.pk),
            original=pool,
        )


def _told(told: pools.Uploaded) -> str:
    said = ngettext("%(count)s code was added.", "%(count)s codes were added.", told.added) % {
        "count": told.added
    }
    if not told.duplicates:
        return said
    named = ", ".join(f"…{code[-4:]}" for code in told.duplicates[:MOST_NAMED])
    more = say("%(count)s were there before and left out: %(codes)s") % {
        "count": len(told.duplicates),
        "codes": named + (" …" if len(told.duplicates) > MOST_NAMED else ""),
    }
    return f"{said} {more}"


@part("alerts", permission="rewards.view_codepool", order=40)
def running_low(ids: Ids) -> Iterable[Alert]:
    now = timezone.now()
    few = [pool for pool in within(CodePool.objects.all(), ids)[:100] if pools.is_low(pool, at=now)]
    if few:
        yield Alert(
            say("Pools of codes run low"), f"{len(few)}", reverse("admin:rewards_codepool_changelist")
        )
