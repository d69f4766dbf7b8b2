"""
Requests to addresses that strangers chose: our own network stays out of their reach.

A name is resolved here, every answer is judged, and the connection goes to the very address that was judged,
with the name kept for the certificate and the Host header: a name that answers differently a second later
(DNS rebinding) gains nothing. Redirects are not followed, proxies not used, answers read up to a cap.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_match_hostname import CertificateError

from lib.errors import Refused

CONNECT_SECONDS, READ_SECONDS, WHOLE_SECONDS = 5.0, 10.0, 15.0
MOST_READ, EXCERPT = 4096, 500
# Ranges that `ipaddress` calls global and that still lead inside: NAT64, 6to4 and Teredo wrap an IPv4
# address, shared address space is a provider's own network.
_WRAPPED = [
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "100.64.0.0/10", "fec0::/10")
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forbidden(Refused):
    """The address is not one that may be called."""

    code = "forbidden_address"


class Unreachable(Exception):
    """Nobody answered, or not in time, or not in HTTP."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address that was judged: where to connect, and under which name."""

    scheme: str
    host: str
    port: int
    path: str
    address: str

    @property
    def netloc(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return name if self.port == usual else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered: the status, the first letters of the body, and the seconds of a Retry-After."""

    status: int
    excerpt: str
    retry_after: str


def judge(url: str) -> Place:
    """
    Return where `url` leads now.

    :raises Forbidden: it is not https, holds a password, or leads into a network that is not public
    :raises Unreachable: the name is not known
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError as error:
        raise Forbidden("This is no address.") from error
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("https", "http") or not host or not port:
        raise Forbidden("The address must begin with https://.")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("The address must not hold a user or password.")
    if any(letter <= " " or letter > "~" for letter in url):
        raise Forbidden("The address holds blanks or letters that must be encoded.")
    found = resolve(host, port)
    for address in found:
        _insist(address, scheme=parts.scheme)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, host, port, path, str(found[0]))


def resolve(host: str, port: int) -> Sequence[Address]:
    """Return every address of a name. Odd spellings of numbers (octal, 127.1) become what they mean."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the name {host} is not known") from error
    return [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]


def _insist(address: Address, *, scheme: str) -> None:
    inner = getattr(address, "ipv4_mapped", None) or address
    if any(inner.version == net.version and inner in net for net in _allowed(_networks())):
        return
    is_wrapped = any(inner.version == net.version and inner in net for net in _WRAPPED)
    if not inner.is_global or inner.is_multicast or inner.is_reserved or is_wrapped:
        raise Forbidden("The address leads into a network that is not public.")
    if scheme != "https":
        raise Forbidden("The address must begin with https://.")


def _networks() -> tuple[str, ...]:
    return tuple(settings.WEBHOOK_NETWORKS)


@cache
def _allowed(
    networks: tuple[str, ...],
) -> Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(text) for text in networks]


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


class Line:
    """
    One connection to one judged place, kept open between requests.

    A request takes `WHOLE_SECONDS` at most, also from somebody who sends a letter a second.
    """

    def __init__(self, place: Place):
        self.place = place
        self._ends = 0.0
        if place.scheme == "https":
            self._line: HTTPConnection = HTTPSConnection(
                place.address,
                place.port,
                timeout=CONNECT_SECONDS,
                ssl_context=_trust(),
                server_hostname=place.host,
                assert_hostname=place.host,
            )
        else:
            self._line = HTTPConnection(place.address, place.port, timeout=CONNECT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """
        Send the body; return the answer, whatever its status.

        :raises Unreachable: there was none
        """
        clock = threading.Timer(WHOLE_SECONDS, self._hang_up)
        clock.daemon = True
        clock.start()
        self._ends = time.monotonic() + WHOLE_SECONDS
        try:
            return self._post(body, headers)
        except (OSError, HTTPError, HTTPException, ValueError) as error:
            self._line.close()
            late = "no whole answer in time" if time.monotonic() >= self._ends else _plain(error)
            raise Unreachable(late) from error
        finally:
            clock.cancel()

    def _post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        line = self._line
        if line.sock is None:
            line.timeout = CONNECT_SECONDS
            line.connect()
        line.sock.settimeout(READ_SECONDS)
        line.timeout = READ_SECONDS
        line.request(
            "POST",
            self.place.path,
            body=body,
            headers={"Host": self.place.netloc, "Accept-Encoding": "identity", **headers},
            preload_content=False,
            decode_content=False,
        )
        answer = line.getresponse()
        said = answer.read(MOST_READ + 1, decode_content=False)
        if len(said) > MOST_READ or answer.headers.get("Connection", "").lower() == "close":
            line.close()  # the rest is not wanted, and a kept line would begin with it
        else:
            answer.drain_conn()
        text = said[:EXCERPT].decode("utf-8", "replace").replace("\x00", "")
        return Reply(answer.status, text, answer.headers.get("Retry-After", ""))

    def _hang_up(self) -> None:
        sock = self._line.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _plain(error: BaseException) -> str:
    """Return what went wrong in a few words; addresses of our own network are nobody's business."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError | CertificateError):
        return f"the certificate or TLS was refused: {getattr(cause, 'reason', '') or cause}"[:200]
    if isinstance(cause, TimeoutError) or "timed out" in str(error).lower():
        return "no answer in time"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused"
    return f"the connection broke ({type(cause).__name__})"
