"""Signing in and joining: an address, a code, and for who is new a name. One page leads to the other."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from customers import sign_in
from customers.identifiers import Given, IdentifierTaken
from customers.referrals import Claim
from lib import limits
from lib.errors import DomainError
from lib.http import client_address
from loyalty import members, programs
from portal import me, refusals, visits
from portal.visits import BROUGHT, PROVED, PROVING, Visit, door, show

# Per network address; a whole shop's guests may share one.
ASKING = "60/hour"
TRYING = "60/hour"
CODE_SECONDS = 15 * 60
JOIN_SECONDS = 30 * 60
# Somebody opens a friend's link today and joins next week.
BROUGHT_SECONDS = 14 * 24 * 3600


class ContactForm(forms.Form):
    contact = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        error_messages={
            "required": gettext_lazy("Type your e-mail address."),
            "invalid": gettext_lazy("Type an e-mail address like ana@example.com."),
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autocapitalize": "none"}),
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Six-digit code"),
        max_length=20,
        error_messages={"required": gettext_lazy("Type the six digits from the e-mail.")},
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "class": "code",
                "autofocus": True,
            }
        ),
    )


class JoinForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Your name"),
        max_length=120,
        required=False,
        help_text=gettext_lazy("So that we can greet you."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    friend = forms.CharField(
        label=gettext_lazy("A friend's code"),
        max_length=20,
        required=False,
        help_text=gettext_lazy("If somebody gave you one."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )
    news = forms.BooleanField(required=False)


def keep_code(visit: Visit) -> None:
    """Keep the code of a friend's link (`?ref=`) until somebody joins in this browser."""
    code = visit.request.GET.get("ref", "").strip()
    if code and code.isascii() and code.isalnum() and len(code) <= 20:
        visits.remember(visit, BROUGHT, code, seconds=BROUGHT_SECONDS)


def ask(visit: Visit) -> HttpResponse:
    """The first page of who is not signed in: which address may we send a code to?"""
    if visit.request.method != "POST":
        return show(visit, "sign_in", form=ContactForm())
    form = ContactForm(visit.request.POST)
    if form.is_valid():
        try:
            _send(visit, form.cleaned_data["contact"])
            return redirect("portal:code", slug=visit.merchant.slug)
        except DomainError as refusal:
            form.add_error("contact", refusals.words(refusal))
    return show(visit, "sign_in", form=form, status=422)


def _send(visit: Visit, contact: str) -> None:
    if not limits.take(ASKING, "portal-ask", client_address(visit.request)):
        raise sign_in.TooManyCodes(_("Too many codes were asked for from here. Please try again later."))
    address = sign_in.send_code(merchant=visit.merchant, contact=contact, at=timezone.now())
    visits.remember(visit, PROVING, address, seconds=CODE_SECONDS)


@require_http_methods(["GET", "HEAD", "POST"])
@door
def code(visit: Visit) -> HttpResponse:
    """The code from the mail. It counts only in the browser that asked for it."""
    contact = visits.recall(visit, PROVING)
    if contact is None or visit.customer is not None:
        return redirect("portal:home", slug=visit.merchant.slug)
    if visit.request.method != "POST":
        return show(visit, "code", form=CodeForm(), contact=contact)
    form = CodeForm(visit.request.POST)
    if form.is_valid():
        try:
            return _enter(visit, contact, form.cleaned_data["code"])
        except DomainError as refusal:
            form.add_error("code", refusals.words(refusal))
    return show(visit, "code", form=form, contact=contact, status=422)


def _enter(visit: Visit, contact: str, digits: str) -> HttpResponse:
    if not limits.take(TRYING, "portal-try", client_address(visit.request)):
        raise sign_in.WrongCode(_("Too many tries from here. Please try again later."))
    customer = sign_in.use_code(merchant=visit.merchant, contact=contact, code=digits, at=timezone.now())
    if customer is None:
        # A new key also for a proved contact: what an earlier key could see must not lead to joining.
        visit.request.session.cycle_key()
        visits.forget(visit, PROVING)
        visits.remember(visit, PROVED, contact, seconds=JOIN_SECONDS)
        return redirect("portal:join", slug=visit.merchant.slug)
    visits.sign_in(visit, customer)
    return redirect("portal:home", slug=visit.merchant.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@door
def join(visit: Visit) -> HttpResponse:
    """Joining, for who proved an address that nobody has yet."""
    contact = visits.recall(visit, PROVED)
    if contact is None or visit.customer is not None:
        return redirect("portal:home", slug=visit.merchant.slug)
    try:
        plan = programs.current(merchant=visit.merchant)
    except programs.NoProgram:
        return show(visit, "no_program")
    form = JoinForm(
        visit.request.POST if visit.request.method == "POST" else None,
        initial={"friend": visits.recall(visit, BROUGHT) or ""},
    )
    if plan.referral is None:
        del form.fields["friend"]
    if form.is_bound and form.is_valid():
        try:
            return _enroll(visit, contact, form.cleaned_data)
        except DomainError as refusal:
            is_about_code = any(fault.pointer == "/friend" for fault in refusal.faults)
            form.add_error("friend" if is_about_code else "name", refusals.words(refusal))
    status = 422 if form.is_bound else 200
    return show(
        visit, "join", form=form, contact=contact, plan=plan, wording=me.wording(visit), status=status
    )


def _enroll(visit: Visit, contact: str, said: dict[str, Any]) -> HttpResponse:
    try:
        customer = members.enroll(
            merchant=visit.merchant,
            name=said["name"],
            identifiers=[Given("email", contact)],
            language=visit.language,
            consents=[me.choice(visit, is_granted=said["news"])],
            at=timezone.now(),
            by="customer",
            claim=_claim(visit, said.get("friend", "")),
        )
    except IdentifierTaken:
        # The race: a double tap on the button, or a till enrolled the same person meanwhile. The address is
        # proved, so whoever has it now is who stands here.
        member = sign_in.who_has(merchant=visit.merchant, contact=contact)
        if member is None:
            raise
        customer = member
    visits.sign_in(visit, customer)
    messages.success(visit.request, _("Welcome! You are a member now."))
    return redirect("portal:home", slug=visit.merchant.slug)


def _claim(visit: Visit, code: str) -> Claim | None:
    return Claim(code, address=client_address(visit.request), pointer="/friend") if code.strip() else None


@require_POST
@door
def leave(visit: Visit) -> HttpResponse:
    """Sign out."""
    visits.sign_out(visit)
    messages.info(visit.request, _("You are signed out."))
    return redirect("portal:home", slug=visit.merchant.slug)


@require_GET
def home_with_slash(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead /cafe-mira/ to /cafe-mira."""
    return redirect("portal:home", slug=slug, permanent=True)
