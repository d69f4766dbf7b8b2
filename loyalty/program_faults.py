"""What is wrong with a program file, said with its line, its place and what to do."""

import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lib.errors import Fault, Malformed
from lib.marked_yaml import Path
from loyalty.program_document import PATTERNS


class BadProgramFile(Malformed):
    code = "invalid_program_file"


class Faults:
    """Gathers everything that is wrong, so that one run tells all."""

    def __init__(self, *, raw: Any, lines: Mapping[Path, int]):
        self.raw, self.lines = raw, lines
        self.found: list[tuple[Path, str]] = []

    def add(self, place: Path, problem: str) -> None:
        self.found.append((place, problem))

    def add_all(
        self, error: ValidationError, *, under: Path = (), model: type[BaseModel] | None = None
    ) -> None:
        """Add each error of pydantic, with paths from `under` on."""
        for detail in error.errors(include_url=False):
            place = self._placed((*under, *detail["loc"]))
            self.add(place, _sentence(detail, model=model))

    def _placed(self, loc: Iterable[str | int]) -> Path:
        """Return the path of `loc` in the file: pydantic adds names of its own (union members, `[key]`)."""
        here: Any = self.raw
        path: Path = ()
        steps = list(loc)
        for number, step in enumerate(steps):
            is_inside = (isinstance(here, Mapping) and step in here) or (
                isinstance(here, list) and isinstance(step, int) and step < len(here)
            )
            if is_inside:
                here, path = here[step], (*path, step)
            elif number == len(steps) - 1 and isinstance(here, Mapping) and step != "[key]":
                path = (*path, step)
        return path

    def refuse(self) -> None:
        """Raise what was found, in the order of the file; do nothing when all is well."""
        if not self.found:
            return
        ordered = sorted(self.found, key=lambda fault: self.line(fault[0]))
        sentences = [self._said(place, problem) for place, problem in ordered]
        raise BadProgramFile(
            "\n".join(sentences),
            faults=[
                Fault("/" + "/".join(map(str, place)), "invalid_program_file", sentence)
                for (place, _), sentence in zip(ordered, sentences, strict=True)
            ],
        )

    def line(self, place: Path) -> int:
        """Return the line of a place; of what it is missing from when it is not there. 0: no file."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)

    def _said(self, place: Path, problem: str) -> str:
        line = self.line(place)
        where = show(place)
        return ": ".join(part for part in (f"line {line}" if line else "", where, problem) if part)


def show(place: Path) -> str:
    """Return a place as people write it: program.tiers.levels[1].at"""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


WORDS = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "decimal_parsing": "must be a number",
    "decimal_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "tuple_type": "must be a list, like [mon, tue]",
    "dict_type": "must be a map, like {EUR: 100}",
    "model_type": "must be a map, like {name: value}",
    "date_from_datetime_parsing": "must be a date, like 2026-01-31",
    "date_parsing": "must be a date, like 2026-01-31",
    "time_parsing": "must be a time of day, like 07:30",
}


def _sentence(detail: ErrorDetails, *, model: type[BaseModel] | None) -> str:
    kind, given = detail["type"], detail["input"]
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return _unknown(str(detail["loc"][-1]), _names(model, detail["loc"][:-1]))
    if kind == "missing" and not detail.get("ctx") and message == "Field required":
        return "is missing: add it"
    if kind in ("literal_error", "enum"):
        return f"{_short(given)} is not one of {detail['ctx']['expected']}"
    if kind == "string_pattern_mismatch":
        pattern = detail["ctx"]["pattern"]
        return f"{_short(given)} {PATTERNS.get(pattern, f'must match {pattern}')}"
    if kind in WORDS:
        return f"{WORDS[kind]}, not {_short(given)}"
    if kind == "union_tag_invalid":
        return f"{detail['ctx']['tag']!r} is not one of {detail['ctx']['expected_tags']}"
    if kind == "union_tag_not_found":
        return "has no `kind`: add it"
    if kind in ("missing", "surplus", "twice", "currency", "timezone"):
        return f"{_short(given)}: {message}" if kind in ("currency", "timezone") else message
    if kind in ("env", "connection"):  # these may be about a secret: never repeat what was given
        return message
    message = message[0].lower() + message[1:]
    if isinstance(given, Mapping | list) or "secret" in detail["loc"]:
        return message
    return f"{message}, not {_short(given)}"


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "remove it"
    return f"is not a setting here: {hint}" + (f" Known here: {', '.join(known)}." if known else "")


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _names(model: type[BaseModel] | None, loc: tuple[str | int, ...]) -> list[str]:
    """Return the settings known at a place, by walking the models along it."""
    here: list[Any] = [model]
    for step in loc:
        found: list[Any] = []
        for kind in here:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                field = kind.model_fields.get(str(step))
                found += _members(field.annotation) if field else []
                if not field and any(step in _tags(member) for member in here):
                    found = [member for member in here if step in _tags(member)]
                    break
            elif isinstance(step, int):
                found.append(kind)
        here = found or here
    models = [kind for kind in here if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return sorted({field.alias or name for kind in models for name, field in kind.model_fields.items()})


def _members(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is None:
        return [annotation]
    if origin in (Union, types.UnionType, list, tuple):
        return [member for part in get_args(annotation) for member in _members(part)]
    if hasattr(annotation, "__metadata__"):
        return _members(get_args(annotation)[0])
    return []


def _tags(kind: Any) -> tuple[Any, ...]:
    field = kind.model_fields.get("kind") if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return get_args(field.annotation) if field else ()
