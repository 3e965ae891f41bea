"""The dialects in which a report can be written: for each kind of viewer one row of switches.

The same report in another dialect is another object, so every switch that changes what is written
is part of the UIDs of what is written (see :mod:`dicom_node.tracking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class SrClass(StrEnum):
    """The SOP Class of the Structured Report."""

    COMPREHENSIVE_3D = "Comprehensive 3D SR"  # 1.2.840.10008.5.1.4.1.1.88.34, as IHE AIR wants it
    COMPREHENSIVE = "Comprehensive SR"  # 1.2.840.10008.5.1.4.1.1.88.33


class SourceConcept(StrEnum):
    """The concept under which an SR names the image that a box is drawn on."""

    SOURCE = "Source"  # (260753009, SCT), as the standard has it today
    ORIGINAL_SOURCE = "Original Source"  # (111040, DCM), as it had it before


class End(StrEnum):
    """How a reading may end that found nothing, or that was not the reading that was wanted."""

    NOTHING_FOUND = "nothing found"  # no finding above threshold
    WITHOUT_PRIOR = "without prior"  # whatever was found
    NOT_SUITABLE = "not suitable"  # the model does not take the film for what it is to be
    UNREADABLE = "unreadable"  # the film that was chosen could not be read


@dataclass(frozen=True, slots=True)
class Profile:
    """What a destination takes, and in which dialect.

    ``outputs`` names the objects, as far as the rule writes them. ``ends`` are those ends about
    which objects are written; about any other nothing is sent to the destination.
    ``box_orientation``: a Plane Orientation that says nothing stands in the Segmentation of a
    radiograph, because a viewer cannot load it without one. ``score_says_what``: the name of the
    score says which finding and how it changed, because a viewer draws nothing else at a box.
    ``frames_begin_bytes``: no frame of a Segmentation begins within a byte, because a viewer shows
    such frames wrong.
    ``only_boxes_measured``: the SR has measurement groups of boxes alone, because a viewer stops at
    any other; without a box it is a report in words.
    """

    outputs: tuple[str, ...]
    sr_class: SrClass = SrClass.COMPREHENSIVE_3D
    source_concept: SourceConcept = SourceConcept.SOURCE
    box_orientation: bool = False
    score_says_what: bool = False
    frames_begin_bytes: bool = False
    only_boxes_measured: bool = False
    ends: frozenset[End] = frozenset(End)

    @property
    def dialect(self) -> tuple[str, ...]:
        """The switches that change what is inside of an object."""
        return (
            self.sr_class,
            self.source_concept,
            f"box orientation {self.box_orientation}",
            f"score says what {self.score_says_what}",
            f"frames begin bytes {self.frames_begin_bytes}",
            f"only boxes measured {self.only_boxes_measured}",
        )


#: The profiles that ship; a site adds its own in ``node.yaml``.
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "air": Profile(("sr", "seg")),
        "ohif": Profile(
            ("sr", "seg", "sc", "pdf"),
            box_orientation=True,
            score_says_what=True,
            frames_begin_bytes=True,
            only_boxes_measured=True,
        ),
        "weasis": Profile(("sr", "seg", "gsps", "sc", "pdf", "kos")),
        "stone": Profile(
            ("sr", "sc", "pdf"),
            sr_class=SrClass.COMPREHENSIVE,
            source_concept=SourceConcept.ORIGINAL_SOURCE,
        ),
        "minimal": Profile(("sc", "pdf")),
    }
)


@dataclass(frozen=True, slots=True)
class Series:
    """Series Number and Series Description of one kind of object."""

    number: int
    description: str


#: Numbers far above what modalities count up to, so that the series stand last in a viewer.
SERIES: Mapping[str, Series] = MappingProxyType(
    {
        "sr": Series(9501, "AI findings, NOT VERIFIED"),
        "seg": Series(9502, "AI boxes of findings, NOT VERIFIED"),
        "gsps": Series(9503, "AI marks on the film, NOT VERIFIED"),
        "sc": Series(9504, "AI picture, NOT VERIFIED"),
        "pdf": Series(9505, "AI report page, NOT VERIFIED"),
        "kos": Series(9506, "AI key objects, NOT VERIFIED"),
        "rejection": Series(9507, "AI results withdrawn, NOT VERIFIED"),
    }
)
