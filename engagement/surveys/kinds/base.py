"""What a kind of question is. One file per kind; the stored `kind` is never renamed."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from engagement.surveys.scores import Score

SATISFIED, NEUTRAL, DISSATISFIED = "satisfied", "neutral", "dissatisfied"
PROMOTER, PASSIVE, DETRACTOR = "promoter", "passive", "detractor"
UNHAPPY = (DISSATISFIED, DETRACTOR)

# A score and the words beside it.
Point = tuple[int, str]


class Kind:
    """`figure` shows what `measure` found, `ends` are the words at both ends of a long scale."""

    kind: ClassVar[str]
    label: ClassVar[Any]
    measured: ClassVar[Any] = ""
    figure: ClassVar[str] = "{:.0f}"
    ends: ClassVar[tuple[Any, Any] | None] = None
    has_choices: ClassVar[bool] = False

    def scale(self, choices: Sequence[str]) -> list[Point]:
        """Return what can be chosen, in its order, in the language that is active; nothing where words are asked."""
        return []

    def band(self, score: int) -> str:
        """Return the group that a score puts somebody in, an empty text where there are no groups."""
        return ""

    def measure(self, counts: Mapping[int, int]) -> Score | None:
        """Return what so many answers of each score come to; None where one number would say nothing."""
        return None
