"""The findings and sites this node may speak of, as ``config/findings.yaml`` gives them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Laterality(StrEnum):
    """A side of the patient, not of the picture."""

    RIGHT = "right"
    LEFT = "left"
    BILATERAL = "bilateral"


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 8.8): Code Value, Coding Scheme Designator, Code Meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class SiteTerm:
    """A place the model may name. ``phrase`` is how it is asked for ("right lower lung zone")."""

    name: str
    phrase: str
    code: Code
    laterality: Laterality | None = None


@dataclass(frozen=True, slots=True)
class FindingTerm:
    """A finding the model is asked about.

    ``threshold`` is the score from which on it counts as present, 0 to 1. ``boxed`` says whether
    it is asked where it is. ``sites`` are the names of the sites it may be at; the first is used
    when a finding has only one. ``colour`` is sRGB, each 0 to 255. A ``device`` is no
    abnormal structure of the body.
    """

    name: str
    phrase: str
    code: Code
    sites: tuple[str, ...]
    threshold: float = 0.5
    boxed: bool = True
    colour: tuple[int, int, int] = (255, 204, 0)
    views: tuple[str, ...] = ("PA", "AP", "frontal")
    device: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All findings and sites, by name, in the order of the file."""

    findings: dict[str, FindingTerm]
    sites: dict[str, SiteTerm]

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) over everything in it: phrases, thresholds, codes, colours."""
        told = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    def sites_of(self, finding: str) -> tuple[SiteTerm, ...]:
        """The sites at which a finding may be."""
        return tuple(self.sites[name] for name in self.findings[finding].sites)
