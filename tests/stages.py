"""The node in the process of a test: its stages done one by one, when the test wants them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nodes
from fake_engine import FakeEngine, Known
from peers import free_port
from pydicom import dcmread
from sqlalchemy import update

from dicom_node.ledger import arrivals, completion, history, jobs, tables
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.jobs import DELIVER, FETCH, READ, RETRACT, Job, Stage
from dicom_node.partial import data_set_sha256
from dicom_node.report import Weights
from dicom_node.study import Priority
from workers import way
from workers.site import Site, configure, open_site

KNOWN = {
    "pneumothorax": Known(site="right pleural space", box=(100, 80, 300, 240), score=0.93),
    "cardiomegaly": Known(box=(450, 300, 800, 760), score=0.71),
}


@dataclass
class Node:
    """A site as its administrator writes it, and its work done here instead of by Celery."""

    written: nodes.Site
    site: Site = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    def open(self, **sections: object) -> None:
        """Read the configuration again, changed."""
        self.written.configure(**sections)
        self.site = open_site(configure(self.written.config))

    def engine(self, weights: Weights = Weights.MODEL, **known: Known) -> FakeEngine:
        return FakeEngine(self.site.configuration.vocabulary, KNOWN | known, weights=weights)

    def receive(self, *films: Path, priority: Priority = Priority.ROUTINE) -> int:
        """Put the films of one study where the edge puts them, until the study is complete."""
        for film in films:
            header = dcmread(film, stop_before_pixels=True)
            study, uid = str(header.StudyInstanceUID), str(header.SOPInstanceUID)
            place, _ = self.site.spool.file(film, self.site.spool.study(study), uid)
            arrival = Arrival(
                study, uid, str(header.SOPClassUID), self.site.spool.below(place),
                data_set_sha256(place), True, priority=priority,
            )  # fmt: skip
            arrivals.record(self.site.database, [arrival])
        (job,) = completion.complete(self.site.database, 0, 3600)
        return job

    def take(
        self,
        stage: Stage,
        work: way.Work,
        *,
        owner: str = "test",
        lease_seconds: float = 60,
        turn: int = 1,
    ) -> bool:
        return way.take(self.site, stage, work, owner=owner, lease_seconds=lease_seconds, turn=turn)

    def fetch(self) -> bool:
        return self.take(FETCH, way.fetch)

    def read(self, engine: FakeEngine | None = None, **how: Any) -> bool:
        answering = engine or self.engine()
        return self.take(READ, lambda site, job: way.read(site, job, answering), **how)

    def retract(self) -> bool:
        return self.take(RETRACT, way.retract)

    def deliver(self) -> bool:
        return self.take(DELIVER, way.deliver)

    def job(self, number: int) -> Job:
        return jobs.get(self.site.database, number)

    def told(self, number: int) -> list[str]:
        return [event.what for event in history.history(self.site.database, number)]

    def make_due(self, number: int, **columns: object) -> None:
        """Let the time pass that a job waits, or that its lease lasts."""
        with self.site.database.writing() as connection:
            connection.execute(
                update(tables.jobs)
                .where(tables.jobs.c.id == number)
                .values({"due_at": 0.0} | columns)
            )

    def rung(self, stage: Stage) -> int:
        """How many messages wait for workers of this stage."""
        return len(list((self.written.data / "broker").glob(f"*.{stage.name}.msg")))


def destination(server: Any, **more: object) -> dict[str, object]:
    return nodes.peer(server, **({"name": "pacs", "test": True, "verify": "none"} | more))


def nowhere(**more: object) -> dict[str, object]:
    """A destination or archive at which nobody answers."""
    where = {"ae_title": "GONE", "host": "127.0.0.1", "port": free_port(), "timeout_seconds": 5}
    return where | more
