"""
YAML as people mean it: read strictly, with the line of everything, and written so that it reads well.

Only what the core schema of YAML 1.2 calls a boolean, a number or nothing becomes one: `no` stays the
country, `07:00` stays a time and `2026-01-01` stays text for whoever knows what it is. Aliases and keys
said twice are refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from lib.errors import Fault, Malformed

MOST_CHARACTERS = 1_000_000
DEEPEST = 20
Path = tuple[str | int, ...]

_INT = re.compile(r"[-+]?[0-9]+")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}


class Unreadable(Malformed):
    code = "unreadable_yaml"


def read(text: str) -> tuple[Any, dict[Path, int]]:
    """
    Return the value, and the line (from 1) of each part of it by its path.

    Numbers with a fraction stay text, so that whoever reads them decides how exact they are.

    :raises Unreadable: the message names the line and what to do
    """
    if len(text) > MOST_CHARACTERS:
        raise _at(1, f"the file has {len(text):,} characters; {MOST_CHARACTERS:,} are read at most")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _at(
            mark.line + 1 if mark else 1, f"this is not YAML: {error.problem or error.context}"
        ) from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1 if isinstance(error.position, int) else 1
        raise _at(line, f"the character {error.character!r} cannot be part of YAML") from error
    except RecursionError as error:
        raise _at(1, "it is nested too deeply") from error
    lines: dict[Path, int] = {}
    seen: set[int] = set()
    return (None if node is None else _value(node, (), lines, seen)), lines


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], seen: set[int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if id(node) in seen:
        # An alias is the same node again; a few of them can stand for billions of values.
        raise _at(line, "aliases (&name, *name) are not read: write the value out")
    seen.add(id(node))
    if len(path) > DEEPEST:
        raise _at(line, "it is nested too deeply")
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, place), lines, seen) for place, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, item in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            key_line = key_node.start_mark.line + 1
            if not key:
                raise _at(key_line, "a name before a colon must be plain text")
            if key in found:
                raise _at(key_line, f"{key!r} is said twice: keep one")
            lines[(*path, key)] = key_line
            found[key] = _value(item, (*path, key), lines, seen)
        return found
    return _scalar(node, line)


def _scalar(node: yaml.Node, line: int) -> Any:
    text = str(node.value)
    if getattr(node, "style", None) is not None:
        return text
    if text.lower() in _WORDS and text in (text.lower(), text.capitalize(), text.upper()):
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        if len(text) > 30:
            raise _at(line, "this number is too long")
        # A leading zero is a code (a card, a postal code), not a number.
        return text if re.match(r"[-+]?0[0-9]", text) else int(text)
    return text


def _at(line: int, problem: str) -> Unreadable:
    return Unreadable(f"line {line}: {problem}", faults=[Fault("", "unreadable_yaml", problem)])


class _Writer(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(value: Mapping[str, Any]) -> str:
    """Return the value as YAML that `read` reads back the same: short lists and maps on one line."""
    return "".join(_block(value, 0))


def _block(value: Mapping[str, Any], depth: int) -> list[str]:
    indent = "  " * depth
    out: list[str] = []
    for key, item in value.items():
        short = flow(item)
        is_table = isinstance(item, list) and any(isinstance(part, Mapping) for part in item)
        fits = len(indent) + len(key) + 2 + len(short) <= 100 and not is_table
        if not isinstance(item, Mapping | list) or not item or fits:
            out.append(f"{indent}{flow(key)}: {short}\n")
        elif isinstance(item, Mapping):
            out += [f"{indent}{flow(key)}:\n", *_block(item, depth + 1)]
        else:
            out.append(f"{indent}{flow(key)}:\n")
            out += [f"{indent}  - {flow(part)}\n" for part in item]
    return out


def flow(value: Any) -> str:
    """Return the value on one line, as it may stand in a file."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return _text(str(value))


# Plain where nobody, this reader or another, could take it for anything but text.
_PLAIN = re.compile(r"[A-Za-zÀ-ɏ][A-Za-z0-9À-ɏ_./+' -]*(?<! )")
_TAKEN = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _TAKEN:
        return text
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return text
    quoted = yaml.dump(text, Dumper=_Writer, default_style='"', width=10**9, allow_unicode=True)
    return quoted.rstrip("\n")
