"""E-mail, through the installation's server or provider, or through a server of the merchant's own."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formataddr
from typing import Any, Literal

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.utils.translation import gettext_lazy as _
from pydantic import Field

from engagement.channels import base
from engagement.channels.base import Channel, Down, InDoubt, Letter, Refused, Taken, TryAgain
from lib import outward
from merchants.models import Merchant

SMTP = "django.core.mail.backends.smtp.EmailBackend"
FILES = "django.core.mail.backends.filebased.EmailBackend"
HARMLESS = ("filebased", "locmem", "dummy", "console")
ANSWER_SECONDS = 20
# Answers that are about the address itself: it does not exist, or not here.
NOBODY = ("5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1")


class Email(Channel):
    kind = "email"
    label = _("E-mail")
    contact = "email"
    consent = "email"
    is_ready_alone = True

    class Options(base.Options):
        from_name: str = Field("", max_length=80, description="the sender's name; empty: the shop's name")
        from_address: str = Field("", max_length=254, description="the sender's address")
        reply_to: str = Field("", max_length=254, description="where answers go")
        double_opt_in: bool = Field(
            True, description="marketing waits until the customer confirmed by e-mail"
        )
        host: str = Field("", max_length=200, description="an SMTP server of your own")
        port: int = Field(587, ge=1, le=65535, description="its port")
        username: str = Field("", max_length=200, description="its user; the password is the secret")
        security: Literal["starttls", "tls", "none"] = Field("starttls", description="how it is secured")

    @contextmanager
    def open(self, *, merchant: Merchant, options: Any, secret: str) -> Iterator["Line"]:
        line = Line(merchant=merchant, options=options, secret=secret)
        try:
            yield line
        finally:
            line.close()


class Line:
    """One connection to a mail server, opened with the first letter and kept for the next ones."""

    def __init__(self, *, merchant: Merchant, options: "Email.Options", secret: str):
        self.options = options
        self.is_harmless = merchant.is_test or _is_harmless()
        self._server = _server(merchant, options, secret)
        self._has_sent = False

    def send(self, letter: Letter) -> Taken:
        mail = compose(letter, self.options)
        mail.connection = self._server
        if isinstance(self._server, Server):
            self._send_by_smtp(mail)
        else:
            _send_by_provider(mail)
        self._has_sent = True
        status = getattr(mail, "anymail_status", None)
        return Taken(getattr(status, "message_id", "") or "", is_delivered=self.is_harmless)

    def close(self) -> None:
        with suppress(OSError):  # it hung up first
            self._server.close()

    def _send_by_smtp(self, mail: EmailMultiAlternatives) -> None:
        server = self._server
        try:
            self._open()
            server.send_messages([mail])
        except (smtplib.SMTPServerDisconnected, ConnectionError, TimeoutError) as error:
            is_in_doubt = server.is_in_doubt
            server.drop()
            if is_in_doubt:
                raise InDoubt(str(error)) from error
            if not self._has_sent:
                raise Down(str(error) or type(error).__name__) from error
            # Servers hang up after so many letters, or after a pause; nothing of this one had left.
            self._has_sent = False
            self._send_by_smtp(mail)
        except smtplib.SMTPException as error:
            raise _meaning(error) from error
        except OSError as error:
            server.drop()
            raise Down(str(error)) from error

    def _open(self) -> None:
        try:
            self._server.open()
        except (smtplib.SMTPException, OSError, outward.Forbidden, outward.Unreachable) as error:
            # Whatever goes wrong before the first letter is the server's or the settings', not the letter's.
            self._server.drop()
            raise Down(str(error) or type(error).__name__) from error


class _Dialog:
    """Mixed into smtplib: remembers whether a letter was handed over whose answer has not come."""

    is_in_doubt = False

    def data(self, msg: Any) -> tuple[int, bytes]:
        it: Any = self
        it.putcmd("data")
        code, reply = it.getreply()
        if code != 354:
            raise smtplib.SMTPDataError(code, reply)
        quoted = smtplib._quote_periods(msg)  # type: ignore[attr-defined]
        if not quoted.endswith(b"\r\n"):
            quoted += b"\r\n"
        self.is_in_doubt = True
        it.send(quoted + b".\r\n")
        answer: tuple[int, bytes] = it.getreply()
        # -1 is what smtplib makes of a line that is no answer.
        self.is_in_doubt = answer[0] == -1
        return answer


class _Plain(_Dialog, smtplib.SMTP):
    pass


class _Sealed(_Dialog, smtplib.SMTP_SSL):
    pass


class Server(EmailBackend):
    """Django's SMTP connection, that knows whether a letter is in doubt, and where it may not lead."""

    is_own = False
    connection: Any
    _partial_connection: Any

    @property
    def connection_class(self) -> Any:
        return _Sealed if self.use_ssl else _Plain

    @property
    def is_in_doubt(self) -> bool:
        return bool(self.connection is not None and self.connection.is_in_doubt)

    def open(self) -> bool | None:
        if self.is_own and self.connection is None:
            outward.judge(f"https://{self.host}:{self.port}")
        return super().open()

    def drop(self) -> None:
        """Forget the connection without a farewell: it is broken."""
        for line in (self.connection, self._partial_connection):
            if line is not None:
                line.close()
        self.connection = self._partial_connection = None


