"""Surveys: one question in each language, what its answers come to, and the comments for staff to read."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from engagement.models import Survey, SurveyAnswer
from engagement.surveys import answering, asking, results
from engagement.surveys.kinds import KINDS
from engagement.surveys.results import Group
from lib.admin import ConfigAdmin, Door, FactAdmin, Ids, OneMerchantForm, dress_input, link_to, within
from lib.start_page import Alert, part

MOST_CHOICES = 10
MOST_COUNTED = 1000
PARTS = ("question", "thanks", "choices")
PERIODS = (("30", _("30 days")), ("90", _("90 days")), ("365", _("A year")), ("", _("All the time")))
State = SurveyAnswer.State


def _fields(language: str) -> dict[str, forms.Field]:
    return {
        f"question_{language}": forms.CharField(label=_("Question"), max_length=200, required=False),
        f"thanks_{language}": forms.CharField(label=_("Thank you"), max_length=300, required=False),
        f"choices_{language}": forms.CharField(
            label=_("Choices"),
            required=False,
            widget=forms.Textarea(attrs={"rows": 4}),
            help_text=_("One per line, for the kind with choices; the same number in each language."),
        ),
    }


Texts: Any = type(
    "Texts",
    (forms.Form,),
    {name: field for code, _name in settings.LANGUAGES for name, field in _fields(code).items()},
)


class SurveyForm(OneMerchantForm, Texts):
    kind = forms.ChoiceField(label=_("Kind"), choices=list)

    class Meta:
        model = Survey
        fields = ["merchant", "name", "code", "kind", "is_on", "asks_comment", "valid_days"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            self.fields["kind"].choices = [(kind, one.label) for kind, one in sorted(KINDS.load().items())]  # type: ignore[attr-defined]
        for code, _name in settings.LANGUAGES:
            said = self.instance.texts.get(code, {})
            for name in PARTS:
                if (field := self.fields.get(f"{name}_{code}")) is None:
                    continue
                value = said.get(name, "")
                self.initial.setdefault(f"{name}_{code}", "\n".join(value) if name == "choices" else value)
                dress_input(field.widget)

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        kind = KINDS[said.get("kind") or self.instance.kind or "nps"]
        texts = {}
        for code, _name in settings.LANGUAGES:
            lines = [line.strip() for line in said.get(f"choices_{code}", "").splitlines() if line.strip()]
            if question := said.get(f"question_{code}"):
                texts[code] = {"question": question, "thanks": said.get(f"thanks_{code}", "")}
                texts[code] |= {"choices": lines} if kind.has_choices else {}
        if not texts:
            raise ValidationError(_("Write the question in one language at least."))
        if kind.has_choices:
            self._insist_on_choices([len(one["choices"]) for one in texts.values()])
        self.instance.texts = texts
        return said

    def _insist_on_choices(self, counts: list[int]) -> None:
        # A score is the place of a choice: it must mean the same in each language, and for ever.
        before = (
            [len(one.get("choices", ())) for one in self.instance.texts.values()]
            if self.instance.code
            else []
        )
        if len(set(counts)) != 1 or not 2 <= counts[0] <= MOST_CHOICES:
            raise ValidationError(_("Two to ten choices, as many in each language."))
        if before and counts[0] < before[0]:
            raise ValidationError(
                _("Choices may be added at the end, not taken away: answers keep their place.")
            )


@admin.register(Survey)
class SurveyAdmin(ConfigAdmin):
    form = SurveyForm
    menu, menu_order, icon = "engagement", 15, "reviews"
    list_display = ["name", "code", "shown_kind", "is_on", "merchant"]
    list_select_related = ["merchant"]
    list_filter = ["is_on"]
    search_fields = ["name", "code"]
    can_delete = False
    doors = [
        Door("results", "results_view", "view", _("Results")),
        Door("preview", "preview_view", "view", _("Preview")),
    ]
    change_form_template = "admin/engagement/survey/page.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ["merchant", "name", "code", "kind", "is_on", "asks_comment", "valid_days"]
        hidden = set(self.get_exclude(request, obj) or ())
        return [
            (None, {"fields": [name for name in own if name not in hidden]}),
            *(
                (language, {"fields": [f"{name}_{code}" for name in PARTS]})
                for code, language in settings.LANGUAGES
            ),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Answers are kept on the scale of the kind, and flows name the code.
        return (*super().get_readonly_fields(request, obj), *(("code", "kind") if obj else ()))

    @admin.display(description=_("Kind"))
    def shown_kind(self, survey: Survey) -> str:
        return str(KINDS[survey.kind].label)

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more = {"buttons": self.buttons(request, row) if row else [], **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, more)

    def preview_view(self, request: HttpRequest, survey: Survey) -> HttpResponse:
        """Show the question as customers read it, in each language it has."""
        shown = []
        for code, language in settings.LANGUAGES:
            if code in survey.texts:
                words = asking.words(survey, code)
                with translation.override(code):
                    labels = [label for _score, label in asking.scale(survey, words.choices)]
                shown.append({"language": language, "code": code, "words": words, "labels": labels})
        context = self.page(
            request,
            say("Preview: %(survey)s") % {"survey": survey},
            shown=shown,
            survey=survey,
            back=self.address("change", survey.pk),
            original=survey,
        )
        return TemplateResponse(request, "admin/engagement/survey/preview.html", context)

    def results_view(self, request: HttpRequest, survey: Survey) -> HttpResponse:
        """Show what the answers come to, how sure that is, and for whom."""
        days = request.GET.get("days", "90")
        days = days if days in dict(PERIODS) else "90"
        since = timezone.now() - timedelta(days=int(days)) if days else None
        found, kind = results.of(survey, since=since), KINDS[survey.kind]
        labels = dict(asking.scale(survey, asking.words(survey, translation.get_language() or "").choices))
        tables = [
            (say("By tier"), found.tiers, say("at the time of the answer")),
            (say("By segment"), found.segments, say("in which the customers are now")),
            (say("By channel"), found.channels, ""),
            (say("By month"), found.months, ""),
        ]
        context = self.page(
            request,
            say("Results: %(survey)s") % {"survey": survey},
            survey=survey,
            found=found,
            measured=kind.measured,
            whole=_figure(survey, found.everybody),
            bars=_bars(found.everybody, labels),
            tables=[
                (title, note, [_line(survey, one) for one in groups])
                for title, groups, note in tables
                if groups
            ],
            periods=[(value, label, value == days) for value, label in PERIODS],
            comments=f"{reverse('admin:engagement_surveyanswer_changelist')}?survey__id__exact={survey.pk}",
            back=self.address("change", survey.pk),
            original=survey,
        )
        return TemplateResponse(request, "admin/engagement/survey/results.html", context)


def _figure(survey: Survey, group: Group) -> dict[str, str]:
    """Return a group's figure as it is read: the value, its error and interval, or why there are none."""
    score, form = group.score, KINDS[survey.kind].figure
    if score is None or score.value is None:
        return {"value": "–", "range": ""}
    value = form.format(score.value)
    if not score.is_enough:
        return {"value": value, "range": say("not enough answers")}
    if score.low is None or score.high is None or score.error is None:
        return {"value": value, "range": say("all alike")}
    return {
        "value": value,
        "range": f"{form.format(score.low)} … {form.format(score.high)} (± {score.error:.1f})",
    }


