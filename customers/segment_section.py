"""The `segments` of a program file: groups of customers, each with its rule."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from customers import segment_rules, segments
from customers.models import FACES, Segment
from customers.segment_rules import BadRule
from lib import db
from merchants.models import Merchant

Items = list[dict[str, Any]]
Slug = Annotated[str, StringConstraints(pattern=r"^[-a-zA-Z0-9_]{1,60}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class Item(BaseModel):
    """One segment; with `persona: true` and a `face` it is a person the shop thinks of."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    id: Slug
    name: Text
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""
    persona: bool = False
    face: str = ""
    rule: Any

    @model_validator(mode="after")
    def _has_a_known_face(self) -> "Item":
        if self.face and self.face not in FACES:
            raise PydanticCustomError("face", f"face must be one of {' '.join(FACES)}")
        return self


class Segments:
    name = "segments"
    model: type[BaseModel] = Item

    def read(self, raw: Any, *, env: Mapping[str, str] | None) -> Items:
        items = TypeAdapter(list[Item]).validate_python(raw)
        faults: list[InitErrorDetails] = []
        seen: set[str] = set()
        for place, item in enumerate(items):
            if item.id in seen:
                twice = PydanticCustomError("twice", f"two segments have the id {item.id!r}: change one")
                faults.append({"type": twice, "loc": (place, "id"), "input": item.id})
            seen.add(item.id)
            try:
                item.rule = segment_rules.read(item.rule)
            except BadRule as refusal:
                for fault in refusal.faults:
                    wrong = PydanticCustomError("rule", fault.detail.replace("{", "{{").replace("}", "}}"))
                    faults.append(
                        {"type": wrong, "loc": (place, "rule", *_path(fault.pointer)), "input": None}
                    )
        if faults:
            raise ValidationError.from_exception_data("segments", faults)
        return [item.model_dump(exclude_defaults=True) for item in items]

    def current(self, *, merchant: Merchant, program: Any) -> Items:
        rows = Segment.objects.filter(merchant=merchant, is_active=True).order_by("code")
        return [
            {
                "id": row.code,
                "name": row.name,
                **({"description": row.description} if row.description else {}),
                **({"persona": True} if row.is_persona else {}),
                **({"face": row.face} if row.face else {}),
                "rule": row.rule,
            }
            for row in rows
        ]

    @db.inside_transaction
    def save(self, *, merchant: Merchant, program: Any, wanted: Items, at: datetime, by: str) -> None:
        own = {row.code: row for row in Segment.objects.filter(merchant=merchant)}
        now = {item["id"]: item for item in self.current(merchant=merchant, program=program)}
        for item in wanted:
            row = own.pop(item["id"], None) or Segment(merchant=merchant, code=item["id"])
            if now.get(item["id"]) == item:
                continue  # nobody is counted anew for a file that says the same
            row.name, row.description = item["name"], item.get("description", "")
            row.is_persona, row.face = item.get("persona", False), item.get("face", "")
            row.is_active = True
            segments.save(segment=row, rule=item["rule"], at=at, by=by)
        for row in own.values():
            if row.is_active:
                row.is_active = False
                segments.save(segment=row, rule=row.rule, at=at, by=by)


def _path(pointer: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]


SECTION = Segments()
