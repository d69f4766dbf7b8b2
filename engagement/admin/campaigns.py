"""Campaigns: drawn up with a count of who is reached, started, watched, paused, stopped, judged."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from engagement import campaigns, letters, measuring, reach, recipients, templates
from engagement.admin import telling
from engagement.campaigns import CampaignIncomplete, Question
from engagement.models import Campaign, Experiment, Message, Template
from lib.admin import ConfigAdmin, Door, OneMerchantForm, dress, dress_input
from merchants.models import Merchant

State = Campaign.State
UNDER_WAY = (State.SCHEDULED, State.RUNNING)
SHORT = 20


class CampaignForm(OneMerchantForm):
    """A campaign as a shop thinks of it: whom, how, what, and what shall come of it."""

    ways = forms.MultipleChoiceField(
        label=_("How"),
        choices=list,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Tried from the top, for each customer the first that reaches them."),
    )
    text = forms.CharField(
        label=_("Text"),
        max_length=60,
        help_text=_("The name of one of your texts, or of those that are there."),
    )
    other_text = forms.CharField(
        label=_("Second text"),
        max_length=60,
        required=False,
        help_text=_("To find out which one does better."),
    )
    other_percent = forms.IntegerField(
        label=_("Share of the second text, in percent"), min_value=1, max_value=99, initial=50, required=False
    )
    goal = forms.CharField(
        label=_("Goal"),
        max_length=60,
        initial="purchase.recorded",
        help_text=_("What customers should do, as a touchpoint: purchase.recorded, redemption.created."),
    )
    days = forms.IntegerField(label=_("Days that count"), min_value=1, max_value=365, initial=14)
    holdout = forms.IntegerField(
        label=_("Held out, in percent"),
        min_value=0,
        max_value=90,
        initial=10,
        help_text=_("Customers who are not told, to see what the campaign changes."),
    )

    class Meta:
        model = Campaign
        fields = ["merchant", "name", "segment", "purpose", "receipt_note"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        row: Campaign = self.instance
        if "ways" not in self.fields:
            return
        self.fields["ways"].choices = list(reach.ways().items())  # type: ignore[attr-defined]
        for name in ("text", "other_text", "other_percent", "goal", "days", "holdout"):
            dress_input(self.fields[name].widget)
        self.initial.setdefault("ways", row.channels or ["email"])
        if row.arms:
            self.initial.update({"text": row.arms[0]["template"]})
            if len(row.arms) > 1:
                other = row.arms[1]
                self.initial.update({"other_text": other["template"], "other_percent": other["weight"]})
            asked = row.experiment
            self.initial.update({"goal": asked.goal, "days": asked.days, "holdout": asked.holdout})

    def _post_clean(self) -> None:
        super()._post_clean()
        given = self.cleaned_data
        merchant = self.instance.merchant_id
        for name in ("text", "other_text"):
            said = given.get(name)
            if said and merchant and not _is_text(said, merchant):
                self.add_error(name, ValidationError(say("There is no text %(name)s.") % {"name": said}))
        if self.errors:
            return
        row: Campaign = self.instance
        row.channels = given["ways"]
        row.arms = campaigns.arms(
            template=given["text"], other=given["other_text"], percent=given["other_percent"] or 50
        )
        self.question = Question(given["goal"], given["days"], given["holdout"])
        try:
            campaigns.check(row)
        except CampaignIncomplete as refusal:
            for fault in refusal.faults:
                own = {"/channels": "ways", "/arms": "text"}.get(fault.pointer, fault.pointer[1:])
                self.add_error(own, fault.detail)


def _is_text(name: str, merchant: int) -> bool:
    own = Template.objects.filter(merchant=merchant, name=name, is_active=True)
    return name in templates.names() or own.exists()


class StartForm(forms.Form):
    starts_at = forms.DateTimeField(
        label=_("Begins"),
        required=False,
        help_text=_("Empty: now."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


@admin.register(Campaign)
class CampaignAdmin(ConfigAdmin):
    form = CampaignForm
    menu, menu_order, icon = "engagement", 4, "campaign"
    list_display = ["name", "state", "shown_progress", "starts_at", "ended_at", "merchant"]
    list_select_related = ["merchant"]
    list_filter = ["state"]
    search_fields = ["name"]
    can_delete = False
    change_form_template = "admin/engagement/campaign/page.html"
    fieldsets = [
        (None, {"fields": ["merchant", "name", "segment", "purpose"]}),
        (_("What and how"), {"fields": ["ways", "text", "receipt_note"]}),
        (
            _("What comes of it"),
            {"fields": ["other_text", "other_percent", "holdout", "goal", "days"]},
        ),
    ]
    doors = [
        Door("start", "start_view", "change", _("Start"), fits=lambda one: one.state == State.DRAFT),
        Door("pause", "pause_view", "change", _("Pause"), fits=lambda one: one.state in UNDER_WAY),
        Door("resume", "resume_view", "change", _("Go on"), fits=lambda one: one.state == State.PAUSED),
        Door(
            "stop", "stop_view", "change", _("Stop"), is_danger=True,
            fits=lambda one: one.state in (*UNDER_WAY, State.PAUSED),
        ),
        Door("reached", "reached_view", "view", _("Who is reached"), fits=lambda one: one.state == State.DRAFT),
        Door("results", "results_view", "view", _("Results"), fits=lambda one: one.started_at is not None),
        Door("letters", "letters_view", "change"),
    ]  # fmt: skip

    @admin.display(description=_("Progress"))
    def shown_progress(self, campaign: Campaign) -> str:
        return f"{campaign.seen:,} / {campaign.total:,}" if campaign.total else "–"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Its pages of a row ask for "change" and are open; the form is only while it is a draft.
        may = super().has_change_permission(request, obj)
        is_form = bool(request.resolver_match and str(request.resolver_match.url_name).endswith("_change"))
        return may and (obj is None or not is_form or obj.state == State.DRAFT)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", "segment", "purpose", "receipt_note"]})]
        return super().get_fieldsets(request, obj)

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more: dict[str, Any] = {"buttons": self.buttons(request, row) if row else [], "campaign": row}
        if row is not None and row.state != State.DRAFT:
            found = campaigns.progress(row)
            more |= {
                "progress": found,
                "said": _counted(found.counts),
                "messages_by_status": _statuses(found),
            }
            more["parts"] = range(1, letters.parts(row) + 1) if found.counts.get(reach.POST) else ()
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        campaigns.save(
            campaign=obj, question=form.question, at=timezone.now(), by=request.user.get_username()
        )

    # Doors ---------------------------------------------------------------------------------------

    def start_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Ask when, and say first who is reached and who is not."""
        form = dress(StartForm(request.POST if request.method == "POST" else None))
        if request.method == "POST" and form.is_valid():
            at = timezone.now()
            self.attempt(
                request,
                lambda: campaigns.schedule(
                    campaign=campaign, starts_at=form.cleaned_data["starts_at"], at=at
                ),
                _("It begins when you said."),
            )
            return self.back_to(campaign)
        return self._counted_page(request, campaign, form)

    def reached_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Show who is reached now, and how the others could be."""
        return self._counted_page(request, campaign, None)

    def _counted_page(self, request: HttpRequest, campaign: Campaign, form: Any) -> HttpResponse:
        merchant = Merchant.objects.get(pk=campaign.merchant_id)
        campaign.merchant = merchant
        seen = recipients.preview(campaign=campaign, at=timezone.now())
        names = reach.ways()
        context = self.page(
            request,
            say("Who is reached: %(campaign)s") % {"campaign": campaign},
            seen=seen,
            form=form,
            reached=[(names[kind], seen.channels.get(kind, 0)) for kind in campaign.channels],
            reasons=_named(seen.reasons),
            offers=[
                (names[kind], seen.offers[kind])
                for kind in reach.OFFERED
                if seen.offers.get(kind) and kind not in campaign.channels
            ],
            edit=self.address("change", campaign.pk),
            original=campaign,
        )
        return TemplateResponse(request, "admin/engagement/campaign/reached.html", context)

    def pause_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Pause after a page that says what that does."""
        lead = _("Nothing more is sent until you let it go on, also not what waits already.")
        return self._move(request, campaign, campaigns.pause, _("Pause"), lead, _("It is paused."))

    def resume_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Go on after a page that says what that does."""
        lead = _("It goes on where it was paused. Nobody is told twice.")
        return self._move(request, campaign, campaigns.resume, _("Go on"), lead, _("It goes on."))

    def stop_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Stop after a page that says what that does."""
        lead = _("It ends for good. What waits is not sent; its results go on being counted.")
        return self._move(request, campaign, campaigns.stop, _("Stop"), lead, _("It is stopped."))

    def _move(
        self, request: HttpRequest, campaign: Campaign, verb: Any, title: Any, lead: Any, done: Any
    ) -> HttpResponse:
        if request.method == "POST":
            self.attempt(request, lambda: verb(campaign=campaign, at=timezone.now()), done)
            return self.back_to(campaign)
        return self.form_page(
            request, forms.Form(), title=f"{title}: {campaign}", button=title, lead=lead,
            back=self.address("change", campaign.pk), is_danger=verb is campaigns.stop, original=campaign,
        )  # fmt: skip

    def results_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Show what each arm came to, and whether that is more than chance."""
        asked = Experiment.objects.select_related("merchant").get(pk=campaign.experiment_id)
        context = self.page(
            request,
            say("Results: %(campaign)s") % {"campaign": campaign},
            told=telling.result(measuring.outcome(asked), currency=asked.merchant.currency),
            asked=asked,
            back=self.address("change", campaign.pk),
            original=campaign,
        )
        return TemplateResponse(request, "admin/engagement/experiment/results.html", context)

    def letters_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Give one file of letters."""
        campaign.merchant = Merchant.objects.get(pk=campaign.merchant_id)
        many, said = letters.parts(campaign), request.GET.get("part", "1")
        if not said.isdecimal() or not 1 <= int(said) <= many:
            raise Http404
        answer = HttpResponse(letters.pdf(campaign, part=int(said)), content_type="application/pdf")
        answer["Content-Disposition"] = f'attachment; filename="letters-{said}-of-{many}.pdf"'
        return answer


def _counted(counts: Mapping[str, int]) -> list[tuple[Any, int]]:
    names = {**reach.ways(), campaigns.HOLDOUT: _("Held out, to compare")}
    reasons = dict(Message.Reason.choices)
    return [(names.get(one) or reasons.get(one, one), many) for one, many in counts.items() if many]


def _statuses(found: campaigns.Progress) -> list[tuple[Any, int]]:
    names = dict(Message.Status.choices)
    return [(names.get(one, one), many) for one, many in found.messages.items()]


def _named(reasons: Mapping[str, int]) -> list[tuple[Any, int]]:
    names = dict(Message.Reason.choices)
    return sorted(((names.get(one, one), many) for one, many in reasons.items()), key=lambda row: -row[1])