def _server(merchant: Merchant, options: "Email.Options", secret: str) -> Any:
    # A sandbox reaches no real person: its mail goes to files, whatever server the others use.
    if merchant.is_test:
        return get_connection(FILES, file_path=settings.DATA_DIR / "mail")
    if options.host:
        own = Server(
            host=options.host,
            port=options.port,
            username=options.username,
            password=secret,
            use_tls=options.security == "starttls",
            use_ssl=options.security == "tls",
            timeout=ANSWER_SECONDS,
        )
        own.is_own = True
        return own
    if settings.EMAIL_BACKEND == SMTP:
        return Server(timeout=ANSWER_SECONDS)
    return get_connection()


def _is_harmless() -> bool:
    return any(word in settings.EMAIL_BACKEND for word in HARMLESS)


def compose(letter: Letter, options: "Email.Options") -> EmailMultiAlternatives:
    """Return the mail of a letter: both forms, who it is from, and for marketing the way out (RFC 8058)."""
    name = " ".join((options.from_name or letter.merchant.name).split())
    headers = {"X-Message": letter.public_id}
    if letter.unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail = EmailMultiAlternatives(
        subject=letter.subject,
        body=letter.text,
        from_email=formataddr((name, options.from_address or settings.DEFAULT_FROM_EMAIL)),
        to=[letter.to],
        reply_to=[options.reply_to] if options.reply_to else None,
        headers=headers,
    )
    mail.attach_alternative(letter.html, "text/html")
    mail.metadata = {"message": letter.public_id}  # type: ignore[attr-defined]
    return mail


def _meaning(error: smtplib.SMTPException) -> Exception:
    """Return what the server's answer means for this letter."""
    code, said = _answer(error)
    text = f"{code} {said}".strip()[:300]
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Refused(str(error))
    if isinstance(error, smtplib.SMTPSenderRefused) and code in (421, 450, 451, 452, 530, 535):
        return Down(text)
    if code == 421:
        return Down(text)
    if 500 <= code < 600:
        is_rcpt = isinstance(error, smtplib.SMTPRecipientsRefused)
        return Refused(text, is_contact_bad=is_rcpt and (said.startswith(NOBODY) or code == 550))
    return TryAgain(text or str(error))


def _answer(error: smtplib.SMTPException) -> tuple[int, str]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, said = next(iter(error.recipients.values()), (0, b""))
    else:
        code, said = getattr(error, "smtp_code", 0), getattr(error, "smtp_error", b"")
    return code, said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _send_by_provider(mail: EmailMultiAlternatives) -> None:
    """Send through whatever the operator set: a provider's API by anymail, or files."""
    from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused
    from requests.exceptions import ConnectionError as NotReached
    from requests.exceptions import ConnectTimeout, RequestException

    try:
        mail.send()
    except AnymailRecipientsRefused as error:
        raise Refused(str(error)[:300], is_contact_bad=True) from error
    except AnymailAPIError as error:
        status = error.status_code or 0
        cause = error.__cause__
        if status in (401, 403, 429) or status >= 500 or isinstance(cause, ConnectTimeout | NotReached):
            raise Down(str(error)[:300]) from error
        if status == 0 and isinstance(cause, RequestException):
            raise InDoubt(str(error)[:300]) from error
        raise Refused(str(error)[:300]) from error
    except OSError as error:
        raise Down(str(error)) from error
