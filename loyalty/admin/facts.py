"""Purchases, refunds, entries and tier changes: read here, corrected by commands."""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone, translation
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from customers import identifiers
from customers.models import Customer
from lib import money
from lib.admin import Door, FactAdmin, link_to
from lib.errors import DomainError, NotFound
from loyalty import matching, statement, voids
from loyalty.models import Purchase, Refund, TierChange


class FindForm(forms.Form):
    customer = forms.CharField(
        max_length=254,
        label=_("Customer"),
        help_text=_("Phone, e-mail, card number, external id or customer id, however it is written."),
        widget=forms.TextInput(attrs={"autofocus": True}),
    )


class SureForm(forms.Form):
    is_sure = forms.BooleanField(label=_("I am sure."))


def _table(head: list[Any], rows: list[list[Any]]) -> str:
    titles = format_html_join("", '<th scope="col">{}</th>', ((title,) for title in head))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )
    table = '<table class="l-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
    framed = f'<div class="l-scroll" tabindex="0">{table}</div>'
    return format_html(framed, titles, body) if rows else ""


@admin.register(Purchase)
class PurchaseAdmin(FactAdmin):
    menu, menu_order, icon = "purchases", 10, "receipt_long"
    list_display = [
        "reference",
        "shown_customer",
        "amount",
        "points_earned",
        "status",
        "source",
        "occurred_at",
    ]
    list_select_related = ["customer", "store", "merchant"]
    list_filter = ["status", "store"]
    search_fields = ["=reference"]
    search_help_text = _("The whole number of the receipt, or the purchase's id.")
    doors = [
        Door("match", "match_view", "change", _("Match to a customer"), fits=lambda one: one.status == "unmatched"),
        Door("release", "release_view", "change", _("Release points"), fits=lambda one: one.points_pending > 0),
        Door("void", "void_view", "change", _("Void"), True, fits=lambda one: one.status != "voided"),
    ]  # fmt: skip

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        purchase = self.get_object(request, object_id)
        if purchase is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        if request.method != "GET" or not self.has_view_permission(request, purchase):
            raise PermissionDenied
        parts = [
            (_("Why"), self.shown_why(purchase)),
            (_("Lines"), self.shown_lines(purchase)),
            (_("Paid with"), self.shown_tenders(purchase)),
            (_("Refunds"), self.shown_refunds(purchase)),
        ]
        page = self.page(
            request,
            str(purchase),
            purchase=purchase,
            original=purchase,
            parts=[(title, table) for title, table in parts if table],
            buttons=self.buttons(request, purchase),
            customer=self.shown_customer(purchase),
            told=self.told_as(purchase),
            amount=self.amount(purchase),
            basis=self.basis(purchase),
            refunded=self.refunded(purchase) if purchase.refunded_minor else "",
        )
        return TemplateResponse(request, "admin/loyalty/purchase/page.html", page)

    # What is shown -------------------------------------------------------------------------------

    @admin.display(description=_("Customer"))
    def shown_customer(self, purchase: Purchase) -> str:
        return link_to(purchase.customer)

    @admin.display(description=_("Waits for"))
    def told_as(self, purchase: Purchase) -> str:
        type, _source, value = ([*purchase.waits_for.split("|", 2), "", ""])[:3]
        return f"{type}: {value}" if value else "–"

    @admin.display(description=_("Amount"))
    def amount(self, purchase: Purchase) -> str:
        return self._money(purchase, purchase.amount_minor)

    @admin.display(description=_("Earns points on"))
    def basis(self, purchase: Purchase) -> str:
        return self._money(purchase, purchase.basis_minor)

    @admin.display(description=_("Refunded"))
    def refunded(self, purchase: Purchase) -> str:
        return self._money(purchase, purchase.refunded_minor)

    @admin.display(description=_("Lines"))
    def shown_lines(self, purchase: Purchase) -> str:
        rows = [
            [line.get("name") or line.get("sku") or line["id"], line["kind"], line.get("category", ""),
             line.get("quantity", 1), self._money(purchase, line["amount_minor"])]
            for line in purchase.lines
        ]  # fmt: skip
        return _table([_("What"), _("Kind"), _("Category"), _("Quantity"), _("Amount")], rows)

    @admin.display(description=_("Paid with"))
    def shown_tenders(self, purchase: Purchase) -> str:
        rows = [
            [one["kind"], self._money(purchase, one["amount_minor"]), one.get("ref", "")]
            for one in purchase.tenders
        ]
        return _table([_("Kind"), _("Amount"), _("Reference")], rows)

    @admin.display(description=_("Why"))
    def shown_why(self, purchase: Purchase) -> str:
        language = translation.get_language() or "en"
        rows = [
            [
                item.get("rule", ""),
                item.get("points", "") if item.get("applied") else "–",
                statement.why(item, currency=purchase.currency, language=language),
            ]
            for item in purchase.why.get("rules", [])
        ]
        return _table([_("Rule"), _("Points"), _("Reason")], rows)

    @admin.display(description=_("Refunds"))
    def shown_refunds(self, purchase: Purchase) -> str:
        rows = [
            [link_to(one), one.occurred_at.date(), self._money(purchase, one.amount_minor), -one.clawed_back]
            for one in purchase.refunds.order_by("-pk")[:50]
        ]
        return _table([_("Refund"), _("Date"), _("Amount"), _("Points")], rows)

    def _money(self, purchase: Purchase, minor: int | None) -> str:
        if minor is None:
            return "–"
        return money.show(minor, purchase.currency, translation.get_language() or "en")

    # What staff do -------------------------------------------------------------------------------

    def _ask(
        self,
        request: HttpRequest,
        purchase: Purchase,
        form: Any,
        *,
        title: Any,
        done: Any,
        do: Any,
        **more: Any,
    ) -> HttpResponse:
        if form.is_valid():
            try:
                do(form.cleaned_data, timezone.now(), request.user.get_username())
            except DomainError as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(request, done)
                return self.back_to(purchase)
        back = self.address("change", purchase.pk)
        return self.form_page(
            request, form, title=f"{title}: {purchase}", button=title, back=back, original=purchase, **more
        )

    def match_view(self, request: HttpRequest, purchase: Purchase) -> HttpResponse:
        def do(said: dict[str, Any], at: Any, by: str) -> None:
            number = identifiers.search(merchant=purchase.merchant, q=said["customer"])
            if number is None:
                raise NotFound(str(_("Nobody is known by this. Enroll the customer first.")))
            customer = Customer.objects.get(pk=number)
            matching.match(
                merchant=purchase.merchant, purchase_id=purchase.pk, customer=customer, at=at, by=by
            )

        return self._ask(
            request,
            purchase,
            FindForm(request.POST or None),
            title=_("Match to a customer"),
            done=_("Matched. The customer has the points of that day."),
            lead=_("The till said: %(told)s") % {"told": self.told_as(purchase)},
            do=do,
        )

    def release_view(self, request: HttpRequest, purchase: Purchase) -> HttpResponse:
        return self._ask(
            request,
            purchase,
            SureForm(request.POST or None),
            title=_("Release points"),
            done=_("The points are usable now."),
            do=lambda said, at, by: voids.release(
                merchant=purchase.merchant, purchase_id=purchase.pk, at=at, by=by
            ),
        )

    def void_view(self, request: HttpRequest, purchase: Purchase) -> HttpResponse:
        return self._ask(
            request,
            purchase,
            SureForm(request.POST or None),
            title=_("Void"),
            is_danger=True,
            lead=_("As if the sale had not been: every point it gave is taken back."),
            done=_("Voided."),
            do=lambda said, at, by: voids.void(
                merchant=purchase.merchant,
                purchase_id=purchase.pk,
                reference=f"void:{purchase.public_id}",
                at=at,
                by=by,
                source="admin",
            ),
        )


