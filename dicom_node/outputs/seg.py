"""The boxes as a Segmentation (PS3.3 A.51): one segment a box, each named as what it is."""

from __future__ import annotations

import math

import highdicom as hd
import numpy as np
from highdicom import seg
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import ComputedRadiographyImageStorage

from dicom_node import equipment, wording
from dicom_node.geometry import Box
from dicom_node.outputs import codes, finish, source
from dicom_node.outputs.identifiers import Tracked, tracked
from dicom_node.outputs.material import Material
from dicom_node.report import BoxShows, Film, Report
from dicom_node.vocabulary import Vocabulary


def build(material: Material) -> Dataset | None:
    """The Segmentation of a report; None when there is no box.

    Raises:
        BadStudy: the header of the film cannot be read, or is not of that film.
    """
    report, vocabulary = material.report, material.vocabulary
    boxed = [(one, one.finding.box) for one in tracked(report, vocabulary) if one.finding.box]
    if not boxed:
        return None
    header = source.read(material.current, report.film)
    film = source.evidence(report.film)
    film.SOPClassUID = ComputedRadiographyImageStorage  # see _name_film
    masks = np.stack([mask(box, report.film) for _, box in boxed], axis=-1)
    dataset = seg.Segmentation(
        source_images=[film],
        pixel_array=masks[np.newaxis],
        segmentation_type=_type(material, len(boxed)),
        max_fractional_value=1,
        segment_descriptions=[
            _description(number, one, report, vocabulary)
            for number, (one, _) in enumerate(boxed, start=1)
        ],
        content_label="AI_BOXES",
        content_description=finish.description(material, "seg"),
        **finish.series(material, "seg"),
        **finish.general_equipment(report.made),
    )
    _name_film(dataset, report.film, source.frames(header, report.film))
    # highdicom draws one at random.
    organization = material.uid("seg", "dimensions")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization
    # Type 2C of a derived image that is not in a Frame of Reference (PS3.3 C.7.6.1).
    stated = header.get("PatientOrientation")
    dataset.PatientOrientation = list(stated) if isinstance(stated, MultiValue) else None
    if material.profile.box_orientation:
        _lay_in_a_plane(dataset)
    finish.finish(dataset, report, header)
    return dataset


def _name_film(dataset: Dataset, film: Film, frames: list[int] | None) -> None:
    """Name the film as what it is. highdicom was told of a plain radiograph: of a class that may
    have several frames it would want the geometry of each.
    """
    (series,) = dataset.ReferencedSeriesSequence
    of_frames = (
        image
        for frame in dataset.PerFrameFunctionalGroupsSequence
        for derivation in frame.DerivationImageSequence
        for image in derivation.SourceImageSequence
    )
    for reference in (*series.ReferencedInstanceSequence, *of_frames):
        reference.ReferencedSOPClassUID = film.sop_class_uid
        if frames:
            reference.ReferencedFrameNumber = frames


def _type(material: Material, segments: int) -> seg.SegmentationTypeValues:
    """BINARY, a bit a pixel; FRACTIONAL with 0 and 1 alone, a byte a pixel, for a viewer that
    loses its way in frames of bits that begin within a byte.
    """
    film = material.report.film
    within = segments > 1 and film.rows * film.columns % 8 != 0
    if material.profile.frames_begin_bytes and within:
        return seg.SegmentationTypeValues.FRACTIONAL
    return seg.SegmentationTypeValues.BINARY


def mask(box: Box, film: Film) -> NDArray[np.uint8]:
    """1 where the centre of a pixel lies in the box, uint8 (rows, columns); never empty."""
    filled = np.zeros((film.rows, film.columns), np.uint8)
    top, bottom = _covered(box.top, box.bottom, film.rows)
    left, right = _covered(box.left, box.right, film.columns)
    filled[top:bottom, left:right] = 1
    return filled


def _covered(low: float, high: float, count: int) -> tuple[int, int]:
    """The pixels whose centres lie from low to high; the nearest one if there is none."""
    first, end = math.ceil(low - 0.5), math.ceil(high - 0.5)
    if first >= end:
        first = min(int((low + high) / 2), count - 1)
        end = first + 1
    return first, end


def _lay_in_a_plane(dataset: Dataset) -> None:
    """Add to all frames a Plane Orientation and Pixel Measures (PS3.3 C.7.6.16.2) that say nothing
    on the patient.

    A radiograph has no planes, and highdicom takes none for it; OHIF cannot load it without both.
    Pixel Measures get no spacing, as nothing may be measured in a box; nor may the item be empty.
    """
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacingCalibrationDescription = "None: nothing may be measured in a box"
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]


def _description(
    number: int, one: Tracked, report: Report, vocabulary: Vocabulary
) -> seg.SegmentDescription:
    made, finding = report.made, one.finding
    term = vocabulary.findings[finding.name]
    around = "site of " if finding.box_shows is BoxShows.SITE else ""
    where = ", ".join(filter(None, (term.name, wording.place(finding, vocabulary))))
    category = codes.PHYSICAL_OBJECT if term.device else codes.MORPHOLOGICALLY_ABNORMAL
    return seg.SegmentDescription(
        segment_number=number,
        segment_label=equipment.long_string(f"Bounding box: {around}{where}"),
        segmented_property_category=category,
        segmented_property_type=codes.concept(term.code),
        algorithm_type=seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=equipment.model_name(made),
            family=codes.ARTIFICIAL_INTELLIGENCE,
            version=equipment.software_versions(made),
            source=equipment.MANUFACTURER,
        ),
        tracking_uid=one.uid,
        tracking_id=one.identifier,
        display_color=CIELabColor.from_rgb(*term.colour),
    )
