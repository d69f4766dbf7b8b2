from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant


class Message(Row):
    """
    One thing said once to one customer on one channel.

    Queued: due at `due_at`, and under a lease until `claimed_until` while a worker looks at it. Sending: the
    worker `attempts` counts is talking to the provider; committed before the first byte leaves. Sent, and
    then delivered, bounced or complained as the provider tells. Not sent: `reason` says why, for good.
    Failed: the provider refused it for good, or was tried often enough. Unknown: a worker died between
    `sending` and its outcome, so it may or may not have been sent: a person decides, no machine repeats it.

    `reason` of a queued message says why it waits (`quiet_hours`, `again`).
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        DELIVERED = "delivered", _("Delivered")
        BOUNCED = "bounced", _("Bounced")
        COMPLAINED = "complained", _("Called spam")
        NOT_SENT = "not_sent", _("Not sent")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unknown: may have been sent")

    class Reason(models.TextChoices):
        NO_CONTACT = "no_contact", _("No address or number that is proved")
        NO_CONSENT = "no_consent", _("The customer did not agree")
        UNCONFIRMED = "unconfirmed", _("The customer's yes was not confirmed by e-mail")
        UNSUBSCRIBED = "unsubscribed", _("The customer unsubscribed")
        SUPPRESSED = "suppressed", _("The address bounced, complained or was blocked")
        FREQUENCY_CAP = "frequency_cap", _("Enough was sent to the customer already")
        QUIET_HOURS = "quiet_hours", _("Waits for the end of the quiet hours")
        HOLDOUT = "holdout", _("In the group that is not written to")
        ERASED = "erased", _("The customer left")
        EXPIRED = "expired", _("Too late to be worth sending")
        PAUSED = "paused", _("The flow or campaign was stopped")
        CHANNEL_OFF = "channel_off", _("The channel is switched off")
        AGAIN = "again", _("Is tried again")

    class Purpose(models.TextChoices):
        TRANSACTIONAL = "transactional", _("Transactional")
        SERVICE = "service", _("Service")
        MARKETING = "marketing", _("Marketing")

    prefix = "msg"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="messages", db_index=False)
    key = models.CharField(max_length=200)
    channel = models.CharField(max_length=20)
    template = models.CharField(max_length=60)
    purpose = models.CharField(max_length=14, choices=Purpose)
    data = models.JSONField(default=dict)
    arm = models.CharField(max_length=20, blank=True, default="")
    flow_run_id = models.BigIntegerField(null=True)
    campaign_id = models.BigIntegerField(null=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    reason = models.CharField(max_length=20, choices=Reason, blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    contact_hash = models.CharField(max_length=64, blank=True, default="")
    provider_id = models.CharField(max_length=200, blank=True, default="")
    subject = models.CharField(max_length=200, blank=True, default="")
    text = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # The key first: see the referral code of a customer.
            models.UniqueConstraint(
                fields=["key", "merchant", "channel"], name="a_message_is_said_once_per_key_and_channel"
            ),
            models.CheckConstraint(
                condition=models.Q(status="not_sent", reason__gt="") | ~models.Q(status="not_sent"),
                name="a_message_not_sent_says_why",
            ),
            models.CheckConstraint(
                condition=models.Q(status="sending", claimed_until__isnull=False, attempts__gt=0)
                | ~models.Q(status="sending"),
                name="a_message_being_sent_has_a_lease_and_an_attempt",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="messages_due", condition=models.Q(status="queued")),
            models.Index(
                fields=["claimed_until"], name="messages_being_sent", condition=models.Q(status="sending")
            ),
            models.Index(fields=["customer", "channel", "-id"], name="messages_by_customer"),
            models.Index(fields=["merchant", "-id"], name="messages_by_merchant"),
            models.Index(
                fields=["flow_run_id"],
                name="messages_by_flow_run",
                condition=models.Q(flow_run_id__isnull=False),
            ),
            models.Index(
                fields=["campaign_id", "status"],
                name="messages_by_campaign",
                condition=models.Q(campaign_id__isnull=False),
            ),
            models.Index(
                fields=["provider_id"], name="messages_by_provider_id", condition=~models.Q(provider_id="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} ({self.channel})"
