"""The picture as a Secondary Capture: what stands in its pixels, and what other programs say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dcmtk
import numpy as np
import pytest
import validators
from builders import IDENTITY, chest, identities_in, variant
from highdicom import imread
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian
from report_builders import (
    MADE,
    box_of,
    everything,
    film_of,
    gives_none,
    object_of,
    prior_of,
    report_on,
    several,
    unchanged,
)

from dicom_node import canvas, outputs
from dicom_node.equipment import made_by_this_project
from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.report import (
    BoxShows,
    Finding,
    NotRead,
    NotReadBecause,
    Presence,
    Weights,
)
from dicom_node.vocabulary import Vocabulary

sc_of = partial(object_of, "sc")


def written(dataset: Dataset, folder: Path) -> Path:
    path = folder / "sc.dcm"
    outputs.write(dataset, path)
    return path


def standing(film: Path) -> NDArray[np.uint8]:
    """The film as the node reads it, on a square of the size that it has in the picture."""
    grey = read_frame(read_study([film]).instances[0]).grey
    side = max(grey.shape)
    square = np.zeros((side, side), np.uint8)
    top, left = (side - grey.shape[0]) // 2, (side - grey.shape[1]) // 2
    square[top : top + grey.shape[0], left : left + grey.shape[1]] = grey
    size = (canvas.PANEL, canvas.PANEL)
    return np.asarray(Image.fromarray(square).resize(size, Image.Resampling.LANCZOS))


def panels(read: Dataset) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Prior and current film of a picture with one line at the top."""
    pixels = read.pixel_array.astype(int)
    top = canvas.LINE + canvas.MARGIN + canvas.MARGIN + canvas.LINE + canvas.MARGIN // 2
    rows = slice(top, top + canvas.PANEL)
    right = 2 * canvas.MARGIN + canvas.PANEL
    left = slice(canvas.MARGIN, canvas.MARGIN + canvas.PANEL)
    return pixels[rows, left], pixels[rows, right : right + canvas.PANEL]


