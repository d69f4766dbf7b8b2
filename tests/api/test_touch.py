"""What a shop's own pages tell: anonymous, of its own addresses, four kinds, and a visitor only when signed."""

import json

import pytest
from django.test import Client

from customers import sites
from customers.identifiers import Given
from customers.models import Touchpoint
from lib import db
from loyalty import members

pytestmark = [pytest.mark.core, pytest.mark.django_db]
SHOP = "https://shop.example"
VISITOR = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def site(cafe, noon):
    made, secret = sites.issue(
        merchant=cafe, name="Shop", origins=["HTTPS://Shop.example/"], at=noon, by="test"
    )
    made.secret = secret
    return made


def one(kind="page.viewed", number=1, **more):
    return {"kind": kind, "id": f"touch-{number:04}", **more}


def tell(site, *touches, origin=SHOP, visitor=VISITOR, **more):
    body = json.dumps({"anonymous_id": visitor, "touches": touches})
    headers = {"Origin": origin} if origin else {}
    return Client().post(f"/t/{site.key}", body, content_type="text/plain", headers=headers, **more)


def test_a_page_tells_what_a_visitor_does(cafe, site, django_assert_num_queries):
    said = one(data={"path": "/beans"}, ago=60_000)

    with django_assert_num_queries(5 if db.is_postgres() else 6):  # SQLite's BEGIN is one
        answer = tell(site, said, one("basket.updated", 2, data={"basket": "b-1", "amount_minor": 900}))

    assert (answer.status_code, answer.json()) == (200, {"noted": 2, "refused": []})
    assert answer["Access-Control-Allow-Origin"] == SHOP
    assert not answer.cookies
    seen, basket = Touchpoint.objects.filter(merchant=cafe, channel="web").order_by("occurred_at")
    assert (seen.kind, seen.anonymous_id, seen.customer_id, seen.data) == (
        "page.viewed", VISITOR, None, {"path": "/beans"},
    )  # fmt: skip
    assert basket.kind == "basket.updated"
    assert 59 < (basket.occurred_at - seen.occurred_at).total_seconds() < 61


def test_told_twice_it_is_noted_once(cafe, site):
    for _ in range(2):
        assert tell(site, one()).json()["noted"] == 1

    assert Touchpoint.objects.filter(merchant=cafe, channel="web").count() == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "http://shop.example", "null", ""])
def test_another_page_is_refused(site, origin):
    answer = tell(site, one(), origin=origin)

    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer
    assert not Touchpoint.objects.filter(channel="web").exists()


def test_a_revoked_or_unknown_key_opens_nothing(site, noon):
    sites.revoke(site=site, at=noon)
    assert tell(site, one()).status_code == 404

    site.key = "pk_unknown_unknown"
    assert tell(site, one()).status_code == 404


def test_a_closed_merchant_hears_nothing(cafe, site):
    cafe.is_active = False
    cafe.save()

    assert tell(site, one()).status_code == 404


def test_a_browser_may_ask_first(site):
    answer = Client().options(f"/t/{site.key}", headers={"Origin": SHOP})

    assert (answer.status_code, answer["Access-Control-Allow-Methods"]) == (204, "POST")
    assert Client().options(f"/t/{site.key}", headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"anonymous_id": VISITOR, "touches": [one("purchase.recorded")]},
        {"anonymous_id": VISITOR, "touches": [one("review.posted")]},
        {"anonymous_id": VISITOR, "touches": [one(data={"x": "y" * 3000})]},
        {"anonymous_id": VISITOR, "touches": [one(data={"x": "\x00"})]},
        {"anonymous_id": VISITOR, "touches": [one(number=n) for n in range(21)]},
        {"anonymous_id": VISITOR, "touches": []},
        {"anonymous_id": "short", "touches": [one()]},
        {"anonymous_id": VISITOR, "customer": "cus_1", "touches": [one()]},
        {"anonymous_id": VISITOR, "touches": [{**one(), "customer": "cus_1"}]},
        [],
    ],
)
def test_what_a_page_may_not_say(site, body):
    answer = Client().post(
        f"/t/{site.key}", json.dumps(body), content_type="text/plain", headers={"Origin": SHOP}
    )

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert not Touchpoint.objects.filter(channel="web").exists()


def test_a_body_too_large_is_not_read(site):
    answer = Client().post(
        f"/t/{site.key}", "x" * 17_000, content_type="text/plain", headers={"Origin": SHOP}
    )

    assert answer.status_code == 413


def test_a_visitor_who_tells_without_end_must_wait(site, settings):
    settings.TOUCH_LIMIT = "2/minute"

    assert [tell(site, one(number=n)).status_code for n in range(3)] == [200, 200, 429]
    assert tell(site, one(number=4), REMOTE_ADDR="203.0.113.9").status_code == 200


@pytest.fixture
def known(cafe, noon):
    return members.enroll(
        merchant=cafe, identifiers=[Given("external_id", "u-1", "shop")], at=noon, by="test"
    )


def identify(site, number=9, signed=VISITOR, secret=None, external_id="u-1"):
    said = sites.signature(
        secret=secret or site.secret, anonymous_id=signed, external_id=external_id, source="shop"
    )
    return one("identify", number, external_id=external_id, source="shop", signature=said)


def test_signed_by_the_shop_a_visitor_becomes_the_customer(cafe, site, known):
    tell(site, one())

    answer = tell(site, identify(site))

    assert answer.json() == {"noted": 1, "refused": []}
    owners = set(
        Touchpoint.objects.filter(merchant=cafe, channel="web").values_list("customer_id", flat=True)
    )
    assert owners == {known.pk}


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "ss_guessed"},
        {"signed": "f" * 32},  # the signature of another visitor
        {"external_id": "u-2"},  # signed, and nobody
    ],
)
def test_unsigned_nobody_is_named(cafe, site, known, wrong):
    tell(site, one())

    answer = tell(site, identify(site, **wrong))

    assert [(one["code"], one["status"]) for one in answer.json()["refused"]] == [("not_signed", 422)]
    assert not Touchpoint.objects.filter(merchant=cafe, channel="web", customer=known).exists()


def test_another_merchants_secret_signs_nobody_here(cafe, bar_nilo, site, known, noon):
    """The outsider: a signature of next door, or a customer of next door, joins nothing."""
    nilo, theirs = sites.issue(merchant=bar_nilo, name="Nilo", origins=[SHOP], at=noon)
    tell(site, one())

    assert tell(site, identify(site, secret=theirs)).json()["noted"] == 0
    nilo.secret = theirs
    assert tell(nilo, identify(nilo)).json()["noted"] == 0
    assert not Touchpoint.objects.filter(customer=known, channel="web").exists()


def test_the_script_is_small_and_is_asked_for_once_an_hour():
    answer = Client().get("/t/touch.js")

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "public, max-age=3600"
    assert len(answer.content) < 3000
    assert b"http" not in answer.content.replace(b"https://", b"")
    again = Client().get("/t/touch.js", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_an_address_is_an_origin(cafe, noon):
    for wrong in [
        "shop.example",
        "https://shop.example/path",
        "javascript:alert(1)",
        "https://a b",
        "https://*.x",
    ]:
        with pytest.raises(sites.NotAnOrigin):
            sites.issue(merchant=cafe, name="x", origins=[wrong], at=noon)
