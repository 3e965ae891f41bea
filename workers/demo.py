"""``dicom-node demo``: the main job from end to end, on this machine, with real parts.

A small PACS (pynetdicom's ``qrscp``), the node as ``dicom-node run`` starts it, an earlier study in
the PACS, the current one sent by C-STORE; then what came back. Both films are drawn, so that what
the model says can be held against the truth.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from rich.console import Console

from dicom_node import report
from dicom_node.deliver import Sent, Verdict, send
from dicom_node.errors import Unreachable
from dicom_node.ledger import history, jobs
from dicom_node.ledger.jobs import Job
from workers import demo_results, demo_stage, phantoms
from workers.demo_stage import Stage
from workers.drawn import PRIOR_DAYS, Drawn, Kind, Wanted, draw
from workers.plain import tell
from workers.site import Site, configure, open_site

#: Of the phantom pair that is read: one in which something changed, and on which the model is
#: right about it. The tables in the checkpoint's card say how often it is, finding by finding.
PAIR_SEED = 28

_READ_SECONDS = 300.0


def run(out: Path, console: Console) -> int:
    """Show the main job; the exit status is 0 only if the results are in the PACS.

    Nothing in ``out`` is deleted. What the programs wrote is kept there if the demo fails.

    Raises:
        Misconfigured: ``out`` cannot be written.
        Unreachable: a program did not start, refused a film or did not end its work in time.
    """
    work = demo_stage.work_folder(out)
    shown = False
    try:
        shown = _show(demo_stage.set_up(work), out, console)
    finally:
        if shown:
            shutil.rmtree(work)
        else:
            tell(console, f"not shown to its end; pacs.log, node.log and all else are in {work}")
    return 0 if shown else 1


def draw_pair() -> Drawn:
    """The two films that are shown."""
    return draw(PAIR_SEED, Wanted(Kind.PAIR))


def _show(stage: Stage, out: Path, console: Console) -> bool:
    """The story; whether the results are in the PACS at its end."""
    say = _Steps(console)
    drawn = draw_pair()
    phantoms.write(phantoms.files(drawn), stage.films)
    prior, current = (stage.films / f"{film.name}.dcm" for film in drawn.films)
    say(f"drew an earlier and a current chest film of one phantom, seed {drawn.seed}")
    with demo_stage.pacs(stage) as pacs, demo_stage.node(stage) as node:
        demo_stage.wait_for(stage.pacs, pacs)
        say(f"PACS {stage.pacs.ae_title} (pynetdicom's qrscp) answers on port {stage.pacs.port}")
        _must_accept(send([prior], stage.pacs), "the PACS")
        say(f"earlier study put into the PACS: {prior.name}, {PRIOR_DAYS} days older")
        demo_stage.wait_for(stage.node, node)
        say(f"node {stage.node.ae_title} answers on port {stage.node.port}")
        _must_accept(send([current], stage.node), "the node")
        say(f"current study sent to the node by C-STORE: {current.name}")
        site = open_site(configure(stage.config))
        job = _follow(site, say)
        if job.report is None:
            tell(console, f"the study ended as {job.state}: {job.reason}")
            return False
        result = report.from_json(job.report)
        demo_results.tell_report(result, drawn, site.configuration.vocabulary, console)
        lacking = demo_results.tell_pacs(site, job, current, stage.pacs, console)
        demo_results.write(site, job, result, drawn, stage)
        demo_results.hand_over(stage.results, out, console)
    if lacking:
        tell(console, f"not in the PACS: {', '.join(sorted(lacking))}")
    return not lacking


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
                    return jobs.get(site.database, job.id)
            time.sleep(0.2)
    raise Unreachable(f"the study did not end within {_READ_SECONDS:.0f} s; see {site.spool.root}")


def _must_accept(sent: list[Sent], whom: str) -> None:
    for one in sent:
        if one.verdict is not Verdict.ACCEPTED:
            raise Unreachable(f"{whom} answered 0x{one.status:04X} to C-STORE: {one.reason}")


class _Steps:
    """Says each step with the time since the start."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        seconds = time.monotonic() - self._began
        tell(self.console, f"[{seconds:5.1f} s] {text}")
