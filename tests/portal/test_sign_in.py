"""The customer's door: a code by e-mail, joining, signing out, and being nobody elsewhere."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from customers import erasure, people
from customers.identifiers import Given
from customers.models import Consent, Customer, SignInCode
from lib.http import client_address
from loyalty import members
from portal import tasks
from tests.portal.visitor import sign_in

pytest_plugins = ["tests.mail"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(cafe):
    cafe.is_test = False
    cafe.save()
    return cafe


def test_ana_signs_in_with_the_code_from_her_mail(client, shop, ana, post_office):
    asked = client.post("/cafe-mira", {"contact": "ana@example.com"})
    assert (asked.status_code, asked.headers["Location"]) == (302, "/cafe-mira/code")
    assert "ana@example.com" in client.get("/cafe-mira/code").content.decode()

    entered = client.post("/cafe-mira/code", {"code": post_office.code()})

    assert (entered.status_code, entered.headers["Location"]) == (302, "/cafe-mira")
    assert "Hello, Ana" in client.get("/cafe-mira").content.decode()


def test_a_wrong_code_says_so_and_lets_try_again(client, shop, ana, post_office):
    client.post("/cafe-mira", {"contact": "ana@example.com"})

    answer = client.post("/cafe-mira/code", {"code": "12"})

    assert answer.status_code == 422
    assert "That code is not right or no longer valid." in answer.content.decode()
    assert client.post("/cafe-mira/code", {"code": post_office.code()}).status_code == 302


def test_the_answer_is_the_same_whether_somebody_exists_or_not(client, shop, ana, post_office):
    pages = []
    for contact in ("ana@example.com", "zoe@example.com"):
        client.cookies.clear()
        asked = client.post("/cafe-mira", {"contact": contact})
        page = client.get("/cafe-mira/code").content.decode().replace(contact, "")
        token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        pages.append((asked.status_code, asked.headers["Location"], page.count(token), len(page)))

    assert pages[0] == pages[1]
    assert len(post_office.letters) == 2


def test_the_code_counts_only_in_the_browser_that_asked(client, shop, ana, post_office):
    client.post("/cafe-mira", {"contact": "ana@example.com"})
    client.cookies.clear()

    answer = client.post("/cafe-mira/code", {"code": post_office.code()})

    assert answer.headers["Location"] == "/cafe-mira"
    assert "Hello" not in client.get("/cafe-mira").content.decode()


def test_the_session_key_changes_with_signing_in(client, shop, ana, post_office):
    client.post("/cafe-mira", {"contact": "ana@example.com"})
    before = client.cookies["sessionid"].value

    client.post("/cafe-mira/code", {"code": post_office.code()})

    assert client.cookies["sessionid"].value != before


def test_zoe_joins_with_the_same_page(client, shop, post_office):
    client.post("/cafe-mira", {"contact": "Zoe@Example.com"})
    entered = client.post("/cafe-mira/code", {"code": post_office.code()})
    assert entered.headers["Location"] == "/cafe-mira/join"
    assert not Customer.objects.exists()

    joined = client.post("/cafe-mira/join", {"name": "Zoe", "news": "on"})

    assert joined.headers["Location"] == "/cafe-mira"
    zoe = Customer.objects.get()
    assert (zoe.name, zoe.merchant, zoe.language) == ("Zoe", shop, "en")
    assert list(zoe.identifiers.values_list("type", "value")) == [("email", "zoe@example.com")]
    assert zoe.identifiers.get().verified_at
    consent = Consent.objects.get()
    assert (consent.channel, consent.purpose, consent.granted, consent.source) == (
        "email",
        "marketing",
        True,
        "portal",
    )
    assert "Café Mira may send me news" in consent.wording
    assert "Hello, Zoe" in client.get("/cafe-mira").content.decode()


def test_joining_without_a_proved_address_is_not_possible(client, shop):
    assert client.get("/cafe-mira/join").headers["Location"] == "/cafe-mira"
    assert client.post("/cafe-mira/join", {"name": "Zoe"}).headers["Location"] == "/cafe-mira"
    assert not Customer.objects.exists()


def test_a_double_tap_on_join_makes_one_customer_and_lets_her_in(client, shop, post_office):
    client.post("/cafe-mira", {"contact": "zoe@example.com"})
    client.post("/cafe-mira/code", {"code": post_office.code()})
    assert client.get("/cafe-mira/join").status_code == 200
    # The till is faster than the second tap: the same person, enrolled in between.
    members.enroll(
        merchant=shop,
        name="Zoe",
        identifiers=[Given("email", "zoe@example.com")],
        at=timezone.now(),
        by="till",
    )

    client.post("/cafe-mira/join", {"name": "Zoe Again"})

    assert Customer.objects.count() == 1
    assert "Hello, Zoe" in client.get("/cafe-mira").content.decode()


def test_a_member_of_one_merchant_is_nobody_at_another(client, cafe, ana, bar_nilo, bo):
    sign_in(client, ana)

    assert "Hello, Ana" in client.get("/cafe-mira").content.decode()
    page = client.get("/bar-nilo").content.decode()
    assert "Sign in or join" in page
    assert "Ana" not in page
    for path in ("history", "me", "me/data.json", "me/data.zip", "me/leave"):
        assert client.get(f"/bar-nilo/{path}").headers["Location"] == "/bar-nilo"


def test_a_session_that_names_a_customer_of_another_merchant_opens_nothing(client, cafe, ana, bar_nilo, bo):
    session = client.session
    session["customers"] = {"cafe-mira": str(bo.pk)}
    session.save()

    assert "Sign in or join" in client.get("/cafe-mira").content.decode()


def test_one_browser_may_be_signed_in_at_two_merchants(client, cafe, ana, bar_nilo, bo):
    sign_in(client, ana)
    sign_in(client, bo)

    client.post("/cafe-mira/sign-out")

    assert "Sign in or join" in client.get("/cafe-mira").content.decode()
    assert "Hello, Bo" in client.get("/bar-nilo").content.decode()


def test_signing_out_ends_the_session(client, cafe, ana):
    sign_in(client, ana)
    key = client.cookies["sessionid"].value

    client.post("/cafe-mira/sign-out")
    client.cookies["sessionid"] = key

    assert "Sign in or join" in client.get("/cafe-mira").content.decode()


def test_signing_out_needs_a_form(client, cafe, ana):
    sign_in(client, ana)

    assert client.get("/cafe-mira/sign-out").status_code == 405


@pytest.mark.parametrize("end", ["block", "erase"])
def test_who_is_blocked_or_erased_is_out_at_once_everywhere(client, cafe, ana, end):
    sign_in(client, ana)
    reason = {"reason": "fraud"} if end == "block" else {}

    verb = erasure.erase if end == "erase" else people.block
    verb(customer=ana, at=timezone.now(), by="test", **reason)

    assert "Sign in or join" in client.get("/cafe-mira").content.decode()
    assert client.get("/cafe-mira/history").status_code == 302


def test_the_fourth_code_says_wait_to_anybody(client, shop, post_office):
    for _ in range(3):
        assert client.post("/cafe-mira", {"contact": "zoe@example.com"}).status_code == 302

    answer = client.post("/cafe-mira", {"contact": "zoe@example.com"})

    assert answer.status_code == 422
    assert "Too many codes" in answer.content.decode()


def test_one_network_address_may_not_ask_without_end(client, shop, post_office, monkeypatch):
    monkeypatch.setattr("portal.sign_in.ASKING", "2/hour")
    for name in ("a", "b"):
        client.post("/cafe-mira", {"contact": f"{name}@example.com"})

    answer = client.post("/cafe-mira", {"contact": "c@example.com"})

    assert answer.status_code == 422
    assert len(post_office.letters) == 2
    elsewhere = client.post("/cafe-mira", {"contact": "c@example.com"}, REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 302


@pytest.mark.parametrize(
    ("header", "told", "counted"),
    [
        ("", {"X-Real-IP": "192.0.2.9"}, "127.0.0.1"),
        ("X-Real-IP", {"X-Real-IP": "192.0.2.9"}, "192.0.2.9"),
        ("X-Forwarded-For", {"X-Forwarded-For": "10.0.0.1, 192.0.2.9"}, "192.0.2.9"),
        ("X-Real-IP", {"X-Real-IP": "2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"),
        ("X-Real-IP", {"X-Real-IP": "not an address"}, "not an address"),
        ("X-Real-IP", {}, "127.0.0.1"),
    ],
)
def test_limits_count_the_visitors_address_as_the_proxy_tells_it(rf, settings, header, told, counted):
    settings.CLIENT_ADDRESS_HEADER = header

    assert client_address(rf.get("/", headers=told)) == counted


def test_what_is_over_is_forgotten_by_itself(client, shop, post_office):
    client.post("/cafe-mira", {"contact": "ana@example.com"})
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    SignInCode.objects.update(expires_at=timezone.now() - timedelta(days=2))

    tasks.forget()

    assert not Session.objects.exists()
    assert not SignInCode.objects.exists()


@pytest.mark.parametrize("contact", ["", "ana", "ana@", "<script>@example.com", "x" * 300 + "@example.com"])
def test_what_is_no_address_is_said_beside_the_field(client, shop, contact):
    answer = client.post("/cafe-mira", {"contact": contact})

    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'aria-invalid="true"' in page
    assert 'aria-describedby="id_contact_error"' in page
    assert "<script>" not in page


def test_a_closed_or_unknown_merchant_has_no_page(client, cafe):
    cafe.is_active = False
    cafe.save()

    assert client.get("/cafe-mira").status_code == 404
    assert client.get("/nobody").status_code == 404
    assert client.post("/nobody/code").status_code == 404


def test_a_form_without_its_token_is_refused_in_plain_words(cafe):
    from django.test import Client

    answer = Client(enforce_csrf_checks=True).post("/cafe-mira", {"contact": "ana@example.com"})

    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()


def test_the_code_page_closes_after_a_while(client, shop, ana, post_office):
    client.post("/cafe-mira", {"contact": "ana@example.com"})
    session = client.session
    session["proving"] = {
        "cafe-mira": ["ana@example.com", (timezone.now() - timedelta(seconds=1)).timestamp()]
    }
    session.save()

    assert client.get("/cafe-mira/code").headers["Location"] == "/cafe-mira"


def test_pages_are_never_kept_by_the_browser(client, cafe, ana):
    sign_in(client, ana)

    for path in ("/cafe-mira", "/cafe-mira/history", "/cafe-mira/me"):
        assert "no-store" in client.get(path).headers["Cache-Control"]


def test_the_policy_is_strict(client, cafe):
    policy = client.get("/cafe-mira").headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
