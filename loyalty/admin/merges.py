"""Customers who are one person: likely pairs side by side, merging with a preview, and undoing it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers import duplicates, identifiers, records
from customers.admin.customer import CustomerAdmin
from customers.admin.panels import PRESENT
from customers.duplicates import REASONS
from customers.models import Customer
from lib import db
from lib.admin import Door, FactAdmin, link_to, merchants_where, within
from lib.errors import DomainError
from loyalty import balances, merges, programs
from loyalty.admin.facts import FindForm, SureForm
from loyalty.merges import MergeReceipt
from loyalty.models import Merge
from merchants.models import Merchant

MAY = "loyalty.adjust_points"
MOST_MERCHANTS = 20
SHOWN = 50


class MergeForm(forms.Form):
    target = forms.ChoiceField(label=_("Who stays"), widget=forms.RadioSelect)
    reason = forms.CharField(
        max_length=200, label=_("Reason"), help_text=_("Staff see it in the list of merges.")
    )

    def __init__(self, data: Any, *, people: list[Customer]):
        super().__init__(data, initial={"target": people[0].pk})
        names = [(one.pk, f"{one} · {one.public_id}") for one in people]
        self.fields["target"].choices = names  # type: ignore[attr-defined]


def _who(request: HttpRequest) -> dict[str, Any]:
    return {"at": timezone.now(), "by": request.user.get_username()}


def _cards(merchant: Merchant, numbers: list[int]) -> dict[int, dict[str, Any]]:
    """Return what is shown of each customer: two statements for any number of them."""
    found = records.read(merchant=merchant, customers=numbers)
    try:
        points = balances.of_many(merchant=merchant, customers=numbers, at=timezone.now())
    except programs.NoProgram:
        points = {}
    return {number: {"record": record, "balance": points.get(number)} for number, record in found.items()}


def _preview(source: Customer, target: Customer, request: HttpRequest) -> MergeReceipt | DomainError:
    """Return what a merge would leave, or why it would be refused; nothing is saved."""
    with db.dry_run():
        try:
            return merges.merge(source=source, target=target, reason="-", **_who(request))
        except DomainError as refusal:
            return refusal


@admin.register(Merge)
class MergeAdmin(FactAdmin):
    menu, menu_order, icon = "customers", 20, "merge"
    list_display = ["shown_source", "shown_target", "reason", "by", "merged_at", "undone_at"]
    list_display_links = None
    list_select_related = ["source", "target", "merchant"]
    search_fields = ["reason"]

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site.admin_view
        return [
            path("likely/", site(self.likely_view), name=self.page_name("likely")),
            path("pair/<int:first>/<int:second>/", site(self.pair_view), name=self.page_name("pair")),
            path("pair/<int:first>/<int:second>/apart/", site(self.apart_view), name=self.page_name("apart")),
            *super().get_urls(),
        ]

    def more_pages(self, request: HttpRequest) -> list[tuple[Any, str, str]]:
        """Offer the likely duplicates in the sidebar to whoever may merge."""
        if not request.user.has_perm(MAY):
            return []
        return [(_("Likely duplicates"), "group_work", self.address("likely"))]

    @admin.display(description=_("Merged"))
    def shown_source(self, merge: Merge) -> str:
        return link_to(merge.source)

    @admin.display(description=_("Into"))
    def shown_target(self, merge: Merge) -> str:
        return link_to(merge.target)

    # Likely duplicates -------------------------------------------------------------------------------

    def likely_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(MAY):
            raise PermissionDenied
        shops = within(Merchant.objects.filter(is_active=True), merchants_where(request.user, MAY))
        pairs: list[dict[str, Any]] = []
        for merchant in shops[:MOST_MERCHANTS]:
            pairs += self._pairs(merchant, SHOWN - len(pairs))
        context = self.page(request, _("Likely duplicates"), pairs=pairs, most=SHOWN)
        return TemplateResponse(request, "admin/loyalty/merge/likely.html", context)

    def _pairs(self, merchant: Merchant, most: int) -> list[dict[str, Any]]:
        found = duplicates.find(merchant=merchant, limit=most) if most > 0 else []
        cards = _cards(merchant, [number for pair in found for number in (pair.first, pair.second)])
        return [
            {
                "people": [cards[pair.first], cards[pair.second]],
                "reasons": [REASONS[reason] for reason in pair.reasons],
                "merge_link": self.address("pair", pair.first, pair.second),
                "apart_link": self.address("apart", pair.first, pair.second),
            }
            for pair in found
        ]

    def _two(self, request: HttpRequest, first: int, second: int) -> list[Customer]:
        """Return two customers of one merchant where the reader may merge; others do not exist."""
        rows = within(Customer.objects.select_related("merchant"), merchants_where(request.user, MAY))
        found = {one.pk: one for one in rows.filter(pk__in=[first, second], status__in=PRESENT)}
        if len(found) != 2 or len({one.merchant_id for one in found.values()}) != 1:
            raise Http404
        return [found[first], found[second]]

    def apart_view(self, request: HttpRequest, first: int, second: int) -> HttpResponse:
        one, other = self._two(request, first, second)
        if request.method != "POST":
            raise Http404
        self.attempt(
            request,
            lambda: duplicates.set_apart(first=one, second=other, **_who(request)),
            _("Remembered: they are two people."),
        )
        return redirect(self.address("likely"))

    # Merging -----------------------------------------------------------------------------------------

    def pair_view(self, request: HttpRequest, first: int, second: int) -> HttpResponse:
        people = self._two(request, first, second)
        form = MergeForm(request.POST or None, people=people)
        if form.is_valid():
            target = next(one for one in people if str(one.pk) == form.cleaned_data["target"])
            source = next(one for one in people if one is not target)
            try:
                merges.merge(
                    source=source, target=target, reason=form.cleaned_data["reason"], **_who(request)
                )
            except DomainError as refusal:
                form.add_error(None, str(refusal))
            else:
                done = _("Merged. It can be undone for %(days)s days.") % {"days": merges.DAYS}
                self.message_user(request, done, messages.SUCCESS)
                return redirect("admin:customers_customer_change", target.pk)
        cards = _cards(people[0].merchant, [one.pk for one in people])
        for one, other in (people, people[::-1]):
            shown = _preview(other, one, request)
            key = "refusal" if isinstance(shown, DomainError) else "after"
            cards[one.pk][key] = shown
        return self.form_page(
            request,
            form,
            title=_("Merge two customers"),
            button=_("Merge"),
            back=self.address("likely"),
            people=[cards[one.pk] for one in people],
        )

    def form_page(
        self, request: HttpRequest, form: forms.BaseForm, *, title: Any, button: Any, back: str, **more: Any
    ) -> HttpResponse:
        answer = super().form_page(request, form, title=title, button=button, back=back, **more)
        assert isinstance(answer, TemplateResponse)
        answer.template_name = "admin/loyalty/merge/pair.html"
        return answer


# On the customer's page ------------------------------------------------------------------------------


def merge_view(page: CustomerAdmin, request: HttpRequest, customer: Customer) -> HttpResponse:
    """Ask for the other one, and lead to the two side by side."""
    form = FindForm(request.POST or None)
    if form.is_valid():
        number = identifiers.search(merchant=customer.merchant, q=form.cleaned_data["customer"])
        there = Customer.objects.filter(merchant=customer.merchant_id, pk=number or 0, status__in=PRESENT)
        if number == customer.pk or not there.exists():
            form.add_error("customer", _("Nobody else is found by this."))
        else:
            return redirect("admin:loyalty_merge_pair", customer.pk, number)
    return page.form_page(
        request,
        form,
        title=_("Merge %(customer)s with another customer") % {"customer": customer},
        button=_("Compare"),
        back=page.address("change", customer.pk),
        original=customer,
        lead=_("Who is the other one? Nothing is merged before you have seen both side by side."),
    )


def _last_merge(customer: Customer) -> Merge | None:
    return Merge.objects.filter(merchant=customer.merchant_id, source=customer, undone_at=None).first()


def unmerge_view(page: CustomerAdmin, request: HttpRequest, customer: Customer) -> HttpResponse:
    merge = _last_merge(customer)
    if merge is None:
        raise Http404
    return page.said(
        request,
        customer,
        SureForm(request.POST or None),
        title=_("Undo the merge"),
        button=_("Undo"),
        lead=_(
            "What is left of the points that came with this customer goes back. "
            "What was spent stays spent, and later purchases stay where they are."
        ),
        done=_("Undone: they are two customers again."),
        do=lambda said: merges.unmerge(merge=merge, **_who(request)),
    )


CustomerAdmin.doors = [
    *CustomerAdmin.doors[:-1],
    Door("merge", merge_view, MAY, _("Merge"), fits=lambda one: one.status == "active"),
    Door("unmerge", unmerge_view, MAY, _("Undo the merge"), fits=lambda one: one.status == "merged"),
    CustomerAdmin.doors[-1],
]
