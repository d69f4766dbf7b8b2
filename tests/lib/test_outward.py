"""Addresses that strangers chose: what leads into our own network is refused, also a second later."""

import socket

import pytest

from lib import outward
from lib.outward import Forbidden, Line, Unreachable, judge
from tests.connectors.receiver import Receiver

REAL = socket.getaddrinfo
INSIDE = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://192.0.2.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a00:1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://localhost/",
    "https://localhost./",
]
NO_ADDRESS = [
    "",
    "hooks",
    "http://1.1.1.1/",
    "ftp://1.1.1.1/",
    "file:///etc/passwd",
    "https://",
    "https://1.1.1.1:0x50/",
    "https://me@1.1.1.1/",
    "https://1.1.1.1/a b",
    "https://1.1.1.1/\r\nX: y",
    "https://[::1",
]


@pytest.mark.parametrize("url", INSIDE)
def test_an_address_inside_is_refused(url):
    with pytest.raises(Forbidden, match="not public"):
        judge(url)


@pytest.mark.parametrize("url", NO_ADDRESS)
def test_what_is_no_address_of_a_receiver_is_refused(url):
    with pytest.raises(Forbidden):
        judge(url)


@pytest.mark.parametrize("url", ["https://1.1.1.1/hooks", "https://[2606:4700:4700::1111]:8443/"])
def test_a_public_address_is_taken(url):
    assert judge(url).netloc == url.split("/")[2]


def test_a_name_nobody_knows_is_no_place():
    with pytest.raises(Unreachable):
        judge("https://nobody.invalid/")


def test_one_inside_among_many_is_enough(monkeypatch):
    answers(monkeypatch, ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(Forbidden):
        judge("https://two.example/")


def test_a_name_that_answers_differently_a_second_later_gains_nothing(settings, monkeypatch):
    """The name leads to a receiver that may be called, then to another one: the line keeps to the first."""
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    meant, inside = Receiver(), Receiver()
    answers(monkeypatch, ["127.0.0.1"])
    place = judge(f"http://rebinding.example:{meant.server.server_port}/")
    answers(monkeypatch, ["10.0.0.1"])

    with Line(place) as line:
        assert line.post(b"{}", {"webhook-id": "1"}).status == 200
    with pytest.raises(Forbidden):
        judge(f"http://rebinding.example:{inside.server.server_port}/")
    meant.close()
    inside.close()

    assert meant.got[0][0]["host"] == f"rebinding.example:{meant.server.server_port}"
    assert inside.got == []


def test_networks_of_ones_own_are_an_exception_that_is_named(settings):
    settings.WEBHOOK_NETWORKS = ["10.1.2.0/24"]
    assert judge("http://10.1.2.3/").address == "10.1.2.3"
    with pytest.raises(Forbidden):
        judge("http://10.1.3.3/")


def answers(monkeypatch, addresses):
    """Let the resolver know these addresses for any name: its answers are the attacker's."""

    def found(host, port, *rest, **more):
        if host[0].isdigit():  # an address needs no resolver: that is what the line connects to
            return REAL(host, port, *rest, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(outward.socket, "getaddrinfo", found)
