"""Where the embedded default lives."""

from pathlib import Path

import pytest

from lib import embedded


def test_the_socket_is_in_the_data_folder():
    assert embedded.socket_path(Path("/srv/loyalty")) == Path("/srv/loyalty/valkey.sock")


def test_a_socket_path_never_exceeds_the_limit_of_the_kernel():
    deep = Path("/srv") / ("very-long-" * 12)

    assert len(bytes(embedded.socket_path(deep))) < 108
    assert embedded.socket_path(deep) != embedded.socket_path(deep / "other")


@pytest.mark.parametrize(
    ("redis", "broker"),
    [
        ("unix:///srv/valkey.sock?db=3", "redis+socket:///srv/valkey.sock?virtual_host=3"),
        ("unix:///srv/valkey.sock", "redis+socket:///srv/valkey.sock?virtual_host=0"),
        ("rediss://user:secret@cache.example.com:6380/2", "rediss://user:secret@cache.example.com:6380/2"),
        ("", "filesystem://"),
    ],
)
def test_the_broker_is_the_same_server(redis, broker):
    assert embedded.broker_url(redis) == broker


def test_nobody_answers_on_a_socket_that_is_not_there(tmp_path):
    assert not embedded.answers(tmp_path / "valkey.sock")
