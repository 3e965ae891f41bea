"""What every archive can be asked, whatever its protocol."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Protocol

from dicom_node.study import Patient

#: Single and multiple wildcards (PS3.4 C.2.2.2.4), and what parts several values.
_WILDCARDS = frozenset("*?\\")


def finds_one_patient(patient_id: str) -> bool:
    """Whether a query by this Patient ID asks for one patient: every archive's first question.

    An empty one would find everybody (PS3.4 C.2.2.2.3), and one with a wildcard several.
    """
    return bool(patient_id.strip()) and not _WILDCARDS & set(patient_id)


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study as an archive describes it; its patient is what the guard looks at."""

    study_instance_uid: str
    patient: Patient = field(repr=False)
    date: date | None
    modalities: tuple[str, ...]
    time: time = time()  # midnight: not stated


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series as an archive describes it; ``body_part`` is empty when it does not say."""

    study_instance_uid: str
    series_instance_uid: str
    modality: str
    body_part: str


class Archive(Protocol):
    """An archive. All methods raise Unreachable when it is away and Rejected when it refuses."""

    def find_studies(self, patient: Patient) -> list[FoundStudy]:
        """All studies under this patient's ID.

        Raises:
            BadStudy: the ID is empty or would be a wildcard (PS3.4 C.2.2.2.4): it would find other
                patients.
        """

    def find_series(self, study_instance_uid: str) -> list[FoundSeries]:
        """All series of a study."""

    def count_images(self, study_instance_uid: str, modalities: Collection[str]) -> int | None:
        """How many objects the series of a study have that are of these modalities; None when the
        archive does not count.
        """

    def retrieve(
        self, series: FoundSeries, into: Path, *, message_id: int, seconds: float
    ) -> list[Path]:
        """Fetch the images of a series into a folder, as the archive has them now.

        ``message_id`` is by which the archive is told who asked (PS3.7 9.1.1.1.9). What does not
        come within ``seconds`` is given up as Unreachable.
        """

    def has_instance(
        self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str
    ) -> bool:
        """Whether an object can be found there."""
