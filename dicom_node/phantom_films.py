"""Drawn films as DICOM objects: CR or DX, in both photometric interpretations.

A drawn film shows nobody. Name, ID, descriptions and comments say so, wherever it ends up. The same
picture and the same person give the same bytes: nothing is taken from a clock or from chance.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from dicom_node.study import Patient
from dicom_node.uids import derived_uid


class Modality(StrEnum):
    """Which kind of object a film becomes."""

    CR = "CR"  # Computed Radiography Image Storage
    DX = "DX"  # Digital X-Ray Image Storage - For Presentation


class Photometric(StrEnum):
    """How stored values are meant (PS3.3 C.7.6.3.1.2)."""

    MONOCHROME1 = "MONOCHROME1"  # the smallest is white
    MONOCHROME2 = "MONOCHROME2"  # the smallest is black


#: Values are stored in so many bits.
_BITS = 12
_WHITE = (1 << _BITS) - 1  # the greatest stored value
_FIRST_DAY = datetime(2020, 1, 1, 8, 0)  # noqa: DTZ001 - films state local times
_DAYS, _MINUTES = 1000, 600
_FIRST_BIRTH, _BIRTHS = 1930, 60  # years: all are adults


@dataclass(frozen=True, slots=True)
class DrawnFilm:
    """A picture that was drawn, and what its file is to say of it.

    ``grey`` is uint8 (rows, columns), bright is dense, standing: the patient's right on the
    picture's left. ``spacing`` is the side of a pixel in millimetres. ``about`` is what stands
    behind the word PHANTOM in the descriptions, ``comments`` in Image Comments.
    """

    grey: NDArray[np.uint8] = field(repr=False)
    spacing: float
    person: Patient
    taken: datetime
    about: str
    comments: str
    modality: Modality = Modality.CR
    photometric: Photometric = Photometric.MONOCHROME2


def person(seed: int, kind: str = "") -> Patient:
    """The invented adult of a seed; ``kind`` tells apart the persons that share one.

    No issuer of the ID is stated: small archives answer neither that nor a birth date, and the
    guard against the wrong patient (docs/identity.md) would then keep the prior of a pair away.
    """
    words = [word for word in (kind.upper(), f"SEED {seed}") if word]
    return Patient(
        id="-".join(["PHANTOM", *words]).replace(" ", "-"),
        issuer="",
        name=f"PHANTOM^{' '.join(words)}",
        birth_date=date(_FIRST_BIRTH + seed % _BIRTHS, 1 + seed % 12, 1 + seed % 28),
        sex="O",
    )


def taken(seed: int, days_earlier: int = 0) -> datetime:
    """When the film of a seed counts as taken, local time; never from the clock."""
    passed = timedelta(days=seed % _DAYS, minutes=seed % _MINUTES)
    return _FIRST_DAY + passed - timedelta(days=days_earlier)


def encode(film: DrawnFilm) -> bytes:
    """The film as a DICOM file (PS3.10), 12 bits stored in 16, explicit VR little endian.

    Its window shows each grey as it was drawn.
    """
    dataset = Dataset()
    for module in (_patient, _study, _series, _equipment, _image, _pixels, _window):
        module(dataset, film)
    _OF_MODALITY[film.modality](dataset, film)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def uid_of(film: DrawnFilm) -> str:
    """SOP Instance UID (0008,0018) of a film."""
    return _uid(film, "film")


def _uid(film: DrawnFilm, of_what: str) -> str:
    """Another picture, person, time or kind of object is another film, with UIDs of its own."""
    picture = hashlib.sha256(film.grey.tobytes()).hexdigest()
    drawn = (picture, film.grey.shape, film.spacing, film.modality, film.photometric)
    told = (film.person.id, film.taken.isoformat(), film.about, film.comments)
    return derived_uid("phantom", of_what, *told, *drawn)


def _patient(dataset: Dataset, film: DrawnFilm) -> None:
    """Patient (PS3.3 C.7.1.1)."""
    dataset.PatientName = film.person.name
    dataset.PatientID = film.person.id
    dataset.PatientBirthDate = f"{film.person.birth_date:%Y%m%d}"
    dataset.PatientSex = film.person.sex
    dataset.PatientComments = "Drawn by a program. Not a person."


def _study(dataset: Dataset, film: DrawnFilm) -> None:
    """General Study (PS3.3 C.7.2.1)."""
    dataset.StudyInstanceUID = _uid(film, "study")
    dataset.StudyDate, dataset.StudyTime = _when(film)
    dataset.StudyID = "1"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = f"PHANTOM {film.about}"


def _series(dataset: Dataset, film: DrawnFilm) -> None:
    """General Series (PS3.3 C.7.3.1). The chest is no paired part of the body: no Laterality."""
    dataset.Modality = film.modality.value
    dataset.SeriesInstanceUID = _uid(film, "series")
    dataset.SeriesNumber = 1
    dataset.SeriesDate, dataset.SeriesTime = _when(film)
    dataset.SeriesDescription = f"PHANTOM {film.about}"
    dataset.BodyPartExamined = "CHEST"


def _equipment(dataset: Dataset, film: DrawnFilm) -> None:  # noqa: ARG001 - as each module
    """General Equipment (PS3.3 C.7.5.1). Not Contributing Equipment: by that the node knows its
    own results, which it never reads.
    """
    dataset.Manufacturer = "dicom-node phantoms"
    dataset.ManufacturerModelName = "drawn, not exposed"


def _image(dataset: Dataset, film: DrawnFilm) -> None:
    """General Image and SOP Common (PS3.3 C.7.6.1, C.12.1)."""
    dataset.SOPInstanceUID = uid_of(film)
    dataset.InstanceNumber = 1
    dataset.ContentDate, dataset.ContentTime = _when(film)
    dataset.AcquisitionDate, dataset.AcquisitionTime = _when(film)
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PatientOrientation = ["L", "F"]
    dataset.ViewPosition = "PA"
    dataset.ImageComments = film.comments
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"


def _pixels(dataset: Dataset, film: DrawnFilm) -> None:
    """Image Pixel (PS3.3 C.7.6.3)."""
    stored = np.round(film.grey * (_WHITE / np.iinfo(np.uint8).max)).astype("<u2")
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = film.photometric.value
    dataset.Rows, dataset.Columns = film.grey.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, _BITS, _BITS - 1
    dataset.PixelRepresentation = 0
    dataset.ImagerPixelSpacing = [f"{film.spacing:.6g}"] * 2
    dataset.PixelData = (_WHITE - stored if _inverse(film) else stored).tobytes()


def _window(dataset: Dataset, film: DrawnFilm) -> None:  # noqa: ARG001 - as each module
    """VOI LUT (PS3.3 C.11.2): all that 12 bits hold. Its function is LINEAR where none is stated;
    OHIF 3.13 shows nothing of a film that states one.
    """
    dataset.WindowCenter, dataset.WindowWidth = (_WHITE + 1) // 2, _WHITE + 1


def _computed(dataset: Dataset, film: DrawnFilm) -> None:  # noqa: ARG001 - as its sibling
    """CR Series and CR Image (PS3.3 C.8.1)."""
    dataset.SOPClassUID = ComputedRadiographyImageStorage


def _digital(dataset: Dataset, film: DrawnFilm) -> None:
    """What a DX object has to say besides (PS3.3 C.8.11, C.7.6.14)."""
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = [_code("816094009", "Chest")]
    dataset.ViewCodeSequence = [_code("272479007", "Postero-anterior")]
    dataset.PositionerType = ""
    # Bright is dense, where little radiation came through.
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if _inverse(film) else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "INVERSE" if _inverse(film) else "IDENTITY"
    dataset.DetectorType = ""
    dataset.AcquisitionContextSequence = []


_OF_MODALITY: MappingProxyType[Modality, Callable[[Dataset, DrawnFilm], None]] = MappingProxyType(
    {Modality.CR: _computed, Modality.DX: _digital}
)


def _inverse(film: DrawnFilm) -> bool:
    """Whether the smallest stored value is the brightest."""
    return film.photometric is Photometric.MONOCHROME1


def _when(film: DrawnFilm) -> tuple[str, str]:
    return f"{film.taken:%Y%m%d}", f"{film.taken:%H%M%S}"


def _code(value: str, meaning: str) -> Dataset:
    """A SNOMED CT code as an item of a sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
