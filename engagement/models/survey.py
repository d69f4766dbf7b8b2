from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant


class Survey(Row):
    """
    One question of a merchant's. `texts` holds per language its words: `question`, `thanks`, and `choices`
    for the kind that has some; an answer's score is then the place of a choice, counted from 1.
    """

    prefix = "srv"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    code = models.SlugField(max_length=60, help_text=_("What flows and tills call it, like recommend."))
    name = models.CharField(max_length=120, help_text=_("For staff; customers read the question."))
    kind = models.SlugField(max_length=20)
    texts = models.JSONField(default=dict)
    is_on = models.BooleanField(_("on"), default=True)
    asks_comment = models.BooleanField(
        _("asks for a comment"), default=True, help_text=_("Below the scale, and never required.")
    )
    valid_days = models.PositiveSmallIntegerField(
        _("days a link is open"), default=30, validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    history = HistoricalRecords()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="a_survey_is_named_once_per_merchant"),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_survey_is_keyed_by_merchant"),
        ]

    def __str__(self) -> str:
        return self.name


class SurveyInvitation(Row):
    """
    A link that lets one customer answer one survey once, without signing in, until `expires_at`.

    `key` names what it was made for, like a message: asking again for the same gives the same link.
    """

    prefix = "svi"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    survey = models.ForeignKey(Survey, models.PROTECT, related_name="invitations", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=200)
    channel = models.CharField(max_length=20, blank=True, default="")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["survey", "key"], name="an_invitation_is_made_once_per_key"),
            models.UniqueConstraint(fields=["merchant", "id"], name="an_invitation_is_keyed_by_merchant"),
        ]
        indexes = [
            models.Index(
                fields=["customer", "expires_at"],
                name="invitations_that_wait",
                condition=models.Q(answered_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.public_id


class SurveyAnswer(Row):
    """
    What one customer answered, once: append-only but for `state`, which says what staff did about it.

    `tier` and `band` are those of the moment of the answer. `reference` is the number of whoever told it
    for the customer: a till, a kiosk, staff; answers by a link have an invitation instead.
    """

    class State(models.TextChoices):
        PLAIN = "plain", _("Nothing to read")
        NEW = "new", _("New")
        READ = "read", _("Read")
        ANSWERED = "answered", _("Answered")

    prefix = "sva"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    survey = models.ForeignKey(Survey, models.PROTECT, related_name="answers", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+", db_index=False)
    invitation = models.OneToOneField(
        SurveyInvitation, models.PROTECT, related_name="answer", null=True, db_index=False
    )
    reference = models.CharField(max_length=200, blank=True, default="")
    score = models.SmallIntegerField(null=True)
    band = models.CharField(max_length=12, blank=True, default="")
    is_unhappy = models.BooleanField(default=False)
    comment = models.TextField(blank=True, default="")
    channel = models.CharField(max_length=20, blank=True, default="")
    tier = models.CharField(max_length=120, blank=True, default="")
    language = models.CharField(max_length=10, blank=True, default="")
    at = models.DateTimeField()
    by = models.CharField(max_length=150, blank=True, default="")
    state = models.CharField(max_length=8, choices=State, default=State.PLAIN)
    handled_at = models.DateTimeField(null=True)
    handled_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "reference"],
                condition=~models.Q(reference=""),
                name="an_answer_has_a_reference_of_its_own",
            ),
            models.CheckConstraint(
                condition=models.Q(invitation__isnull=False) | ~models.Q(reference=""),
                name="an_answer_has_an_invitation_or_a_reference",
            ),
            models.CheckConstraint(
                condition=models.Q(score__isnull=True) | models.Q(score__gte=0, score__lte=20),
                name="a_score_is_on_a_scale",
            ),
        ]
        indexes = [
            models.Index(fields=["survey", "at"], name="survey_answers_by_time"),
            models.Index(fields=["customer"], name="survey_answers_by_customer"),
            models.Index(
                fields=["merchant", "-id"],
                name="survey_answers_to_read",
                condition=models.Q(state="new"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.survey} · {self.public_id}"
