"""
Signing in with a code by e-mail. The code proves the contact; who has the contact is asked afterwards.

Everybody who asks gets a code, also who is nobody's customer yet: then the code proves the address for
joining. So the answer, the mail and the time they take tell nothing about who is a customer.

The mail goes out in the request, after the row is committed: it is worth nothing a minute later, a lost
one is asked for again, and the code itself exists nowhere but in the mail (the row keeps a keyed hash).
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from email.utils import formataddr
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import F
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from customers import identifiers
from customers.identifiers import Given
from customers.models import Customer, SignInCode
from lib import limits
from lib.db import command
from lib.errors import Refused
from merchants.models import Merchant

LIFETIME = timedelta(minutes=10)
TRIES = 5
# Five tries for each of ten codes a day: one chance in 20,000 a day to guess one contact's code.
CODES = ("3/10 minutes", "10/day")
MAIL_SECONDS = 5


class TooManyCodes(Refused):
    code = "too_many_codes"


class CodeNotSent(Refused):
    code = "code_not_sent"
    retryable = True


class WrongCode(Refused):
    """Wrong, used, too old, or guessed too often: the caller cannot tell which."""

    code = "wrong_code"


class AccountClosed(Refused):
    code = "account_closed"


def send_code(*, merchant: Merchant, contact: str, at: datetime) -> str:
    """
    Send a code of six digits to an e-mail address, in the language that is active; return the address.

    Asking again sends another code, and only the newest one counts.

    :raises InvalidIdentifier: it is no e-mail address
    :raises TooManyCodes: three in ten minutes or ten in a day have been sent there
    :raises CodeNotSent: the mail server did not take the mail
    """
    address = identifiers.normalize(type="email", value=contact, country=merchant.country)
    place = _contact_hash(merchant, address)
    if not all(limits.take(limit, "sign-in-code", place) for limit in CODES):
        raise TooManyCodes(_("Too many codes were asked for. Please try again in ten minutes."))
    code = f"{secrets.randbelow(1_000_000):06}"
    row = _keep(merchant=merchant, place=place, code=code, at=at)
    try:
        _mail(merchant=merchant, address=address, code=code)
    except (OSError, SMTPException) as error:
        _withdraw(row)
        raise CodeNotSent(_("The e-mail could not be sent. Please try again in a minute.")) from error
    return address


def use_code(*, merchant: Merchant, contact: str, code: str, at: datetime) -> Customer | None:
    """
    Use the newest code of a contact up; return the customer who has the contact, None if nobody has.

    Every try counts, also several in the same instant. A code works once.

    :raises WrongCode: it is not the code, or no longer
    :raises AccountClosed: the customer is blocked
    """
    address = identifiers.normalize(type="email", value=contact, country=merchant.country)
    digits = "".join(letter for letter in code if letter in "0123456789")
    if not _spend(place=_contact_hash(merchant, address), merchant=merchant, code=digits, at=at):
        raise WrongCode(_("That code is not right or no longer valid."))
    return who_has(merchant=merchant, contact=address)


def who_has(*, merchant: Merchant, contact: str) -> Customer | None:
    """
    Return the customer who has this proved e-mail address, None if nobody has.

    :raises AccountClosed: the customer is blocked
    """
    [found] = identifiers.resolve(merchant=merchant, given=[Given("email", contact)], verified_only=True)
    if found is None:
        return None
    customer = Customer.objects.select_related("merchant").get(pk=found, merchant=merchant)
    if customer.status != Customer.Status.ACTIVE:
        raise AccountClosed(_("This account is closed. Please ask at the shop."))
    return customer


@command
def forget(*, at: datetime) -> int:
    """Delete the codes that ran out a day ago or earlier; return how many."""
    count, _each = SignInCode.objects.filter(expires_at__lt=at - timedelta(days=1)).delete()
    return count


@command
def _keep(*, merchant: Merchant, place: str, code: str, at: datetime) -> SignInCode:
    SignInCode.objects.filter(merchant=merchant, contact_hash=place).delete()
    row = SignInCode(merchant=merchant, contact_hash=place, created_at=at, expires_at=at + LIFETIME)
    row.code_hash = _code_hash(row.pk, code)
    row.save(force_insert=True)
    return row


@command
def _withdraw(row: SignInCode) -> None:
    row.delete()


@command
def _spend(*, merchant: Merchant, place: str, code: str, at: datetime) -> bool:
    newest = (
        SignInCode.objects.filter(merchant=merchant, contact_hash=place)
        .order_by("-created_at", "-pk")
        .first()
    )
    if newest is None:
        return False
    # The race: many guesses at once. The statement that counts a try is also the one that allows it, so
    # the sixth is refused however they interleave. It returns and never raises: a try must stay counted.
    live = SignInCode.objects.filter(pk=newest.pk, used_at=None, expires_at__gt=at, tries__lt=TRIES)
    if not live.update(tries=F("tries") + 1):
        return False
    if not hmac.compare_digest(newest.code_hash, _code_hash(newest.pk, code)):
        return False
    return bool(SignInCode.objects.filter(pk=newest.pk, used_at=None).update(used_at=at))


def _contact_hash(merchant: Merchant, address: str) -> str:
    return _keyed("contact", str(merchant.pk), address)


def _code_hash(row_id: int, code: str) -> str:
    return _keyed("code", str(row_id), code)


def _keyed(*parts: str) -> str:
    return hmac.new(settings.LOOKUP_KEY.encode(), "\x00".join(parts).encode(), hashlib.sha256).hexdigest()


def _mail(*, merchant: Merchant, address: str, code: str) -> None:
    context = {
        "merchant": merchant,
        "code": code,
        "minutes": int(LIFETIME.total_seconds() // 60),
        "address": f"{settings.BASE_URL}/{merchant.slug}",
    }
    message = EmailMultiAlternatives(
        subject=" ".join(render_to_string("messages/sign_in/email.subject.txt", context).split()),
        body=render_to_string("messages/sign_in/email.txt", context),
        from_email=formataddr((" ".join(merchant.name.split()), settings.DEFAULT_FROM_EMAIL)),
        to=[address],
        connection=_post(merchant),
    )
    message.attach_alternative(render_to_string("messages/sign_in/email.html", context), "text/html")
    message.send()


def _post(merchant: Merchant) -> Any:
    # A sandbox reaches no real person: its mail goes to files, whatever server the others use.
    if merchant.is_test:
        return get_connection(
            "django.core.mail.backends.filebased.EmailBackend", file_path=settings.DATA_DIR / "mail"
        )
    return get_connection(timeout=MAIL_SECONDS)
