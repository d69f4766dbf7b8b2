"""What somebody may like, by hand: alike by cosine, half popular and half alike, never what is barred."""

import numpy as np
import pytest
from scipy import sparse

from insights import ranking


def matrix(*rows):
    return sparse.csr_matrix(np.array(rows, np.float32))


def ranked(taken, popularity, *, barred=None, group=None, most=9):
    rows = taken.shape[0]
    barred = sparse.csr_matrix(taken.shape, dtype=np.float32) if barred is None else barred
    group = np.zeros(rows, np.intp) if group is None else np.array(group, np.intp)
    found = ranking.rank(
        taken=taken, barred=barred, popularity=np.array(popularity, float), group=group, most=most
    )
    return np.vstack(list(found)).tolist()


def test_alike_is_what_the_same_people_take():
    alike = ranking.likeness(matrix([1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 0]))

    assert alike[0][1] == pytest.approx(2 / np.sqrt(4 * 2))
    assert alike[0][2] == pytest.approx(1 / np.sqrt(4 * 1))
    assert alike[1][2] == 0
    assert alike.diagonal().tolist() == [0, 0, 0]


def test_whoever_took_nothing_gets_what_is_popular_in_their_tier():
    assert ranked(matrix([0, 0, 0], [0, 0, 0]), [[1, 5, 3], [9, 2, 4]], group=[0, 1]) == [
        [1, 2, 0],
        [0, 2, 1],
    ]


def test_taste_moves_what_is_equally_popular():
    taken = matrix([1, 0, 0], [1, 0, 1], [1, 0, 1])

    assert ranked(taken, [[3, 3, 3]])[0] == [2, 0, 1]


def test_what_is_barred_never_comes():
    assert ranked(matrix([0, 0, 0]), [[1, 5, 3]], barred=matrix([0, 1, 0])) == [[2, 0, -1]]


def test_of_equals_the_first_comes_first():
    assert ranked(matrix([0, 0, 0]), [[0, 0, 0]], most=2) == [[0, 1]]
