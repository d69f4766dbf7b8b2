from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from lib.models import Row
from merchants.models import Merchant


class ChannelSettings(Row):
    """
    How one merchant uses one channel. Without a row a channel that needs no setting up is on.

    The secret is sealed (`lib.secrets`) and never shown. A provider that is down pauses its channel until
    `paused_until`, a little longer each time; messages wait meanwhile.
    """

    prefix = "chn"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    kind = models.SlugField(max_length=20)
    is_active = models.BooleanField(_("on"), default=True)
    options = models.JSONField(default=dict, blank=True)
    secret_sealed = models.TextField(blank=True, editable=False)
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    pauses = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        ordering = ["kind"]
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "kind"], name="a_channel_is_set_up_once_per_merchant")
        ]

    def __str__(self) -> str:
        return self.kind


class SendingLimits(Row):
    """How much a merchant says to one customer, and when it keeps quiet. Transactional messages are exempt."""

    prefix = "lim"

    merchant = models.OneToOneField(Merchant, models.PROTECT, related_name="sending_limits")
    per_day = models.PositiveSmallIntegerField(
        _("messages a day"),
        default=2,
        validators=[MinValueValidator(1)],
        help_text=_("At most so many to one customer in 24 hours, over all channels."),
    )
    per_week = models.PositiveSmallIntegerField(
        _("messages a week"),
        default=5,
        validators=[MinValueValidator(1)],
        help_text=_("At most so many to one customer in seven days, over all channels."),
    )
    quiet_from = models.TimeField(
        null=True, blank=True, help_text=_("In the customer's time zone, like 21:00. Empty: no quiet hours.")
    )
    quiet_until = models.TimeField(null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name = _("sending limits")
        verbose_name_plural = _("sending limits")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_have_a_beginning_and_an_end",
            )
        ]

    def __str__(self) -> str:
        return str(_("sending limits"))
