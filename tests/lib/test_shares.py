"""A job shared by processes: everything is heard, and a failure ends all of them with its reason."""

import os
import signal

import pytest
from kombu import Connection

from lib import shares
from lib.embedded import broker_url
from tests.servers import start_redis


def test_every_part_is_done_once_and_heard_in_order():
    heard = []

    shares.run(
        lambda part, parts, tell: [tell(number) for number in range(part, 100, parts)],
        parts=3,
        hear=lambda part, number: heard.append((part, number)),
    )

    assert sorted(number for _, number in heard) == list(range(100))
    assert all([n for p, n in heard if p == part] == list(range(part, 100, 3)) for part in range(3))


def test_one_part_needs_no_process():
    heard = []

    shares.run(lambda part, parts, tell: tell(os.getpid()), parts=1, hear=lambda _, pid: heard.append(pid))

    assert heard == [os.getpid()]


def test_a_failure_is_told_with_its_reason():
    def work(part, parts, tell):
        if part == 1:
            raise ValueError("line 7 is broken")

    with pytest.raises(shares.ShareFailed, match="line 7 is broken"):
        shares.run(work, parts=2, hear=lambda *_: None)


def test_a_killed_process_is_noticed():
    def work(part, parts, tell):
        if part == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(shares.ShareFailed, match="signal 9"):
        shares.run(work, parts=2, hear=lambda *_: None)


def test_what_the_broker_has_open_keeps_no_process_waiting(tmp_path_factory):
    """The children inherit a channel that waits for an answer: one that closes it would wait for ever."""
    server = start_redis(tmp_path_factory.mktemp("r"))
    waiting = Connection(broker_url(server.url), transport_options={"max_retries": 0})
    pool = waiting.Pool(2)
    with pool.acquire() as line, line.SimpleQueue("nothing") as queue:
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.1)
        heard = []
        shares.run(lambda part, parts, tell: tell(part), parts=2, hear=lambda part, _: heard.append(part))

    assert sorted(heard) == [0, 1]
    server.stop()
