"""What came in, as plain data: no pydicom Dataset inside, and nothing that prints an identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray


class View(StrEnum):
    """Which way the beam went through the chest."""

    PA = "PA"
    AP = "AP"
    FRONTAL = "frontal"  # PA or AP, the film does not say which
    LATERAL = "lateral"
    UNKNOWN = "unknown"

    @property
    def is_frontal(self) -> bool:
        """PA, AP, or frontal without saying which."""
        return self in (View.PA, View.AP, View.FRONTAL)


#: Stands for a Series or Instance Number that is missing (IS holds at most 2**31 - 1, PS3.5 6.2).
LAST = 2**31
#: How a patient who could not come to the stand was filmed; empty: nothing says so.
Bedside = Literal["", "portable", "supine"]


class Priority(IntEnum):
    """Whose turn it is first: Requested Procedure Priority (0040,1003), MEDIUM as ROUTINE."""

    LOW = 0
    ROUTINE = 1
    HIGH = 2
    STAT = 3


@dataclass(frozen=True, slots=True)
class Patient:
    """Who the study is of. Its fields are identity: ``repr`` hides them."""

    id: str = field(repr=False)
    issuer: str = field(repr=False)
    name: str = field(repr=False)
    birth_date: date | None = field(repr=False)
    sex: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Instance:
    """One stored image, by its headers.

    ``acquired`` is the best stated time of acquisition (Acquisition, Content, Series, Study Date
    and Time, the first that is there); ``orientation`` is Patient Orientation (0020,0020), each
    value cut to its first letter.

    ``number`` is (Series Number, Instance Number), what is missing after all others. ``view_from``
    names the attribute that the view was taken from where that was not View Position.
    ``processed`` names the one that says that this is a copy made from another image, ``sources``
    are the SOP Instance UIDs of Source Image Sequence. ``doubt`` says why the header forbids
    reading the image, whatever a rule says. All are empty where there is nothing of the kind.
    """

    path: Path = field(repr=False)
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    body_part: str
    view: View
    rows: int
    columns: int
    acquired: datetime | None = None
    orientation: tuple[str, str] | None = None
    presentation_intent: str = ""
    number: tuple[int, int] = (LAST, LAST)
    secondary: bool = False
    view_from: str = ""
    bedside: Bedside = ""
    processed: str = ""
    sources: tuple[str, ...] = ()
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """The images of one Study Instance UID.

    ``date`` is Study Date (0008,0020); ``age_years`` the patient's age when the first image was
    acquired. Each is None when it cannot be known; of the age ``age_missing`` then says why.
    """

    study_instance_uid: str
    patient: Patient
    instances: tuple[Instance, ...]
    date: date | None = None
    age_years: float | None = None
    age_missing: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture of one film as it is meant to be looked at.

    ``grey`` is uint8 (rows, columns) in stored orientation, after Modality LUT, VOI LUT and
    inversion of MONOCHROME1: bright is dense. ``notes`` says what had to be assumed.
    """

    instance: Instance
    grey: NDArray[np.uint8] = field(repr=False)
    notes: tuple[str, ...] = ()