def test_the_film_is_as_it_was_and_boxes_stand_where_they_belong(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """RG1 is MONOCHROME1: bright is dense in the picture all the same."""
    found = film_of(rg1)
    box = box_of(found, 0.25, 0.5, 0.5, 0.75)
    finding = Finding("consolidation", Presence.PRESENT, box=box, box_shows=BoxShows.FINDING)
    report = report_on(found, finding, prior=prior_of(found))
    earlier = chest(tmp_path / "earlier.dcm")
    made = sc_of(report, vocabulary, rg1, prior=earlier)
    prior, current = panels(dcmread(written(made, tmp_path)))
    assert (prior == standing(earlier)[..., np.newaxis]).all()
    expected = standing(rg1)
    colour = vocabulary.findings["consolidation"].colour
    scale = canvas.PANEL / max(found.rows, found.columns)
    beside = (max(found.rows, found.columns) - found.columns) // 2
    left, right = (int((beside + x) * scale) for x in (box.left, box.right))
    top, bottom = (int(y * scale) for y in (box.top, box.bottom))
    middle_x, middle_y = (left + right) // 2, (top + bottom) // 2
    for y, x in ((middle_y, left), (middle_y, right), (top, middle_x), (bottom, middle_x)):
        near = current[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
        assert (near == colour).all(axis=1).any(), (y, x)
    differs = (current != expected[..., np.newaxis]).any(axis=2)
    assert not differs[top + 5 : bottom - 5, left + 5 : right - 5].any()  # in the box
    differs[top - 60 : bottom + 60, left - 5 : right + 60] = False  # the box and its label
    assert not differs.any()


def test_other_programs_read_the_same_pixels(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    path = written(sc_of(everything(film), vocabulary, film, prior=film), tmp_path)
    ours = dcmread(path).pixel_array
    dcmtk.convert("dcm2pnm", path, tmp_path / "shown.ppm")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "shown.ppm")), ours)
    assert np.array_equal(imread(path).get_frame(1, dtype=np.uint8), ours)
    assert dcmread(path).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_its_header_says_what_it_is(film: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    read = dcmread(written(sc_of(everything(film), vocabulary, film, prior=film), tmp_path))
    assert list(read.ImageType) == ["DERIVED", "SECONDARY"]
    assert (read.Modality, read.SeriesNumber, read.ConversionType) == ("OT", 9504, "WSD")
    assert read.SeriesDescription == "AI picture, NOT VERIFIED"
    assert (read.PhotometricInterpretation, read.BurnedInAnnotation) == ("RGB", "YES")
    assert list(read.PatientOrientation) == ["L", "F"]
    assert made_by_this_project(read)
    report = everything(film)
    assert report.prior.film is not None
    used = [(one.ReferencedSOPInstanceUID, one.SpatialLocationsPreserved) for one in sources(read)]
    uids = [report.film.sop_instance_uid, report.prior.film.sop_instance_uid]
    assert used == [(uid, "NO") for uid in uids]


def test_a_prior_that_is_no_longer_kept_is_not_a_source(film: Path, vocabulary: Vocabulary) -> None:
    assert len(sources(sc_of(everything(film), vocabulary, film))) == 1


def test_identity_is_in_the_header_alone(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    made = sc_of(everything(film), vocabulary, film)
    source = dcmread(film)
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"):
        assert made[keyword].value == source[keyword].value, keyword
    other = chest(tmp_path / "other.dcm")
    one = variant(other, tmp_path / "one.dcm", **IDENTITY)
    pixels = [sc_of(everything(path), vocabulary, path).PixelData for path in (other, one)]
    assert pixels[0] == pixels[1]
    assert identities_in(str(made.DerivationDescription) + made.SeriesDescription) == []


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientOrientation": None},
        {"PatientOrientation": ""},
        {"PatientOrientation": ["FR", "LF"]},
        {"BodyPartExamined": None},
        {"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0, 0]},
        {"WindowCenter": None, "WindowWidth": None},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"LossyImageCompression": "01", "LossyImageCompressionRatio": 12},
        {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"},
        {
            "SpecificCharacterSet": ["", "ISO 2022 IR 149"],
            "PatientName": "Hong^Gildong=洪^吉洞=홍^길동",
        },
        {"SpecificCharacterSet": "ISO_IR 127", "PatientName": "قباني^لنزار"},
        {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Жукова^Юлия"},
        {"PatientSex": None, "StudyDate": "", "AccessionNumber": None, "StudyID": None},
    ],
)
def test_what_a_film_lacks_stops_nothing(
    elements: dict[str, Any], film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    odd = variant(film, tmp_path / "odd.dcm", **elements)
    path = written(sc_of(everything(odd), vocabulary, odd), tmp_path)
    assert validators.complaints(path, odd, "sc") == []
    stated = dcmread(path).PatientOrientation
    assert bool(stated) is not (elements.get("PatientOrientation", "LF") in (None, ""))


def test_what_was_made_of_a_lossy_film_is_lossy(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    lossy = variant(film, tmp_path / "l.dcm", LossyImageCompression="01")
    assert sc_of(everything(lossy), vocabulary, lossy).LossyImageCompression == "01"
    assert "LossyImageCompression" not in sc_of(everything(film), vocabulary, film)


def test_sizes_are_whatever_the_film_has(vocabulary: Vocabulary, tmp_path: Path) -> None:
    for rows, columns in ((31, 17), (17, 31), (101, 83)):
        pixels = np.arange(rows * columns, dtype=np.uint16).reshape(rows, columns) % 4096
        film = chest(tmp_path / f"{rows}.dcm", pixels)
        path = written(sc_of(everything(film), vocabulary, film), tmp_path)
        assert validators.complaints(path, film, "sc") == []


def test_a_film_that_is_not_suitable_is_shown_with_the_reason(
    film: Path, vocabulary: Vocabulary
) -> None:
    report = report_on(film_of(film), not_read=NotRead(NotReadBecause.NOT_SUITABLE, "no chest"))
    _, current = panels(sc_of(report, vocabulary, film))
    assert (current == standing(film)[..., np.newaxis]).all()


def test_of_a_film_that_cannot_be_shown_there_is_none(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = report_on(film_of(film), not_read=NotRead(NotReadBecause.UNREADABLE, "cut short"))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(film.read_bytes()[:-1000])
    blank = chest(tmp_path / "blank.dcm", np.zeros((96, 80), np.uint16))
    assert gives_none("sc", report, vocabulary, cut)
    assert gives_none("sc", report_on(film_of(blank)), vocabulary, blank)
    lateral = variant(film, tmp_path / "lateral.dcm", PatientOrientation=["A", "F"])
    assert gives_none("sc", report_on(film_of(lateral)), vocabulary, lateral)


def test_the_demonstration_is_named_in_the_header_and_in_the_pixels(
    film: Path, vocabulary: Vocabulary
) -> None:
    report = replace(everything(film), made=replace(MADE, weights=Weights.DEMONSTRATION))
    made, plain = (sc_of(one, vocabulary, film) for one in (report, everything(film)))
    assert made.SeriesDescription.startswith("DEMONSTRATION - AI picture")
    assert made.Rows == plain.Rows + canvas.LINE  # a line more in the banner


def test_without_findings_it_says_so(film: Path, vocabulary: Vocabulary) -> None:
    absent = unchanged(several(film_of(film)))[-2:]
    pixels = [
        sc_of(report_on(film_of(film), *found), vocabulary, film).PixelData
        for found in ((), absent)
    ]
    assert pixels[0] != pixels[1]


def sources(read: Dataset) -> list[Dataset]:
    return list(read.SourceImageSequence)
