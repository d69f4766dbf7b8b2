from django.utils.translation import gettext_lazy as _

from engagement.surveys.kinds import base


class Text(base.Kind):
    """Words alone: the comment is the answer."""

    kind = "text"
    label = _("Words alone")
