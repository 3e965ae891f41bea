"""``dicom-node demo``: the main job from end to end, on this machine, with real parts.

A small PACS (pynetdicom's ``qrscp``), the node as ``dicom-node run`` starts it, an earlier study in
the PACS, the current one sent by C-STORE; then what came back. Both films are drawn, so that what
the model says can be held against the truth.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml
from rich.console import Console

from dicom_node import report
from dicom_node.archives import ARCHIVES, FoundSeries, FoundStudy
from dicom_node.association import echo
from dicom_node.deliver import Sent, Verdict, send
from dicom_node.errors import Unreachable
from dicom_node.headers import read_study
from dicom_node.ledger import deliveries, history, jobs
from dicom_node.ledger.deliveries import Delivery
from dicom_node.ledger.jobs import Job
from dicom_node.peer import Peer
from dicom_node.report import Report
from dicom_node.text import as_text
from workers import beside, local, phantoms, way
from workers.drawn import PRIOR_DAYS, Drawn, Kind, Wanted, draw
from workers.site import Site, configure, open_site

#: Of the phantom pair that is read: a pair in which something changed.
PAIR_SEED = 93

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 60.0
_READ_SECONDS = 300.0
_STOP_SECONDS = 40.0
#: What must be in the PACS at the end.
_EXPECTED = {"sr", "seg"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the demo, and the file into which it prints."""

    process: subprocess.Popen[bytes]
    log: Path


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo takes place."""

    folder: Path
    pacs: Peer
    node: Peer

    @property
    def films(self) -> Path:
        """Where the two films and the truth about them lie."""
        return self.folder / "films"


def run(out: Path, console: Console) -> int:
    """Show the main job; the exit status is 0 only if the results are in the PACS."""
    work = (out / "work").resolve()  # the PACS takes a relative path from a folder of its own
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    stage = Stage(
        folder=work,
        pacs=Peer("demo PACS", "DEMOPACS", _LOOPBACK, _free_port(), "DICOMNODE"),
        node=Peer("node", "DICOMNODE", _LOOPBACK, _free_port(), "DEMOPACS"),
    )
    say = _Steps(console)
    drawn = draw(PAIR_SEED, Wanted(Kind.PAIR))
    prior, current = _films(drawn, stage.films)
    say(f"drew an earlier and a current chest film of one phantom, seed {PAIR_SEED}")
    config = work / "site" / "node.yaml"
    with _pacs(stage) as pacs, _node(stage, config) as node:
        _wait_for(stage.pacs, pacs)
        say(f"PACS {stage.pacs.ae_title} (pynetdicom's qrscp) answers on port {stage.pacs.port}")
        _must_accept(send([prior], stage.pacs), "the PACS")
        say(f"earlier study put into the PACS: {prior.name}, {PRIOR_DAYS} days older")
        _wait_for(stage.node, node)
        say(f"node {stage.node.ae_title} answers on port {stage.node.port}")
        _must_accept(send([current], stage.node), "the node")
        say(f"current study sent to the node by C-STORE: {current.name}")
        site = open_site(configure(config))
        job = _follow(site, say)
        if job.report is None:
            console.print(f"the study ended as {job.state}: {job.reason}", markup=False)
            return 1
        _tell_report(site, report.from_json(job.report), drawn, console)
        return _tell_results(site, job, stage, out, console)


def _films(drawn: Drawn, folder: Path) -> Iterator[Path]:
    """Write the pair, its truth and its picture; the DICOM files, the prior first."""
    phantoms.write(phantoms.files(drawn), folder)
    return (folder / f"{film.name}.dcm" for film in drawn.films)


def _copy_truth(films: Path, out: Path) -> None:
    """Beside ``report.json`` and ``picture.png``, to be compared with them."""
    shutil.copyfile(films / f"pair-{PAIR_SEED}-current.json", out / "truth.json")
    shutil.copyfile(films / f"pair-{PAIR_SEED}.png", out / "truth.png")


def _tell_report(site: Site, result: Report, drawn: Drawn, console: Console) -> None:
    vocabulary = site.configuration.vocabulary
    console.rule("report")
    _print(console, as_text(result, vocabulary))
    console.rule("the same beside the truth, which is known because the film was drawn")
    wide = console if console.is_terminal else Console(file=console.file, width=160)
    wide.print(beside.table(drawn.films[-1].phantom, drawn.changes, result, vocabulary))
    _print(console, beside.LEGEND)


def _tell_results(site: Site, job: Job, stage: Stage, out: Path, console: Console) -> int:
    result = report.from_json(job.report or "")
    rows = deliveries.of_job(site.database, job.id)
    films = way.films(site, job, result)
    console.rule("in the PACS now")
    for study, series in _held(stage.pacs, films[0]):
        mine = any(row.made.series_instance_uid == series.series_instance_uid for row in rows)
        what = "result" if mine else "earlier study"
        _print(console, f"{study.date}  {series.modality:<3}  {series.series_instance_uid}  {what}")
    _print(console, "The current film itself was sent to the node alone, so it is not listed here.")
    there = {row.made.output for row in rows if _in_pacs(row, job, stage.pacs)}
    local.write(result, site.configuration, *films, out)
    text = as_text(result, site.configuration.vocabulary)
    (out / "report.txt").write_text(text, encoding="utf-8")
    _copy_truth(stage.films, out)
    console.rule(f"written to {out}")
    for path in sorted(one for one in out.iterdir() if one.is_file()):
        _print(console, f"  {path}")
    wrong = _EXPECTED - there
    if wrong:
        console.print(f"not in the PACS: {', '.join(sorted(wrong))}", markup=False)
    return 1 if wrong else 0


def _follow(site: Site, say: _Steps) -> Job:
    """Say each thing that happens to the study until it has ended."""
    deadline = time.monotonic() + _READ_SECONDS
    told = 0
    with say.console.status("waiting for the node") as status:
        while time.monotonic() < deadline:
            for job in jobs.listing(site.database, limit=1):
                for event in history.history(site.database, job.id)[told:]:
                    say(f"node: {event.what}")
                    told += 1
                status.update(f"study is {job.state}")
                if job.state.is_final:
                    return job
            time.sleep(0.2)
    raise Unreachable(f"the study did not end within {_READ_SECONDS:.0f} s; see {site.spool.root}")


@contextmanager
def _pacs(stage: Stage) -> Iterator[Program]:
    folder = stage.folder / "pacs"
    folder.mkdir()
    settings = folder / "qrscp.ini"
    settings.write_text(
        f"[DEFAULT]\nae_title: {stage.pacs.ae_title}\nport: {stage.pacs.port}\nmax_pdu: 262144\n"
        "acse_timeout: 30\ndimse_timeout: 30\nnetwork_timeout: 30\n"
        f"bind_address: {_LOOPBACK}\ninstance_location: {folder / 'instances'}\n"
        f"database_location: {folder / 'instances.sqlite'}\nlog_identifier: False\n",
        encoding="utf-8",
    )
    program = [sys.executable, "-m", "pynetdicom", "qrscp", "--quiet", "--config", str(settings)]
    with _process(program, folder / "pacs.log") as started:
        yield started


@contextmanager
def _node(stage: Stage, config: Path) -> Iterator[Program]:
    folder = config.parent
    folder.mkdir()
    for source in resources.files("config").iterdir():
        if source.name.endswith(".yaml"):
            (folder / source.name).write_text(source.read_text("utf-8"), encoding="utf-8")
    config.write_text(yaml.safe_dump(_settings(stage), sort_keys=False), encoding="utf-8")
    program = [sys.executable, "-m", "workers", "run", "--config", str(config)]
    with _process(program, stage.folder / "node.log") as started:
        yield started


def _settings(stage: Stage) -> dict[str, object]:
    pacs = {
        "ae_title": stage.pacs.ae_title,
        "host": stage.pacs.host,
        "port": stage.pacs.port,
        "timeout_seconds": 10,
    }
    return {
        "node": {
            "ae_title": stage.node.ae_title,
            "host": stage.node.host,
            "port": stage.node.port,
            "data": "data",
        },
        "completion": {"quiet_seconds": 2},
        "archive": pacs | {"protocol": "dimse", "retrieve": "c-get"},
        "destinations": [pacs | {"name": "demo-pacs", "test": True}],
        "engine": {"name": "demonstration"},
        "limits": {"sweep_seconds": 0.5},
    }


@contextmanager
def _process(program: list[str], log: Path) -> Iterator[Program]:
    """A program that ends when the demo does; what it prints goes into a file."""
    with log.open("wb") as output:
        process = subprocess.Popen(program, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603 - our own
        try:
            yield Program(process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(peer: Peer, program: Program) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            echo(peer)
        except Unreachable as absence:
            ended = program.process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise Unreachable(f"{absence}; what it printed is in {program.log}") from None
            time.sleep(0.2)
        else:
            return


def _must_accept(sent: list[Sent], whom: str) -> None:
    for one in sent:
        if one.verdict is not Verdict.ACCEPTED:
            raise Unreachable(f"{whom} answered 0x{one.status:04X} to C-STORE: {one.reason}")


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


class _Steps:
    """Says each step with the time since the start."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        seconds = time.monotonic() - self._began
        _print(self.console, f"[{seconds:5.1f} s] {text}")


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
