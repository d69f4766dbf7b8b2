"""Keyed hashes: who has the database alone cannot try out which e-mail or code is behind one."""

import hashlib
import hmac

from django.conf import settings


def fingerprint(*parts: str) -> str:
    """
    Return 64 hex digits that stand for `parts`: the same parts give the same digits, in this installation.

    Say first what it is for ("welcome", "code"), so that hashes of one purpose say nothing about another.
    """
    return hmac.new(settings.LOOKUP_KEY.encode(), "\x00".join(parts).encode(), hashlib.sha256).hexdigest()
