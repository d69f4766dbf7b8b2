"""Who is calling: a key of one merchant, with scopes."""

from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from merchants import keys

NOBODY = AnonymousUser()


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`. What a request may see hangs from `request.auth.merchant`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, keys.Key] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if token.isascii() and (key := keys.recognize(token, at=timezone.now())):
            return NOBODY, key
        raise AuthenticationFailed("This key is unknown, revoked or expired.")

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="loyalty"'


class HasScope(BasePermission):
    """The key has one of the scopes that the call names."""

    def has_permission(self, request: Request, view: Any) -> bool:
        call = view.call
        key = cast(keys.Key | None, request.auth)
        if key is None:
            return False
        if call is None or allows(key, call.scopes):
            return True
        self.message = f"This key lacks the scope {' or '.join(call.scopes)}."
        return False


def allows(key: keys.Key, scopes: tuple[str, ...]) -> bool:
    """Tell whether the key has one of these scopes."""
    return "*" in key.scopes or not scopes or not key.scopes.isdisjoint(scopes)
