"""A Structured Report as DCMTK's ``dsrdump`` reads it: an independent reader, parsed as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import peers

_ITEM = re.compile(r'^( *)<(?:([a-z0-9 ]+) )?([A-Z0-9]+):\(,,"([^"]*)"\)=(.*)>$')
_CODE = re.compile(r'\(([^,]*),([^,]*),"(.*)"\)')


@dataclass
class Item:
    """A content item: relationship, value type, meaning of its name, value as printed."""

    relationship: str
    kind: str
    name: str
    value: str
    children: list[Item] = field(default_factory=list)

    def all(self, name: str) -> list[Item]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]

    def one(self, name: str) -> Item:
        """The only child of that name."""
        (child,) = self.all(name)
        return child

    def code(self) -> tuple[str, str]:
        """(Code Value, Coding Scheme Designator) of a CODE item."""
        match = _CODE.fullmatch(self.value)
        assert match is not None, self.value
        return match[1], match[2]

    def number(self) -> tuple[float, str]:
        """(value, unit) of a NUM item."""
        match = re.fullmatch(r'"([0-9.]+)" \(([^,]*),.*\)', self.value)
        assert match is not None, self.value
        return float(match[1]), match[2]

    def text(self) -> str:
        """The value of a TEXT or UIDREF item."""
        return self.value.strip('"')

    def graphic(self) -> tuple[str, list[tuple[float, float]]]:
        """(Graphic Type, points as (x, y)) of an SCOORD item."""
        kind, *points = self.value.strip("()").split(",")
        pairs = [point.split("/") for point in points]
        return kind, [(float(x), float(y)) for x, y in pairs]


@dataclass(frozen=True)
class Document:
    """The lines before the tree, and the tree."""

    header: str
    root: Item

    @property
    def groups(self) -> list[Item]:
        """The measurement groups, in order."""
        return self.root.one("Imaging Measurements").all("Measurement Group")


def read(path: Path) -> Document:
    """What dsrdump prints of a file. It must read it without complaint."""
    said = peers.dsrdump(path, "+Pl", "+Pu")
    header, _, tree = said.partition("\n<CONTAINER")
    lines = ("<CONTAINER" + tree).strip().splitlines()
    parents: list[Item] = []
    for line in lines:
        match = _ITEM.fullmatch(line)
        assert match is not None, line
        depth = len(match[1]) // 2
        item = Item(match[2] or "", match[3], match[4], match[5])
        del parents[depth:]
        if parents:
            parents[-1].children.append(item)
        parents.append(item)
    return Document(header, parents[0])
