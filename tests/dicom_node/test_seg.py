"""The Segmentation of the boxes, as dciodvfy, pydicom and highdicom read it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import sr_text
from builders import chest, chest_picture
from numpy.typing import NDArray
from peers import dciodvfy
from pydicom import Dataset, dcmread
from pydicom.uid import MultiFrameGrayscaleWordSecondaryCaptureImageStorage
from report_builders import (
    MADE,
    box_of,
    boxed,
    every_finding,
    everything,
    film_of,
    object_of,
    report_on,
    several,
    unchanged,
)

from dicom_node import outputs
from dicom_node.equipment import device_uid, made_by_this_project
from dicom_node.geometry import Box
from dicom_node.profiles import PROFILES
from dicom_node.report import BoxShows, Finding, Presence, Report, Weights
from dicom_node.vocabulary import Laterality, Vocabulary

ORIENTATIONS = ("LF", "RF", "RH", "LH", "HL", "FR", "FL", "HR")

seg_of = partial(object_of, "seg")


def written(report: Report, vocabulary: Vocabulary, film: Path, folder: Path) -> Path:
    path = folder / "a new" / "folder" / "seg.dcm"
    outputs.write(seg_of(report, vocabulary, film), path)
    return path


def masks(path: Path) -> list[NDArray[np.uint8]]:
    """The pixels of each segment, read by pydicom alone."""
    read = dcmread(path)
    pixels = read.pixel_array.reshape(-1, read.Rows, read.Columns)
    numbers = [
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for frame in frame_groups(read)
    ]
    assert numbers == list(range(1, len(read.SegmentSequence) + 1))
    return list(pixels)


def frame_groups(read: Dataset) -> list[Dataset]:
    shared = read.SharedFunctionalGroupsSequence[0]
    return [
        shared if "SegmentIdentificationSequence" in shared else frame
        for frame in read.PerFrameFunctionalGroupsSequence
    ]


def errors(path: Path) -> list[str]:
    lines = dciodvfy(path)
    assert any(line.strip() == "Segmentation" for line in lines), lines
    return [line for line in lines if line.startswith("Error")]


def test_dciodvfy_finds_no_error_on_any_real_film(
    real_films: list[Path], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    for number, film in enumerate(real_films):
        for kind, report in {
            "several": everything(film),
            "one": report_on(film_of(film), *unchanged(several(film_of(film))[:1])),
        }.items():
            path = written(report, vocabulary, film, tmp_path / f"{number} {kind}")
            assert errors(path) == [], f"{film.name}: {kind}"


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_are_in_stored_pixels_whatever_the_orientation(
    orientation: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm", PatientOrientation=list(orientation))
    path = written(boxed(film, Box(10, 20, 30, 45)), vocabulary, film, tmp_path)
    expected = np.zeros((96, 80), np.uint8)
    expected[20:45, 10:30] = 1
    assert np.array_equal(masks(path)[0], expected)
    assert list(dcmread(path).PatientOrientation) == list(orientation)
    assert errors(path) == []


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        (Box(10, 20, 30, 45), (20, 45), (10, 30)),  # whole pixels: right and bottom exclusive
        (Box(10.5, 20.5, 29.5, 44.5), (20, 44), (10, 29)),  # a centre on the left edge is in
        (Box(10.51, 20.51, 29.51, 44.51), (21, 45), (11, 30)),
        (Box(10.49, 20.49, 29.49, 44.49), (20, 44), (10, 29)),
        (Box(0, 0, 80, 96), (0, 96), (0, 80)),  # everything
        (Box(79.2, 95.2, 79.4, 95.4), (95, 96), (79, 80)),  # no centre in it: the pixel it is in
        (Box(79.9, 95.9, 80, 96), (95, 96), (79, 80)),
        (Box(12.7, 30, 13.3, 40), (30, 40), (13, 14)),  # thin: across an edge between pixels
    ],
)
def test_a_pixel_is_in_when_its_centre_is_in_the_box(
    box: Box,
    rows: tuple[int, int],
    columns: tuple[int, int],
    vocabulary: Vocabulary,
    tmp_path: Path,
) -> None:
    film = chest(tmp_path / "film.dcm")
    path = written(boxed(film, box), vocabulary, film, tmp_path)
    expected = np.zeros((96, 80), np.uint8)
    expected[slice(*rows), slice(*columns)] = 1
    assert np.array_equal(masks(path)[0], expected)


def test_overlapping_boxes_of_a_film_with_an_odd_width_are_all_whole(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """1841 columns are no multiple of 8: each frame ends within a byte."""
    path = written(everything(rg1), vocabulary, rg1, tmp_path)
    places = [(978, 1466, 230, 690), (1222, 1711, 1151, 1611), (391, 1564, 184, 1657)]
    assert dcmread(path).SegmentationType == "BINARY"
    for found, (top, bottom, left, right) in zip(masks(path), places, strict=True):
        expected = np.zeros((1955, 1841), np.uint8)
        expected[top:bottom, left:right] = 1
        assert np.array_equal(found, expected)


def test_highdicom_finds_each_segment_by_its_source(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = everything(rg1)
    path = written(report, vocabulary, rg1, tmp_path)
    read = hd.seg.segread(path)
    pixels = read.get_pixels_by_source_instance([report.film.sop_instance_uid])
    assert pixels.shape == (1, 1955, 1841, 3)
    assert np.array_equal(np.moveaxis(pixels[0], -1, 0), masks(path))


def test_each_segment_says_what_it_is(rg1: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    read = dcmread(written(everything(rg1), vocabulary, rg1, tmp_path))
    segments = read.SegmentSequence
    assert [segment.SegmentLabel for segment in segments] == [
        "Bounding box: consolidation, right lower lung zone",
        "Bounding box: site of pleural effusion, left pleural space",
        "Bounding box: pulmonary edema, both lungs",
    ]
    types = [segment.SegmentedPropertyTypeCodeSequence[0].CodeValue for segment in segments]
    assert types == ["95436008", "60046008", "19242006"]
    for segment in segments:
        assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert algorithm.AlgorithmName == MADE.model
        assert algorithm.AlgorithmSource == "dicom-node"
        assert algorithm.AlgorithmVersion == read.SoftwareVersions
    assert "NOT VERIFIED" in read.SeriesDescription


@pytest.mark.parametrize("profile", PROFILES)
def test_a_plane_that_says_nothing_stands_only_where_a_viewer_asks_for_one(
    profile: str, rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    path = tmp_path / "seg.dcm"
    outputs.write(object_of("seg", everything(rg1), vocabulary, rg1, profile), path)
    read = dcmread(path)
    stated = [one.value for one in read.iterall() if one.keyword == "ImageOrientationPatient"]
    assert stated == ([[1, 0, 0, 0, 1, 0]] if profile == "ohif" else [])
    if profile == "ohif":
        (orientation,) = read.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
        assert list(orientation.dir()) == ["ImageOrientationPatient"]
        (measures,) = read.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
        assert list(measures.dir()) == ["PixelSpacingCalibrationDescription"]
    assert not [one for one in read.iterall() if one.keyword == "PixelSpacing"]
    assert "FrameOfReferenceUID" not in read
    assert errors(path) == []


@pytest.mark.parametrize(("columns", "kind"), [(80, "BINARY"), (81, "FRACTIONAL")])
def test_no_frame_begins_within_a_byte_where_a_viewer_shows_that_wrong(
    columns: int, kind: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm", chest_picture(97, columns))
    report = boxed(film, Box(10, 20, 30, 45), Box(40, 20, 77, 97))
    path = tmp_path / "seg.dcm"
    outputs.write(object_of("seg", report, vocabulary, film, "ohif"), path)
    air = written(report, vocabulary, film, tmp_path)
    assert (dcmread(path).SegmentationType, dcmread(air).SegmentationType) == (kind, "BINARY")
    assert dcmread(path).get("MaximumFractionalValue", 1) == 1
    assert np.array_equal(masks(path), masks(air))
    one = tmp_path / "one.dcm"
    outputs.write(object_of("seg", boxed(film, Box(10, 20, 30, 45)), vocabulary, film, "ohif"), one)
    assert dcmread(one).SegmentationType == "BINARY"
    assert errors(path) == []


def test_a_device_is_an_object_and_nothing_abnormal(rg1: Path, tmp_path: Path) -> None:
    every = every_finding()
    film = film_of(rg1)
    tube = Finding(
        "chest tube",
        Presence.PRESENT,
        site="left pleural space",
        laterality=Laterality.LEFT,
        box=box_of(film, 0.6, 0.5, 0.8, 0.7),
        box_shows=BoxShows.FINDING,
    )
    (segment,) = dcmread(written(report_on(film, tube), every, rg1, tmp_path)).SegmentSequence
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "260787004"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Chest tube"


def test_colours_are_those_of_the_vocabulary(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    read = dcmread(written(everything(rg1), vocabulary, rg1, tmp_path))
    stored = [segment.RecommendedDisplayCIELabValue for segment in read.SegmentSequence]
    names = ["consolidation", "pleural effusion", "pulmonary edema"]
    for scaled, name in zip(stored, names, strict=True):
        back = rgb(scaled)
        assert np.allclose(back, vocabulary.findings[name].colour, atol=3), (name, back)


def test_it_tracks_the_findings_as_the_report_does(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = everything(rg1)
    read = dcmread(written(report, vocabulary, rg1, tmp_path))
    outputs.write(object_of("sr", report, vocabulary, rg1), tmp_path / "sr.dcm")
    boxes = [one for one in sr_text.read(tmp_path / "sr.dcm").groups if one.all("Image Region")]
    assert [(segment.TrackingID, segment.TrackingUID) for segment in read.SegmentSequence] == [
        (one.one("Tracking Identifier").text(), one.one("Tracking Unique Identifier").text())
        for one in boxes
    ]


def test_it_refers_to_the_film(rg1: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    report = everything(rg1)
    read = dcmread(written(report, vocabulary, rg1, tmp_path))
    (series,) = read.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == report.film.series_instance_uid
    for frame in read.PerFrameFunctionalGroupsSequence:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        assert source.ReferencedSOPInstanceUID == report.film.sop_instance_uid
    assert read.StudyInstanceUID == report.film.study_instance_uid
    assert read.SeriesInstanceUID != report.film.series_instance_uid
    assert (read.Rows, read.Columns) == (report.film.rows, report.film.columns)


@pytest.mark.parametrize(
    "elements",
    [
        {"PixelSpacing": [0, 0]},
        {"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0, 0]},
        {"PatientOrientation": None},
        {"PatientOrientation": "LF"},  # one value: it is not two letters
        {"PatientID": None, "StudyDate": None, "AccessionNumber": None},
        {"PatientID": "", "PatientOrientation": "", "StudyID": None, "PatientSex": None},
    ],
)
def test_a_film_with_odd_headers_makes_a_valid_object(
    elements: dict[str, Any], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = chest(tmp_path / "film.dcm", **elements)
    path = written(boxed(film, Box(10, 20, 30, 45)), vocabulary, film, tmp_path)
    read = dcmread(path)
    assert errors(path) == []
    assert "PixelSpacing" not in read
    measures = [item for item in read.iterall() if item.keyword == "PixelSpacing"]
    assert measures == []
    stated = [] if "PatientOrientation" in elements else ["L", "F"]
    assert list(read.PatientOrientation or ()) == stated  # Type 2C: empty when it is not known
    outputs.write(
        object_of("sr", boxed(film, Box(10, 20, 30, 45)), vocabulary, film),
        tmp_path / "sr.dcm",
    )
    assert [line for line in dciodvfy(tmp_path / "sr.dcm") if line.startswith("Error")] == []


def test_it_is_known_again_and_says_what_made_it(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = replace(everything(rg1), made=replace(MADE, weights=Weights.DEMONSTRATION))
    read = dcmread(written(report, vocabulary, rg1, tmp_path))
    assert made_by_this_project(read)
    assert read.ContributingEquipmentSequence[0].DeviceUID == device_uid(report.made)
    assert read.SeriesDescription.startswith("DEMONSTRATION - AI")
    assert read.ManufacturerModelName.startswith("DEMONSTRATION")


def test_a_long_name_of_a_place_is_cut_to_a_valid_label(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    found = film_of(rg1)
    long = Finding(
        "pulmonary edema",
        Presence.PRESENT,
        site="right costophrenic angle",
        laterality=Laterality.RIGHT,
        box=box_of(found, 0.1, 0.1, 0.2, 0.2),
        box_shows=BoxShows.SITE,
    )
    path = written(report_on(found, long), vocabulary, rg1, tmp_path)
    assert len(dcmread(path).SegmentSequence[0].SegmentLabel) <= 64
    assert errors(path) == []


def rgb(scaled: list[int]) -> list[float]:
    """Scaled CIELab (PS3.3 C.10.7.1.1) as sRGB 0 to 255, white being D65 as in OHIF and highdicom;
    worked out here, without highdicom.
    """
    lightness = scaled[0] * 100 / 65535
    a, b = (value * 255 / 65535 - 128 for value in scaled[1:])
    fy = (lightness + 16) / 116
    xyz = [
        white * (f**3 if f > 6 / 29 else 3 * (6 / 29) ** 2 * (f - 4 / 29))
        for f, white in zip((fy + a / 500, fy, fy - b / 200), (0.9505, 1.0, 1.089), strict=True)
    ]
    from_xyz = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    linear = np.clip(from_xyz @ xyz, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return list(255 * curved)


@pytest.mark.parametrize("frames", [1, 2])
def test_of_a_film_that_may_have_several_frames_the_one_that_was_read_is_named(
    frames: int, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    kind = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    film = chest(tmp_path / "film.dcm", SOPClassUID=kind, NumberOfFrames=frames)
    found = film_of(film)
    report = report_on(replace(found, frame_number=frames), *unchanged(several(found)))
    path = written(report, vocabulary, film, tmp_path)
    read = dcmread(path)
    assert errors(path) == []
    (series,) = read.ReferencedSeriesSequence
    named = [*series.ReferencedInstanceSequence]
    for frame in read.PerFrameFunctionalGroupsSequence:
        named += frame.DerivationImageSequence[0].SourceImageSequence
    assert {one.ReferencedSOPInstanceUID for one in named} == {found.sop_instance_uid}
    assert {one.ReferencedSOPClassUID for one in named} == {kind}
    assert {one.get("ReferencedFrameNumber") for one in named} == {2 if frames == 2 else None}