@admin.register(Refund)
class RefundAdmin(FactAdmin):
    menu, menu_order, icon = "purchases", 20, "undo"
    list_display = [
        "reference",
        "status",
        "purchase_link",
        "amount",
        "clawed_back",
        "returned",
        "occurred_at",
    ]
    list_select_related = ["purchase", "merchant"]
    list_filter = ["status"]
    search_fields = ["=reference", "=purchase_reference"]
    ordering = ("-recorded_at", "-pk")
    fieldsets = [
        (None, {"fields": ["reference", "status", "purchase_link", "amount", "occurred_at", "recorded_at"]}),
        (_("Points"), {"fields": ["clawed_back", "returned", "written_off"]}),
        (_("Where"), {"fields": ["source", "purchase_reference"]}),
    ]
    readonly_fields = ["purchase_link", "amount"]

    @admin.display(description=_("Purchase"))
    def purchase_link(self, refund: Refund) -> str:
        return link_to(refund.purchase) if refund.purchase else refund.purchase_reference

    @admin.display(description=_("Amount"))
    def amount(self, refund: Refund) -> str:
        if refund.amount_minor is None:
            return "–"
        currency = refund.purchase.currency if refund.purchase else refund.merchant.currency
        return money.show(refund.amount_minor, currency, translation.get_language() or "en")


class EntryAdmin(FactAdmin):
    """Every movement of points of every customer, newest first. The database itself refuses any change."""

    menu, menu_order, icon = "points", 10, "swap_vert"
    list_display = [
        "occurred_at",
        "shown_customer",
        "reason_in_words",
        "points",
        "pending",
        "balance_after",
        "by",
    ]
    list_select_related = ["account__membership__customer", "account__membership__program"]
    list_filter = ["kind"]
    search_fields = ["=reference"]
    fieldsets = [
        (None, {"fields": ["shown_customer", "reason_in_words", "how", "occurred_at", "created_at", "by"]}),
        (_("Points"), {"fields": ["kind", "points", "pending", "balance_after"]}),
        (_("Books"), {"fields": ["sequence", "reference", "chain"]}),
    ]
    readonly_fields = ["shown_customer", "reason_in_words", "how"]

    @admin.display(description=_("Customer"))
    def shown_customer(self, entry: Any) -> str:
        return link_to(entry.account.membership.customer)

    @admin.display(description=_("Reason"))
    def reason_in_words(self, entry: Any) -> str:
        return statement.sentence(
            entry, language=translation.get_language() or "en", points_name=_name(entry)
        )

    @admin.display(description=_("How"))
    def how(self, entry: Any) -> str:
        lines = statement.details(
            entry, language=translation.get_language() or "en", points_name=_name(entry)
        )
        return format_html_join("", "{}<br>", ((line,) for line in lines)) or "–"


def _name(entry: Any) -> str:
    return str(entry.account.membership.program.points_name)


# Only loyalty.ledger works with the points tables; the admin asks Django for the one it shows.
admin.site.register(apps.get_model("loyalty", "Entry"), EntryAdmin)


@admin.register(TierChange)
class TierChangeAdmin(FactAdmin):
    menu, menu_order, icon = "customers", 30, "trending_up"
    list_display = ["at", "shown_customer", "from_tier", "to_tier", "reason", "by"]
    list_select_related = ["membership__customer"]
    search_fields = ["to_tier__startswith"]
    fieldsets = [
        (None, {"fields": ["shown_customer", "from_tier", "to_tier", "reason", "figures", "by", "at"]})
    ]
    readonly_fields = ["shown_customer"]

    @admin.display(description=_("Customer"))
    def shown_customer(self, change: TierChange) -> str:
        return link_to(change.membership.customer)
