"""Messages that are due, sent over SMTP by one process: against the same mails sent by smtplib alone."""

import smtplib
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from bench.shop import Shop
from customers.models import Customer
from engagement import messages
from engagement.channels import email
from engagement.channels.base import Letter
from engagement.messages import Draft
from engagement.models import Message
from engagement.templates import render

NAME = "messages_smtp_per_second"


def measure(shop: Shop, results: Any, *, seconds: float, rounds: int) -> None:
    """Take both rates by turns. Every mail the service calls sent was taken by the server once."""
    many = min(round(150 * seconds), len(shop.customers))
    ours, theirs = [], []
    with _mailbox() as box:
        for turn in range(rounds):
            theirs.append(_alone(shop, many))
            before = box()
            ours.append(_send(shop, many, turn))
            if box() - before != many:
                raise RuntimeError(f"{box() - before} of {many} mails reached the server")
    results.rates[NAME] = statistics.median(ours)
    results.limits["smtplib_per_second"] = statistics.median(theirs)


def _send(shop: Shop, many: int, turn: int) -> float:
    people = list(Customer.objects.filter(pk__in=shop.customers[:many]).select_related("merchant"))
    now = datetime.now(UTC)
    drafts = [Draft(one, f"bench:{turn}:{one.pk}", "email", "welcome", {}, "service", now) for one in people]
    with transaction.atomic():
        messages.queue_all(drafts, at=now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE engagement_message")
    started = time.perf_counter()
    while messages.send_due(at=datetime.now(UTC)):
        pass
    taken = time.perf_counter() - started
    left = Message.objects.exclude(status="sent").count()
    if left:
        raise RuntimeError(f"{left} messages were not sent")
    return many / taken


def _alone(shop: Shop, many: int) -> float:
    customer = Customer.objects.select_related("merchant").get(pk=shop.customers[0])
    rendered = render("welcome", customer, {})
    letter = Letter(
        message_id=1,
        public_id="msg_bench",
        merchant=customer.merchant,
        to="person@example.com",
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        short=rendered.short,
        is_marketing=False,
        at=datetime.now(UTC),
    )
    body = email.compose(letter, email.Email.Options()).message().as_bytes(linesep="\r\n")
    started = time.perf_counter()
    with smtplib.SMTP(settings.EMAIL_HOST, settings.EMAIL_PORT) as line:
        for _ in range(many):
            line.sendmail("shop@example.com", ["person@example.com"], body)
    return many / (time.perf_counter() - started)


@contextmanager
def _mailbox():
    """Start the mail server, tell Django of it, and give the function that asks how many mails it took."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.mailbox"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    settings.EMAIL_BACKEND = email.SMTP
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", int(server.stdout.readline())
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""

    def taken() -> int:
        server.stdin.write("\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    try:
        yield taken
    finally:
        server.stdin.close()
        server.wait(10)
