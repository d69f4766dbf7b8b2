"""The shop's own settings: merchant, stores, staff with their roles, API keys."""

from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.contrib.auth.views import PasswordResetConfirmView
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from lib.admin import ConfigAdmin, FactAdmin, OneMerchantForm, Rows, ScopedAdmin, merchants_where, within
from merchants import keys, staff
from merchants.models import SCOPES, ApiKey, Merchant, Role, Staff, Store


class MerchantForm(OneMerchantForm):
    language = forms.ChoiceField(choices=settings.LANGUAGES, label=_("Language"))
    color = forms.CharField(
        widget=forms.TextInput(attrs={"type": "color"}),
        label=_("Color"),
        help_text=_("The portal's main color."),
    )


@admin.register(Merchant)
class MerchantAdmin(ConfigAdmin):
    form = MerchantForm
    merchant_path = "pk"
    menu, menu_order, icon = "shop", 10, "storefront"
    list_display = ["name", "slug", "currency", "timezone", "is_test", "is_active"]
    search_fields = ["name", "slug"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "color", "language"]}),
        (_("Money and time"), {"fields": ["currency", "country", "timezone"]}),
        (_("State"), {"fields": ["is_test", "is_active"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # The books are kept in one currency, and a sandbox never turns into a shop: both are set once.
        return ["slug", "currency", "is_test"] if obj else []

    def after_save(self, request: HttpRequest, rows: Any) -> None:
        for merchant in rows:
            staff.renew_settings(merchant=merchant)


@admin.register(Store)
class StoreAdmin(ConfigAdmin):
    menu, menu_order, icon = "shop", 20, "store"
    list_display = ["name", "code", "is_active", "merchant"]
    list_select_related = ["merchant"]
    search_fields = ["name", "code"]
    fieldsets = [(None, {"fields": ["merchant", "name", "code", "is_active"]})]


# Roles ---------------------------------------------------------------------------------------------


class OwnMerchant(forms.Form):
    """A form of ours about one merchant: chosen among the reader's own, or the only one without asking."""

    merchant: Any = forms.ModelChoiceField(Merchant.objects.none(), label=_("Merchant"))
    store: Any = forms.ModelChoiceField(
        Store.objects.none(), required=False, label=_("Store"), empty_label=_("All stores")
    )

    def __init__(self, *args: Any, ids: frozenset[int] | None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        merchants = within(Merchant.objects.all(), ids)
        self.fields["merchant"].queryset = merchants  # type: ignore[attr-defined]
        self.fields["store"].queryset = within(Store.objects.all(), ids)  # type: ignore[attr-defined]
        if ids is not None and len(ids) == 1:
            self.fields["merchant"].initial = next(iter(ids))
            self.fields["merchant"].disabled = True
            self.fields["merchant"].widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        store, merchant = said.get("store"), said.get("merchant")
        if store and merchant and store.merchant_id != merchant.pk:
            self.add_error("store", _("This store belongs to another merchant."))
        return said


class InviteForm(OwnMerchant):
    email = forms.EmailField(
        label=_("E-mail"),
        help_text=_("Somebody without an account gets an e-mail with a link to set a password."),
    )
    kind = forms.ChoiceField(choices=Role.Kind, label=_("Role"), initial=Role.Kind.CASHIER)
    field_order = ["merchant", "email", "kind", "store"]


class RoleForm(OneMerchantForm):
    def clean_kind(self) -> str:
        kind = str(self.cleaned_data["kind"])
        if kind != Role.Kind.OWNER and staff.is_last_owner(self.instance):
            raise ValidationError(_("A shop keeps at least one owner. Make somebody else an owner first."))
        return kind


@admin.register(Role)
class RoleAdmin(ConfigAdmin):
    form = RoleForm
    menu, menu_order, icon = "shop", 30, "badge"
    list_display = ["staff", "kind", "store", "merchant"]
    list_select_related = ["staff", "store", "merchant"]
    list_filter = ["kind"]
    search_fields = ["staff__username", "staff__email"]
    readonly_fields = ["staff"]
    fieldsets = [(None, {"fields": ["merchant", "staff", "kind", "store"]})]
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and staff.is_last_owner(obj))

    def get_urls(self) -> list[URLPattern]:
        welcome = PasswordResetConfirmView.as_view(
            template_name="admin/set_password.html",
            success_url=reverse_lazy("admin:index"),
            post_reset_login=False,
            extra_context={"site_title": "Loyalty"},
        )
        return [path("welcome/<uidb64>/<token>/", welcome, name="welcome"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = InviteForm(request.POST or None, ids=merchants_where(request.user, "merchants.add_role"))
        if form.is_valid():
            said = form.cleaned_data
            try:
                role = staff.appoint(
                    merchant=said["merchant"], email=said["email"], kind=said["kind"], store=said["store"]
                )
            except staff.LastOwner as refusal:
                form.add_error("kind", str(refusal))
            else:
                self._tell(request, role)
                return redirect(self.address("changelist"))
        return self.form_page(
            request,
            form,
            title=_("Add a person"),
            button=_("Give the role"),
            back=self.address("changelist"),
        )

    def _tell(self, request: HttpRequest, role: Role) -> None:
        # The same words whether the account is new or not: who works elsewhere is nobody's business here.
        try:
            staff.send_welcome(role=role, base_url=settings.BASE_URL)
        except OSError:
            said = say("The role is given, but no e-mail could be sent. Ask who runs the service.")
            level = messages.WARNING
        else:
            said = say("%(email)s has the role now. We wrote them.") % {"email": role.staff.email}
            level = messages.SUCCESS
        self.message_user(request, said, level)


# API keys ------------------------------------------------------------------------------------------


class KeyForm(OwnMerchant):
    name = forms.CharField(max_length=80, label=_("Name"), help_text=_("What it is for: till 2, web shop."))
    scopes = forms.MultipleChoiceField(
        choices=list(SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
        initial=["customers:read", "customers:write", "purchases:write"],
        label=_("It may"),
    )
    till = forms.CharField(max_length=60, required=False, label=_("Till"))
    expires_at = forms.DateTimeField(
        required=False,
        label=_("Valid until"),
        help_text=_("Empty: until it is revoked."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    field_order = ["merchant", "name", "scopes", "store", "till", "expires_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(FactAdmin):
    """A key is issued and revoked, never edited: what it may do is fixed when it is handed out."""

    can_add = True
    menu, menu_order, icon = "shop", 40, "key"
    list_display = ["name", "hint", "state", "store", "till", "last_used_at", "created_at", "merchant"]
    list_select_related = ["store", "merchant"]
    ordering = ("-created_at",)
    search_fields = ["name", "hint"]
    actions = ["revoke"]
    fieldsets = [
        (None, {"fields": ["merchant", "name", "hint", "state", "rights", "store", "till", "is_test"]}),
        (_("Use"), {"fields": ["created_at", "created_by", "last_used_at", "expires_at", "revoked_at"]}),
    ]
    readonly_fields = ["state", "rights"]

    @admin.display(description=_("State"))
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return say("Revoked")
        if key.expires_at and key.expires_at <= timezone.now():
            return say("Run out")
        return say("Works")

    @admin.display(description=_("It may"))
    def rights(self, key: ApiKey) -> str:
        return "; ".join(str(SCOPES.get(scope, scope)) for scope in key.scopes)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")

    @admin.action(description=_("Revoke: the key stops working at once"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        rows = self.narrow(request, queryset, "merchants.change_apikey").filter(revoked_at=None)
        for key in rows:
            keys.revoke(key=key, at=timezone.now())
        self.message_user(request, _("Revoked. Tills with these keys are shut out now."), messages.SUCCESS)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = KeyForm(request.POST or None, ids=merchants_where(request.user, "merchants.add_apikey"))
        if not form.is_valid():
            return self.form_page(
                request,
                form,
                title=_("New API key"),
                button=_("Make the key"),
                back=self.address("changelist"),
            )
        said = form.cleaned_data
        token = keys.issue(
            merchant=said["merchant"],
            name=said["name"],
            scopes=said["scopes"],
            store=said["store"],
            till=said["till"],
            by=request.user.get_username(),
            expires_at=said["expires_at"],
        )
        # Shown in this answer and kept nowhere: not in a session, not in a cache.
        page = TemplateResponse(
            request,
            "admin/merchants/apikey/issued.html",
            self.page(request, _("Your new key"), token=token, name=said["name"], base_url=settings.BASE_URL),
        )
        page.headers["Cache-Control"] = "no-store"
        return page


# What only superusers see --------------------------------------------------------------------------


class RoleRows(Rows):
    model = Role
    extra = 0


@admin.register(Staff)
class StaffAdmin(UserAdmin, ScopedAdmin):  # type: ignore[type-arg, misc]
    merchant_path = None
    menu, menu_order, icon = "operations", 80, "group"
    form = UserChangeForm  # type: ignore[assignment]
    list_display = ["username", "email", "is_active", "is_superuser", "last_login"]
    list_filter = ["is_active", "is_superuser"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "email"]}),
        (_("Access"), {"fields": ["is_active", "is_staff", "is_superuser"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    filter_horizontal = []
    inlines = [RoleRows]


admin.site.unregister(Group)  # what staff may do hangs from roles
admin.site.unregister([AccessAttempt, AccessLog, AccessFailureLog])


@admin.register(AccessAttempt)
class AccessAttemptAdmin(FactAdmin):
    """Who is locked out after wrong passwords. Deleting the row unlocks."""

    can_delete = True
    merchant_path = None
    menu, menu_order, icon = "operations", 90, "lock_clock"
    list_display = ["username", "ip_address", "failures_since_start", "attempt_time"]
    search_fields = ["username", "ip_address"]
    actions = ["delete_selected"]