def _line(survey: Survey, group: Group) -> dict[str, Any]:
    return {"name": group.name or "–", "answers": group.answers, **_figure(survey, group)}


def _bars(group: Group, labels: dict[int, str]) -> list[dict[str, Any]]:
    most = max(group.counts.values(), default=0)
    return [
        {"label": label, "count": group.counts.get(score, 0), "most": most or 1}
        for score, label in labels.items()
    ]


@admin.register(SurveyAnswer)
class SurveyAnswerAdmin(FactAdmin):
    """What customers answered. Staff say that they read a comment, or that they answered it."""

    menu, menu_order, icon = "engagement", 16, "rate_review"
    list_display = ["survey", "shown_score", "shown_comment", "customer", "channel", "state", "at"]
    list_select_related = ["survey__merchant", "customer"]
    list_filter = ["state", "is_unhappy", "band", "channel", "survey"]
    search_fields = ["comment"]
    actions = ["mark_read", "mark_answered"]
    fieldsets = [
        (None, {"fields": ["survey", "shown_score", "band", "comment", "shown_customer"]}),
        (_("What was done about it"), {"fields": ["state", "handled_by", "handled_at"]}),
        (_("Where it comes from"), {"fields": ["channel", "tier", "language", "reference", "by", "at"]}),
    ]
    readonly_fields = ["shown_score", "shown_customer"]

    @admin.display(description=_("Answer"), ordering="score")
    def shown_score(self, row: SurveyAnswer) -> str:
        choices = asking.words(row.survey, translation.get_language() or "").choices
        labels = dict(asking.scale(row.survey, choices)) if row.score is not None else {}
        return labels.get(row.score or 0, "–") if row.score is not None else "–"

    @admin.display(description=_("Comment"))
    def shown_comment(self, row: SurveyAnswer) -> str:
        return row.comment if len(row.comment) <= 120 else f"{row.comment[:119]}…"

    @admin.display(description=_("Customer"))
    def shown_customer(self, row: SurveyAnswer) -> str:
        return link_to(row.customer)

    def has_handle_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")

    @admin.action(description=_("I have read it"), permissions=["handle"])
    def mark_read(self, request: HttpRequest, queryset: Any) -> None:
        self._handle(request, queryset, State.READ)

    @admin.action(description=_("The customer got an answer"), permissions=["handle"])
    def mark_answered(self, request: HttpRequest, queryset: Any) -> None:
        self._handle(request, queryset, State.ANSWERED)

    def _handle(self, request: HttpRequest, queryset: Any, state: State) -> None:
        rows = self.narrow(request, queryset, "engagement.change_surveyanswer")
        by, at = request.user.get_username(), timezone.now()
        count = sum(answering.handle(answer=row, state=state, at=at, by=by) for row in rows)
        self.message_user(
            request,
            _("%(count)s answers are marked.") % {"count": count},
            messages.SUCCESS if count else messages.WARNING,
        )


@part("alerts", permission="engagement.view_surveyanswer", order=45)
def unhappy(ids: Ids) -> Iterable[Alert]:
    """Answers of unhappy customers that nobody has read, on the start page."""
    rows = within(SurveyAnswer.objects.filter(state=State.NEW, is_unhappy=True), ids)
    if count := len(rows.order_by().values_list("pk")[: MOST_COUNTED + 1]):
        shown = f"{MOST_COUNTED:,}+" if count > MOST_COUNTED else f"{count:,}"
        link = reverse("admin:engagement_surveyanswer_changelist")
        yield Alert(
            say("Unhappy customers whose answer nobody has read"),
            shown,
            f"{link}?state__exact=new&is_unhappy__exact=1",
        )
