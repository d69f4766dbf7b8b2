"""
What somebody may like: half what is popular among their kind, half what goes with what they took.

Pure: sparse matrices in, places of items out. Both halves are standardized over the items, so that neither drowns the
other; items that often are taken by the same people are alike (cosine). Nobody's own taste is named: the answer is an
order and no reason.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
AT_ONCE = 4_000  # customers whose scores stand in memory together


def likeness(taken: sparse.csr_matrix) -> Floats:
    """Return how alike any two items are, 0 to 1; no item is like itself. `taken` has ones: customers by items."""
    together = (taken.T @ taken).toarray().astype(np.float64)
    times = np.sqrt(np.diagonal(together))
    alike: Floats = together / np.maximum(np.outer(times, times), 1.0)
    np.fill_diagonal(alike, 0.0)
    return alike


def standardized(scores: Floats) -> Floats:
    """Return each row less its mean, in standard deviations; zeros where all are the same."""
    spread = scores.std(axis=1, keepdims=True)
    centered: Floats = scores - scores.mean(axis=1, keepdims=True)
    scaled: Floats = np.divide(centered, spread, out=np.zeros_like(centered), where=spread > 0)
    return scaled


def rank(
    *,
    taken: sparse.csr_matrix,
    barred: sparse.csr_matrix,
    popularity: Floats,
    group: NDArray[np.intp],
    most: int,
) -> Iterator[NDArray[np.intp]]:
    """
    Yield the places of the best items of each customer, best first, -1 where there are no more; chunk by chunk.

    `popularity` has a row per group of customers, `group` the row of each one. `barred` has ones where an item is not
    for a customer. Of two items that score the same, the one that stands first comes first.
    """
    alike, known = likeness(taken), standardized(popularity)
    kept = min(most, taken.shape[1])
    for start in range(0, taken.shape[0], AT_ONCE):
        part = slice(start, start + AT_ONCE)
        scores = 0.5 * known[group[part]] + 0.5 * standardized(taken[part] @ alike)
        no = barred[part].toarray() > 0
        scores[no] = -np.inf
        places = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
        yield np.where(np.take_along_axis(no, places, axis=1), -1, places)
