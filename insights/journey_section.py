"""The `journey` of a program file: which touchpoints count as which stage."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from insights import stages
from insights.models import JourneyStages
from insights.stages import BadStages
from lib import db
from merchants.models import Merchant

Items = list[dict[str, Any]]


class Item(BaseModel):
    """One stage (`id`) with the kinds of touchpoints that count as it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    kinds: list[str]


class Journey:
    name = "journey"
    model: type[BaseModel] = Item

    def read(self, raw: Any, *, env: Mapping[str, str] | None) -> Items:
        items = TypeAdapter(list[Item]).validate_python(raw)
        if not items:
            return []
        try:
            wanted = stages.checked({item.id: item.kinds for item in items})
        except BadStages as refusal:
            text = str(refusal).replace("{", "{{").replace("}", "}}")
            wrong = PydanticCustomError("journey", text)
            raise ValidationError.from_exception_data(
                "journey", [{"type": wrong, "loc": (), "input": None}]
            ) from None
        return [{"id": name, "kinds": kinds} for name, kinds in wanted.items()]

    def current(self, *, merchant: Merchant, program: Any) -> Items:
        row = JourneyStages.objects.filter(merchant=merchant).first()
        if row is None:
            return []
        return [{"id": name, "kinds": list(row.kinds.get(name, ()))} for name in stages.NAMES]

    @db.inside_transaction
    def save(self, *, merchant: Merchant, program: Any, wanted: Items, at: datetime, by: str) -> None:
        if wanted:
            stages.save(merchant=merchant, kinds={item["id"]: item["kinds"] for item in wanted})
        else:
            for row in JourneyStages.objects.filter(merchant=merchant):
                row.delete()


SECTION = Journey()
