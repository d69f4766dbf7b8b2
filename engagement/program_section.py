"""The `flows` of a program file: which automated messages there are, and which of them are on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from engagement import flows
from engagement.flows import document
from engagement.flows.document import Document
from engagement.models import Flow
from lib import db
from loyalty.models import Program
from merchants.models import Merchant

Items = list[dict[str, Any]]


class Flows:
    name = "flows"
    model: type[BaseModel] = Document

    def read(self, raw: Any, *, env: Mapping[str, str] | None) -> Items:
        if not isinstance(raw, list):
            TypeAdapter(list[Document]).validate_python(raw)
        faults: list[InitErrorDetails] = []
        items: Items = []
        seen: set[str] = set()
        for place, one in enumerate(raw):
            try:
                flow = document.read(one)
            except ValidationError as error:
                faults += [_placed(fault, place) for fault in error.errors(include_url=False)]
                continue
            if flow.id in seen:
                twice = PydanticCustomError("twice", f"two flows have the id {flow.id!r}: change one")
                faults.append({"type": twice, "loc": (place, "id"), "input": flow.id})
            seen.add(flow.id)
            items.append(document.plain(flow))
        if faults:
            raise ValidationError.from_exception_data("flows", faults)
        return items

    def current(self, *, merchant: Merchant, program: Program) -> Items:
        rows = Flow.objects.filter(merchant=merchant, version__gt=0, is_archived=False).order_by("slug")
        return [flows.shown(row) for row in rows]

    @db.inside_transaction
    def save(self, *, merchant: Merchant, program: Program, wanted: Items, at: datetime, by: str) -> None:
        own = {flow.slug: flow for flow in Flow.objects.filter(merchant=merchant)}
        for item in wanted:
            flow = flows.publish_step(merchant=merchant, wanted=document.read(item), at=at, by=by)
            flows.switch_step(flow=flow, on=bool(item.get("on")), at=at, by=by)
            own.pop(flow.slug, None)
        for flow in own.values():
            flows.archive_step(flow=flow, at=at, by=by)


def _placed(fault: Any, place: int) -> InitErrorDetails:
    kind = PydanticCustomError(fault["type"], fault["msg"].replace("{", "{{"), fault.get("ctx") or {})
    return {"type": kind, "loc": (place, *fault["loc"]), "input": fault["input"]}


SECTION = Flows()
