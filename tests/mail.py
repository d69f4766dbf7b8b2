"""A real mail server for tests: what was sent went over SMTP, and can be read."""

import asyncio
import re
import socket
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller


class PostOffice:
    """
    Keeps what it is given. `refuses` makes it answer every mail with an error of the moment, `answer` with
    this; `unknown` are addresses that do not exist, and at the letter `hangs_up_after` the line breaks once
    when the letter is kept already. `on_letter` is called for each, before the answer.
    """

    def __init__(self):
        self.letters = []
        self.refuses = False
        self.answer = ""
        self.unknown = set()
        self.hangs_up_after = 0
        self.on_letter = None

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.unknown:
            return "550 5.1.1 nobody here has this name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  (the library's name)
        if self.refuses:
            return "451 try again later"
        if self.answer:
            return self.answer
        letter = message_from_bytes(envelope.content, policy=policy.default)
        letter.recipients = list(envelope.rcpt_tos)
        self.letters.append(letter)
        if self.on_letter:
            await asyncio.to_thread(self.on_letter)
        if len(self.letters) == self.hangs_up_after:
            server.transport.abort()
        return "250 kept"

    def text(self, place=-1):
        """Return the plain text of a letter, by default the newest."""
        return self.letters[place].get_body(("plain",)).get_content()

    def code(self, place=-1):
        """Return the six digits in a letter."""
        return re.search(r"\b\d{6}\b", self.text(place))[0]


def free_port():
    """Return a port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def post_office(settings):
    """A mail server on a port of this machine, and Django told to use it."""
    office = PostOffice()
    controller = Controller(office, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = controller.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    yield office
    controller.stop()
