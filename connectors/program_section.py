"""The `connections` of a program file: who may send webhooks, and by which secret they are known."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from django.conf import settings
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from connectors import connections
from connectors.models import Connection
from lib import db, secrets
from lib.errors import DomainError
from loyalty.models import Program
from merchants.models import Merchant, Store

ENV = "env:"
# Only what is named as a secret of a connection may be read: a file that asks for SECRET_KEY gets nothing.
READABLE = re.compile(r"[A-Z][A-Z0-9_]*(_WEBHOOK_SECRET|_API_KEY)")
Items = list[dict[str, Any]]


def named(secret: str, info: ValidationInfo) -> str:
    if not secret.startswith(ENV):
        return secret
    name, env = secret.removeprefix(ENV), (info.context or {}).get("env")
    if not READABLE.fullmatch(name):
        problem = f"{name!r} is not read: name a variable that ends in _WEBHOOK_SECRET or _API_KEY"
    elif env is None:
        problem = "env: works from the command line only (manage.py program apply)"
    elif not env.get(name):
        problem = f"the environment has no {name}: set it, then apply the file again"
    else:
        return secret
    raise PydanticCustomError("env", problem.replace("{", "{{"))


Code = Annotated[str, StringConstraints(pattern=r"^[-a-zA-Z0-9_]{1,60}$")]


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    id: Code
    kind: Annotated[str, StringConstraints(min_length=1, max_length=20)]
    secret: Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(named)] | None = (
        None
    )
    enroll: Literal["never", "always"] = "never"
    store: Code | None = None
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _is_one_of_its_kind(self, info: ValidationInfo) -> Self:
        try:
            connections.check(kind=self.kind, options=self.options, secret=self.opened(info.context or {}))
        except DomainError as error:
            raise PydanticCustomError("connection", str(error).replace("{", "{{")) from error
        return self

    def opened(self, context: Mapping[str, Any]) -> str:
        """Return the secret itself; empty when the file does not say it."""
        if self.secret and self.secret.startswith(ENV):
            return str((context.get("env") or {}).get(self.secret.removeprefix(ENV), ""))
        return self.secret or ""


class Secret(str):
    """A secret on its way from the file to the database: compared by fingerprint, never shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(...)"


class Connections:
    name = "connections"
    model: type[BaseModel] = Item

    def read(self, raw: Any, *, env: Mapping[str, str] | None) -> Items:
        context = {"env": env}
        items = TypeAdapter(list[Item]).validate_python(raw, context=context)
        return [self._plain(item, opened=item.opened(context)) for item in items]

    def _plain(self, item: Item, *, opened: str) -> dict[str, Any]:
        plain = item.model_dump(exclude_none=True)
        if not item.options:
            del plain["options"]
        if not (item.secret or "").startswith(ENV):
            plain.pop("secret", None)
        if opened:
            plain |= {"_secret": fingerprint(opened), "_opened": Secret(opened)}
        return plain

    def current(self, *, merchant: Merchant, program: Program) -> Items:
        return [
            {
                "id": one.code,
                "kind": one.kind,
                **({"secret": f"{ENV}{one.secret_name}"} if one.secret_name else {}),
                "enroll": one.enroll,
                **({"store": one.store.code} if one.store else {}),
                **({"options": one.options} if one.options else {}),
                "_secret": fingerprint(secrets.open(one.secret_sealed)) if one.secret_sealed else "",
            }
            for one in Connection.objects.filter(merchant=merchant, is_active=True).select_related("store")
        ]

    @db.inside_transaction
    def save(self, *, merchant: Merchant, program: Program, wanted: Items, at: datetime, by: str) -> None:
        own = {one.code: one for one in Connection.objects.filter(merchant=merchant)}
        for item in wanted:
            connection = own.pop(item["id"], None) or Connection(merchant=merchant, code=item["id"])
            connection.kind, connection.enroll, connection.is_active = item["kind"], item["enroll"], True
            connection.options = item.get("options", {})
            connection.store = self._store(merchant, item)
            named = item.get("secret", "").removeprefix(ENV)
            if not named:
                connection.secret_name = ""
            connections.keep(
                connection=connection, secret=str(item.get("_opened", "")), secret_name=named, at=at
            )
        for connection in own.values():
            if connection.is_active:
                connection.is_active = False
                connection.save(update_fields=["is_active"])
        db.after_commit(connections.forget)

    def _store(self, merchant: Merchant, item: dict[str, Any]) -> Store | None:
        if "store" not in item:
            return None
        store = Store.objects.filter(merchant=merchant, code=item["store"]).first()
        if store is None:
            raise connections.InvalidConnection(
                f"program.connections {item['id']}: there is no store {item['store']!r}: add it first."
            )
        return store


def fingerprint(secret: str) -> str:
    """Return what tells two secrets apart without telling them."""
    return hmac.new(settings.LOOKUP_KEY.encode(), secret.encode(), hashlib.sha256).hexdigest()[:16]


SECTION = Connections()
