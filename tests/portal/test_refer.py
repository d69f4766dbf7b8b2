"""Refer a friend: the code, the link, what became of it, and the friend who follows it."""

import pytest
from django.utils import timezone

from customers import referrals as claims
from customers.identifiers import Given
from customers.models import Customer, Referral, Sighting
from customers.referrals import Claim
from lib import db, qr
from loyalty import members, programs
from tests.lib.test_qr import read
from tests.loyalty.bringing import offer
from tests.portal.test_home import text
from tests.portal.visitor import sign_in

pytest_plugins = ["tests.mail"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(cafe):
    cafe.is_test = False
    cafe.save()
    offer(cafe)
    return cafe


@pytest.fixture
def rui(shop, ana):
    return members.enroll(
        merchant=shop,
        name="Rui Costa",
        identifiers=[Given("card", "42")],
        at=timezone.now(),
        by="till",
        claim=Claim(ana.referral_code),
    )


def prove(client, post_office, contact="zoe@example.com", query=""):
    """Somebody follows a link, and proves an address that nobody has yet."""
    client.get(f"/cafe-mira{query}")
    client.post("/cafe-mira", {"contact": contact})
    client.post("/cafe-mira/code", {"code": post_office.code()})


def test_the_page_shows_code_and_link_and_what_they_pay(client, shop, ana):
    sign_in(client, ana)

    answer = client.get("/cafe-mira/refer")

    page = text(answer)
    assert ana.referral_code in page
    assert f'value="http://testserver/cafe-mira?ref={ana.referral_code}"' in answer.content.decode()
    assert "You get 200 beans and your friend gets 100, after their first purchase of €10.00 or more." in page
    assert "Nobody joined with your code yet" in page


def test_the_picture_says_the_link(client, shop, ana, bar_nilo, bo):
    sign_in(client, ana)
    sign_in(client, bo)

    picture = client.get("/cafe-mira/refer/qr.svg")

    link = f"http://testserver/cafe-mira?ref={ana.referral_code}"
    assert picture.content.decode() == qr.svg(link)
    assert read(qr.modules(link)) == link
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert 'src="/cafe-mira/refer/qr.svg"' in client.get("/cafe-mira/refer").content.decode()
    assert client.get("/bar-nilo/refer/qr.svg").status_code == 404


def test_the_navigation_leads_there_only_where_it_pays(client, shop, ana, bar_nilo, bo):
    sign_in(client, ana)
    sign_in(client, bo)

    assert "/cafe-mira/refer" in client.get("/cafe-mira").content.decode()
    assert "/bar-nilo/refer" not in client.get("/bar-nilo").content.decode()
    assert client.get("/bar-nilo/refer").status_code == 404


def test_the_navigation_costs_no_statement(client, shop, ana):
    sign_in(client, ana)
    client.get("/cafe-mira/me")
    with db.watching() as watch:
        client.get("/cafe-mira/me")

    assert watch.texts
    assert not any("programversion" in sql or "referral" in sql.split("WHERE")[-1] for sql in watch.texts)


@pytest.mark.parametrize(
    ("state", "mine", "theirs"),
    [
        (
            "joined",
            "Your points come after their first purchase of €10.00 or more.",
            "with your first purchase",
        ),
        ("flagged", "The shop takes a look before it counts.", "The shop takes a look"),
        ("qualified", "yours to use on 15 May 2026", "yours to use on 15 May 2026"),
        ("rewarded", "Your points are yours to use.", "Your points are yours to use."),
        ("rejected", "The shop did not count this friend.", "which does not count"),
        ("expired", "did not buy anything in time", "its time is over"),
        ("clawed_back", "The points were taken back.", "The purchase was returned"),
    ],
)
def test_every_state_is_told_to_both_without_a_name(client, shop, ana, rui, noon, state, mine, theirs):
    Referral.objects.update(
        state=state, referrer_points=200, friend_points=100, activates_at=noon.replace(day=15)
    )

    for customer, sentence, other in ((ana, mine, "Rui"), (rui, theirs, "Ana")):
        sign_in(client, customer)
        page = text(client.get("/cafe-mira/refer"))
        assert sentence in page
        assert other not in page


def test_the_statement_of_every_state_is_a_sentence():
    """A new state must be told too: it would read like a rejection."""
    told = {"joined", "flagged", "qualified", "rewarded", "rejected", "expired", "clawed_back"}
    assert {state.value for state in Referral.State} == told


def test_over_the_cap_the_page_says_so(client, shop, ana, rui):
    Referral.objects.update(state="rewarded", refusal="cap_per_month_reached")
    sign_in(client, ana)

    assert "You had the most friends that count already." in text(client.get("/cafe-mira/refer"))


def test_a_guest_is_sent_to_the_first_page(client, shop):
    assert client.get("/cafe-mira/refer").headers["Location"] == "/cafe-mira"


def test_a_friend_follows_the_link_and_joins(client, shop, ana, post_office):
    prove(client, post_office, query=f"?ref={ana.referral_code}")
    assert f'value="{ana.referral_code}"' in client.get("/cafe-mira/join").content.decode()

    client.post("/cafe-mira/join", {"name": "Zoe", "friend": ana.referral_code})

    one = Referral.objects.get()
    assert (one.referrer, one.friend.name, one.state) == (ana, "Zoe", "joined")
    assert "You came with a friend" in text(client.get("/cafe-mira/refer"))


def test_a_code_may_be_typed_or_left_out(client, shop, ana, post_office):
    prove(client, post_office)
    client.post("/cafe-mira/join", {"name": "Zoe", "friend": ""})

    assert not Referral.objects.exists()
    assert Customer.objects.filter(name="Zoe").exists()


def test_a_bad_code_says_so_and_saves_nothing(client, shop, ana, post_office):
    prove(client, post_office)

    answer = client.post("/cafe-mira/join", {"name": "Zoe", "friend": "XXXXXXXX"})

    assert answer.status_code == 422
    assert "This code is nobody&#x27;s." in answer.content.decode()
    assert 'aria-describedby="id_friend_helptext id_friend_error"' in answer.content.decode()
    assert not Customer.objects.filter(name="Zoe").exists()
    client.post("/cafe-mira/join", {"name": "Zoe", "friend": ""})
    assert Customer.objects.filter(name="Zoe").exists()


def test_ana_cannot_bring_herself(client, shop, ana, post_office):
    prove(client, post_office, contact="ana+2@example.com")

    answer = client.post("/cafe-mira/join", {"name": "Ana", "friend": ana.referral_code})

    assert "This is your own code." in answer.content.decode()
    assert Customer.objects.count() == 1


def test_one_household_waits_for_staff(client, shop, ana, post_office):
    sign_in(client, ana)
    client.get("/cafe-mira/refer")
    client.post("/cafe-mira/sign-out")
    assert "127.0.0.1" not in str(list(Sighting.objects.values()))

    prove(client, post_office)
    client.post("/cafe-mira/join", {"name": "Zoe", "friend": ana.referral_code})

    assert Referral.objects.get().state == "flagged"


def test_another_address_is_no_doubt(client, shop, ana, post_office):
    claims.saw(customer=ana, at=timezone.now(), address="192.0.2.7")

    prove(client, post_office)
    client.post("/cafe-mira/join", {"name": "Zoe", "friend": ana.referral_code})

    assert Referral.objects.get().state == "joined"


def test_where_it_pays_nothing_no_code_is_asked_for(client, bar_nilo, bo, post_office):
    bar_nilo.is_test = False
    bar_nilo.save()
    client.get(f"/bar-nilo?ref={bo.referral_code}")
    client.post("/bar-nilo", {"contact": "zoe@example.com"})
    client.post("/bar-nilo/code", {"code": post_office.code()})

    assert "A friend" not in client.get("/bar-nilo/join").content.decode()
    client.post("/bar-nilo/join", {"name": "Zoe", "friend": bo.referral_code})
    assert not Referral.objects.exists()
    assert programs.current(merchant=bar_nilo).referral is None


@pytest.mark.parametrize("code", ["", "x" * 21, "é", "<b>", "a b"])
def test_what_cannot_be_a_code_is_not_kept(client, shop, code):
    client.get("/cafe-mira", {"ref": code})

    assert "brought" not in client.session


def test_a_code_kept_for_one_shop_is_not_another_ones(client, shop, ana, bar_nilo, post_office):
    offer(bar_nilo)
    bar_nilo.is_test = False
    bar_nilo.save()
    client.get(f"/cafe-mira?ref={ana.referral_code}")
    client.post("/bar-nilo", {"contact": "zoe@example.com"})
    client.post("/bar-nilo/code", {"code": post_office.code()})

    assert ana.referral_code not in client.get("/bar-nilo/join").content.decode()
