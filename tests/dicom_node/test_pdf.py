"""The page of a report: what Poppler and DCMTK read of it, and that it stays one page."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dcmtk
import numpy as np
import pytest
import validators
from builders import identities_in, variant
from peers import call, need
from PIL import Image
from pydicom import Dataset, dcmread
from report_builders import (
    MADE,
    every_finding,
    everything,
    film_of,
    material,
    object_of,
    prior_of,
    report_on,
)

from dicom_node import outputs, picture, wording
from dicom_node.equipment import made_by_this_project
from dicom_node.headers import read_study
from dicom_node.pixels import read_frame
from dicom_node.report import (
    ChangeKind,
    Finding,
    LeftOut,
    NotRead,
    NotReadBecause,
    Presence,
    Prior,
    PriorOutcome,
    Report,
    Score,
    Unread,
    Weights,
)
from dicom_node.vocabulary import Vocabulary

MORE = re.compile(r"… (\d+) more lines?, ([^.\n]*)")

pdf_of = partial(object_of, "pdf")


def written(dataset: Dataset, folder: Path) -> Path:
    path = folder / "pdf.dcm"
    outputs.write(dataset, path)
    return path


def document(dataset: Dataset, folder: Path) -> Path:
    """The PDF of an object, taken out of it by DCMTK."""
    dcmtk.convert("dcm2pdf", written(dataset, folder), folder / "page.pdf")
    return folder / "page.pdf"


def words(dataset: Dataset, folder: Path) -> str:
    """What Poppler reads on the page, in one line; there has to be one page, of A4."""
    page = document(dataset, folder)
    about = call(need("pdfinfo", "poppler-utils"), page).stdout
    assert re.search(r"^Pages: +1$", about, re.MULTILINE), about
    assert "(A4)" in about
    return " ".join(call(need("pdftotext", "poppler-utils"), "-layout", page, "-").stdout.split())


def too_much(film: Path) -> tuple[Report, Vocabulary]:
    """A report with more lines than any page holds, and what it is written in."""
    vocabulary = every_finding()
    found = tuple(
        Finding(name, presence, Score(0.5), change=ChangeKind.STABLE)
        for name in vocabulary.findings
        for presence in Presence
    )
    reference = film_of(film)
    report = report_on(
        reference,
        *found,
        prior=prior_of(reference),
        unread=tuple(Unread("location", "cardiomegaly", f"reason {n}") for n in range(70)),
        notes=tuple(f"A note on the film, the one of number {n}." for n in range(70)),
        free_text="A word of the model. " * 400,
        left_out=tuple(LeftOut(f"1.2.3.{n}", "lateral") for n in range(30)),
    )
    return report, vocabulary


def test_everything_is_on_the_page(film: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    report = everything(film, free_text="The heart looks large.")
    told = words(pdf_of(report, vocabulary, film, prior=film), tmp_path)
    expected = [
        wording.NOT_VERIFIED,
        wording.summary(report),
        wording.comparison(report),
        "183 days earlier",
        *(wording.unread(gap) for gap in report.unread),
        *wording.limits(report),
        "1 Consolidation present right lower lung zone new 87.3 %",
        "2 Pleural effusion present left pleural space (boxed: the site) worsened 64.2 %",
        "3 Pulmonary edema present both lungs stable 71.1 % (probability)",
        "4 Cardiomegaly present cardiac silhouette improved 55.5 %",
        "Pneumothorax absent resolved 2.1 %",
        "Words of the model, unchecked The heart looks large.",
        MADE.model,
        MADE.weights_digest,
        f"dicom-node {MADE.software_version}, revision 1, read at 2026-03-04 05:06:07+00:00",
    ]
    for one in expected:
        assert one in told
    assert MORE.search(told) is None


def test_the_picture_is_that_of_the_other_results(
    rg1: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = everything(rg1)
    page = document(pdf_of(report, vocabulary, rg1, prior=rg1), tmp_path)
    call(need("pdfimages", "poppler-utils"), "-png", page, tmp_path / "shown")
    frame = read_frame(read_study([rg1]).instances[0])
    expected = np.asarray(picture.films(report, vocabulary, frame, frame))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "shown-000.png")), expected)


def test_text_that_is_too_much_says_by_how_many_lines(film: Path, tmp_path: Path) -> None:
    report, vocabulary = too_much(film)
    told = words(pdf_of(report, vocabulary, film), tmp_path)
    left_out = MORE.findall(told)
    assert left_out
    assert all(where.startswith("for which this page has no room") for _, where in left_out)
    assert "22 Pneumonia present" in told  # what is there stays longest
    gaps = sum(wording.unread(gap) in told for gap in report.unread)
    notes = sum(note in told for note in report.notes)
    assert 0 < gaps < 70
    assert 0 < notes < 70
    section = told[told.index("Not read Cardiomegaly") :]
    shortened = MORE.search(section)
    assert shortened is not None
    assert gaps + int(shortened[1]) == 70
    assert wording.NOT_VERIFIED in told
    assert MADE.weights_digest in told


def test_what_is_left_out_is_in_the_structured_report_where_there_is_one(
    film: Path, tmp_path: Path
) -> None:
    report, vocabulary = too_much(film)
    made = material(report, vocabulary, film)
    objects = {one.output: each for one, each in outputs.build(made, ("sr", "pdf"))}
    told = words(objects["pdf"], tmp_path)
    assert MORE.search(told) is not None
    assert "more lines, see the Structured Report" in told


def test_a_page_that_is_nearly_full_is_written_smaller(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    notes = tuple(f"A note on the film, the one of number {n}." for n in range(30))
    told = words(pdf_of(everything(film, notes=notes), vocabulary, film), tmp_path)
    assert MORE.search(told) is None
    assert all(note in told for note in notes)


@pytest.mark.parametrize("because", NotReadBecause)
def test_a_film_that_was_not_read_gives_a_page_that_says_why(
    because: NotReadBecause, film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = report_on(film_of(film), not_read=NotRead(because, "a sentence with the reason"))
    told = words(pdf_of(report, vocabulary, film), tmp_path)
    assert wording.summary(report) in told
    assert "a sentence with the reason" in told
    assert "Findings" not in told
    assert wording.NOT_VERIFIED in told


def test_a_film_that_cannot_be_shown_gives_a_page_without_a_picture(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    report = report_on(film_of(film), not_read=NotRead(NotReadBecause.UNREADABLE, "cut short"))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(film.read_bytes()[:-1000])
    dataset = pdf_of(report, vocabulary, cut)
    assert "Could not be read: cut short" in words(dataset, tmp_path)
    listed = call(need("pdfimages", "poppler-utils"), "-list", tmp_path / "page.pdf").stdout
    assert len(listed.splitlines()) == 2  # the head of the table
    assert dataset.BurnedInAnnotation == "NO"
    assert validators.complaints(tmp_path / "pdf.dcm", film, "pdf") == []


def test_its_header_says_what_it_is(film: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    report = everything(film)
    read = dcmread(written(pdf_of(report, vocabulary, film), tmp_path))
    assert (read.Modality, read.SeriesNumber, read.ConversionType) == ("DOC", 9505, "WSD")
    assert read.SeriesDescription == read.DocumentTitle == "AI report page, NOT VERIFIED"
    assert read.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert (read.BurnedInAnnotation, read.VerificationFlag) == ("YES", "UNVERIFIED")
    assert made_by_this_project(read)
    assert report.prior.film is not None
    assert [one.ReferencedSOPInstanceUID for one in read.SourceInstanceSequence] == [
        report.film.sop_instance_uid,
        report.prior.film.sop_instance_uid,
    ]
    content = (tmp_path / "page.pdf").read_bytes() if document(read, tmp_path) else b""
    assert content == read.EncapsulatedDocument[: read.EncapsulatedDocumentLength]
    assert content.rstrip().endswith(b"%%EOF")


def test_identity_is_in_the_header_alone(
    film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    made = pdf_of(everything(film), vocabulary, film)
    source = dcmread(film)
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"):
        assert made[keyword].value == source[keyword].value, keyword
    about = call(need("pdfinfo", "poppler-utils"), document(made, tmp_path)).stdout
    assert identities_in(words(made, tmp_path) + about) == []


def test_the_demonstration_is_named(film: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    report = replace(everything(film), made=replace(MADE, weights=Weights.DEMONSTRATION))
    made = pdf_of(report, vocabulary, film)
    assert made.DocumentTitle.startswith("DEMONSTRATION - AI report page")
    assert wording.origin(report) in words(made, tmp_path)


@pytest.mark.parametrize(
    "reason", ["胸部", "흉부 <b>&amp;", "Брюшной\\полости (", "x" * 3000, "a\nb\0c"]
)
def test_no_text_stops_it(reason: str, film: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    prior = Prior(PriorOutcome.NONE_FOUND, reason)
    report = report_on(film_of(film), prior=prior, notes=(reason,), free_text=reason)
    assert "No prior" not in words(pdf_of(report, vocabulary, film), tmp_path).partition("Prior")[0]


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientOrientation": None},
        {"PatientOrientation": ["A", "F"]},
        {"BodyPartExamined": None},
        {"PixelSpacing": [0, 0]},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "야마다^타로"},
        {"PatientSex": None, "StudyDate": "", "AccessionNumber": None, "StudyID": None},
        {"AcquisitionDate": None, "StudyDate": None, "SeriesDate": None},
    ],
)
def test_what_a_film_lacks_stops_nothing(
    elements: dict[str, Any], film: Path, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    odd = variant(film, tmp_path / "odd.dcm", **elements)
    made = pdf_of(
        replace(everything(odd), film=replace(film_of(odd), acquired=None)), vocabulary, odd
    )
    assert "date not stated" in words(made, tmp_path)
    assert validators.complaints(tmp_path / "pdf.dcm", odd, "pdf") == []
