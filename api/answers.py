"""What a call answers: a status, a body, and a few headers, written as JSON once."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.http import HttpResponse

JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(slots=True)
class Answer:
    """
    One answer. `body` None is an answer without a body (204, 301).

    `customer_id` names the person the body speaks of, so that erasing them also removes a kept copy.
    `has_secret` says that the body holds what is shown once and worth something, like a bearer's code: a kept
    copy of it is sealed.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    customer_id: int | None = None
    content_type: str = JSON
    has_secret: bool = False
    _written: bytes | None = None

    def written(self) -> bytes:
        """Return the body as JSON, written once: a kept answer is also the one that is sent."""
        if self._written is None:
            self._written = b"" if self.body is None else write(self.body)
        return self._written

    def response(self) -> HttpResponse:
        content = self.body if isinstance(self.body, bytes) else self.written()
        return HttpResponse(
            content, status=self.status, content_type=self.content_type, headers=self.headers or None
        )


def write(body: Any) -> bytes:
    """Return JSON: times in UTC with a Z, to the second or finer, never without an offset."""
    return orjson.dumps(body, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> str:
    # Translated texts are lazy until somebody reads them; everything else that JSON lacks reads as text.
    return str(value)


def moment(value: datetime | None) -> str | None:
    """Return a time as it is answered, for texts that leave orjson's hands (a page's address)."""
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z)) if value else None
