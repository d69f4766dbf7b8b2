"""
The admin above Django's: scoped to merchants, configuration apart from facts.

Which merchants a person reaches is asked of `settings.ADMIN_MERCHANTS`, a function of the user and
a permission that returns ids (None: everywhere). A row of another merchant is not found, in every list,
page, choice, search and action, exactly like one that does not exist.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from simple_history.admin import SimpleHistoryAdmin

from lib import public_ids
from lib.errors import DomainError
from lib.theme import Page, RowsOnPage, dress, dress_input

__all__ = [
    "BoundedPaginator", "ConfigAdmin", "Door", "FactAdmin", "Ids", "OneMerchantForm", "Rows", "ScopedAdmin",
    "ScopedFilter", "dress", "dress_input", "link_to", "merchants_where", "permission", "within",
]  # fmt: skip

Ids = frozenset[int] | None
MOST_COUNTED = 10_000


def merchants_where(user: Any, permission: str) -> Ids:
    """Return the ids of the merchants where the user has the permission; None means everywhere."""
    return cast(Ids, import_string(settings.ADMIN_MERCHANTS)(user, permission))


def permission(model: type[models.Model], action: str) -> str:
    """Return Django's name of a permission: `loyalty.view_purchase`."""
    return f"{model._meta.app_label}.{get_permission_codename(action, model._meta)}"


def path_to_merchant(model: type[models.Model]) -> str | None:
    """Return the lookup from a row of this table to its merchant's id; None for a table without merchants."""
    registered = admin.site._registry.get(model)
    given = getattr(registered, "merchant_path", None)
    if given is not None:
        return cast(str, given)
    return "merchant" if any(field.name == "merchant" for field in model._meta.get_fields()) else None


def within(rows: "QuerySet[Any]", ids: Ids) -> "QuerySet[Any]":
    """Return only the rows of these merchants."""
    if ids is None:
        return rows
    path = path_to_merchant(rows.model)
    if path is None:
        return rows if ids else rows.none()
    return rows.filter(**{path: next(iter(ids))} if len(ids) == 1 else {f"{path}__in": ids})


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST_COUNTED: counting millions of rows would be the slowest part of a page."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return min(rows.order_by().values("pk")[: MOST_COUNTED + 1].count(), MOST_COUNTED)


