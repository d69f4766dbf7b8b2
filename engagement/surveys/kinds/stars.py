from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from engagement.surveys import scores
from engagement.surveys.kinds import base
from engagement.surveys.kinds.base import Point
from engagement.surveys.scores import Score

MOST = 5


class Stars(base.Kind):
    """How good it was, one to five stars."""

    kind = "stars"
    label = _("One to five stars")
    measured = _("Mean of the stars")
    figure = "{:.1f}"

    def scale(self, choices: Sequence[str]) -> list[Point]:
        return [
            (n, ngettext("%(count)s star", "%(count)s stars", n) % {"count": n}) for n in range(1, MOST + 1)
        ]

    def band(self, score: int) -> str:
        if score >= 4:
            return base.SATISFIED
        return base.NEUTRAL if score == 3 else base.DISSATISFIED

    def measure(self, counts: Mapping[int, int]) -> Score:
        return scores.mean(counts)
