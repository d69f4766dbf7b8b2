"""The shop's own pages: the key of its script, the secret of its server, and what to put where."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from customers import sites
from customers.models import Site
from lib.admin import FactAdmin, merchants_where, within
from lib.errors import DomainError
from merchants.models import Merchant


class SiteForm(forms.Form):
    merchant: Any = forms.ModelChoiceField(Merchant.objects.none(), label=_("Merchant"))
    name = forms.CharField(max_length=80, label=_("Name"), help_text=_("What it is for: web shop, blog."))
    origins = forms.CharField(
        label=_("Addresses"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Whose pages may tell: one address in a line, like https://shop.example."),
    )

    def __init__(self, *args: Any, ids: frozenset[int] | None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["merchant"].queryset = within(Merchant.objects.all(), ids)  # type: ignore[attr-defined]
        if ids is not None and len(ids) == 1:
            self.fields["merchant"].initial = next(iter(ids))
            self.fields["merchant"].disabled = True
            self.fields["merchant"].widget = forms.HiddenInput()


@admin.register(Site)
class SiteAdmin(FactAdmin):
    """A site is made and revoked, never edited: its key stands in pages that somebody else keeps."""

    can_add = True
    menu, menu_order, icon = "shop", 45, "web"
    list_display = ["name", "key", "shown_origins", "state", "created_at", "merchant"]
    list_select_related = ["merchant"]
    ordering = ("-created_at",)
    search_fields = ["name", "key"]
    actions = ["revoke"]
    fieldsets = [
        (None, {"fields": ["merchant", "name", "key", "shown_origins", "state", "snippet"]}),
        (_("Use"), {"fields": ["created_at", "created_by", "revoked_at"]}),
    ]
    readonly_fields = ["shown_origins", "state", "snippet"]

    @admin.display(description=_("Addresses"))
    def shown_origins(self, site: Site) -> str:
        return ", ".join(site.origins)

    @admin.display(description=_("State"))
    def state(self, site: Site) -> str:
        return say("Revoked") if site.revoked_at else say("Works")

    @admin.display(description=_("For the head of every page"))
    def snippet(self, site: Site) -> str:
        return format_html('<code class="l-secret">{}</code>', snippet(site))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")

    @admin.action(description=_("Revoke: its pages tell nothing more"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        for site in self.narrow(request, queryset, "customers.change_site").filter(revoked_at=None):
            sites.revoke(site=site, at=timezone.now())
        self.message_user(request, _("Revoked. What these pages tell is refused now."), messages.SUCCESS)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = SiteForm(request.POST or None, ids=merchants_where(request.user, "customers.add_site"))
        made = self._make(request, form) if form.is_valid() else None
        if made is None:
            return self.form_page(
                request,
                form,
                title=_("New website"),
                button=_("Make the key"),
                back=self.address("changelist"),
            )
        site, secret = made
        # Shown in this answer and kept sealed only: not in a session, not in a cache.
        context = self.page(request, _("Your website"), site=site, secret=secret, snippet=snippet(site))
        page = TemplateResponse(request, "admin/customers/site/issued.html", context)
        page.headers["Cache-Control"] = "no-store"
        return page

    def _make(self, request: HttpRequest, form: SiteForm) -> tuple[Site, str] | None:
        said = form.cleaned_data
        try:
            return sites.issue(
                merchant=said["merchant"],
                name=said["name"],
                origins=said["origins"].split(),
                at=timezone.now(),
                by=request.user.get_username(),
            )
        except DomainError as refusal:
            form.add_error("origins", str(refusal))
            return None


def snippet(site: Site) -> str:
    """Return the line that a shop puts into the head of its pages."""
    return f'<script src="{settings.BASE_URL}/t/touch.js" data-key="{site.key}" async></script>'
