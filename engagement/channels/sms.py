"""
Text messages: by Twilio's API, or by any gateway that takes an HTTPS POST.

A sandbox, and a channel whose provider is `file`, write into files in DATA_DIR and reach nobody.
"""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlencode

import orjson
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from pydantic import Field
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

from engagement.channels import base
from engagement.channels.base import Channel, Down, InDoubt, Letter, Refused, Taken, TryAgain
from lib import outward
from merchants.models import Merchant

TWILIO = "https://api.twilio.com"
MOST_LETTERS = 640
# Twilio's numbers for a recipient that can never be reached: no number, no mobile, opted out, blocked.
UNREACHABLE = {21211, 21214, 21610, 21612, 21614, 30005, 30006}
_SID = re.compile(r"\b(?:SM|MM)[0-9a-f]{32}\b")
_BEFORE = (NewConnectionError, ConnectTimeoutError, ConnectionRefusedError, SSLError)


class Sms(Channel):
    kind = "sms"
    label = _("Text message (SMS)")
    contact = "phone"
    consent = "sms"

    class Options(base.Options):
        provider: Literal["file", "twilio", "http"] = Field(
            "file", description="twilio, http, or file to try out"
        )
        sender: str = Field("", max_length=40, description="the number or name it comes from")
        account: str = Field(
            "", max_length=64, description="Twilio: the account's SID; the secret is its token"
        )
        url: str = Field("", max_length=500, description="http: the gateway's address")
        to_field: str = Field("to", max_length=40, description="http: the field of the number")
        text_field: str = Field("text", max_length=40, description="http: the field of the text")
        sender_field: str = Field("from", max_length=40, description="http: the field of the sender")
        as_json: bool = Field(False, description="http: send JSON and not a form")

    @contextmanager
    def open(self, *, merchant: Merchant, options: Any, secret: str) -> Iterator["base.Line"]:
        if merchant.is_test or options.provider == "file":
            yield FileLine()
            return
        line = HttpLine(options, secret)
        try:
            yield line
        finally:
            line.close()


def words(letter: Letter) -> str:
    """Return the text as it is sent: whole, up to four parts, with its way out at the end."""
    text = letter.text
    if len(text) <= MOST_LETTERS:
        return text
    head, _line, foot = text.rpartition("\n")
    return f"{head[: MOST_LETTERS - len(foot) - 2]}…\n{foot}" if head else f"{text[: MOST_LETTERS - 1]}…"


class FileLine:
    """Writes into a file, for sandboxes and for trying out."""

    def send(self, letter: Letter) -> Taken:
        folder = settings.DATA_DIR / "sms"
        folder.mkdir(exist_ok=True)
        place = folder / f"{letter.public_id}.txt"
        place.write_text(f"To: {letter.to}\n\n{words(letter)}\n", encoding="utf-8")
        return Taken(is_delivered=True)


class HttpLine:
    """One connection to a provider's API, opened with the first message."""

    def __init__(self, options: "Sms.Options", secret: str):
        self.options, self.secret = options, secret
        self._line: outward.Line | None = None

    def send(self, letter: Letter) -> Taken:
        body, headers = self._request(letter)
        try:
            reply = self._opened().post(body, headers)
        except outward.Forbidden as error:
            raise Down(str(error)) from error
        except outward.Unreachable as error:
            self.close()
            if self._line is None or isinstance(error.__cause__, _BEFORE):
                raise Down(str(error)) from error
            raise InDoubt(str(error)) from error
        if 200 <= reply.status < 300:
            found = _SID.search(reply.excerpt)
            return Taken(found[0] if found else "")
        raise _meaning(reply)

    def close(self) -> None:
        if self._line is not None:
            self._line.__exit__(None, None, None)

    def _opened(self) -> outward.Line:
        if self._line is None:
            self._line = outward.Line(outward.judge(self._url()))
        return self._line

    def _url(self) -> str:
        if self.options.provider == "http":
            return self.options.url
        return f"{self.options.url or TWILIO}/2010-04-01/Accounts/{self.options.account}/Messages.json"

    def _request(self, letter: Letter) -> tuple[bytes, dict[str, str]]:
        options = self.options
        if options.provider == "twilio":
            # A messaging service is named where a number would be.
            name = "MessagingServiceSid" if options.sender.startswith("MG") else "From"
            said = {"To": letter.to, name: options.sender, "Body": words(letter)}
            pair = base64.b64encode(f"{options.account}:{self.secret}".encode()).decode()
            return _form(said), {**_FORM, "Authorization": f"Basic {pair}"}
        said = {options.to_field: letter.to, options.text_field: words(letter)}
        if options.sender:
            said[options.sender_field] = options.sender
        headers = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        # Gateways that know it send a repeated message once.
        headers["Idempotency-Key"] = letter.public_id
        if options.as_json:
            return orjson.dumps(said), {**headers, "Content-Type": "application/json"}
        return _form(said), {**headers, **_FORM}


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _form(said: dict[str, str]) -> bytes:
    return urlencode(said).encode()


def _meaning(reply: outward.Reply) -> Exception:
    """Return what the provider's refusal means for this message."""
    text = f"{reply.status} {reply.excerpt}"[:300]
    if reply.status in (401, 403, 404, 429) or reply.status == 503:
        return Down(text)
    if reply.status >= 500:
        # It broke after it had the message: nobody knows how far it came.
        return InDoubt(text)
    if reply.status in (408, 425):
        return TryAgain(text)
    found = re.search(r'"code"\s*:\s*(\d+)', reply.excerpt)
    return Refused(text, is_contact_bad=found is not None and int(found[1]) in UNREACHABLE)
