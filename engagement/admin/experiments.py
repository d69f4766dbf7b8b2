"""Experiments that stand alone: a till or a shop asks for the arm, the page says what came of it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from engagement import experiments, measuring, trials
from engagement.admin import telling
from engagement.models import Experiment
from lib.admin import ConfigAdmin, Door, OneMerchantForm, dress_input

MOST_ARMS = 6


class ExperimentForm(OneMerchantForm):
    """Arms are written one a line, `name weight`; once somebody is in one they stay as they are."""

    lines = forms.CharField(
        label=_("Arms"),
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_(
            "One a line with its share: free-coffee 50. The first one is what the others are compared with."
        ),
    )

    class Meta:
        model = Experiment
        fields = ["merchant", "name", "slug", "holdout", "goal", "days"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "lines" in self.fields:
            dress_input(self.fields["lines"].widget)
            shown = [f"{arm['name']} {arm['weight']}" for arm in self.instance.arms]
            self.initial.setdefault("lines", "\n".join(shown) or "A 50\nB 50")

    def clean_lines(self) -> str:
        said = str(self.cleaned_data["lines"])
        arms = []
        for line in said.splitlines():
            if not line.strip():
                continue
            name, _gap, weight = line.strip().rpartition(" ")
            if not name or not weight.isdecimal() or not 0 < int(weight) <= 100 or len(name) > 20:
                raise ValidationError(say("This is no arm with its share: %(line)s") % {"line": line})
            arms.append({"name": name, "weight": int(weight)})
        names = {arm["name"] for arm in arms}
        if not 1 <= len(arms) <= MOST_ARMS or len(names) != len(arms) or "holdout" in names:
            raise ValidationError(
                _("Between one and six arms, each with a name of its own, none of them holdout.")
            )
        if arms != self.instance.arms and self.instance.assignments.exists():
            raise ValidationError(_("Somebody is in an arm already: the arms stay as they are."))
        self.arms = arms
        return said


@admin.register(Experiment)
class ExperimentAdmin(ConfigAdmin):
    form = ExperimentForm
    menu, menu_order, icon = "engagement", 8, "experiment"
    list_display = ["name", "slug", "goal", "days", "measured_at", "ended_at"]
    search_fields = ["name", "slug"]
    can_delete = False
    fieldsets = [(None, {"fields": ["merchant", "name", "slug", "lines", "holdout", "goal", "days"]})]
    change_form_template = "admin/engagement/experiment/page.html"
    doors = [
        Door("results", "results_view", "view", _("Results")),
        Door("end", "end_view", "change", _("End it"), is_danger=True, fits=lambda one: one.ended_at is None),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        # Those of campaigns have their page there.
        return super().get_queryset(request).filter(campaign__isnull=True)

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more = {"buttons": self.buttons(request, row) if row else []}
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Experiment, form: Any, change: bool) -> None:
        obj.arms = form.arms
        if not change:
            obj.created_at = timezone.now()
        obj.save()

    def results_view(self, request: HttpRequest, experiment: Experiment) -> HttpResponse:
        """Show what each arm came to, and whether that is more than chance."""
        currency = experiment.merchant.currency
        context = self.page(
            request,
            say("Results: %(experiment)s") % {"experiment": experiment},
            told=telling.result(measuring.outcome(experiment), currency=currency),
            asked=experiment,
            needed=experiments.people_needed(base=0.10, tried=0.12),
            back=self.address("change", experiment.pk),
            original=experiment,
        )
        return TemplateResponse(request, "admin/engagement/experiment/results.html", context)

    def end_view(self, request: HttpRequest, experiment: Experiment) -> HttpResponse:
        """End it after a page that says what that does."""
        if request.method == "POST":
            at = timezone.now()
            self.attempt(request, lambda: trials.end(experiment=experiment, at=at), _("It has ended."))
            return self.back_to(experiment)
        return self.form_page(
            request, forms.Form(), title=say("End: %(name)s") % {"name": experiment}, button=_("End it"),
            lead=_("Nobody new comes in. Who is in it is counted to the end of their days."),
            back=self.address("change", experiment.pk), is_danger=True, original=experiment,
        )  # fmt: skip
