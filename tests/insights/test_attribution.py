"""Every model shares out the same conversions, and each as its name says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.attribution import Path, credit

MODELS = {"first", "last", "linear", "position", "time_decay", "markov", "shapley"}
ONE = Path(("mail", "shop", "ad", "mail"), converted=10, value=1000, days_before=(21, 14, 7, 0))

paths = st.lists(
    st.builds(
        Path,
        touches=st.lists(st.sampled_from("abcd"), max_size=6).map(tuple),
        converted=st.integers(0, 50).map(float),
        lost=st.integers(0, 50).map(float),
        value=st.integers(0, 5000).map(float),
    ),
    max_size=12,
)


def test_one_path_is_shared_as_each_model_says():
    found = credit([ONE])

    assert set(found) == MODELS
    assert found["first"] == pytest.approx({"mail": 10, "shop": 0, "ad": 0})
    assert found["last"] == pytest.approx({"mail": 10, "shop": 0, "ad": 0})
    assert found["linear"] == pytest.approx({"mail": 5, "shop": 2.5, "ad": 2.5})
    assert found["position"] == pytest.approx({"mail": 8, "shop": 1, "ad": 1})
    assert found["time_decay"] == pytest.approx({"mail": 6, "shop": 10 * 2 / 15, "ad": 10 * 4 / 15})
    assert found["shapley"] == pytest.approx({"mail": 10 / 3, "shop": 10 / 3, "ad": 10 / 3})


def test_money_is_shared_like_conversions():
    assert credit([ONE], by_value=True)["linear"] == pytest.approx({"mail": 500, "shop": 250, "ad": 250})


def test_removing_a_channel_loses_what_only_it_brought():
    # Of 100 who start: 50 see mail and all buy; 50 see the ad, 10 of them buy. Without mail 10 buy, without ads 50.
    found = credit([Path(("mail",), converted=50), Path(("ad",), converted=10, lost=40)])

    effects = {"mail": 1 - 10 / 60, "ad": 1 - 50 / 60}
    assert found["markov"]["mail"] == pytest.approx(60 * effects["mail"] / sum(effects.values()))
    assert found["markov"]["ad"] == pytest.approx(60 * effects["ad"] / sum(effects.values()))


def test_a_channel_through_which_all_go_and_one_beside_it():
    # start -> mail -> shop -> bought: removing either loses everything, so both count alike.
    found = credit([Path(("mail", "shop"), converted=5, lost=5)])

    assert found["markov"] == pytest.approx({"mail": 2.5, "shop": 2.5})


def test_nothing_converted_is_nothing_shared():
    assert not any(sum(shares.values()) for shares in credit([Path(("mail",), lost=9)]).values())
    assert not any(credit([]).values())
    assert not any(sum(shares.values()) for shares in credit([Path((), converted=3)]).values())


@given(paths)
def test_every_model_shares_out_all_conversions_and_no_more(some):
    total = sum(path.converted for path in some if path.touches)

    for name, shares in credit(some).items():
        assert sum(shares.values()) == pytest.approx(total, abs=1e-6), name
        assert all(share >= -1e-9 for share in shares.values()), name
