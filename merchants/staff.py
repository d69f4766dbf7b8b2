"""
What staff may do. A role at one merchant grants permissions there and nowhere else.

The patterns of a role are read from left to right, the last one that fits decides; `-` takes away.
Permissions carry Django's names (`room.verb_model`), so every admin page asks in the usual way.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from lib import db, public_ids
from lib.errors import Refused
from merchants.models import Merchant, Role, Staff, Store

GRANTS: dict[str, tuple[str, ...]] = {
    Role.Kind.OWNER: ("*",),
    Role.Kind.MANAGER: (
        "*",
        "-merchants.*",
        "merchants.view_*",
        "merchants.*_store",
        "merchants.*_job",
        "-merchants.*_apikey",
        "-config.*",
    ),
    Role.Kind.CASHIER: (
        "merchants.view_merchant",
        "merchants.view_store",
        "customers.view_*",
        "customers.add_customer",
        "customers.add_identifier",
        "loyalty.view_purchase",
        "loyalty.view_refund",
        "loyalty.view_entry",
        "loyalty.view_membership",
        "rewards.view_reward",
        "rewards.view_redemption",
        "rewards.view_perkuse",
        "rewards.hand_over",
    ),
    Role.Kind.ANALYST: ("*.view_*", "-merchants.view_apikey", "-config.*"),
}
# Nobody gets these from a role: they reach beyond one merchant.
NEVER = (
    "admin.*",
    "auth.*",
    "axes.*",
    "contenttypes.*",
    "sessions.*",
    "merchants.*_staff",
    "merchants.add_merchant",
    "merchants.delete_merchant",
)
SYSTEM = frozenset(pattern.partition(".")[0] for pattern in NEVER if pattern.endswith(".*"))


class LastOwner(Refused):
    """Without an owner nobody could give roles any more."""

    code = "last_owner"


@cache
def grants(kind: str, permission: str) -> bool:
    """Tell whether a role of this kind has the permission, like `loyalty.adjust_points`, at its merchant."""
    if any(fnmatchcase(permission, pattern) for pattern in NEVER):
        return False
    granted = False
    for pattern in GRANTS.get(kind, ()):
        if fnmatchcase(permission, pattern.removeprefix("-")):
            granted = not pattern.startswith("-")
    return granted


def roles(staff: Staff) -> list[Role]:
    """Return the roles of a staff member, asked once per request (the user object lives as long)."""
    kept: list[Role] | None = getattr(staff, "_roles", None)
    if kept is None:
        kept = list(staff.roles.filter(merchant__is_active=True).select_related("merchant"))
        staff._roles = kept  # type: ignore[attr-defined]
    return kept


def merchants_where(staff: Any, permission: str) -> frozenset[int] | None:
    """Return the ids of the merchants where the staff member has the permission; None means everywhere."""
    if not isinstance(staff, Staff) or not staff.is_active:
        return frozenset()
    if staff.is_superuser:
        return None
    return frozenset(role.merchant_id for role in roles(staff) if grants(role.kind, permission))


class RoleBackend(BaseBackend):
    """Permissions from roles: with an object, at its merchant; without one, at any merchant."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        where = merchants_where(user_obj, perm)
        if where is None or obj is None:
            return where is None or bool(where)
        merchant_id = obj.pk if isinstance(obj, Merchant) else getattr(obj, "merchant_id", None)
        return merchant_id in where

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        if not isinstance(user_obj, Staff) or not user_obj.is_active:
            return False
        return user_obj.is_superuser or (app_label not in SYSTEM and bool(roles(user_obj)))


class LocalTime:
    """Middleware: staff read and type times in their merchant's zone (UTC when their merchants differ)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user = getattr(request, "user", None) if request.path_info.startswith("/admin/") else None
        zones = {role.merchant.timezone for role in roles(user)} if isinstance(user, Staff) else set()
        with timezone.override(ZoneInfo(zones.pop()) if len(zones) == 1 else None):
            return self.get_response(request)


@db.command
def appoint(*, merchant: Merchant, email: str, kind: str, store: Store | None = None) -> Role:
    """
    Give the person with this e-mail address a role at the merchant, with an account if they have none.

    Repeating changes the role. A new account has no password: the link to set one goes to the address
    itself and to nobody else, or whoever typed it could later sign in as its owner at other merchants.

    :raises LastOwner: it is the merchant's only owner, who would be one no more
    """
    email = email.strip().lower()
    staff, _new = Staff.objects.get_or_create(
        username=email, defaults={"email": email, "is_staff": True, "password": make_password(None)}
    )
    if not staff.is_staff:
        staff.is_staff = True
        staff.save(update_fields=["is_staff"])
    present = Role.objects.filter(merchant=merchant, staff=staff).first()
    if present and kind != Role.Kind.OWNER and is_last_owner(present):
        raise LastOwner(str(_("A shop keeps at least one owner. Make somebody else an owner first.")))
    role, _new = Role.objects.update_or_create(
        merchant=merchant, staff=staff, defaults={"kind": kind, "store": store}
    )
    return role


def welcome_path(staff: Staff) -> str:
    """Return the end of the address where a new account sets its password: once, within three days."""
    return f"{urlsafe_base64_encode(force_bytes(staff.pk))}/{default_token_generator.make_token(staff)}/"


def send_welcome(*, role: Role, base_url: str) -> None:
    """Write to whoever has a new role; who never had a password gets the link to set one. :raises OSError:"""
    with translation.override(role.merchant.language):
        lines = [
            _("You now work with the points of %(shop)s, as: %(role)s.")
            % {"shop": role.merchant.name, "role": role.get_kind_display()}
        ]
        if role.staff.has_usable_password():
            lines.append(_("Sign in: %(link)s") % {"link": f"{base_url}/admin/"})
        else:
            link = f"{base_url}/admin/merchants/role/welcome/{welcome_path(role.staff)}"
            lines.append(_("Set your password here, within three days: %(link)s") % {"link": link})
        mail.send_mail(
            _("Your access to %(shop)s") % {"shop": role.merchant.name},
            "\n\n".join(lines),
            None,
            [role.staff.email],
        )


def is_last_owner(role: Role) -> bool:
    """Tell whether the merchant would have no owner without this role."""
    stored = Role.objects.filter(merchant_id=role.merchant_id, kind=Role.Kind.OWNER)
    return stored.filter(pk=role.pk).exists() and not stored.exclude(pk=role.pk).exists()


def renew_settings(*, merchant: Merchant) -> None:
    """Make every process read the merchant's settings again: what they keep is keyed by this number."""
    Merchant.objects.filter(pk=merchant.pk).update(config_version=public_ids.new())
