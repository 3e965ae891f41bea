"""What an object is made from: the report, its films, and how the destination wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dicom_node.profiles import SERIES, Profile, Series
from dicom_node.report import Report
from dicom_node.tracking import result_uid
from dicom_node.vocabulary import Vocabulary

_SHOWING_FILMS = ("sc", "pdf")


@dataclass(frozen=True, slots=True)
class Reference:
    """An object of this project that another one names."""

    output: str  # its name in OUTPUTS
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Material:
    """All that an object is made from.

    ``current`` and ``prior`` are the files of the films; ``prior`` is None when none was used or
    when it is no longer kept. ``beside`` are the objects that were built before this one, for the
    same destination; ``predecessors`` the Structured Reports that this reading takes the place of.
    """

    report: Report
    vocabulary: Vocabulary
    profile: Profile
    current: Path
    prior: Path | None = None
    series: Mapping[str, Series] = field(default_factory=lambda: SERIES)
    beside: tuple[Reference, ...] = ()
    predecessors: tuple[Reference, ...] = ()

    def uid(self, output: str, what: str = "") -> str:
        """The UID of an object of this name, or of ``what`` belongs to it ("series")."""
        kind = f"{output} {what}".strip()
        series = self.series[output]
        return result_uid(
            self.report,
            kind,
            *self.profile.dialect,
            series.number,
            series.description,
            *self._told_besides(output),
        )

    def _told_besides(self, output: str) -> tuple[str, ...]:
        """What an object says that neither the report nor its dialect says: at two destinations it
        may differ, and then these are two objects.
        """
        if output == "sr":
            return tuple(sorted({one.sop_instance_uid for one in self.predecessors}))
        if output not in _SHOWING_FILMS:
            return ()
        gone = self.report.prior.film is not None and self.prior is None
        with_sr = output == "pdf" and any(one.output == "sr" for one in self.beside)
        return (*(["without the prior"] * gone), *(["beside a report"] * with_sr))
