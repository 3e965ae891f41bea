"""What came back in the demo: the report beside the truth, the objects in the PACS, and files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from dicom_node.archives import ARCHIVES, FoundSeries, FoundStudy
from dicom_node.headers import read_study
from dicom_node.ledger import deliveries
from dicom_node.ledger.deliveries import Delivery
from dicom_node.ledger.jobs import Job
from dicom_node.peer import Peer
from dicom_node.report import Report
from dicom_node.text import as_text
from dicom_node.vocabulary import Vocabulary
from workers import beside, local, way
from workers.demo_stage import Stage
from workers.drawn import Drawn
from workers.plain import tell
from workers.site import Site

#: What must be in the PACS at the end.
_EXPECTED = {"sr", "seg"}


def tell_report(result: Report, drawn: Drawn, vocabulary: Vocabulary, console: Console) -> None:
    """Print the report, and what it says beside what is true of the drawn films."""
    console.rule("report")
    tell(console, as_text(result, vocabulary))
    console.rule("the same beside the truth, which is known because the film was drawn")
    wide = console if console.is_terminal else Console(file=console.file, width=160)
    wide.print(beside.table(drawn.films[-1].phantom, drawn.changes, result, vocabulary))
    tell(console, beside.LEGEND)


def tell_pacs(site: Site, job: Job, film: Path, pacs: Peer, console: Console) -> set[str]:
    """Print what the PACS holds of the film's patient; returns which results it lacks."""
    rows = deliveries.of_job(site.database, job.id)
    made = {row.made.series_instance_uid for row in rows}
    console.rule("in the PACS now")
    for study, series in _held(pacs, film):
        uid = series.series_instance_uid
        what = "result" if uid in made else "earlier study"
        tell(console, f"{study.date}  {series.modality:<3}  {uid}  {what}")
    tell(console, "The current film itself was sent to the node alone, so it is not listed here.")
    return _EXPECTED - {row.made.output for row in rows if _in_pacs(row, job, pacs)}


def write(site: Site, job: Job, result: Report, drawn: Drawn, stage: Stage) -> None:
    """Write objects, report and picture, and beside them the truth, to be compared."""
    films = way.films(site, job, result)
    local.write(result, site.configuration, *films, stage.results)
    text = as_text(result, site.configuration.vocabulary)
    (stage.results / "report.txt").write_text(text, encoding="utf-8")
    truth = stage.films / f"{drawn.films[-1].name}.json"
    shutil.copyfile(truth, stage.results / "truth.json")
    shutil.copyfile(stage.films / f"{drawn.kind}-{drawn.seed}.png", stage.results / "truth.png")


def hand_over(folder: Path, out: Path, console: Console) -> None:
    """Copy a folder's files into ``out``, which may hold others, and name those copied."""
    console.rule(f"written to {out}")
    for path in sorted(folder.iterdir()):
        tell(console, f"  {shutil.copyfile(path, out / path.name)}")


def _held(pacs: Peer, film: Path) -> Iterator[tuple[FoundStudy, FoundSeries]]:
    """Everything of the patient in the PACS, asked by C-FIND."""
    archive = ARCHIVES["dimse"](pacs, "c-get")
    for study in archive.find_studies(read_study([film]).patient):
        for series in archive.find_series(study.study_instance_uid):
            yield study, series


def _in_pacs(row: Delivery, job: Job, pacs: Peer) -> bool:
    """Asked anew, by C-FIND."""
    return ARCHIVES["dimse"](pacs, "c-get").has_instance(
        job.study_instance_uid, row.made.series_instance_uid, row.made.sop_instance_uid
    )
