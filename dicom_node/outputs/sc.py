"""The picture as a Secondary Capture (PS3.3 A.8.1): what every viewer shows."""

from __future__ import annotations

import numpy as np
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_node import picture
from dicom_node.outputs import codes, finish, source
from dicom_node.outputs.frames import Films, films
from dicom_node.outputs.material import Material
from dicom_node.report import Film

#: Of General Image (C.7.6.1.1.5): what was made from a film that lost something has lost it too.
_LOSSY = (
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)


def build(material: Material) -> Dataset | None:
    """The picture of a report: the film with its boxes, the prior beside it, and what was found;
    None when the film cannot be shown.

    It is 8 bit RGB, not compressed: not every archive takes what is, and an object is sent in the
    transfer syntax in which it was written.

    Raises:
        BadStudy: the header of the film cannot be read, or is not of that film.
    """
    report, vocabulary = material.report, material.vocabulary
    header = source.read(material.current, report.film)
    shown = films(material)
    if shown is None:
        return None
    dataset = finish.begin(material, "sc", SecondaryCaptureImageStorage, "OT")
    _describe(dataset, material, shown, header)
    drawn = picture.render(report, vocabulary, shown.current, shown.prior)
    _set_pixels(dataset, np.asarray(drawn))
    finish.finish(dataset, report, header)
    return dataset


def _describe(dataset: Dataset, material: Material, shown: Films, header: Dataset) -> None:
    """SC Equipment and General Image (PS3.3 C.8.6.1, C.7.6.1)."""
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.BurnedInAnnotation = "YES"
    dataset.DerivationDescription = "AI findings drawn over the film, not verified"
    dataset.PatientOrientation = None if shown.orientation is None else list(shown.orientation)
    source.state_body_part(header, dataset)
    report = material.report
    used = [_source(report.film, source.frames(header, report.film))]
    if shown.prior is not None and report.prior.film is not None:
        used.append(_source(report.prior.film))
    dataset.SourceImageSequence = used
    for keyword in _LOSSY:
        source.copy_element(header, dataset, keyword)


def _source(film: Film, frames: list[int] | None = None) -> Dataset:
    """An image that is in the picture; no pixel of it is where it was."""
    item = source.reference(film, frames)
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.SOURCE_IMAGE)]
    item.SpatialLocationsPreserved = "NO"
    return item


def _set_pixels(dataset: Dataset, pixels: NDArray[np.uint8]) -> None:
    """Image Pixel (PS3.3 C.7.6.3) from uint8 (rows, columns, 3)."""
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = pixels.shape
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    content = pixels.tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
