"""Flows: copied from the gallery or written, read as sentences, tried with a real customer, judged by results."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from engagement import flows, gallery, measuring
from engagement.admin import telling as telling_results
from engagement.experiments import Comparison
from engagement.flows import document, preview, results, telling, text
from engagement.flows.results import Group
from engagement.models import Flow, FlowRun, Holdout, Message
from lib import public_ids
from lib.admin import (
    ConfigAdmin,
    Door,
    FactAdmin,
    OneMerchantForm,
    dress_input,
    link_to,
    merchants_where,
    within,
)
from lib.errors import DomainError
from merchants.models import Merchant

ADD = "engagement.add_flow"
# Where a flow has no goal that says how long its effect is looked for.
DAYS = 30
EXAMPLE = """\
id: after-a-visit
name: After a visit
trigger: {touchpoint: purchase.recorded, key: purchase}
reentry: 30d
goal: {touchpoint: review.posted, days: 14}
steps:
  - wait: 1d
  - wait: {until: "10:00"}
  - message: {template: review-request, channels: [email, inbox], purpose: marketing}
"""


class FlowForm(OneMerchantForm):
    """A flow as text. What is saved is published at once; what runs goes on as it began."""

    text = forms.CharField(
        label=_("Steps"),
        widget=forms.Textarea(attrs={"rows": 26, "spellcheck": "false"}),
        help_text=_("YAML; the merchants' guide explains each word. What is wrong is said with its line."),
    )

    class Meta:
        model = Flow
        fields = ["merchant"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "text" in self.fields:
            widget = self.fields["text"].widget
            dress_input(widget)
            widget.attrs["class"] += " l-code"
            self.initial.setdefault("text", text.write(self.instance) if self.instance.version else EXAMPLE)

    def clean_text(self) -> str:
        said = str(self.cleaned_data["text"])
        try:
            self.wanted = text.read(said)
        except DomainError as refusal:
            raise ValidationError(str(refusal).splitlines()) from None
        slug = self.instance.slug
        if slug and self.wanted.id != slug:
            raise ValidationError(say("The id stays %(id)s: results are kept under it.") % {"id": slug})
        return said

    def _post_clean(self) -> None:
        super()._post_clean()
        if self.errors or (self.instance.pk and self.instance.slug):
            return
        if Flow.objects.filter(merchant=self.instance.merchant_id, slug=self.wanted.id).exists():
            self.add_error("text", _("There is a flow of this id already: change its id."))


class PreviewForm(forms.Form):
    customer = forms.CharField(label=_("Customer"), max_length=40, help_text=_("A customer's id (cus_…)."))


@admin.register(Flow)
class FlowAdmin(ConfigAdmin):
    form = FlowForm
    menu, menu_order, icon = "engagement", 5, "account_tree"
    list_display = ["name", "shown_trigger", "is_on", "version", "merchant"]
    list_select_related = ["merchant"]
    list_filter = ["is_on", "is_archived"]
    search_fields = ["slug", "name"]
    can_delete = False
    fieldsets = [(None, {"fields": ["merchant", "text"]})]
    change_form_template = "admin/engagement/flow/page.html"
    doors = [
        Door("switch-on", "switch_view", "change", _("Switch on"), fits=lambda one: not one.is_on),
        Door(
            "switch-off", "switch_view", "change", _("Switch off"), is_danger=True, fits=lambda one: one.is_on
        ),
        Door("preview", "preview_view", "view", _("Preview")),
        Door("results", "results_view", "view", _("Results")),
    ]

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site.admin_view
        return [
            path("ready-made/", site(self.gallery_view), name=self.page_name("gallery")),
            *super().get_urls(),
        ]

    def more_pages(self, request: HttpRequest) -> list[tuple[Any, str, str]]:
        """Offer the ready-made flows to whoever may add one."""
        if not request.user.has_perm(ADD):
            return []
        return [(_("Ready-made flows"), "auto_awesome", self.address("gallery"))]

    @admin.display(description=_("Starts with"))
    def shown_trigger(self, flow: Flow) -> str:
        return telling.trigger(document.read(flow.document).trigger) if flow.version else "–"

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more: dict[str, Any] = {"buttons": self.buttons(request, row) if row else []}
        if row and row.version:
            said = document.read(row.document)
            more |= {
                "flow": row,
                "said": said,
                "starts_with": telling.trigger(said.trigger),
                "ends_with": [telling.happening(match) for match in said.exit],
                "lines": telling.lines(said),
            }
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Flow, form: Any, change: bool) -> None:
        made = flows.publish_step(
            merchant=Merchant.objects.get(pk=obj.merchant_id),
            wanted=form.wanted,
            at=timezone.now(),
            by=request.user.get_username(),
        )
        obj.__dict__.update(made.__dict__)

    # Doors ---------------------------------------------------------------------------------------

    def switch_view(self, request: HttpRequest, flow: Flow) -> HttpResponse:
        """Switch a flow on or off, after a page that says what that does."""
        on = not flow.is_on
        live = FlowRun.objects.filter(flow=flow, state=FlowRun.State.WAITING).count() if flow.is_on else 0
        if request.method == "POST":
            by = request.user.get_username()
            done = _("It is on.") if on else _("It is off.")
            self.attempt(request, lambda: flows.switch(flow=flow, on=on, at=timezone.now(), by=by), done)
            return self.back_to(flow)
        lead = (
            _("It starts for whom its trigger fits from now on. What happened before starts nothing.")
            if on
            else _("%(count)s customers are under way: they hear nothing more of it.")
            % {"count": f"{live:,}"}
        )
        title = _("Switch on") if on else _("Switch off")
        return self.form_page(
            request, forms.Form(), title=f"{title}: {flow}", button=title, lead=lead,
            back=self.address("change", flow.pk), is_danger=not on, original=flow,
        )  # fmt: skip

    def preview_view(self, request: HttpRequest, flow: Flow) -> HttpResponse:
        """Show what a real customer would get, and when. Nothing is sent."""
        form = PreviewForm(request.GET or None)
        shown = customer = None
        if form.is_valid():
            number = public_ids.read(Customer.prefix, form.cleaned_data["customer"].strip())
            customer = Customer.objects.filter(merchant=flow.merchant_id, pk=number or 0).first()
            if customer is None:
                form.add_error("customer", _("There is no such customer."))
            elif flow.version:
                wanted = document.read(flow.document)
                shown = preview.show(
                    flow=flow, document=wanted, customer=customer, data={}, at=timezone.now()
                )
        context = self.page(
            request,
            say("Preview: %(flow)s") % {"flow": flow},
            form=form,
            shown=shown,
            customer=customer,
            back=self.address("change", flow.pk),
            original=flow,
        )
        return TemplateResponse(request, "admin/engagement/flow/preview.html", context)

    def results_view(self, request: HttpRequest, flow: Flow) -> HttpResponse:
        """Show who started, what was said, and what it changed."""
        said = document.read(flow.document) if flow.version else None
        names = {**dict(Message.Status.choices), **dict(Message.Reason.choices)}
        found = results.of(flow)
        days = said.goal.days if said and said.goal else DAYS
        context = self.page(
            request,
            say("Results: %(flow)s") % {"flow": flow},
            results=found,
            goal=said.goal if said else None,
            worth=telling_results.worth(measuring.of_flow(flow, days=days), currency=flow.merchant.currency),
            days=days,
            states=[(label, found.states.get(name, 0)) for name, label in FlowRun.State.choices],
            rows=[_row(group) for group in (found.everybody, *found.arms, found.held_out)],
            sentences=[_between(*pair) for pair in found.between_arms],
            messages_by_status=[(names.get(name, name), count) for name, count in found.messages.items()],
            runs=f"{_runs_list()}?flow__id__exact={flow.pk}",
            back=self.address("change", flow.pk),
            original=flow,
        )
        return TemplateResponse(request, "admin/engagement/flow/results.html", context)

    def gallery_view(self, request: HttpRequest) -> HttpResponse:
        """Offer the ready-made flows, each copied by one click."""
        if not request.user.has_perm(ADD):
            raise PermissionDenied
        shops = within(Merchant.objects.filter(is_active=True), merchants_where(request.user, ADD)).order_by(
            "name"
        )
        chosen = request.POST.get("merchant") or request.GET.get("merchant")
        merchant = shops.filter(slug=chosen).first() if chosen else shops.first()
        if merchant is None:
            raise PermissionDenied
        if request.method == "POST":
            return self._copy(request, merchant)
        own = dict(Flow.objects.filter(merchant=merchant).values_list("slug", "pk"))
        cards = [
            {
                "slug": slug,
                "name": one.name,
                "about": gallery.about(slug),
                "trigger": telling.trigger(one.trigger),
                "lines": telling.lines(one),
                "link": self.address("change", own[slug]) if slug in own else "",
            }
            for slug, one in gallery.ready_made().items()
        ]
        context = self.page(
            request, _("Ready-made flows"), cards=cards, merchant=merchant, shops=list(shops[:50])
        )
        return TemplateResponse(request, "admin/engagement/flow/gallery.html", context)

    def _copy(self, request: HttpRequest, merchant: Merchant) -> HttpResponse:
        by, at = request.user.get_username(), timezone.now()
        try:
            flow = gallery.copy(merchant=merchant, slug=request.POST.get("flow", ""), at=at, by=by)
        except gallery.UnknownFlow as refusal:
            self.message_user(request, str(refusal))
            return redirect(self.address("gallery"))
        self.message_user(request, _("Copied. It is off until you switch it on."))
        return self.back_to(flow)


def _row(group: Group) -> dict[str, Any]:
    """Return one line of the table of results, as it is read."""
    names = {"": say("Everybody who started"), results.HOLDOUT: say("Held out")}
    return {
        "name": names.get(group.name) or say("Arm %(arm)s") % {"arm": group.name},
        "people": group.rate.people,
        "reached": group.rate.reached,
        "rate": "–" if group.percent is None else f"{group.percent:.1f} %",
        "against": telling_results.points(group.against),
    }


def _between(name: str, base: str, one: Comparison) -> str:
    return say("Arm %(arm)s against arm %(base)s: %(difference)s.") % {
        "arm": name,
        "base": base,
        "difference": telling_results.points(one),
    }


def _runs_list() -> str:
    page: Any = admin.site._registry[FlowRun]
    return str(page.address("changelist"))


@admin.register(FlowRun)
class FlowRunAdmin(FactAdmin):
    """Who is where in which flow, with what each step did, and why a message was not sent."""

    menu, menu_order, icon = "engagement", 7, "conversion_path"
    list_display = ["flow", "customer", "state", "shown_step", "due_at", "ended_reason", "goal_at"]
    list_select_related = ["flow", "customer"]
    list_filter = ["state", "flow"]
    search_fields = ["=key"]
    search_help_text = _("A run's id (flr_…), or what it is about: a basket, a purchase, a day.")
    change_form_template = "admin/engagement/flow/run.html"
    fieldsets = [
        (
            None,
            {"fields": ["flow", "shown_customer", "state", "ended_reason", "shown_step", "due_at", "arm"]},
        ),
        (_("What it is about"), {"fields": ["key", "data", "began_at", "started_at", "ended_at"]}),
        (_("Goal"), {"fields": ["goal_until", "goal_at"]}),
    ]
    readonly_fields = ["shown_customer", "shown_step"]

    @admin.display(description=_("Customer"))
    def shown_customer(self, run: FlowRun) -> str:
        return link_to(run.customer)

    @admin.display(description=_("Next step"))
    def shown_step(self, run: FlowRun) -> str:
        return run.step if run.state == FlowRun.State.WAITING else "–"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        more: dict[str, Any] = {}
        if run is not None:
            sent = Message.objects.filter(merchant=run.merchant_id, flow_run_id=run.pk).order_by("pk")
            more = {"log": list(run.log.order_by("pk")), "messages_of_run": list(sent.defer("text", "data"))}
        return super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})


@admin.register(Holdout)
class HoldoutAdmin(ConfigAdmin):
    form = OneMerchantForm
    menu, menu_order, icon = "engagement", 60, "science"
    list_display = ["merchant", "percent"]
    list_select_related = ["merchant"]
    fieldsets = [(None, {"fields": ["merchant", "percent"]})]
