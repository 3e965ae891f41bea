"""Studies that wait in the ledger, with their films in the spool: as after a long night."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
from builders import chest
from sqlalchemy import insert

from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import State
from dicom_node.ledger.tables import events, instances, jobs
from dicom_node.spool import Spool

_ROOT = "1.2.826.0.1.3680043.10.543.7"
_CR = "1.2.840.10008.5.1.4.1.1.1"
_SIDE = 128


def study_uid(number: int) -> str:
    """Of the study of this number, from 0; all are of one length."""
    return f"{_ROOT}.{1_000_000 + number}"


def put(database: Database, data: Path, count: int) -> None:
    """Put so many complete studies of one small film each into the spool and into the ledger."""
    spool = Spool(data)
    template = _template(data)
    paths, digests = [], []
    for number in range(count):
        study = study_uid(number)
        folder = spool.study(study)
        folder.mkdir()
        film = template.replace(study_uid(0).encode(), study.encode())
        path = folder / f"{study}.2.dcm"
        path.write_bytes(film)
        paths.append(str(spool.below(path)))
        digests.append(hashlib.sha256(film).hexdigest())
    _enter(database, paths, digests)


def _template(data: Path) -> bytes:
    """A film whose UIDs differ from those of another number in the digits of the study alone."""
    path = data / "template.dcm"
    study = study_uid(0)
    picture = np.arange(_SIDE * _SIDE, dtype=np.uint16).reshape(_SIDE, _SIDE) % 4096
    chest(
        path,
        picture,
        StudyInstanceUID=study,
        SeriesInstanceUID=f"{study}.1",
        SOPInstanceUID=f"{study}.2",
    )
    film = path.read_bytes()
    path.unlink()
    return film


def _enter(database: Database, paths: list[str], digests: list[str]) -> None:
    now = time.time()
    times = dict.fromkeys(("state_since", "received_at", "arrived_at", "due_at"), now)
    studies = [study_uid(number) for number in range(len(paths))]
    with database.writing() as connection:
        connection.execute(
            insert(jobs).values(state=State.QUEUED, revision=1, **times),
            [{"study_instance_uid": study} for study in studies],
        )
        connection.execute(
            insert(instances).values(sop_class_uid=_CR, received_at=now),
            [
                {
                    "study_instance_uid": study,
                    "sop_instance_uid": f"{study}.2",
                    "job_id": job,
                    "path": path,
                    "sha256": digest,
                }
                for job, (study, path, digest) in enumerate(
                    zip(studies, paths, digests, strict=True), start=1
                )
            ],
        )
        connection.execute(
            insert(events).values(at=now, what="complete with 1 image(s)"),
            [{"job_id": job} for job in range(1, len(paths) + 1)],
        )
