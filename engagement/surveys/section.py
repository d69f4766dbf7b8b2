"""The `surveys` of a program file: the questions that are on, in each language."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from engagement.models import Survey
from engagement.surveys.kinds import KINDS
from lib import db
from lib.errors import Refused
from loyalty.models import Program
from merchants.models import Merchant

MOST_CHOICES = 10
Items = list[dict[str, Any]]
Slug = Annotated[str, StringConstraints(pattern=r"^[-a-zA-Z0-9_]{1,60}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Texts = Annotated[dict[Language, Text], Field(min_length=1)]


class KindIsFixed(Refused):
    code = "survey_kind_is_fixed"


class Item(BaseModel):
    """One question; `question`, `thanks` and `choices` by language."""

    model_config = ConfigDict(extra="forbid")

    id: Slug
    name: Text
    kind: str
    question: Texts
    thanks: dict[Language, Text] = {}
    choices: dict[Language, Annotated[list[Text], Field(min_length=2, max_length=MOST_CHOICES)]] = {}
    comment: bool = True
    days: Annotated[int, Field(ge=1, le=365)] = 30

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if self.kind not in KINDS.load():
            raise PydanticCustomError("kind", f"kind must be one of {', '.join(sorted(KINDS))}")
        wanted = set(self.question) if KINDS[self.kind].has_choices else set()
        if set(self.choices) != wanted or len({len(one) for one in self.choices.values()}) > 1:
            raise PydanticCustomError(
                "choices", "choices: as many in each language of a choice, none otherwise"
            )
        return self


class Surveys:
    name = "surveys"
    model: type[BaseModel] = Item

    def read(self, raw: Any, *, env: Mapping[str, str] | None) -> Items:
        items = TypeAdapter(list[Item]).validate_python(raw)
        faults: list[InitErrorDetails] = []
        for place, item in enumerate(items):
            if item.id in {one.id for one in items[:place]}:
                twice = PydanticCustomError("twice", f"two surveys have the id {item.id!r}: change one")
                faults.append({"type": twice, "loc": (place, "id"), "input": item.id})
        if faults:
            raise ValidationError.from_exception_data("surveys", faults)
        return [item.model_dump(exclude_defaults=True) for item in items]

    def current(self, *, merchant: Merchant, program: Program) -> Items:
        rows = Survey.objects.filter(merchant=merchant, is_on=True).order_by("code")
        return [_shown(row) for row in rows]

    @db.inside_transaction
    def save(self, *, merchant: Merchant, program: Program, wanted: Items, at: datetime, by: str) -> None:
        own = {row.code: row for row in Survey.objects.filter(merchant=merchant)}
        for item in wanted:
            row = own.pop(item["id"], None) or Survey(merchant=merchant, code=item["id"], kind=item["kind"])
            if row.kind != item["kind"]:
                raise KindIsFixed(f"The survey {row.code} is of kind {row.kind}: take another id.")
            row.name, row.is_on = item["name"], True
            row.asks_comment, row.valid_days = item.get("comment", True), item.get("days", 30)
            row.texts = _texts(item)
            row.save()
        for row in own.values():
            if row.is_on:
                row.is_on = False
                row.save()


def _texts(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        language: {
            "question": question,
            "thanks": item.get("thanks", {}).get(language, ""),
            **({"choices": item["choices"][language]} if "choices" in item else {}),
        }
        for language, question in item["question"].items()
    }


def _shown(row: Survey) -> dict[str, Any]:
    said = {
        "id": row.code,
        "name": row.name,
        "kind": row.kind,
        **{
            part: found
            for part in ("question", "thanks", "choices")
            if (found := {language: one[part] for language, one in row.texts.items() if one.get(part)})
        },
        "comment": row.asks_comment,
        "days": row.valid_days,
    }
    return Item.model_validate(said).model_dump(exclude_defaults=True)


SECTION = Surveys()
