"""The OpenAPI document, from what `@call` says and the pydantic models it names."""

import re
from inspect import cleandoc
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from pydantic import BaseModel

from api.door import Call
from api.shapes import Problem

REF = "#/components/schemas/{model}"
KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key made in the admin or by `python manage.py issue_key MERCHANT`.",
}
ALWAYS = (400, 401, 403, 406, 429, 500, 503)
WRITES = (404, 409, 410, 413, 415, 422)
SAID = {
    200: "Done",
    201: "Made",
    202: "Taken, and not done yet",
    204: "Gone",
    301: "Merged into the customer that Location names",
    400: "Malformed",
    401: "No key, or not a valid one",
    403: "The key lacks the scope",
    404: "Not found, or another merchant's",
    406: "Only JSON is answered",
    409: "It contradicts what was said before",
    410: "Erased",
    413: "Too large",
    415: "Not JSON",
    422: "Refused by a rule of the program",
    429: "Too many requests: see Retry-After",
    500: "Our mistake",
    503: "Busy: see Retry-After",
}
_LIST: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    "cursor": {"type": "string"},
}
_IN_PATH = re.compile(r"{(\w+)}")


class CallSchema(AutoSchema):
    """Describes one call of one `Door`."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> dict[str, Any] | None:
        self.registry = registry
        serve = getattr(self.view, method.lower(), None)
        call: Call | None = getattr(serve, "call", None)
        if call is None:
            return None
        self._component("key", KEY, kind=ResolvedComponent.SECURITY_SCHEMA)
        summary, _, details = cleandoc(serve.__doc__ or "").partition("\n")
        scopes = " or ".join(f"`{scope}`" for scope in call.scopes)
        operation = {
            "operationId": _name(path, method),
            "summary": summary.rstrip("."),
            "description": f"{details.strip()}\n\nScope: {scopes}.".strip(),
            "tags": [path.removeprefix("/api/v1/").split("/")[0]],
            "parameters": self._parameters(call, path, method),
            "security": [{"key": []}],
            "responses": self._responses(call, path, method),
            "x-scopes": list(call.scopes),
        }
        if call.body is not None:
            content = {"application/json": {"schema": self._ref(call.body)}}
            operation["requestBody"] = {"content": content, "required": not call.may_be_empty}
        return operation

    def _parameters(self, call: Call, path: str, method: str) -> list[dict[str, Any]]:
        text: dict[str, Any] = {"type": "string"}
        found = [_parameter(name, "path", text, is_required=True) for name in _IN_PATH.findall(path)]
        if call.orderings:
            found += [_parameter(name, "query", schema) for name, schema in _LIST.items()]
            names = [sign + name.removeprefix("-") for name in call.orderings for sign in ("", "-")]
            found.append(
                _parameter("ordering", "query", text | {"enum": names, "default": call.orderings[0]})
            )
        for name, one in (call.filters.base_filters if call.filters else {}).items():
            found.append(_parameter(name, "query", text, str(one.label or "")))
        found += [_parameter(name, "query", text, note) for name, note in call.parameters.items()]
        if call.moves_points:
            choice = text | {"enum": ["true", "false"]}
            found.append(_parameter("dry_run", "query", choice, "Answer what would happen and save nothing."))
        if method.upper() != "GET":
            note = "The same key and the same request give the first answer again, for 30 days."
            key = text | {"maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"}
            found.append(_parameter("Idempotency-Key", "header", key, note))
        note = "What time it is; for sandbox merchants only."
        found.append(_parameter("X-Test-Clock", "header", text | {"format": "date-time"}, note))
        return found

    def _responses(self, call: Call, path: str, method: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for status, model in call.answers.items():
            found[str(status)] = {"description": SAID[status]}
            if model is not None:
                found[str(status)]["content"] = {"application/json": {"schema": self._answer(call, model)}}
        problem = {"application/problem+json": {"schema": self._ref(Problem)}}
        statuses = {*ALWAYS, *(WRITES if method.upper() != "GET" else (404, 410) if "{" in path else ())}
        if path.endswith("/lookup"):
            statuses.add(404)
        for status in sorted(statuses):
            found[str(status)] = {"description": SAID[status], "content": problem}
        return found

    def _answer(self, call: Call, model: type[BaseModel]) -> dict[str, Any]:
        if not call.orderings:
            return self._ref(model)
        address = {"anyOf": [{"type": "string", "format": "uri"}, {"type": "null"}]}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": {"type": "array", "items": self._ref(model)},
                "next": address,
                "previous": address,
            },
        }

    def _ref(self, model: type[BaseModel]) -> dict[str, str]:
        schema = model.model_json_schema(ref_template=REF)
        for name, part in schema.pop("$defs", {}).items():
            self._component(name, part)
        self._component(model.__name__, schema)
        return {"$ref": REF.format(model=model.__name__)}

    def _component(self, name: str, schema: dict[str, Any], *, kind: str = ResolvedComponent.SCHEMA) -> None:
        self.registry.register_on_missing(ResolvedComponent(name=name, type=kind, object=name, schema=schema))


def _parameter(
    name: str, place: str, schema: dict[str, Any], note: str = "", *, is_required: bool = False
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "in": place, "schema": schema}
    if note:
        found["description"] = note
    if is_required:
        found["required"] = True
    return found


def _name(path: str, method: str) -> str:
    """Return an operation's id: `post_purchases_refunds` for POST /api/v1/purchases/{purchase}/refunds."""
    steps = [step for step in path.removeprefix("/api/v1/").split("/") if not step.startswith("{")]
    is_one = path.endswith("}")
    return "_".join(
        [method.lower(), *(step.replace("-", "_") for step in steps), *(["one"] if is_one else [])]
    )
