"""Channels: what leaves the house, byte by byte, and what each answer of a provider means."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from customers.models import Touchpoint
from engagement import tracking
from engagement.models import ChannelSettings, Message, Suppression
from lib import secrets

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def gateway(settings):
    """A real HTTP server on this machine; `answer` is (status, body)."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.heard.append((self.path, dict(self.headers), body))
            status, text = server.answer
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.heard, server.answer = [], (201, '{"sid": "SM' + "a" * 32 + '"}')
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    yield server
    server.shutdown()


def set_up(shop, **options):
    return ChannelSettings.objects.create(
        merchant=shop, kind="sms", options=options, secret_sealed=secrets.seal("tok")
    )


def test_twilio_is_spoken_to_as_its_reference_says(shop, draft, queue, send, states, gateway):
    set_up(shop, provider="twilio", account="AC1", sender="+351210000000", url=gateway.url)
    queue(draft("a", channel="sms"))

    send()

    [(path, headers, body)] = gateway.heard
    assert path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert headers["Authorization"] == "Basic QUMxOnRvaw=="
    said = parse_qs(body)
    assert said["To"] == ["+351912345678"]
    assert said["From"] == ["+351210000000"]
    assert said["Body"][0].startswith("Welcome to Café Mira!")
    assert "/stop/" in said["Body"][0]
    kept = Message.objects.get()
    assert (kept.status, kept.provider_id) == ("sent", "SM" + "a" * 32)


def test_a_plain_gateway_gets_the_fields_it_wants(shop, draft, queue, send, states, gateway):
    gateway.answer = (200, "ok")
    set_up(
        shop, provider="http", url=f"{gateway.url}/send?x=1", to_field="phone", text_field="msg", as_json=True
    )
    queue(draft("a", channel="sms", purpose="transactional"))

    send()

    [(path, headers, body)] = gateway.heard
    said = json.loads(body)
    assert (path, said["phone"]) == ("/send?x=1", "+351912345678")
    assert said["msg"].startswith("Welcome to Café Mira!")
    assert "/stop/" not in said["msg"]
    assert headers["Authorization"] == "Bearer tok"
    assert headers["Idempotency-Key"] == Message.objects.get().public_id


@pytest.mark.parametrize(
    ("answer", "becomes", "is_suppressed"),
    [
        ((400, '{"code": 21211}'), "failed", True),
        ((400, '{"code": 20001}'), "failed", False),
        ((429, "slow down"), "queued", False),
        ((401, "who are you"), "queued", False),
        ((500, "oops"), "unknown", False),
        ((0, ""), "unknown", False),
    ],
)
def test_what_each_answer_means(answer, becomes, is_suppressed, shop, draft, queue, send, states, gateway):
    gateway.answer = answer
    set_up(shop, provider="twilio", account="AC1", sender="+351210000000", url=gateway.url)
    queue(draft("a", channel="sms"))

    send()

    assert states()["a"][0] == becomes
    assert Suppression.objects.exists() == is_suppressed


def test_our_own_network_is_not_called(shop, draft, queue, send, states, gateway, settings):
    settings.WEBHOOK_NETWORKS = []
    set_up(shop, provider="http", url=gateway.url)
    queue(draft("a", channel="sms"))

    send()

    assert gateway.heard == []
    assert states()["a"] == ("queued", "again")
    assert "not public" in ChannelSettings.objects.get().error


def test_a_sandbox_writes_text_messages_into_files(cafe, draft, queue, send, states, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    set_up(cafe, provider="twilio", account="AC1", sender="+351210000000", url="http://127.0.0.1:9")
    queue(draft("a", channel="sms"))

    send()

    assert states()["a"] == ("delivered", "")
    [kept] = (tmp_path / "sms").iterdir()
    assert "+351912345678" in kept.read_text()


def test_a_webhook_is_a_touchpoint_told_once(shop, ana, draft, queue, send, states):
    ChannelSettings.objects.create(merchant=shop, kind="webhook")
    queue(draft("a", channel="webhook"))

    send()

    told = Touchpoint.objects.get(kind="message.due")
    assert (told.customer_id, told.data["subject"]) == (ana.pk, "Welcome to Café Mira")
    assert states()["a"] == ("sent", "")


def test_a_bounce_marks_the_message_and_its_address(shop, draft, queue, send, states, noon, post_office):
    queue(draft("a"))
    send()
    message = tracking.find(shown=Message.objects.get().public_id, provider_id="")

    for event in ("delivered", "bounced", "delivered", "bounced"):
        tracking.tell(message=message, event=event, reason="bounced" if event == "bounced" else "", at=noon)

    assert states()["a"] == ("bounced", "")
    assert Suppression.objects.get().reason == "bounced"
    assert Touchpoint.objects.filter(kind="message.bounced").count() == 1
    queue(draft("b", purpose="transactional"))
    send()
    assert states()["b"] == ("not_sent", "suppressed")


def test_a_complaint_is_a_no(shop, ana, draft, queue, send, answer, states, noon, post_office):
    answer(ana, "email", "marketing", True)
    queue(draft("a", purpose="marketing"))
    send()

    message = tracking.find(shown=Message.objects.get().public_id, provider_id="")
    tracking.tell(message=message, event="complained", at=noon)

    assert states()["a"] == ("complained", "")
    assert Suppression.objects.get().reason == "complained"
    assert not ana.consents.order_by("-pk").first().granted


def test_a_providers_webhook_needs_its_secret(
    shop, draft, queue, send, states, client, settings, post_office
):
    settings.ROOT_URLCONF = "tests.engagement.urls"
    settings.ANYMAIL = {"WEBHOOK_SECRET": "mail:secret"}
    queue(draft("a"))
    send()
    told = {
        "RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "MessageID": "x", "Email": "ana@example.com",
        "BouncedAt": "2026-05-01T12:00:00Z", "Metadata": {"message": Message.objects.get().public_id},
    }  # fmt: skip
    address = "/hooks/mail/postmark/tracking/"

    assert client.post(address, told, content_type="application/json").status_code == 400
    assert states()["a"] == ("sent", "")
    right = {"Authorization": "Basic bWFpbDpzZWNyZXQ="}
    assert client.post(address, told, content_type="application/json", headers=right).status_code == 200

    assert states()["a"] == ("bounced", "")
    assert Suppression.objects.count() == 1


def test_a_mail_server_in_our_own_network_is_not_called(
    shop, draft, queue, send, states, post_office, settings
):
    own = {"host": "127.0.0.1", "port": settings.EMAIL_PORT, "security": "none"}
    ChannelSettings.objects.create(merchant=shop, kind="email", options=own)
    queue(draft("a"))

    send()

    assert post_office.letters == []
    assert states()["a"] == ("queued", "again")
    assert "not public" in ChannelSettings.objects.get().error


def test_a_merchants_own_mail_server_is_used_where_it_may_be(
    shop, draft, queue, send, states, post_office, settings
):
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    own, settings.EMAIL_PORT = settings.EMAIL_PORT, 9
    options = {
        "host": "127.0.0.1",
        "port": own,
        "security": "none",
        "from_name": "Mira",
        "from_address": "hello@mira.example",
        "reply_to": "desk@mira.example",
    }
    ChannelSettings.objects.create(merchant=shop, kind="email", options=options)
    queue(draft("a"))

    send()

    assert states()["a"] == ("sent", "")
    [letter] = post_office.letters
    assert (letter["From"], letter["Reply-To"]) == ("Mira <hello@mira.example>", "desk@mira.example")
