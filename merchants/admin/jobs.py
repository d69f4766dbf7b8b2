"""Long jobs: start one, look at its rehearsal, run it, watch it, take what came of it."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from lib import public_ids
from lib.admin import Door, FactAdmin, merchants_where, within
from lib.errors import DomainError
from merchants import job_files, jobs
from merchants.jobs import Kind, Phase, Role, State
from merchants.models import Job, Merchant

REFRESH_SECONDS = 3
NAMES = {Role.REPORT: _("Download the refused rows"), Role.RESULT: _("Download the file")}


def _is_open(job: Job) -> bool:
    return job.state in (State.QUEUED, State.RUNNING)


def _is_rehearsed(job: Job) -> bool:
    return job.phase == Phase.CHECK and job.state == State.DONE


class JobForm(forms.Form):
    """The kind's own fields, with a file where it needs one."""

    def __init__(self, data: Any, files: Any, *, kind: Kind, merchant: Merchant):
        super().__init__(data, files)
        self.fields.update(kind.fields(merchant))
        self.own = list(self.fields)
        if kind.needs_file:
            self.fields["file"] = forms.FileField(
                label=_("File"), help_text=_("A CSV file in UTF-8, also packed (.csv.gz), of 100 MB at most.")
            )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > job_files.LARGEST:
            raise forms.ValidationError(_("The file is larger than 100 MB. Cut it into several."))
        return file

    def parameters(self) -> dict[str, Any]:
        """Return the answers as JSON keeps them."""
        said = {name: self.cleaned_data[name] for name in self.own}
        return {
            name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in said.items()
        }


