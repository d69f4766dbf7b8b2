"""Configuration that comes in kinds: one page to choose the kind, then a form with the kind's own inputs."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as say

from lib.admin import ConfigAdmin
from lib.registry import Registry
from loyalty.admin import rule_form
from merchants.models import Merchant


class KindAdmin(ConfigAdmin):
    """
    The admin of rows of a program with a `kind`, which is a plugin with a `label` and `Params`.

    `question` stands above the kinds, `names_kinds` says to a screen reader what they are; `form_of_kind` gets the
    inputs of the kind's settings.
    """

    kinds: ClassVar[Registry[Any]]
    question: ClassVar[Any]
    names_kinds: ClassVar[Any]
    form_of_kind: "ClassVar[type[forms.ModelForm[Any]]]"

    def plugin(self, kind: str) -> Any:
        """Return the plugin of a kind; None when its file is gone."""
        return self.kinds.load().get(kind)

    def offered(self) -> Iterable[tuple[str, Any]]:
        """Return the kinds in the order in which they are offered."""
        return sorted(self.kinds.load().items())

    def inputs(self, params: Any, *, currency: str) -> Mapping[str, forms.Field]:
        """Return an input for each setting of a kind."""
        return rule_form.inputs(params, currency=currency)

    def kind(self, request: HttpRequest, row: Any) -> str:
        """Return the kind of a row, or the one that was chosen for a new one; empty if there is no such."""
        kind: str = row.kind if row else request.GET.get("kind", "")
        return kind if self.plugin(kind) else ""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (
            obj is None or self.plugin(obj.kind) is not None
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if self.kind(request, None):
            return super().add_view(request, form_url, extra_context)
        kinds = [
            {"kind": name, "label": say(kind.label), "about": say((kind.__doc__ or "").strip())}
            for name, kind in self.offered()
        ]
        page = self.page(request, self.question, kinds=kinds, names_kinds=self.names_kinds)
        return TemplateResponse(request, "admin/loyalty/kinds.html", page)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kind = self.kind(request, obj)
        known = self.plugin(kind)
        if known:
            own = {
                "kind": kind,
                "model_of_params": known.Params,
                **self.inputs(known.Params, currency=self._currency(request, obj)),
            }
            kwargs["form"] = type("Form", (self.form_of_kind,), own)
        form = super().get_form(request, obj, change=change, **kwargs)
        rule_form.dress_inputs(form)
        return form

    def _currency(self, request: HttpRequest, row: Any) -> str:
        if row:
            return str(row.program.merchant.currency)
        ids = self._own(request, "add")
        own = Merchant.objects.all() if ids is None else Merchant.objects.filter(pk__in=ids)
        return own.values_list("currency", flat=True).first() or "EUR"
