"""
The door for browsers: anonymous touchpoints of a shop's own pages, and the script that sends them.

Plain views, like the hooks: no key of the API ever stands in a page. The body is JSON sent as text, so that a
browser asks no permission first and sends it also while the page is left.
"""

from datetime import timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from rest_framework.exceptions import PermissionDenied, Throttled

from api import errors
from api.answers import Answer
from customers import sites
from customers.models import Site
from customers.sites import KINDS, Seen
from lib import limits
from lib.errors import NotFound
from lib.http import client_address

MOST_BYTES = 16 * 1024
MOST_DATA = 2 * 1024
_SCRIPT = "loyalty/touch.js"


class One(BaseModel):
    """One thing that happened on a page, `ago` milliseconds before it is told."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal[KINDS]  # type: ignore[valid-type]
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    ago: Annotated[int, Field(ge=0, le=2**40)] = 0
    data: dict[str, Any] = {}
    external_id: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""
    source: Annotated[str, Field(max_length=60, pattern=r"^[^\x00]*$")] = ""
    signature: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")] = ""

    @field_validator("data")
    @classmethod
    def _is_small(cls, data: dict[str, Any]) -> dict[str, Any]:
        written = orjson.dumps(data)
        if len(written) > MOST_DATA or b"\\u0000" in written:
            raise PydanticCustomError("too_long", "At most 2 kB, without NUL")
        return data


class Told(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    anonymous_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    touches: Annotated[list[One], Field(min_length=1, max_length=20)]


@csrf_exempt
@require_http_methods(["POST", "OPTIONS"])
def receive(request: HttpRequest, key: str) -> HttpResponse:
    """Note what a page of the shop tells: 200 with how many were noted, and what was refused."""
    site = sites.find(key)
    origin = request.headers.get("Origin", "")
    is_ours = site is not None and origin in site.origins
    try:
        answer = _received(request, site, is_ours)
    except Exception as error:  # every refusal is a problem with a code, like the API's
        answer = errors.handle(error)
    response = answer.response()
    patch_vary_headers(response, ["Origin"])
    if is_ours:
        response["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS":
            response["Access-Control-Allow-Methods"] = "POST"
            response["Access-Control-Allow-Headers"] = "Content-Type"
            response["Access-Control-Max-Age"] = "86400"
    return response


def _received(request: HttpRequest, site: Site | None, is_ours: bool) -> Answer:
    if site is None:
        raise NotFound("There is no such key.")
    if not is_ours:
        raise PermissionDenied("This key is for other pages: add the address to the site's.")
    if request.method == "OPTIONS":
        return Answer(204)
    if not limits.take(settings.TOUCH_LIMIT, "touch", site.public_id, client_address(request)):
        raise Throttled(wait=10, detail="Too many at once; please wait.")
    if len(body := request.body) > MOST_BYTES:
        raise errors.TooLarge(f"The body is too large: at most {MOST_BYTES // 1024} kB.")
    said = Told.model_validate_json(body)
    answers = sites.tell(
        site=site,
        anonymous_id=said.anonymous_id,
        seen=[
            Seen(
                one.kind,
                one.id,
                timedelta(milliseconds=one.ago),
                one.data,
                one.external_id,
                one.source,
                one.signature,
            )
            for one in said.touches
        ],
        at=timezone.now(),
    )
    refused = [
        errors.item(one.error, within=f"/touches/{place}")
        for place, one in enumerate(answers)
        if one.error is not None
    ]
    return Answer(200, {"noted": len(answers) - len(refused), "refused": refused})


@require_safe
def script(request: HttpRequest) -> HttpResponse:
    """The script, at an address that never changes: a shop puts it into its pages once."""
    text, tag = _read()
    if request.headers.get("If-None-Match") == tag:
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(text, content_type="text/javascript; charset=utf-8")
    response["ETag"] = tag
    response["Cache-Control"] = "public, max-age=3600"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@cache
def _read() -> tuple[bytes, str]:
    text = Path(str(finders.find(_SCRIPT))).read_bytes()
    return text, f'"{sha256(text).hexdigest()[:20]}"'