@admin.register(Job)
class JobAdmin(FactAdmin):
    can_add = True
    menu, menu_order, icon = "operations", 10, "hourglass_top"
    list_display = [
        "shown_kind",
        "shown_state",
        "progress",
        "started_by",
        "created_at",
        "ended_at",
        "merchant",
    ]
    list_select_related = ["merchant"]
    list_filter = ["state"]
    doors = [
        Door("run", "run_view", "add"),
        Door("cancel", "cancel_view", "add"),
        Door("resume", "resume_view", "add"),
        Door("report", "report_view", "add"),
        Door("result", "result_view", "add"),
    ]

    @admin.display(description=_("What"))
    def shown_kind(self, job: Job) -> str:
        kind = jobs.kinds().get(job.kind)
        return str(kind.label) if kind else job.kind

    @admin.display(description=_("State"))
    def shown_state(self, job: Job) -> str:
        if _is_rehearsed(job):
            return say("Rehearsed: waits for your word")
        return str(job.get_state_display())

    @admin.display(description=_("Progress"))
    def progress(self, job: Job) -> str:
        return f"{_percent(job)} %"

    # Starting ----------------------------------------------------------------------------------------

    def may_start(self, request: HttpRequest, kind: Kind, merchant: Merchant) -> bool:
        """Tell whether the reader may start this here: jobs at all, and what this one does."""
        return request.user.has_perm("merchants.add_job", merchant) and request.user.has_perm(
            kind.permission, merchant
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        shops = within(
            Merchant.objects.filter(is_active=True), merchants_where(request.user, "merchants.add_job")
        )
        if "kind" not in request.GET:
            return self._choose(request, list(shops[:50]))
        merchant = shops.filter(pk=public_ids.read("mer", request.GET.get("merchant", ""))).first()
        kind = jobs.kinds().get(request.GET["kind"])
        if merchant is None or kind is None:
            raise Http404
        if not self.may_start(request, kind, merchant):
            raise PermissionDenied
        return self._ask(request, kind, merchant)

    def _choose(self, request: HttpRequest, shops: list[Merchant]) -> HttpResponse:
        offered = [
            {
                "merchant": merchant,
                "kinds": [
                    {
                        "label": kind.label,
                        "lead": kind.lead,
                        "link": "?" + urlencode({"kind": kind.kind, "merchant": merchant.public_id}),
                    }
                    for kind in jobs.kinds().values()
                    if self.may_start(request, kind, merchant)
                ],
            }
            for merchant in shops
        ]
        context = self.page(request, _("Start a long job"), shops=offered)
        return TemplateResponse(request, "admin/merchants/job/choose.html", context)

    def _ask(self, request: HttpRequest, kind: Kind, merchant: Merchant) -> HttpResponse:
        told = (request.POST, request.FILES) if request.method == "POST" else (None, None)
        form = JobForm(*told, kind=kind, merchant=merchant)
        if form.is_valid():
            file = form.cleaned_data.get("file")
            try:
                job = jobs.start(
                    merchant=merchant,
                    kind=kind.kind,
                    parameters=form.parameters(),
                    by=request.user.get_username(),
                    at=timezone.now(),
                    file=(file.name, partial(file.chunks, job_files.PIECE)) if file else None,
                )
            except DomainError as refusal:
                form.add_error(None, str(refusal))
            else:
                return self.back_to(job)
        return self.form_page(
            request,
            form,
            title=kind.label,
            lead=kind.lead,
            facts=[_("Nothing is saved yet: you see first what would happen.")] if kind.has_rehearsal else [],
            button=_("Check it") if kind.has_rehearsal else _("Start"),
            back=self.address("changelist"),
        )

    # One job -------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if job is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        kind = jobs.kinds().get(job.kind)
        may = kind is not None and self.may_start(request, kind, job.merchant)
        context = self.page(
            request,
            self.shown_kind(job),
            job=job,
            original=job,
            percent=_percent(job),
            state=self.shown_state(job),
            is_open=_is_open(job),
            is_rehearsed=_is_rehearsed(job),
            is_rehearsal=job.phase == Phase.CHECK,
            counts=kind.said(job.counts) if kind else [],
            told=_told(kind, job),
            # Rows of a file are for whoever could have uploaded it.
            faults=job.faults if may else [],
            files=self._files(job) if may else [],
            actions=self._actions(job) if may else [],
        )
        answer = TemplateResponse(request, "admin/merchants/job/job.html", context)
        if _is_open(job):
            answer.headers["Refresh"] = str(REFRESH_SECONDS)
        return answer

    def _files(self, job: Job) -> list[dict[str, Any]]:
        return [
            {"label": NAMES[Role(role)], "link": self.address(role, job.pk)}
            for role in job_files.roles(job)
            if role in NAMES
        ]

    def _actions(self, job: Job) -> list[dict[str, Any]]:
        offered = [
            ("run", _("Run it"), "l-main", _is_rehearsed(job)),
            ("resume", _("Go on where it was"), "l-main", job.state in (State.FAILED, State.CANCELLED)),
            ("cancel", _("Cancel"), "l-danger-quiet", _is_open(job) or _is_rehearsed(job)),
        ]
        return [
            {"label": label, "look": look, "link": self.address(door, job.pk)}
            for door, label, look, is_offered in offered
            if is_offered
        ]

    def _insist(self, request: HttpRequest, job: Job) -> None:
        kind = jobs.kinds().get(job.kind)
        if kind is None or not self.may_start(request, kind, job.merchant):
            raise PermissionDenied

    def _say(self, request: HttpRequest, job: Job, verb: Any, done: Any) -> HttpResponse:
        if request.method != "POST":
            raise Http404
        self._insist(request, job)
        self.attempt(request, verb, done)
        return self.back_to(job)

    def run_view(self, request: HttpRequest, job: Job) -> HttpResponse:
        by = request.user.get_username()
        return self._say(
            request, job, lambda: jobs.confirm(job=job, by=by, at=timezone.now()), _("It runs now.")
        )

    def cancel_view(self, request: HttpRequest, job: Job) -> HttpResponse:
        done = _("Cancelled. What was done so far stays.")
        return self._say(request, job, lambda: jobs.cancel(job=job, at=timezone.now()), done)

    def resume_view(self, request: HttpRequest, job: Job) -> HttpResponse:
        return self._say(request, job, lambda: jobs.resume(job=job, at=timezone.now()), _("It goes on."))

    def report_view(self, request: HttpRequest, job: Job) -> HttpResponseBase:
        return self._download(request, job, Role.REPORT, "csv")

    def result_view(self, request: HttpRequest, job: Job) -> HttpResponseBase:
        kind = jobs.kinds().get(job.kind)
        return self._download(request, job, Role.RESULT, kind.result if kind else "bin")

    def _download(self, request: HttpRequest, job: Job, role: str, ending: str) -> HttpResponseBase:
        self._insist(request, job)
        if role not in job_files.roles(job):
            raise Http404
        body = job_files.pieces(job=job, role=role)
        answer = StreamingHttpResponse(body, content_type="application/octet-stream")
        answer.headers["Content-Disposition"] = f'attachment; filename="{job.public_id}-{role}.{ending}"'
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _percent(job: Job) -> int:
    if job.state == State.DONE:
        return 100
    return min(99, job.done * 100 // job.total) if job.total else 0


def _told(kind: Kind | None, job: Job) -> list[tuple[Any, Any]]:
    """Return what was asked for, in the words of the form."""
    fields: Mapping[str, forms.Field] = kind.fields(job.merchant) if kind else {}
    shown: list[tuple[Any, Any]] = [(_("What"), kind.label if kind else job.kind)]
    shown += [(_("File"), job.file_name)] if job.file_name else []
    for name, value in job.parameters.items():
        field = fields.get(name)
        choices = {str(key): label for key, label in getattr(field, "choices", [])}
        said = (_("yes") if value else _("no")) if isinstance(value, bool) else choices.get(str(value), value)
        if said not in ("", None):
            shown.append((field.label if field else name, said))
    return shown
