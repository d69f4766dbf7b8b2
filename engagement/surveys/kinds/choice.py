from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from engagement.surveys.kinds import base
from engagement.surveys.kinds.base import Point


class Choice(base.Kind):
    """One of the merchant's own choices, kept by its place: none of them is better than another."""

    kind = "choice"
    label = _("One of several choices")
    has_choices = True

    def scale(self, choices: Sequence[str]) -> list[Point]:
        return list(enumerate(choices, start=1))
