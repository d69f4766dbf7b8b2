"""
A load generator: some connections that stay open, each with one request on its way, nothing else.

It shares the processors with the server it measures, so it does as little as it can: requests are bytes
made before, an answer is read just far enough to know its status and its end.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

CONNECTIONS = 8


@dataclass
class Answered:
    """What came back in the measured time. Times are in seconds."""

    at: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: bytes = b""

    @property
    def rate(self) -> float:
        """Answers a second, from the first to the last one."""
        return (len(self.at) - 1) / (self.at[-1] - self.at[0]) if len(self.at) > 1 else 0.0

    def percentile(self, share: float) -> float:
        """Return the time within which this share of the requests was answered."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def request(method: str, path: str, *, body: bytes = b"", headers: str = "") -> bytes:
    """Return one request as it goes over the wire. `headers` are whole lines."""
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n".encode() + body


def run(
    port: int,
    requests: Iterator[bytes],
    *,
    seconds: float,
    warm_up: float = 1.0,
    expected: int,
    connections: int = CONNECTIONS,
) -> Answered:
    """
    Send requests for `warm_up` and then `seconds`; only the latter count.

    :raises RuntimeError: an answer had another status than `expected`
    """
    answered = asyncio.run(_run(port, requests, seconds, warm_up, expected, connections))
    if set(answered.statuses) != {expected}:
        raise RuntimeError(
            f"answers {dict(answered.statuses)}, {expected} expected: {answered.wrong[:600]!r}"
        )
    return answered


async def _run(
    port: int, requests: Iterator[bytes], seconds: float, warm_up: float, expected: int, connections: int
) -> Answered:
    loop = asyncio.get_running_loop()
    answered = Answered()
    starts = time.perf_counter() + warm_up
    callers = [_Caller(requests, answered, starts, starts + seconds, expected) for _ in range(connections)]
    for caller in callers:
        caller.done = loop.create_future()
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)
    await asyncio.gather(*(caller.done for caller in callers if caller.done))
    return answered


class _Caller(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, asks again."""

    done: "asyncio.Future[None] | None" = None

    def __init__(
        self, requests: Iterator[bytes], answered: Answered, starts: float, ends: float, expected: int
    ):
        self.requests, self.answered = requests, answered
        self.starts, self.ends, self.expected = starts, ends, expected
        self.parts: list[bytes] = []
        self.left = -1
        self.asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.parts, self.left = [], -1
        self.asked = time.perf_counter()
        wanted = next(self.requests, None) if self.asked < self.ends else None
        if wanted is None:
            self._end()
        else:
            self.transport.write(wanted)

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        if self.left < 0:
            head, found, rest = b"".join(self.parts).partition(b"\r\n\r\n")
            if not found:
                return
            self.left = _length(head) - len(rest)
            self.status = int(head[9:12])
        else:
            self.left -= len(data)
        if self.left <= 0:
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self.answered.statuses[self.status] += 1
        if self.status != self.expected:
            self.answered.wrong = b"".join(self.parts)
        if self.starts <= now <= self.ends:
            self.answered.times.append(now - self.asked)
            self.answered.at.append(now)
        self._ask()

    def _end(self) -> None:
        self.transport.close()
        if self.done is not None and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(error or RuntimeError("the server closed the connection"))


def _length(head: bytes) -> int:
    place = head.lower().find(b"\r\ncontent-length:")
    if place < 0:
        raise RuntimeError(f"an answer without a length: {head[:300]!r}")
    return int(head[place + 17 :].split(b"\r\n", 1)[0])
