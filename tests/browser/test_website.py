"""The script on a shop's own pages, on another origin and under the shop's own strict policy."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from customers import sites
from customers.identifiers import Given
from customers.models import Touchpoint
from loyalty import members

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGE = """<!doctype html><html lang="en"><title>Beans</title>
<script src="{service}/t/touch.js" data-key="{key}"></script>
<h1>Beans</h1>"""


class Shop(ThreadingHTTPServer):
    """A shop's web server: one page, whose policy allows one source beside its own."""

    page = service = ""


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src {self.server.service}; connect-src {self.server.service}",
        )
        self.end_headers()
        self.wfile.write(self.server.page.encode())

    def log_message(self, *_args):
        pass


@pytest.fixture
def shop():
    server = Shop(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(cafe, shop, live_server):
    origin = f"http://127.0.0.1:{shop.server_port}"
    made, made.secret = sites.issue(merchant=cafe, name="Shop", origins=[origin], at=timezone.now())
    made.address = origin
    shop.service = live_server.url
    shop.page = PAGE.format(service=live_server.url, key=made.key)
    return made


@pytest.fixture
def visit(browser, site):
    """`visit()` is a page of the shop in a new browser; what its console says must stay empty."""
    contexts = []

    def open_page(context=None, before="", **headers):
        context = context or browser.new_context(**headers)
        contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: message.type == "error" and page.said.append(message.text))
        if before:
            page.add_init_script(before)
        page.goto(f"{site.address}/beans?secret=1")
        return page

    yield open_page
    for context in contexts:
        context.close()


def told(page, count):
    for _ in range(50):
        found = list(Touchpoint.objects.filter(channel="web").order_by("occurred_at", "id"))
        if len(found) >= count:
            break
        page.wait_for_timeout(100)
    return found


def test_a_visit_is_told(visit, cafe):
    page = visit()
    page.evaluate("loyalty.product({sku: 'beans-1'})")
    page.evaluate("loyalty.basket({basket: 'b-1', currency: 'EUR', amount_minor: 900})")
    page.goto("about:blank")  # leaving sends what waits

    found = told(page, 3)
    assert [one.kind for one in found] == ["page.viewed", "product.viewed", "basket.updated"]
    assert {one.merchant_id for one in found} == {cafe.pk}
    assert found[0].data == {"path": "/beans"}, "no query string is told"
    assert len({one.anonymous_id for one in found}) == 1
    assert page.said == []


def test_without_consent_nothing_outlives_the_tab(visit):
    page = visit()
    mine = page.evaluate("loyalty.id()")
    page.reload()

    assert page.evaluate("loyalty.id()") == mine, "one visit is one visitor"
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []
    other = visit(page.context)
    assert other.evaluate("loyalty.id()") != mine

    page.evaluate("loyalty.consent(true)")
    third = visit(page.context)
    assert third.evaluate("loyalty.id()") == mine
    third.evaluate("loyalty.consent(false)")
    assert third.evaluate("localStorage.length") == 0
    assert third.evaluate("loyalty.id()") != mine


@pytest.mark.parametrize(
    "wish",
    [
        "Object.defineProperty(navigator, 'doNotTrack', {get: () => '1'})",
        "Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true})",
    ],
)
def test_who_does_not_want_it_is_not_followed(visit, wish):
    page = visit(before=wish)
    page.evaluate("loyalty.product({sku: 'beans-1'}); loyalty.consent(true)")
    page.wait_for_timeout(1500)

    assert page.evaluate("loyalty.id()") is None
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert not Touchpoint.objects.filter(channel="web").exists()


def test_a_signed_visitor_is_the_customer(visit, site, cafe):
    member = members.enroll(
        merchant=cafe, identifiers=[Given("external_id", "u-1", "shop")], at=timezone.now(), by="test"
    )
    page = visit()
    signed = sites.signature(
        secret=site.secret, anonymous_id=page.evaluate("loyalty.id()"), external_id="u-1", source="shop"
    )
    page.evaluate("signed => loyalty.identify('u-1', signed, 'shop')", signed)

    found = told(page, 2)
    assert {(one.kind, one.customer_id) for one in found} == {
        ("page.viewed", member.pk), ("identify", member.pk)
    }  # fmt: skip
