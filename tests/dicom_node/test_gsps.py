"""The presentation state with the marks, as dciodvfy, DCMTK, pydicom and highdicom read it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sr_text
import validators
from builders import chest
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from peers import dcmpschk
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import MultiFrameGrayscaleWordSecondaryCaptureImageStorage
from report_builders import (
    MADE,
    boxed,
    everything,
    object_of,
)

from dicom_node import outputs
from dicom_node.equipment import device_uid, made_by_this_project
from dicom_node.geometry import Box
from dicom_node.report import Report, Weights
from dicom_node.vocabulary import Vocabulary


def table(entries: list[int], first: int = 0, bits: int = 12, **fields: Any) -> Dataset:
    """An item of a LUT Sequence."""
    item = Dataset()
    vr = "SS" if first < 0 else "US"
    item.add_new("LUTDescriptor", vr, [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", np.array(entries, "<u2").tobytes())
    for keyword, value in fields.items():
        setattr(item, keyword, value)
    return item


_NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}
_RAMP = [min(4095, 20 + value * value // 4000) for value in range(4096)]
_FULL = [min(65535, 16 * one + 15) for one in _RAMP]
_RECTANGLE = {
    "ShutterLeftVerticalEdge": 10,
    "ShutterRightVerticalEdge": 70,
    "ShutterUpperHorizontalEdge": 5,
    "ShutterLowerHorizontalEdge": 90,
}
#: Ways in which a film says how it is looked at.
FILMS: dict[str, dict[str, Any]] = {
    "window": {"WindowCenter": 1500, "WindowWidth": 1800.5},
    "several windows": {"WindowCenter": [1500, 900], "WindowWidth": [1800, 100]},
    "sigmoid": {"WindowCenter": 1500, "WindowWidth": 900, "VOILUTFunction": "SIGMOID"},
    "linear exact": {"WindowCenter": 9, "WindowWidth": 0.5, "VOILUTFunction": "LINEAR_EXACT"},
    "MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1"},
    "its shape": {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    "VOI LUT": {**_NO_WINDOW, "VOILUTSequence": [table(_RAMP)]},
    "VOI LUT of 16 bits": {**_NO_WINDOW, "VOILUTSequence": [table(_FULL[::-1], 300, 16)]},
    "VOI LUT and window": {"VOILUTSequence": [table(_RAMP[::-1])]},
    "rescale": {"RescaleSlope": 2, "RescaleIntercept": -1024, "RescaleType": "US"},
    "rescale of no type": {"RescaleSlope": -1, "RescaleIntercept": 4095},
    "VOI LUT of negative values": {
        **_NO_WINDOW,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "VOILUTSequence": [table(_RAMP, -1000)],
    },
    "Modality LUT": {
        "ModalityLUTSequence": [table(_FULL, 0, 16, ModalityLUTType="OD")],
        "WindowCenter": 20000,
        "WindowWidth": 50000,
    },
}


def shown(film: Path, says: Dataset) -> NDArray[np.float64]:
    """The film's stored pixels as pydicom shows them by what a data set says, without polarity."""
    picture = dcmread(film)
    for keyword in ("BitsStored", "BitsAllocated", "PixelRepresentation"):
        setattr(says, keyword, getattr(picture, keyword))
    says.PhotometricInterpretation = "MONOCHROME2"
    if "SoftcopyVOILUTSequence" in says:
        says.update(says.SoftcopyVOILUTSequence[0])
    levels = apply_voi_lut(apply_modality_lut(picture.pixel_array, says), says)
    bits = says.VOILUTSequence[0].LUTDescriptor[2] if "VOILUTSequence" in says else 16
    return levels.astype(np.float64) / (2**bits - 1)


gsps_of = partial(object_of, "gsps")


def written(report: Report, vocabulary: Vocabulary, film: Path, folder: Path) -> Path:
    path = folder / "gsps.dcm"
    outputs.write(gsps_of(report, vocabulary, film), path)
    return path


def unexplained(path: Path, film: Path) -> list[str]:
    """What dciodvfy and DCMTK have against it; but DCMTK wants a name where the film has none."""
    told = validators.complaints(path, film, "gsps") + dcmpschk(path)
    nameless = "W: patientName absent or empty in presentation state"
    return [line for line in told if line != nameless or dcmread(film).get("PatientName")]


def annotation(read: Dataset) -> Dataset:
    (found,) = read.GraphicAnnotationSequence
    return found


def polygons(read: Dataset) -> list[list[float]]:
    """The coordinates of all closed lines."""
    lines = [list(one.GraphicData) for one in annotation(read).GraphicObjectSequence]
    return [line for line in lines if line[:2] == line[-2:]]


def outline(box: Box) -> list[float]:
    left, top, right, bottom = box.left, box.top, box.right, box.bottom
    return [left, top, right, top, right, bottom, left, bottom, left, top]


