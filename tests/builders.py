"""Chest films made for tests: small, valid, and different where a test wants them to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from models.demonstration.drawing import phantoms

ROWS, COLUMNS = 96, 80

#: What no log line, file name or prompt may hold. The values occur nowhere else.
IDENTITY = {
    "PatientName": "Zebrowska^Quirina",
    "PatientID": "PID8836251",
    "PatientBirthDate": "19410317",
    "AccessionNumber": "ACC5512309",
    "PatientAddress": "Wolkengasse 7",
}


def chest_picture(rows: int = ROWS, columns: int = COLUMNS, seed: int = 0) -> NDArray[np.uint16]:
    """Something that is different in every corner, 12 bits stored, bright is dense."""
    y, x = np.mgrid[0:rows, 0:columns]
    level = 400 + 1500 * x / columns + 900 * y / rows
    level[: rows // 8, : columns // 5] = 3800  # a marker in the top left corner
    noise = np.random.default_rng(seed).integers(0, 200, (rows, columns))
    pixels: NDArray[np.uint16] = (level + noise).astype(np.uint16)
    return pixels


def drawn_picture(seed: int = 0, side: int = 300) -> NDArray[np.uint16]:
    """What even a model takes for a chest film: a phantom, 12 bits stored, bright is dense."""
    pixels: NDArray[np.uint16] = phantoms.chest(seed, side=side).grey.astype(np.uint16) * 16
    return pixels


def chest(path: Path, pixels: NDArray[np.uint16] | None = None, **elements: Any) -> Path:
    """Write a CR PA chest film; ``elements`` set elements by keyword, None deletes one."""
    picture = chest_picture() if pixels is None else pixels
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID = ComputedRadiographyImageStorage
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(film, keyword, generate_uid())
    film.PatientID = "TEST-1"
    film.PatientName = "Testname^Anna"
    film.PatientBirthDate = "19500102"
    film.PatientSex = "F"
    film.AccessionNumber = "ACC-77"
    film.StudyID = "1"
    film.ReferringPhysicianName = ""
    film.StudyDate = film.SeriesDate = film.AcquisitionDate = "20200102"
    film.StudyTime = film.SeriesTime = film.AcquisitionTime = "101500"
    film.Modality = "CR"
    film.Manufacturer = "tests"
    film.BodyPartExamined = "CHEST"
    film.ViewPosition = "PA"
    film.PatientOrientation = ["L", "F"]
    film.SeriesNumber = film.InstanceNumber = 1
    film.Rows, film.Columns = picture.shape
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.PixelRepresentation = 0
    film.WindowCenter, film.WindowWidth = 2048, 4096
    film.PixelData = picture.tobytes()
    change(film, elements)
    path.parent.mkdir(parents=True, exist_ok=True)
    film.save_as(path, enforce_file_format=True)
    return path


def variant(source: Path, path: Path, **elements: Any) -> Path:
    """Write a copy of a film with some elements changed, None deletes one."""
    film = dcmread(source)
    change(film, elements)
    path.parent.mkdir(parents=True, exist_ok=True)
    film.save_as(path, enforce_file_format=True)
    return path


def new_uids() -> dict[str, str]:
    """Another study: for :func:`variant`."""
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    return {keyword: generate_uid() for keyword in keywords}


def change(film: Dataset, elements: dict[str, Any]) -> None:
    """Set elements by keyword; None deletes one."""
    for keyword, value in elements.items():
        if value is not None:
            setattr(film, keyword, value)
        elif keyword in film:
            delattr(film, keyword)
    film.file_meta.MediaStorageSOPClassUID = film.get("SOPClassUID", "1.2")
    film.file_meta.MediaStorageSOPInstanceUID = film.get("SOPInstanceUID", "1.2")


def identities_in(text: str) -> list[str]:
    """Which parts of the identity a text holds."""
    words = [part for value in IDENTITY.values() for part in value.split("^")]
    return [word for word in words if word.casefold() in text.casefold()]