class ScopedFilter(admin.RelatedFieldListFilter):
    """A filter by a related row that offers the rows of the reader's merchants only."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        model = field.related_model
        ids = merchants_where(request.user, permission(model, "view"))
        return [(row.pk, str(row)) for row in within(model._default_manager.all(), ids)[:100]]


@dataclass(frozen=True)
class Door:
    """
    A page of a row beside its form: `<row>/<name>/`.

    `permission` is an action on the row's own table ("change") or a permission's full name. `view` is a
    method's name, or a function of (page, request, row) where a higher room adds a door. With a `label`
    it is offered as a button to whoever may, on rows that it `fits`.
    """

    name: str
    view: str | Callable[[Any, HttpRequest, Any], HttpResponseBase]
    permission: str
    label: Any = ""
    is_danger: bool = False
    fits: Callable[[Any], bool] = lambda row: True


class _Permissions:
    """Mixed into pages and inlines: permissions are asked for the row's own merchant."""

    opts: Any
    can_add = can_change = can_delete = True

    def may(self, request: HttpRequest, action: str, obj: Any = None) -> bool:
        """Tell whether the reader may do this to the row, or with None to a row of any of their merchants."""
        return bool(request.user.has_perm(permission(self.opts.model, action), obj))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "view", obj) or self.has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_add and self.may(request, "add", obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_change and self.may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_delete and self.may(request, "delete", obj)


class OneMerchantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row and everything it points to belong to one merchant, and that is checked before it is saved."""

    merchant_ids: Ids = frozenset()
    merchant_from = ""

    def _post_clean(self) -> None:
        given = dict(self.cleaned_data)
        row: Any = self.instance
        if not hasattr(row, "merchant_id"):
            super()._post_clean()  # type: ignore[misc]
            return
        parent = given.get(self.merchant_from) if self.merchant_from else None
        if parent is not None:
            row.merchant_id = parent.merchant_id
        elif row.merchant_id is None and self.merchant_ids and len(self.merchant_ids) == 1:
            row.merchant_id = next(iter(self.merchant_ids))
        super()._post_clean()  # type: ignore[misc]
        for name, value in given.items():
            own = getattr(value, "merchant_id", None) if isinstance(value, models.Model) else None
            if own is not None and row.merchant_id is not None and own != row.merchant_id:
                self.add_error(
                    name, ValidationError(_("This belongs to another merchant."), "other_merchant")
                )

    def _get_validation_exclusions(self) -> set[str]:
        # Django leaves constraints out that name a field without an input: the merchant is in all of them.
        exclusions: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return exclusions - {"merchant"}


class ScopedAdmin(_Permissions, Page):
    """
    A page whose rows hang from merchants.

    `merchant_path` leads from a row to its merchant, `merchant_from` names the field a new row takes its
    merchant from. `menu` is the section of the sidebar (a key of `settings.ADMIN_MENU`), `icon` a Material
    symbol; `doors` are extra pages of a row.
    """

    form = OneMerchantForm
    merchant_path: str | None = "merchant"
    merchant_from = ""
    menu = ""
    menu_order = 50
    icon = "circle"
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    save_on_top = False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows = super().get_queryset(request)
        return within(rows, merchants_where(request.user, permission(self.model, "view")))

    def narrow(self, request: HttpRequest, rows: "QuerySet[Any]", wanted: str) -> "QuerySet[Any]":
        """Return the rows of the merchants where the reader has the permission `wanted`."""
        return within(rows, merchants_where(request.user, wanted))

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        number = public_ids.read(getattr(self.model, "prefix", ""), search_term.strip())
        if number is not None:
            return queryset.filter(pk=number), False
        return super().get_search_results(request, queryset, search_term)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [
            (name, ScopedFilter) if isinstance(name, str) and self._is_relation(name) else name
            for name in super().get_list_filter(request)
        ]

    def _is_relation(self, name: str) -> bool:
        return "__" not in name and bool(self.opts.get_field(name).is_relation)

    def more_pages(self, request: HttpRequest) -> list[tuple[Any, str, str]]:
        """Return what else the sidebar offers beside the list: (title, icon, address)."""
        return []

    # What may be chosen --------------------------------------------------------------------------

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = list(super().get_exclude(request, obj) or [])
        is_plain = len(self._own(request, "view" if obj else "add") or ()) == 1
        if self.merchant_path == "merchant" and (self.merchant_from or is_plain):
            hidden.append("merchant")
        return hidden or None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        return (*fixed, "merchant") if obj and self.merchant_path == "merchant" else fixed

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = set(self.get_exclude(request, obj) or ())
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name not in hidden]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        model = db_field.remote_field.model
        ids = self._own(request, "view", model)
        if model._meta.label == "merchants.Merchant":
            ids = self._own(request, "add")
        rows = within(model._default_manager.all(), ids)
        kwargs.setdefault("queryset", rows)
        if db_field.name == self.merchant_from and len(own := rows.values_list("pk", flat=True)[:2]) == 1:
            kwargs.setdefault("initial", own[0])
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _own(self, request: HttpRequest, action: str, model: type[models.Model] | None = None) -> Ids:
        return merchants_where(request.user, permission(model or self.model, action))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        own = {"merchant_ids": self._own(request, "add"), "merchant_from": self.merchant_from}
        return type(form.__name__, (form,), own)

    # Other pages of a row ------------------------------------------------------------------------

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        if self.get_object(request, object_id) is None:
            raise Http404
        return super().history_view(request, object_id, extra_context)

    doors: list[Door] = []

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{door.name}/",
                self.admin_site.admin_view(partial(self._open, door=door)),
                name=self.page_name(door.name),
            )
            for door in self.doors
        ]
        return own + super().get_urls()

    def buttons(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Return the doors that the reader may open on this row."""
        return [
            {"label": door.label, "link": self.address(door.name, row.pk), "is_danger": door.is_danger}
            for door in self.doors
            if door.label and door.fits(row) and self._may_open(request, door, row)
        ]

    def _may_open(self, request: HttpRequest, door: Door, row: Any) -> bool:
        wanted = door.permission if "." in door.permission else permission(self.model, door.permission)
        return request.user.has_perm(wanted, row)

    def page_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def address(self, page: str, *args: Any) -> str:
        """Return the address of one of this model's pages: `changelist`, `add`, `change`, or a door."""
        return reverse(f"admin:{self.page_name(page)}", args=args)

    def _open(self, request: HttpRequest, object_id: str, *, door: Door) -> HttpResponseBase:
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        if not self._may_open(request, door, row):
            raise PermissionDenied
        if isinstance(door.view, str):
            return cast(HttpResponseBase, getattr(self, door.view)(request, row))
        return door.view(self, request, row)

    def page(self, request: HttpRequest, title: Any, **context: Any) -> dict[str, Any]:
        """Return what every page of the admin is rendered with."""
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "changelist_url": self.address("changelist"),
            **context,
        }

    def attempt(self, request: HttpRequest, verb: Callable[[], Any], done: Any) -> bool:
        """Run a command; say that it is done, or why it was refused."""
        try:
            verb()
        except DomainError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return False
        self.message_user(request, done, messages.SUCCESS)
        return True

    def form_page(
        self, request: HttpRequest, form: forms.BaseForm, *, title: Any, button: Any, back: str, **more: Any
    ) -> HttpResponse:
        """Return a page that asks for what a command needs."""
        context = self.page(request, title, form=dress(form), button=button, back=back, **more)
        return TemplateResponse(request, "admin/form_page.html", context)

    def back_to(self, row: models.Model) -> HttpResponse:
        return redirect(self.address("change", row.pk))


