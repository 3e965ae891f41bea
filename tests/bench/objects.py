"""Objects to send: studies of films and of slices, of the sizes that modalities make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

_UID_LENGTH = 44
#: These stand for the UIDs of study, series and object until they are known.
_PLACES = [f"2.25.{number}".ljust(_UID_LENGTH, "1") for number in (7, 8, 9)]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is sent: so many objects, their pixels, and how many make a study."""

    name: str
    sop_class: str
    modality: str
    side: int  # of a square image of 16 bits per pixel
    count: int
    of_study: int


FILMS = Kind("CR 10 MB", ComputedRadiographyImageStorage, "CR", 2236, 60, 2)
SLICES = Kind("CT 0.5 MB", CTImageStorage, "CT", 512, 600, 100)
SMALL = Kind("CT 9 KB", CTImageStorage, "CT", 64, 0, 500)


def make(kind: Kind, folder: Path, count: int | None = None) -> list[Path]:
    """Write objects as files; each has UIDs of its own, and so have their studies."""
    folder.mkdir(parents=True)
    template = _template(kind)
    paths = []
    for number in range(kind.count if count is None else count):
        if number % kind.of_study == 0:
            study, series = _uid(), _uid()
        content = template
        for place, uid in zip(_PLACES, (study, series, _uid()), strict=True):
            content = content.replace(place.encode(), uid)
        path = folder / f"{number}.dcm"
        path.write_bytes(content)
        paths.append(path)
    return paths


def _uid() -> bytes:
    return generate_uid()[:_UID_LENGTH].encode()


def _template(kind: Kind) -> bytes:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.SOPClassUID = kind.sop_class
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = _PLACES
    made.StudyDate = made.SeriesDate = made.AcquisitionDate = made.ContentDate = "20250102"
    made.StudyTime = made.SeriesTime = made.AcquisitionTime = made.ContentTime = "101112.131"
    made.AccessionNumber = "BENCH1"
    made.Modality = kind.modality
    made.Manufacturer, made.ManufacturerModelName = "Bench", "Bench 1"
    made.InstitutionName = "Bench"
    made.ReferringPhysicianName = ""
    made.StudyDescription = made.SeriesDescription = "Thorax"
    made.PatientID, made.PatientName = "BENCH-1", "Bench^Anna"
    made.PatientBirthDate, made.PatientSex, made.PatientAge = "19600101", "F", "065Y"
    made.BodyPartExamined, made.ProtocolName = "CHEST", "Thorax"
    made.KVP, made.SliceThickness = "120", "1.0"
    made.StudyID, made.SeriesNumber, made.InstanceNumber = "1", 1, 1
    made.ImagePositionPatient = [-180, -180, 100]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.FrameOfReferenceUID = generate_uid()
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows = made.Columns = kind.side
    made.PixelSpacing = [0.7, 0.7]
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.WindowCenter, made.WindowWidth = "40", "400"
    noise = np.random.default_rng(1).integers(0, 4096, (kind.side, kind.side), np.uint16)
    made.PixelData = noise.astype("<u2").tobytes()
    made["PixelData"].VR = "OW"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    file = DicomBytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()
