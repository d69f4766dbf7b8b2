"""The list of customers, the page of one, and what staff do there: each is a command."""

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from customers import erasure, identifiers, people
from customers.admin.forms import ConfirmForm, Enroll, IdentifierForm, PersonForm, ReasonForm
from customers.admin.panels import PANELS, PRESENT, Panel
from customers.identifiers import Given
from customers.models import Customer, Identifier
from lib.admin import Door, FactAdmin, merchants_where, within
from lib.errors import DomainError
from merchants.models import Merchant

SHOWN = 8
PER_PAGE = 50
MOST_PAGES = 1000
MOST_MERCHANTS = 20

# What rooms above add: columns of the list, what these columns read, and the verb that enrolls.
COLUMNS: list[Any] = []
RELATED: list[Callable[[], "Prefetch[Any]"]] = []
ENROLL: list[Callable[[HttpRequest, Enroll], Customer]] = []


def _who(request: HttpRequest) -> dict[str, Any]:
    return {"at": timezone.now(), "by": request.user.get_username()}


def _panel_page(panel: Panel) -> Callable[[Any, HttpRequest, Customer], HttpResponse]:
    def show(page: "CustomerAdmin", request: HttpRequest, customer: Customer) -> HttpResponse:
        number = min(
            max(int(text) if (text := request.GET.get("page", "1")).isdecimal() else 1, 1), MOST_PAGES
        )
        assert panel.rows is not None
        rows = list(panel.rows(customer, (number - 1) * PER_PAGE, number * PER_PAGE + 1))
        shown = {
            "panel": panel,
            "rows": rows[:PER_PAGE],
            "newer": number - 1,
            "older": number + 1 if len(rows) > PER_PAGE else 0,
            "customer": customer,
            "customer_link": page.address("change", customer.pk),
            "is_whole_page": True,
        }
        context = page.page(
            request, f"{panel.title}: {customer}", **shown, **page.extras(request, panel, customer)
        )
        return TemplateResponse(request, "admin/customers/customer/panel_page.html", context)

    return show


def _is_there(customer: Customer) -> bool:
    return customer.status in PRESENT


