"""The ways in and out: double opt-in, one-click unsubscribe, and choices without signing in."""

import re

import pytest

from customers import consent, journey
from customers.models import Consent
from engagement import subscriptions
from engagement.models import Message, OptIn

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


def path(address):
    return re.sub(r"^https?://[^/]+", "", address)


@pytest.fixture
def news(shop, ana, draft, queue, send, answer, post_office):
    """A piece of news that Ana got by e-mail, and one more that waits."""
    answer(ana, "email", "marketing", True)
    queue(draft("news", purpose="marketing"))
    send()
    queue(draft("more", purpose="marketing"))
    return post_office.letters[-1]


def test_a_yes_told_elsewhere_waits_for_the_mailbox(
    shop, ana, draft, queue, send, states, answer, noon, client, post_office
):
    answer(ana, "email", "marketing", True, source="till")
    journey.relay(at=noon)
    queue(draft("early", purpose="marketing"))
    send()
    assert states()["early"] == ("not_sent", "unconfirmed")

    [letter] = post_office.letters
    address = path(re.search(r"http\S+/confirm/\S+", letter.get_body(("plain",)).get_content())[0])
    assert client.get(address).status_code == 200
    assert OptIn.objects.get().confirmed_at is None
    for _ in range(2):
        assert "confirmed" in client.post(address).content.decode()

    newest = consent.current(customer=ana)[0]
    assert (newest.granted, newest.source) == (True, "confirmation")
    assert newest.wording.startswith("May we write?")
    assert "source till" in newest.wording
    assert Consent.objects.count() == 2
    queue(draft("late", purpose="marketing"))
    send()
    assert states()["late"] == ("sent", "")
    # The confirmation is itself a yes: it asks for no other one.
    journey.relay(at=noon)
    assert OptIn.objects.count() == 1


def test_a_no_that_came_later_is_not_undone_by_confirming(shop, ana, answer, noon, client, send, post_office):
    answer(ana, "email", "marketing", True, source="till")
    journey.relay(at=noon)
    send()
    answer(ana, "email", "marketing", False)
    address = path(re.search(r"http\S+/confirm/\S+", post_office.text())[0])

    client.post(address)

    assert not consent.current(customer=ana)[0].granted


def test_marketing_carries_the_one_click_way_out(news, states, client, ana):
    assert news["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = path(news["List-Unsubscribe"].strip(" <>"))
    assert address in news.get_body(("plain",)).get_content()

    answer = client.post(address, {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 200
    newest = consent.current(customer=ana)[0]
    assert (newest.granted, newest.source) == (False, "unsubscribe")
    assert states()["more"] == ("not_sent", "unsubscribed")


def test_looking_at_the_page_stops_nothing_and_the_button_does(news, states, client, ana):
    address = path(news["List-Unsubscribe"].strip(" <>"))

    assert "Unsubscribe?" in client.get(address).content.decode()
    client.head(address)
    assert consent.current(customer=ana)[0].granted
    assert "You are unsubscribed" in client.post(address).content.decode()

    assert not consent.current(customer=ana)[0].granted
    assert states()["more"] == ("not_sent", "unsubscribed")


def test_choices_are_made_without_signing_in(news, client, ana, states):
    address = path(news["List-Unsubscribe"].strip(" <>"))

    client.post(address, {"choices": "1", "email-marketing": "on"})

    given = {(one.channel, one.purpose): one.granted for one in consent.current(customer=ana)}
    assert given == {("email", "marketing"): True, ("email", "service"): False}
    assert states()["more"] == ("queued", "")


def test_a_transactional_message_has_no_way_out(shop, draft, queue, send, post_office):
    queue(draft("receipt", purpose="transactional"))
    send()

    assert post_office.letters[-1]["List-Unsubscribe"] is None
    assert "/stop/" not in post_office.text()


@pytest.mark.parametrize("change", ["slug", "signature", "number", "kind"])
def test_a_link_opens_its_own_message_only(change, news, client, bar_nilo, bo, noon, queue, draft):
    address = path(news["List-Unsubscribe"].strip(" <>"))
    if change == "slug":
        address = address.replace("cafe-mira", "bar-nilo")
    elif change == "signature":
        address = address[:-1] + ("0" if address[-1] != "0" else "1")
    elif change == "number":
        queue(draft("theirs", customer=bo))
        other = Message.objects.get(key="theirs")
        signature = address.rpartition(".")[2]
        address = f"/bar-nilo/stop/{other.public_id}.{signature}"
    else:
        address = address.replace("/stop/", "/confirm/")

    assert client.get(address).status_code == 404
    assert client.post(address).status_code == 404
    assert not Consent.objects.filter(granted=False).exists()


def test_the_link_of_somebody_who_left_is_dead(news, client, ana, noon):
    from customers import erasure

    address = path(news["List-Unsubscribe"].strip(" <>"))
    erasure.erase(customer=ana, at=noon, by="customer")

    assert client.get(address).status_code == 404


def test_stopping_twice_is_one_answer(shop, ana, draft, queue, send, answer, noon):
    answer(ana, "email", "marketing", True)
    queue(draft("news", purpose="marketing"))
    message = Message.objects.get()

    subscriptions.stop(message=message, at=noon)
    subscriptions.stop(message=message, at=noon)

    assert Consent.objects.filter(granted=False).count() == 1
