"""
What every call shares, from the raw request to the answer: the key, the scope, the limits, the clock, the
body, the Idempotency-Key, the dry run. A resource's file says what is particular, once, in `@call(...)`;
permissions, parsing, the OpenAPI document and the outsider test all read it from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, cast

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django_filters import FilterSet
from pydantic import BaseModel
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import APIView

from api import errors, fields, idempotency, pagination
from api.answers import Answer
from lib import db, public_ids
from lib.errors import DomainError, Fault, Malformed
from merchants.keys import Key, Stale
from merchants.models import Merchant

T = TypeVar("T")
WRITES = ("POST", "PATCH", "PUT", "DELETE")
MOST_BYTES = 1024 * 1024
_ACCEPTED = ("*/*", "application/*", "application/json", "application/problem+json")
# Before these nobody knows who is calling, or whether they may: a kept answer is not theirs to read.
_STRANGERS = (exceptions.NotAuthenticated, exceptions.AuthenticationFailed, exceptions.PermissionDenied)


@dataclass(frozen=True, slots=True)
class Call:
    """
    What is particular about one call.

    `scopes`: the key needs one of them. `body`: how the body is read; None takes none; one that
    `may_be_empty` reads no body as `{}`. `answers`: what is
    answered, by status. `moves_points`: it may be rehearsed with `?dry_run=true`. `parameters`: what else
    may stand in the query. `filters`, `orderings`: the call is a list.
    """

    scopes: tuple[str, ...]
    answers: Mapping[int, type[BaseModel] | None]
    body: type[BaseModel] | None = None
    may_be_empty: bool = False
    moves_points: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    filters: type[FilterSet] | None = None
    orderings: tuple[str, ...] = ()
    most_bytes: int = MOST_BYTES

    @property
    def query(self) -> frozenset[str]:
        """The names that may stand in the query."""
        names = {*self.parameters, *(("dry_run",) if self.moves_points else ())}
        if self.orderings:
            names.update(pagination.PARAMETERS)
        if self.filters:
            names.update(self.filters.base_filters)
        return frozenset(names)


def call(**particulars: Any) -> Callable[[Callable[..., Answer]], Callable[..., HttpResponse]]:
    """Mark the method of a `Door` that serves one call, and say what is particular about it."""
    described = Call(**particulars)
    query = described.query

    def decorate(serve: Callable[..., Answer]) -> Callable[..., HttpResponse]:
        @wraps(serve)
        def run(self: "Door", request: Request, **names: str) -> HttpResponse:
            self.check_query(query)
            if described.body is None:
                self.check_empty()
                answer = serve(self, **names)
            else:
                raw = b"{}" if described.may_be_empty and not self.raw else self.raw
                answer = serve(self, said=described.body.model_validate_json(raw), **names)
            db.confirmed()
            return answer.response()

        run.call = described  # type: ignore[attr-defined]
        return run

    return decorate


class Door(APIView):
    """A resource of the API. Its methods are marked with `@call` and return an `Answer`."""

    request: Request
    rate_headers: dict[str, str] | None = None
    at: datetime
    claim: idempotency.Claim | None = None
    raw: bytes = b""

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    @property
    def call(self) -> Call | None:
        """What is served by the method of this request; None for a method that is not."""
        method = (self.request.method or "").lower()
        handler = getattr(self, method, None) if method in self.http_method_names else None
        return getattr(handler, "call", None)

    @property
    def key(self) -> Key:
        return cast(Key, self.request.auth)

    @property
    def merchant(self) -> Merchant:
        return self.key.merchant

    @property
    def by(self) -> str:
        """Who did it, for the books."""
        return public_ids.show("key", self.key.id)

    # --- before the call -------------------------------------------------------------------------------

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find out who calls and whether they may. One parser and one form of answer: nothing to negotiate."""
        self.perform_authentication(request)
        self.check_permissions(request)
        self.check_throttles(request)
        accept = request.META.get("HTTP_ACCEPT", "*/*")
        if accept and not any(kind in accept for kind in _ACCEPTED):
            raise exceptions.NotAcceptable("This API answers in JSON: accept application/json.")
        self.at = self._clock(request)
        if request.method in WRITES and self.call is not None:
            self.raw = self._read(request._request, self.call)
            self.claim = idempotency.claim(request._request, merchant_id=self.merchant.pk, body=self.raw)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        renderer = self.renderer_classes[0]()
        return renderer, renderer.media_type

    def _clock(self, request: Request) -> datetime:
        said = request.META.get("HTTP_X_TEST_CLOCK")
        if said is None:
            return timezone.now()
        if not self.merchant.is_test:
            raise Malformed(
                "X-Test-Clock works for sandbox merchants only.",
                faults=[Fault("/header/X-Test-Clock", "not_a_sandbox", "This merchant is live")],
            )
        return fields.time(said, pointer="/header/X-Test-Clock")

    def _read(self, request: HttpRequest, call: Call) -> bytes:
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        if length > call.most_bytes:
            raise errors.TooLarge(f"The body is too large: at most {call.most_bytes // 1024} kB.")
        raw = request.body
        if len(raw) > call.most_bytes:
            raise errors.TooLarge(f"The body is too large: at most {call.most_bytes // 1024} kB.")
        if raw and (request.content_type or "").lower() not in ("application/json", "text/json"):
            raise exceptions.UnsupportedMediaType(
                request.content_type or "", "Send JSON, with Content-Type: application/json."
            )
        return raw

    def check_query(self, known: frozenset[str]) -> None:
        """:raises Malformed: the query names something this call does not know"""
        query = self.request._request.GET
        if query and (strange := [name for name in query if name not in known]):
            raise Malformed(
                "A parameter is not known here.",
                faults=[
                    Fault(f"/query/{name[:60]}", "unknown_field", "is not a parameter of this call")
                    for name in strange[:10]
                ],
            )

    def check_empty(self) -> None:
        """:raises Malformed: a call that reads no body got one"""
        if self.raw and self.raw.strip() not in (b"", b"{}"):
            raise Malformed(
                "This call takes no body.", faults=[Fault("", "unknown_field", "must be empty or {}")]
            )

    @property
    def is_rehearsal(self) -> bool:
        """Whether `?dry_run=true` was said."""
        said = self.request._request.GET.get("dry_run", "false")
        if said not in ("true", "false"):
            raise Malformed(
                "A parameter cannot be understood.",
                faults=[Fault("/query/dry_run", "not_a_choice", "true or false")],
            )
        return said == "true"

    # --- the call --------------------------------------------------------------------------------------

    def do(self, act: Callable[[], T], *, show: Callable[[T], Answer]) -> Answer:
        """
        Run one command and answer what it did; with an Idempotency-Key, keep the answer in its transaction.

        With `?dry_run=true` all of it is done, shown with status 200 and `dry_run: true`, and undone.
        """
        if self.is_rehearsal:
            with db.dry_run():
                answer = show(act())
            return Answer(200, {**(answer.body or {}), "dry_run": True})
        claim = self.claim
        if claim is None:
            return show(act())
        made: list[Answer] = []

        def store(result: Any) -> Callable[[], None]:
            made.append(show(result))
            return idempotency.store(claim, made[-1])

        with db.answering(store):
            result = act()
        return made[-1] if made else self.keep(show(result))

    def keep(self, answer: Answer) -> Answer:
        """Keep an answer under the Idempotency-Key after work that was no single command: a batch, a sum."""
        if self.claim is not None:
            idempotency.keep(claim=self.claim, answer=answer)
        return answer

    def listed(self, rows: Any, *, shape: pagination.Shape, filter_on: Any = None) -> Answer:
        """Answer one page of `rows`, filtered as the query says."""
        call = self.call
        assert call is not None
        if call.filters is not None:
            chosen = call.filters(self.request._request.GET, queryset=rows, request=self.request)
            if not chosen.is_valid():
                raise Malformed(
                    "A parameter cannot be understood.",
                    faults=[
                        Fault(f"/query/{name}", "invalid", " ".join(str(text) for text in texts))
                        for name, texts in chosen.errors.items()
                    ],
                )
            rows = chosen.qs
        return Answer(
            200, pagination.page(self.request._request, rows, orderings=call.orderings, shape=shape)
        )

    # --- after the call --------------------------------------------------------------------------------

    def handle_exception(self, error: Exception) -> Any:
        """Every refusal becomes a problem, unless this very call was answered before, or the key changed."""
        try:
            if isinstance(error, Stale):
                raise error
            db.confirmed()
        except Stale:
            # What it did was rolled back; now the key is asked for first.
            return type(self).as_view()(self.request._request, *self.args, **self.kwargs)
        except DatabaseError as lost:
            error = lost
        return self._answered(error).response()

    def _answered(self, error: Exception) -> Answer:
        claim = self.claim
        if claim is None or isinstance(error, _STRANGERS):
            return errors.handle(error)
        if isinstance(error, idempotency.Taken | DomainError | exceptions.APIException):
            try:
                first = idempotency.kept(claim)
            except DomainError as reused:
                return errors.handle(reused)
            if first is not None:
                return first
            if isinstance(error, idempotency.Taken):
                error = idempotency.InProgress("The first request with this key is still running.")
        return errors.handle(error, has_idempotency_key=True)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        for name, value in (self.rate_headers or {}).items():
            response.headers[name] = value
        response.headers["Cache-Control"] = "no-store"
        if response.status_code == 405:
            response.headers["Allow"] = ", ".join(self.allowed_methods)
        return response

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise exceptions.MethodNotAllowed(request.method or "")


class Nowhere(Door):
    """Any other address below /api/v1: 404 for a caller with a key, 401 for one without."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        self.check_permissions(request)
        raise fields.missing()

    call = None
    schema = None
