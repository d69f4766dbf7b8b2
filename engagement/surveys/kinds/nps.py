from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy as _

from engagement.surveys import scores
from engagement.surveys.kinds import base
from engagement.surveys.kinds.base import Point
from engagement.surveys.scores import Score


class Nps(base.Kind):
    """How likely somebody would recommend the shop, from 0 to 10."""

    kind = "nps"
    label = _("Recommend, 0 to 10 (NPS)")
    measured = _("Net promoter score")
    figure = "{:+.0f}"
    ends = (_("not at all likely"), _("extremely likely"))

    def scale(self, choices: Sequence[str]) -> list[Point]:
        return [(score, str(score)) for score in range(11)]

    def band(self, score: int) -> str:
        if score >= scores.PROMOTERS_FROM:
            return base.PROMOTER
        return base.DETRACTOR if score <= scores.DETRACTORS_TO else base.PASSIVE

    def measure(self, counts: Mapping[int, int]) -> Score:
        return scores.nps(counts)
