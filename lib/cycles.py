"""
Python's search for reference cycles, made rare for a long-lived process.

A batch keeps a hundred thousand small objects alive at a time and none of them is in a cycle; with the
defaults Python goes through them again and again, which measured a fifth of the time of a batch.
"""

import gc

# New objects until the youngest generation is searched. A request leaves a few hundred behind.
YOUNG, MIDDLE, OLD = 50_000, 20, 20


def search_rarely() -> None:
    """Never search what is loaded by now, and the rest seldom. Call once, when everything is imported."""
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
