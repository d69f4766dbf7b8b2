"""Which column of whose export means what: one YAML file per system."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).parent
FIELDS = (
    *("external_id", "email", "phone", "card", "name", "first_name", "last_name", "birthday", "language"),
    *("changed_at", "joined_at"),
)
Headers = Annotated[list[str], Field(min_length=1)]


class Consents(BaseModel):
    """One answer: read from a column's words (`silent` ones say nothing), or (`says`) there when its time is."""

    model_config = ConfigDict(extra="forbid")

    channel: str
    purpose: str
    column: list[str] = []
    at: list[str] = []
    granted: list[str] = []
    withdrawn: list[str] = []
    silent: list[str] = []
    says: Literal["granted", "withdrawn"] | None = None


class ColumnMap(BaseModel):
    model_config = ConfigDict(extra="forbid")

    system: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=60)]
    name: str
    source: str = ""
    columns: dict[Literal[FIELDS], Headers]  # type: ignore[valid-type]
    consents: list[Consents] = []
    dates: list[str] = ["iso"]
    birthdays: list[str] = ["%m-%d"]


@cache
def all_maps() -> Mapping[str, ColumnMap]:
    """Return the maps of this folder by system."""
    return {path.stem: read(path) for path in sorted(FOLDER.glob("*.yaml"))}


def read(path: Path) -> ColumnMap:
    """:raises ValueError: the file is no column map"""
    said: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return ColumnMap.model_validate(said)
