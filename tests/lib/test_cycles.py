"""The search for cycles rests while a batch is on its way, and goes on whatever becomes of it."""

import gc

import pytest

from lib import cycles


def test_cycles_are_searched_again_after_the_last_block():
    with cycles.unsearched():
        with cycles.unsearched():
            assert not gc.isenabled()
        assert not gc.isenabled()

    assert gc.isenabled()


def test_a_block_that_fails_lets_the_search_go_on():
    with pytest.raises(ZeroDivisionError), cycles.unsearched():
        1 / 0  # noqa: B018

    assert gc.isenabled()