@admin.register(Customer)
class CustomerAdmin(FactAdmin):
    can_add = True
    menu, menu_order, icon = "customers", 10, "group"
    list_display = ["shown_name", "contact", "shown_status", "joined"]
    list_display_links = ["shown_name"]
    list_filter = ["status"]
    list_select_related = ["merchant"]
    search_fields = ["name"]
    search_help_text = _(
        "Name, e-mail, phone, card number, external id or customer id, however it is written."
    )
    ordering = ("-created_at", "-pk")
    doors = [
        Door("edit", "edit_view", "change", _("Edit"), fits=_is_there),
        Door("identify", "identify_view", "customers.add_identifier", _("Add identifier"), fits=_is_there),
        Door("forget", "forget_view", "customers.delete_identifier"),
        Door("block", "block_view", "change", _("Block"), fits=lambda one: one.status == "active"),
        Door("unblock", "unblock_view", "change", _("Unblock"), fits=lambda one: one.status == "blocked"),
        Door("download", "download_view", "customers.export_customer", _("Download data"), fits=_is_there),
        Door("erase", "erase_view", "customers.delete_customer", _("Erase"), is_danger=True, fits=_is_there),
    ]

    # The list ------------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Any:
        name, *rest = super().get_list_display(request)
        return [name, *COLUMNS, *rest]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("merchant")
        rows = rows.exclude(status=Customer.Status.HOUSEHOLD)
        if request.resolver_match and request.resolver_match.url_name == self.page_name("changelist"):
            rows = rows.prefetch_related("identifiers", *(related() for related in RELATED))
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        number = self._search(request, search_term)
        if number is not None:
            return queryset.filter(pk=number), False
        return super().get_search_results(request, queryset, search_term)

    def _search(self, request: HttpRequest, text: str) -> int | None:
        if not text.strip():
            return None
        ids = merchants_where(request.user, "customers.view_customer")
        for merchant in within(Merchant.objects.all(), ids)[:MOST_MERCHANTS]:
            number = identifiers.search(merchant=merchant, q=text)
            if number is not None:
                return number
        return None

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        # A card that was scanned, or an address typed in full, leads straight to its customer.
        found = self._search(request, request.GET.get("q", "")) if self.has_view_permission(request) else None
        if found is not None and self.get_object(request, str(found)) is not None:
            return redirect(self.address("change", found))
        return super().changelist_view(request, extra_context)

    @admin.display(description=_("Name"), ordering="name")
    def shown_name(self, customer: Customer) -> str:
        return customer.name or say("Without a name")

    @admin.display(description=_("Contact"))
    def contact(self, customer: Customer) -> str:
        known = sorted(customer.identifiers.all(), key=lambda one: (one.verified_at is None, one.type))
        return next((one.value for one in known if one.type != Identifier.Type.EXTERNAL), "–")

    @admin.display(description=_("Status"), ordering="status")
    def shown_status(self, customer: Customer) -> str:
        looks = {"active": "", "blocked": " l-bad"}.get(customer.status, " l-off")
        return format_html('<span class="l-tag{}">{}</span>', looks, customer.get_status_display())

    @admin.display(description=_("Joined"), ordering="created_at")
    def joined(self, customer: Customer) -> str:
        return date_format(timezone.localtime(customer.created_at), "DATE_FORMAT")

    # The page ------------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        self.doors = [
            *self.doors,
            *(Door(panel.name, _panel_page(panel), panel.permission) for panel in PANELS if panel.rows),
        ]
        return super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        customer = self.get_object(request, object_id)
        if customer is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        if request.method != "GET" or not self.has_view_permission(request, customer):
            raise PermissionDenied
        panels = [part for part in self._panels(request, customer) if part is not None]
        context = self.page(
            request,
            str(customer),
            customer=customer,
            original=customer,
            buttons=self.buttons(request, customer),
            main=[part for part in panels if not part["panel"].is_side],
            side=[part for part in panels if part["panel"].is_side],
        )
        return TemplateResponse(request, "admin/customers/customer/page.html", context)

    def _panels(self, request: HttpRequest, customer: Customer) -> list[dict[str, Any] | None]:
        parts: list[dict[str, Any] | None] = []
        for panel in sorted(PANELS, key=lambda one: one.order):
            if not request.user.has_perm(panel.permission, customer):
                continue
            more = panel.context(request, customer) if panel.context else {}
            if more is None:
                continue
            rows = list(panel.rows(customer, 0, SHOWN + 1)) if panel.rows else []
            link = self.address(panel.name, customer.pk) if len(rows) > SHOWN else ""
            parts.append({"panel": panel, "rows": rows[:SHOWN], "more": link, **more})
        return parts

    def extras(self, request: HttpRequest, panel: Panel, customer: Customer) -> dict[str, Any]:
        return (panel.context(request, customer) or {}) if panel.context else {}

    # What staff do -------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = Enroll(request.POST or None, ids=merchants_where(request.user, "customers.add_customer"))
        if form.is_valid():
            try:
                customer = ENROLL[-1](request, form)
            except DomainError as refusal:
                self.refuse(form, refusal)
            else:
                self.message_user(
                    request, _("%(name)s is a member now.") % {"name": customer}, messages.SUCCESS
                )
                return self.back_to(customer)
        return self.form_page(
            request,
            form,
            title=_("New customer"),
            button=_("Enroll"),
            back=self.address("changelist"),
            lead=_("One of e-mail, phone and card is enough."),
        )

    def refuse(self, form: forms.BaseForm, refusal: DomainError) -> None:
        """Put a refusal beside the input it is about."""
        place = refusal.faults[0].pointer.strip("/").split("/")[-1] if refusal.faults else ""
        form.add_error(place if place in form.fields else None, str(refusal))

    def said(
        self, request: HttpRequest, customer: Customer, form: Any, *, title: Any, button: Any, done: Any,
        do: Callable[[dict[str, Any]], Any], **more: Any,
    ) -> HttpResponse:  # fmt: skip
        """Ask with a form, run a command with what was said, and return to the customer."""
        if form.is_valid():
            try:
                do(form.cleaned_data)
            except DomainError as refusal:
                self.refuse(form, refusal)
            else:
                self.message_user(request, done, messages.SUCCESS)
                return self.back_to(customer)
        back = self.address("change", customer.pk)
        return self.form_page(
            request, form, title=f"{title}: {customer}", button=button, back=back, original=customer, **more
        )

    def edit_view(self, request: HttpRequest, customer: Customer) -> HttpResponse:
        now = {"name": customer.name, "birthday": customer.birthday, "language": customer.language}
        return self.said(
            request,
            customer,
            PersonForm(request.POST or None, initial=now),
            title=_("Edit"),
            button=_("Save"),
            done=_("Saved."),
            do=lambda said: people.change(customer=customer, **_who(request), **said),
        )

    def identify_view(self, request: HttpRequest, customer: Customer) -> HttpResponse:
        return self.said(
            request,
            customer,
            IdentifierForm(request.POST or None),
            title=_("Add identifier"),
            button=_("Add"),
            done=_("The customer is recognized by it from now on."),
            do=lambda said: people.add_identifiers(
                customer=customer, given=[Given(said["type"], said["value"], said["source"])], **_who(request)
            ),
        )

    def forget_view(self, request: HttpRequest, customer: Customer) -> HttpResponse:
        number = request.POST.get("identifier", "")
        if request.method != "POST" or not number.isdecimal():
            raise Http404
        self.attempt(
            request,
            lambda: people.remove_identifier(customer=customer, identifier_id=int(number), **_who(request)),
            _("Removed."),
        )
        return self.back_to(customer)

    def block_view(self, request: HttpRequest, customer: Customer) -> HttpResponse:
        return self.said(
            request,
            customer,
            ReasonForm(request.POST or None),
            title=_("Block"),
            button=_("Block"),
            is_danger=True,
            lead=_("A blocked customer cannot sign in and earns nothing until unblocked."),
            done=_("Blocked."),
            do=lambda said: people.block(customer=customer, reason=said["reason"], **_who(request)),
        )

    def unblock_view(self, request: HttpRequest, customer: Customer) -> HttpResponse:
        return self.said(
            request,
            customer,
            forms.Form(request.POST or None) if request.method != "POST" else forms.Form({"ok": "1"}),
            title=_("Unblock"),
            button=_("Let back in"),
            done=_("Unblocked."),
            do=lambda said: people.unblock(customer=customer, **_who(request)),
        )

    def erase_view(self, request: HttpRequest, customer: Customer) -> HttpResponse:
        return self.said(
            request,
            customer,
            ConfirmForm(request.POST or None),
            title=_("Erase"),
            button=_("Erase this person"),
            is_danger=True,
            lead=_(
                "Name, contacts, birthday and everything personal are deleted for good. "
                "Points and purchases stay in the books without a person."
            ),
            done=_("Erased. The books are kept, the person is gone."),
            do=lambda said: erasure.erase(customer=customer, **_who(request)),
        )

    def download_view(self, request: HttpRequest, customer: Customer) -> HttpResponse:
        text = json.dumps(erasure.export(customer=customer), indent=2, ensure_ascii=False, default=str)
        return HttpResponse(
            text,
            content_type="application/json",
            headers={
                "Content-Disposition": f'attachment; filename="{customer.public_id}.json"',
                "Cache-Control": "no-store",
            },
        )