class FactAdmin(ScopedAdmin):
    """Facts are read here, never edited: a verb wrote them, and only a verb corrects them."""

    can_add = can_change = can_delete = False
    ordering: ClassVar[Any] = ("-pk",)
    actions: Sequence[Any] | None = None


class ConfigAdmin(ScopedAdmin, SimpleHistoryAdmin):
    """Configuration is edited. `after_save` is called once what was edited is committed."""

    def after_save(self, request: HttpRequest, rows: Iterable[Any]) -> None:
        """Put the change in force. Runs outside of the transaction that saved it."""

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        if object_id and any(door.label for door in self.doors):
            row = self.get_object(request, object_id)
            more = {"buttons": self.buttons(request, row) if row is not None else []}
            extra_context = {**more, **(extra_context or {})}
        answer = super().changeform_view(request, object_id, form_url, extra_context)
        self._put_in_force(request)
        return answer

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        answer = super().delete_view(request, object_id, extra_context)
        self._put_in_force(request)
        return answer

    def _put_in_force(self, request: HttpRequest) -> None:
        changed = request.__dict__.pop("changed_rows", [])
        if not changed:
            return
        try:
            self.after_save(request, changed)
        except DomainError as refusal:
            self.message_user(
                request,
                _("Saved, but not in force yet: %(reason)s") % {"reason": refusal},
                messages.WARNING,
            )

    def _note(self, request: HttpRequest, row: Any) -> None:
        request.__dict__.setdefault("changed_rows", []).append(row)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        for formset in formsets:
            for inline_form in formset.forms:
                if hasattr(inline_form.instance, "merchant_id"):
                    inline_form.instance.merchant_id = form.instance.merchant_id
        super().save_related(request, form, formsets, change)
        self._note(request, form.instance)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        self._note(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        rows = list(queryset)
        super().delete_queryset(request, queryset)
        for row in rows:
            self._note(request, row)
        self._put_in_force(request)

    # History: to be read. Going back is an edit like any other, so that it is published like any other.

    @property
    def _is_remembered(self) -> bool:
        return hasattr(self.model._meta, "simple_history_manager_attribute")

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        if self._is_remembered:
            return super().history_view(request, object_id, extra_context)
        if self.get_object(request, object_id) is None:
            raise Http404
        return admin.ModelAdmin.history_view(self, request, object_id, extra_context)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra: Any = None
    ) -> Any:
        if not self._is_remembered or self.get_object(request, object_id) is None:
            raise Http404
        if request.method != "GET":
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra)

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class Rows(_Permissions, RowsOnPage):
    """Rows edited on their parent's page."""

    extra = 0


def link_to(row: models.Model | None) -> str:
    """Return a link to a row's page; a dash for none."""
    page: Any = admin.site._registry.get(type(row)) if row is not None else None
    if row is None or not isinstance(page, ScopedAdmin):
        return "–" if row is None else str(row)
    return format_html('<a class="l-link" href="{}">{}</a>', page.address("change", row.pk), row)
