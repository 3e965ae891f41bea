"""Objects as DICOM files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr

from dicom_node import durable
from dicom_node.errors import Unreachable


def encode(dataset: Dataset) -> bytes:
    """A data set as a file (PS3.10) in Explicit VR Little Endian; equal data sets, equal bytes.

    Elements that were copied undecoded (see :mod:`dicom_node.outputs.source`) are written as they
    stand, whatever their character set.
    """
    correct_ambiguous_vr(dataset, is_little_endian=True)
    _keep_undecoded(dataset)
    buffer = BytesIO()
    dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()


def write(dataset: Dataset, path: Path, *, least_free: int = 0) -> None:
    """Write a file whole or not at all: aside, flushed, then renamed into place.

    Folders that are missing are made.

    Raises:
        Unreachable: the disk does not take it, or would have less than ``least_free`` bytes left.
    """
    try:
        durable.write(path, encode(dataset), least_free=least_free)
    except OSError as error:
        raise Unreachable(f"a result cannot be written: {error.strerror}") from None


def _keep_undecoded(dataset: Dataset) -> None:
    """Tell pydicom that undecoded elements are already encoded as the file is going to be.

    It would otherwise decode and encode them again, which changes malformed values. The character
    set given has to be what pydicom takes each data set to have: for items that is not the file's.
    """
    dataset.set_original_encoding(False, True, dataset._character_set)
    for element in list(dataset.elements()):
        if isinstance(element, DataElement) and element.VR == "SQ":
            for item in element.value:
                _keep_undecoded(item)
