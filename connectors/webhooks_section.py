"""The `webhooks` of a program file: who hears what happens, and by which secret it is signed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from connectors import endpoints
from connectors.models import WebhookEndpoint
from connectors.program_section import ENV, Code, Items, Secret, fingerprint, named
from lib import db, secrets
from lib.errors import DomainError
from loyalty.models import Program
from merchants.models import Merchant


class Endpoint(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Code
    url: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    events: Annotated[list[str], Field(min_length=1, max_length=50)]
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    secret: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(named)] | None = (
        None
    )
    filters: dict[str, Any] = {}
    mapping: dict[str, str] = {}

    @model_validator(mode="after")
    def _is_an_endpoint(self, info: ValidationInfo) -> Self:
        try:
            endpoints.check(
                WebhookEndpoint(url=self.url, kinds=self.events, filters=self.filters, mapping=self.mapping)
            )
            if opened := self.opened(info.context or {}):
                endpoints.check_secret(opened)
        except DomainError as error:
            raise PydanticCustomError("endpoint", str(error).replace("{", "{{")) from error
        return self

    def opened(self, context: Mapping[str, Any]) -> str:
        """Return the secret itself; empty when the file does not say it."""
        if self.secret and self.secret.startswith(ENV):
            return str((context.get("env") or {}).get(self.secret.removeprefix(ENV), ""))
        return self.secret or ""


class Webhooks:
    """Endpoints without an `id` of the file (made in the admin or by the API) are left alone."""

    name = "webhooks"
    model: type[BaseModel] = Endpoint

    def read(self, raw: Any, *, env: Mapping[str, str] | None) -> Items:
        context = {"env": env}
        items = TypeAdapter(list[Endpoint]).validate_python(raw, context=context)
        return [self._plain(item, opened=item.opened(context)) for item in items]

    def _plain(self, item: Endpoint, *, opened: str) -> dict[str, Any]:
        plain = _lean(item.model_dump(exclude_none=True))
        if not (item.secret or "").startswith(ENV):
            plain.pop("secret", None)
        if opened:
            plain |= {"_secret": fingerprint(opened), "_opened": Secret(opened)}
        return plain

    def current(self, *, merchant: Merchant, program: Program) -> Items:
        rows = WebhookEndpoint.objects.filter(merchant=merchant, is_on=True).exclude(code="")
        return [
            _lean(
                {
                    "id": one.code,
                    "url": one.url,
                    "events": one.kinds,
                    "description": one.description,
                    **({"secret": f"{ENV}{one.secret_name}"} if one.secret_name else {}),
                    "filters": one.filters,
                    "mapping": one.mapping,
                    "_secret": fingerprint(secrets.open(one.secret_sealed)),
                }
            )
            for one in rows.order_by("code")
        ]

    @db.inside_transaction
    def save(self, *, merchant: Merchant, program: Program, wanted: Items, at: datetime, by: str) -> None:
        own = {one.code: one for one in WebhookEndpoint.objects.filter(merchant=merchant).exclude(code="")}
        for item in wanted:
            endpoint = own.pop(item["id"], None) or WebhookEndpoint(
                merchant=merchant, code=item["id"], created_at=at
            )
            endpoint.url, endpoint.kinds = item["url"], item["events"]
            endpoint.description = item.get("description", "")
            endpoint.filters, endpoint.mapping = item.get("filters", {}), item.get("mapping", {})
            endpoints.switch(endpoint, is_on=True, at=at)
            secret = str(item.get("_opened", ""))
            if not secret and not endpoint.secret_sealed:
                secret = endpoints.new_secret()  # nobody saw it: it is read by rotating it
            name = item.get("secret", "").removeprefix(ENV)
            endpoints.keep(endpoint=endpoint, secret=secret, secret_name=name, at=at)
        for endpoint in own.values():
            endpoints.switch(endpoint, is_on=False, at=at)
            endpoints.keep(endpoint=endpoint, at=at)


def _lean(item: dict[str, Any]) -> dict[str, Any]:
    """Return it without what it does not say."""
    return {
        name: value
        for name, value in item.items()
        if value or name not in ("filters", "mapping", "description")
    }


SECTION = Webhooks()
