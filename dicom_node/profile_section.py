"""The sections of ``node.yaml`` that say in which dialect results are written, and their series."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from dicom_node.equipment import DEMONSTRATION, LONG_STRING, plain
from dicom_node.profiles import PROFILES, SERIES, End, Profile, Series, SourceConcept, SrClass
from dicom_node.sections import Section


def _description(value: str) -> str:
    longest = LONG_STRING - len(DEMONSTRATION)
    if not re.search(r"\bAI\b", value) or "NOT VERIFIED" not in value:
        raise ValueError("a description has to hold the words `AI` and `NOT VERIFIED`")
    if plain(value) != value or "\\" in value or len(value) > longest:
        raise ValueError(f"at most {longest} characters of plain ASCII, without a backslash")
    return value


def _base(value: str) -> str:
    if value not in PROFILES:
        raise ValueError(f"expected one of {', '.join(PROFILES)}")
    return value


class SeriesSection(Section):
    """The series of one kind of object; what is left out is as shipped."""

    number: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    description: Annotated[str, AfterValidator(_description)] | None = None


class ProfileSection(Section):
    """A profile of the site: the switches of ``based_on``, but for those that are given."""

    based_on: Annotated[str, AfterValidator(_base)] = "air"
    outputs: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    sr_class: SrClass | None = None
    source_concept: SourceConcept | None = None
    box_orientation: bool | None = None
    score_says_what: bool | None = None
    frames_begin_bytes: bool | None = None
    only_boxes_measured: bool | None = None
    ends: frozenset[End] | None = None

    @property
    def profile(self) -> Profile:
        """The row of switches."""
        given: dict[str, Any] = {
            name: value
            for name in type(self).model_fields
            if name != "based_on" and (value := getattr(self, name)) is not None
        }
        return replace(PROFILES[self.based_on], **given)


def series(sections: Mapping[str, SeriesSection]) -> dict[str, Series]:
    """The series of every kind of object, with what the site says of them."""
    chosen = dict(SERIES)
    for name, section in sections.items():
        shipped = SERIES[name]
        chosen[name] = Series(
            section.number or shipped.number, section.description or shipped.description
        )
    return chosen
