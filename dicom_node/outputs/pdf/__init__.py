"""The report as one page in an Encapsulated PDF (PS3.3 A.45.1), which everybody can open."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage
from pydicom.valuerep import DT

from dicom_node import equipment, picture, wording
from dicom_node.outputs import codes, finish, source
from dicom_node.outputs.frames import Films, films
from dicom_node.outputs.material import Material
from dicom_node.outputs.pdf import page
from dicom_node.outputs.pdf.page import Page, Row, Section
from dicom_node.report import BoxShows, Finding, Presence, Report
from dicom_node.vocabulary import Vocabulary

_COLUMNS = (0.05, 0.24, 0.09, 0.29, 0.14, 0.19)
_TITLES = ("", "Finding", "", "Where", "Since the prior", "Score")
#: What a line is worth where there is no room for all: of the findings, and of unchecked words.
_MUCH, _LITTLE = 4.0, 0.25
_LETTERS = 400  # a text that is longer may be left out in parts


def build(material: Material) -> Dataset:
    """The page of a report; there is always one, without pictures where the film cannot be shown.

    Raises:
        BadStudy: the header of the film cannot be read, or is not of that film.
    """
    report = material.report
    header = source.read(material.current, report.film)
    shown = films(material)
    dataset = finish.begin(material, "pdf", EncapsulatedPDFStorage, "DOC")
    _describe(dataset, material, shown, header)
    content = page.draw(_page(material, shown))
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    finish.finish(dataset, report, header)
    return dataset


def _describe(dataset: Dataset, material: Material, shown: Films | None, header: Dataset) -> None:
    """SC Equipment and Encapsulated Document (PS3.3 C.8.6.1, C.24.2)."""
    report = material.report
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = _acquired(report)
    # The page names nobody, but nobody knows what is burned into the film.
    dataset.BurnedInAnnotation = "NO" if shown is None else "YES"
    dataset.DocumentTitle = finish.description(material, "pdf")
    dataset.ConceptNameCodeSequence = [CodedConcept.from_code(codes.IMAGING_MEASUREMENT_REPORT)]
    dataset.VerificationFlag = "UNVERIFIED"
    used = [source.reference(report.film, source.frames(header, report.film))]
    if report.prior.film is not None:
        used.append(source.reference(report.prior.film))
    dataset.SourceInstanceSequence = used


def _acquired(report: Report) -> DT | None:
    acquired = report.film.acquired
    return DT(acquired.strftime("%Y%m%d%H%M%S")) if acquired else None


def _page(material: Material, shown: Films | None) -> Page:
    report, vocabulary = material.report, material.vocabulary
    with_sr = any(one.output == "sr" for one in material.beside)
    return Page(
        title=finish.description(material, "pdf"),
        author=equipment.MANUFACTURER,
        when=report.read_at,
        banner=tuple(filter(None, (wording.NOT_VERIFIED, wording.origin(report)))),
        above=tuple(_above(report)),
        picture=None
        if shown is None
        else picture.films(report, vocabulary, shown.current, shown.prior),
        below=tuple(_below(report, vocabulary)),
        elsewhere="see the Structured Report" if with_sr else "for which this page has no room",
    )


def _above(report: Report) -> Iterator[Section]:
    yield Section(
        f"Chest radiograph: {wording.film(report.film)}", _rows([wording.summary(report)])
    )


def _below(report: Report, vocabulary: Vocabulary) -> Iterator[Section]:
    if report.findings:
        rows = tuple(_findings(report, vocabulary))
        yield Section("Findings", rows, _TITLES, _COLUMNS, worth=_MUCH)
    sections = {
        "Prior": [wording.comparison(report)],
        "Not read": [wording.unread(gap) for gap in report.unread],
        wording.UNCHECKED: [report.free_text],
        "Limits": wording.limits(report),
        "Made by": _made(report),
    }
    for heading, lines in sections.items():
        if rows := _rows(lines):
            yield Section(heading, rows, worth=_LITTLE if heading == wording.UNCHECKED else 1.0)


def _rows(texts: Iterable[str]) -> tuple[Row, ...]:
    return tuple(Row((line,)) for text in texts for line in textwrap.wrap(text, _LETTERS))


def _findings(report: Report, vocabulary: Vocabulary) -> Iterator[Row]:
    """Those that are there, numbered and coloured as in the picture, then those that are not."""
    for number, finding in enumerate(report.present, start=1):
        cells = (str(number), *_cells(finding, vocabulary))
        yield Row(cells, vocabulary.findings[finding.name].colour)
    for finding in report.findings:
        if finding.presence is Presence.ABSENT:
            yield Row(("", *_cells(finding, vocabulary)), quiet=True)


def _cells(finding: Finding, vocabulary: Vocabulary) -> tuple[str, ...]:
    where = wording.place(finding, vocabulary) if finding.presence is Presence.PRESENT else ""
    around = " (boxed: the site)" if finding.box_shows is BoxShows.SITE else ""
    score = finding.score
    kind = " (probability)" if score is not None and score.calibrated else ""
    return (
        wording.title(finding.name),
        str(finding.presence),
        f"{where}{around}",
        str(finding.change or ""),
        f"{wording.percent(score)} %{kind}" if score is not None else "",
    )


def _made(report: Report) -> list[str]:
    made = report.made
    when = report.read_at.isoformat(sep=" ", timespec="seconds")
    return [
        wording.maker(made),
        f"dicom-node {made.software_version}, revision {report.revision}, read at {when}",
        "Whose film this is stands in the header of the DICOM object, not on this page.",
    ]
