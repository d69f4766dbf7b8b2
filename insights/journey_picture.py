"""The journey map as shapes: stages across, channels down, ribbons between. Pure: a document in, numbers out."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WIDTH, LEFT, TOP = 1000, 110, 64
BAND, NODE = 74, 16
TALLEST = 54.0
THINNEST = 0.75


@dataclass(frozen=True, slots=True)
class Node:
    stage: str
    channel: str
    people: int
    x: float
    y: float
    height: float
    width: int = NODE

    @property
    def label_x(self) -> float:
        return self.x + NODE + 5

    @property
    def label_y(self) -> float:
        return self.y + self.height / 2 + 4


@dataclass(frozen=True, slots=True)
class Ribbon:
    """A band of people from one field to another: the middle line of it, and how thick it is."""

    line: str
    thickness: float
    people: int
    stage: str
    channel: str
    to_stage: str
    to_channel: str


@dataclass(frozen=True, slots=True)
class Column:
    stage: str
    people: int
    lost: int
    share_lost: float
    x: float


@dataclass(frozen=True, slots=True)
class Row:
    channel: str
    y: float


@dataclass(slots=True)
class Picture:
    height: int
    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    ribbons: list[Ribbon] = field(default_factory=list)
    width: int = WIDTH


def draw(document: dict[str, Any], names: Mapping[str, Any]) -> Picture:
    """
    Return the shapes of a map, its stages called by `names`. A ribbon is as thick as the part of its field's
    people whom it stands for.
    """
    stages, channels = document["stages"], document["channels"]
    gap = (WIDTH - LEFT - 90) / max(1, len(stages) - 1)
    at = {row["stage"]: LEFT + place * gap for place, row in enumerate(stages)}
    band = {channel: TOP + place * BAND for place, channel in enumerate(channels)}
    most = max((row["people"] for row in document["fields"]), default=1) or 1
    picture = Picture(TOP + len(channels) * BAND + 34)
    for row in stages:
        share = row["lost"] / row["people"] if row["people"] else 0.0
        picture.columns.append(
            Column(str(names[row["stage"]]), row["people"], row["lost"], share, at[row["stage"]])
        )
    picture.rows = [Row(channel, band[channel] + BAND / 2 + 4) for channel in channels]
    nodes: dict[tuple[str, str], Node] = {}
    for row in document["fields"]:
        height = max(2.0, TALLEST * row["people"] / most)
        y = band[row["channel"]] + (BAND - height) / 2
        node = Node(
            str(names[row["stage"]]),
            row["channel"],
            row["people"],
            round(at[row["stage"]], 1),
            round(y, 1),
            height,
        )
        nodes[row["stage"], row["channel"]] = node
    picture.nodes = list(nodes.values())
    picture.ribbons = _ribbons(
        document, nodes, TALLEST / most, {one["stage"]: n for n, one in enumerate(stages)}, band
    )
    return picture


def _ribbons(
    document: dict[str, Any],
    nodes: dict[tuple[str, str], Node],
    per_person: float,
    place: dict[str, int],
    band: Mapping[str, float],
) -> list[Ribbon]:
    """Stack ribbons at both ends in the order of what they meet there, so that they cross as little as can be."""

    def ends(name: str, channel: str) -> Any:
        return lambda row: (place[row[name]], band[row[channel]])

    leaving: dict[tuple[str, str], float] = defaultdict(float)
    coming: dict[tuple[str, str], float] = defaultdict(float)
    start: dict[int, float] = {}
    for row in sorted(document["flows"], key=ends("to_stage", "to_channel")):
        key = row["stage"], row["channel"]
        start[id(row)] = nodes[key].y + leaving[key] + row["people"] * per_person / 2
        leaving[key] += row["people"] * per_person
    found = []
    for row in sorted(document["flows"], key=ends("stage", "channel")):
        key = row["to_stage"], row["to_channel"]
        here, there = nodes[row["stage"], row["channel"]], nodes[key]
        y1, y2 = start[id(row)], there.y + coming[key] + row["people"] * per_person / 2
        coming[key] += row["people"] * per_person
        x1, x2 = here.x + NODE, there.x
        middle = (x1 + x2) / 2
        line = f"M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        thickness = max(THINNEST, round(row["people"] * per_person, 2))
        found.append(
            Ribbon(
                line, thickness, row["people"],
                here.stage, here.channel, there.stage, there.channel,
            )
        )  # fmt: skip
    return found
