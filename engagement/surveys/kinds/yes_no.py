from collections.abc import Mapping, Sequence

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from engagement.surveys import scores
from engagement.surveys.kinds import base
from engagement.surveys.kinds.base import Point
from engagement.surveys.scores import Score

YES, NO = 1, 0


class YesNo(base.Kind):
    """Yes or no. The question is put so that a yes is good news: a no counts as unhappy."""

    kind = "yes_no"
    label = _("Yes or no (yes is good)")
    measured = _("Yes, in percent")

    def scale(self, choices: Sequence[str]) -> list[Point]:
        return [(YES, gettext("Yes")), (NO, gettext("No"))]

    def band(self, score: int) -> str:
        return base.SATISFIED if score == YES else base.DISSATISFIED

    def measure(self, counts: Mapping[int, int]) -> Score:
        return scores.share(counts.get(YES, 0), sum(counts.values()))