def texts(read: Dataset) -> list[Dataset]:
    return list(annotation(read).TextObjectSequence)


def area(text: Dataset) -> Box:
    return Box(*text.BoundingBoxTopLeftHandCorner, *text.BoundingBoxBottomRightHandCorner)


def test_no_validator_complains_on_any_real_film(
    real_films: list[Path], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    for number, film in enumerate(real_films):
        report = everything(film)
        path = written(report, vocabulary, film, tmp_path / str(number))
        assert unexplained(path, film) == [], film.name
        boxes = [one.box for one in report.findings if one.box is not None]
        assert polygons(dcmread(path)) == [outline(box) for box in boxes], film.name


def test_boxes_are_closed_lines_where_the_findings_are(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """At any place, also at the edges and between pixels; 1841 columns are no multiple of 8."""
    boxes = [
        Box(0, 0, 1841, 1955),
        Box(10.25, 20.5, 1000.75, 1500.125),
        Box(1840, 1954, 1841, 1955),
    ]
    path = written(boxed(rg1, *boxes), vocabulary, rg1, tmp_path)
    read = dcmread(path)
    assert unexplained(path, rg1) == []
    assert polygons(read) == [outline(box) for box in boxes]
    for one in annotation(read).GraphicObjectSequence:
        assert (one.GraphicType, one.GraphicAnnotationUnits) == ("POLYLINE", "PIXEL")
        assert one.NumberOfGraphicPoints == len(one.GraphicData) // 2
        assert one.GraphicFilled == "N"


def test_each_box_has_a_label_that_says_what_the_picture_says(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    read = dcmread(written(everything(rg1), vocabulary, rg1, tmp_path))
    assert [text.UnformattedTextValue for text in texts(read)] == [
        "AI made this; nobody verified it. Not for diagnosis.",
        "1 Consolidation\r\nright lower lung zone, new, 87.3 %",
        "2 Pleural effusion\r\nleft pleural space, worsened, 64.2 %",
        "3 Pulmonary edema\r\nboth lungs, stable, 71.1 %",
    ]
    assert {text.BoundingBoxAnnotationUnits for text in texts(read)} == {"PIXEL"}


def test_a_demonstration_says_so_on_the_film(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = replace(everything(rg1), made=replace(MADE, weights=Weights.DEMONSTRATION))
    read = dcmread(written(report, vocabulary, rg1, tmp_path))
    assert made_by_this_project(read)
    assert read.ContributingEquipmentSequence[0].DeviceUID == device_uid(report.made)
    assert read.SeriesDescription.startswith("DEMONSTRATION - AI")
    first = texts(read)[0].UnformattedTextValue
    assert first.startswith(
        "AI made this; nobody verified it. Not for diagnosis.\r\nDEMONSTRATION:"
    )


def test_marks_bear_the_names_of_the_findings_in_the_report(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = everything(rg1)
    marked = annotation(dcmread(written(report, vocabulary, rg1, tmp_path)))
    outputs.write(object_of("sr", report, vocabulary, rg1), tmp_path / "sr.dcm")
    expected = [
        (one.one("Tracking Identifier").text(), one.one("Tracking Unique Identifier").text())
        for one in sr_text.read(tmp_path / "sr.dcm").groups
        if one.all("Image Region")
    ]
    for marks in (marked.GraphicObjectSequence, marked.TextObjectSequence[1:]):
        assert [(one.TrackingID, one.TrackingUID) for one in marks] == expected


@pytest.mark.parametrize("rows_columns", [(96, 80), (1955, 1841), (301, 1003), (1003, 301)])
def test_labels_cover_no_label_and_stay_on_the_film(
    rows_columns: tuple[int, int], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    rows, columns = rows_columns
    film = chest(tmp_path / "film.dcm", np.full(rows_columns, 100, np.uint16))
    low = Box(0.5 * columns, 0.8 * rows, columns, rows)
    whole = Box(0, 0, columns, rows)
    path = written(boxed(film, whole, low, low, low, whole), vocabulary, film, tmp_path)
    read = dcmread(path)
    assert unexplained(path, film) == []
    places = [area(text) for text in texts(read)]
    assert len(places) == 6
    for one in places:
        assert 0 <= one.left < one.right <= columns
        assert 0 <= one.top < one.bottom <= rows
    for one, other in combinations(places, 2):
        assert one.iou(other) < 1e-6


@pytest.mark.parametrize("rows_columns", [(4, 900), (900, 4), (2, 2)])
def test_a_film_without_room_for_labels_makes_a_valid_object(
    rows_columns: tuple[int, int], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm", np.full(rows_columns, 100, np.uint16))
    whole = Box(0, 0, rows_columns[1], rows_columns[0])
    path = written(boxed(film, whole, whole), vocabulary, film, tmp_path)
    assert unexplained(path, film) == []
    assert polygons(dcmread(path)) == [outline(whole)] * 2


def test_an_arrow_leads_to_its_box_from_a_label_that_stands_elsewhere(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    box = Box(800, 1700, 900, 1800)
    read = dcmread(written(boxed(rg1, *[box] * 5), vocabulary, rg1, tmp_path))
    arrows = [
        one.GraphicData
        for one in annotation(read).GraphicObjectSequence
        if one.GraphicData[:2] != one.GraphicData[-2:]
    ]
    places = [area(text) for text in texts(read)[1:]]
    away = [place for place in places if not _touches(place, box)]
    assert len(arrows) == len(away) >= 1
    for arrow, place in zip(arrows, away, strict=True):
        (tail, tip), strokes = (arrow[0:2], arrow[2:4]), (arrow[4:6], arrow[8:10])
        assert _on_edge(place, tail)
        assert _on_edge(box, tip)
        assert arrow[6:8] == tip
        assert all(math.dist(stroke, tail) < math.dist(tip, tail) for stroke in strokes)


@pytest.mark.parametrize("name", FILMS)
def test_the_film_looks_as_it_says_itself(
    name: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """Worked out by pydicom, once from the film and once from the presentation state."""
    film = chest(tmp_path / "film.dcm", **FILMS[name])
    path = written(boxed(film, Box(10, 20, 30, 45)), vocabulary, film, tmp_path)
    assert unexplained(path, film) == []
    expected, found = shown(film, dcmread(film)), shown(film, dcmread(path))
    assert np.abs(expected - found).max() < 1 / 512
    inverted = dcmread(film).PhotometricInterpretation == "MONOCHROME1"
    assert dcmread(path).PresentationLUTShape == ("INVERSE" if inverted else "IDENTITY")


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowWidth": 0},
        {"WindowWidth": [1, 2]},
        {"WindowWidth": 0.5},
        {"WindowCenter": None},
        {"VOILUTFunction": "UNHEARD OF"},
        {"RescaleSlope": 0, "RescaleIntercept": 5},
        {"VOILUTSequence": []},
        {"VOILUTSequence": [table(_RAMP[:-1], bits=99)]},
        {"VOILUTSequence": [Dataset()]},
        {"ModalityLUTSequence": [Dataset()]},
        {"PixelSpacing": [0, 0]},
        {"PixelSpacing": [0.2, -1]},
        {"PixelAspectRatio": [0, 0]},
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "HEART"},
        {"PatientOrientation": None},
        {"PatientOrientation": "LF"},
        {"BodyPartExamined": None},
        {"PatientID": None, "StudyDate": None, "AccessionNumber": None},
    ],
)
def test_a_film_with_odd_headers_makes_a_valid_object(
    elements: dict[str, Any], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm", **elements)
    path = written(boxed(film, Box(10, 20, 30, 45)), vocabulary, film, tmp_path)
    read = dcmread(path)
    assert unexplained(path, film) == []
    (displayed,) = read.DisplayedAreaSelectionSequence
    assert displayed.PresentationPixelAspectRatio == [1, 1]
    assert "PresentationPixelSpacing" not in displayed
    for keyword in elements.keys() - {"PatientID", "StudyDate", "AccessionNumber"}:
        assert keyword not in list(read.iterall()), keyword


def test_all_of_the_film_is_displayed(rg1: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    """RG1 states a Pixel Spacing of 0: nothing is known of it."""
    read = dcmread(written(everything(rg1), vocabulary, rg1, tmp_path))
    (displayed,) = read.DisplayedAreaSelectionSequence
    assert displayed.DisplayedAreaTopLeftHandCorner == [1, 1]
    assert displayed.DisplayedAreaBottomRightHandCorner == [1841, 1955]
    assert displayed.PresentationSizeMode == "SCALE TO FIT"
    assert displayed.PresentationPixelAspectRatio == [1, 1]
    assert "PresentationPixelSpacing" not in displayed


def test_pixels_keep_their_aspect(vocabulary: Vocabulary, tmp_path: Path) -> None:
    for elements, keyword, expected in (
        ({"PixelSpacing": [0.2, 0.1]}, "PresentationPixelSpacing", [0.2, 0.1]),
        ({"PixelAspectRatio": [2, 1]}, "PresentationPixelAspectRatio", [2, 1]),
    ):
        film = chest(tmp_path / "film.dcm", **elements)
        path = written(boxed(film, Box(10, 20, 30, 45)), vocabulary, film, tmp_path)
        (displayed,) = dcmread(path).DisplayedAreaSelectionSequence
        assert displayed.get(keyword) == expected
        pair = {"PresentationPixelSpacing", "PresentationPixelAspectRatio"}
        assert len(pair & set(dir(displayed))) == 1
        assert unexplained(path, film) == []


@pytest.mark.parametrize(
    "shutter",
    [
        {"ShutterShape": "RECTANGULAR", **_RECTANGLE, "ShutterPresentationValue": 700},
        {
            "ShutterShape": ["RECTANGULAR", "CIRCULAR"],
            **_RECTANGLE,
            "CenterOfCircularShutter": [48, 40],
            "RadiusOfCircularShutter": 30,
        },
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [5, 5, 90, 5, 50, 70]},
    ],
)
def test_what_the_shutter_hides_stays_hidden(
    shutter: dict[str, Any], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm", **shutter)
    path = written(boxed(film, Box(10, 20, 30, 45)), vocabulary, film, tmp_path)
    read = dcmread(path)
    assert {keyword: read.get(keyword) for keyword in shutter} == shutter
    assert read.ShutterPresentationValue == shutter.get("ShutterPresentationValue", 0)
    assert unexplained(path, film) == []


def test_overlays_of_the_film_stay_below_the_marks(vocabulary: Vocabulary, tmp_path: Path) -> None:
    film = chest(tmp_path / "film.dcm")
    overlaid = dcmread(film)
    for element, vr, value in (
        (0x0010, "US", 96),
        (0x0011, "US", 80),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", bytes(96 * 80 // 8)),
    ):
        overlaid.add_new((0x6000, element), vr, value)
    overlaid.save_as(film)
    path = written(boxed(film, Box(10, 20, 30, 45)), vocabulary, film, tmp_path)
    read = dcmread(path)
    assert unexplained(path, film) == []
    below, above = read.GraphicLayerSequence
    assert below.GraphicLayerOrder < above.GraphicLayerOrder
    assert read[0x6000, 0x1001].value == below.GraphicLayer
    assert annotation(read).GraphicLayer == above.GraphicLayer


def test_of_several_frames_the_one_that_was_read_is_named(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = chest(
        tmp_path / "film.dcm",
        SOPClassUID=MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        NumberOfFrames=2,
    )
    report = boxed(film, Box(10, 20, 30, 45))
    report = replace(report, film=replace(report.film, frame_number=2))
    path = written(report, vocabulary, film, tmp_path)
    read = dcmread(path)
    assert unexplained(path, film) == []
    for holder in (read.ReferencedSeriesSequence[0], annotation(read)):
        (image,) = holder.ReferencedImageSequence
        assert image.ReferencedSOPInstanceUID == report.film.sop_instance_uid
        assert image.ReferencedFrameNumber == 2


def test_it_refers_to_the_film_alone(rg1: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    report = everything(rg1)
    read = dcmread(written(report, vocabulary, rg1, tmp_path))
    (series,) = read.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == report.film.series_instance_uid
    for holder in (series, annotation(read)):
        (image,) = holder.ReferencedImageSequence
        assert image.ReferencedSOPClassUID == report.film.sop_class_uid
        assert image.ReferencedSOPInstanceUID == report.film.sop_instance_uid
        assert "ReferencedFrameNumber" not in image
    assert read.StudyInstanceUID == report.film.study_instance_uid
    assert (read.Modality, read.PresentationCreationDate) == ("PR", "20260304")


def test_the_marks_lie_in_one_layer_with_a_colour(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    read = dcmread(written(everything(rg1), vocabulary, rg1, tmp_path))
    (layer,) = read.GraphicLayerSequence
    assert annotation(read).GraphicLayer == layer.GraphicLayer
    assert layer.GraphicLayerRecommendedDisplayGrayscaleValue == 65535
    color = CIELabColor(*_unscaled(layer.GraphicLayerRecommendedDisplayCIELabValue))
    assert np.allclose(color.to_rgb(), (255, 204, 0), atol=3)


def _unscaled(lab: list[int]) -> tuple[float, float, float]:
    """PS3.3 C.10.7.1.1."""
    return lab[0] * 100 / 65535, lab[1] * 255 / 65535 - 128, lab[2] * 255 / 65535 - 128


def _touches(place: Box, box: Box) -> bool:
    return (
        place.left <= box.right + 1e-3
        and box.left <= place.right + 1e-3
        and place.top <= box.bottom + 1e-3
        and box.top <= place.bottom + 1e-3
    )


def _on_edge(box: Box, point: list[float]) -> bool:
    """Whether a point lies on the edge of a box."""
    x, y = point
    beside = min(abs(x - box.left), abs(x - box.right)) < 1e-3
    above = min(abs(y - box.top), abs(y - box.bottom)) < 1e-3
    inside = box.left - 1e-3 <= x <= box.right + 1e-3 and box.top - 1e-3 <= y <= box.bottom + 1e-3
    return inside and (beside or above)
