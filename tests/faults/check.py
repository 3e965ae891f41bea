"""The proof after a round: what was lost, what is there twice, who waits for ever, what is odd."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from faults.sender import Films, data_set_bytes
from faults.stage import Stage
from pydicom import dcmread
from sqlalchemy import select

from dicom_node.ledger import deliveries, history, received, tables
from dicom_node.ledger.deliveries import MAY_BE_THERE, Delivery, DeliveryState
from dicom_node.ledger.jobs import Job, State

#: How a revision rightly ends that brings no film which would be read instead.
_NOTHING_NEW = "the film chosen is the one that revision"

#: Why a study ends that kills whoever reads it.
DEADLY = "attempts to read"

LOST, DOUBLED, STUCK, WRONG = "lost", "doubled", "stuck", "wrong"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a checker found; ``kind`` is one of the four."""

    kind: str
    what: str
    story: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((f"{self.kind}: {self.what}", *self.story))


@dataclass(frozen=True, slots=True)
class Sent:
    """A study of the round: its films, and whether it is to end as failed."""

    films: Films
    deadly: bool = False


def wait(stage: Stage, sent: Sequence[Sent], seconds: float) -> dict[str, float]:
    """Until every study is in a final state; when each was, by the clock of ``time.monotonic``."""
    deadline = time.monotonic() + seconds
    ended: dict[str, float] = {}
    while time.monotonic() < deadline and len(ended) < len({one.films.study for one in sent}):
        stage.start_what_ended()
        jobs = stage.jobs()
        for one in sent:
            mine = [job for job in jobs if job.study_instance_uid == one.films.study]
            if mine and all(job.state.is_final for job in mine):
                ended.setdefault(one.films.study, time.monotonic())
            else:
                ended.pop(one.films.study, None)
        time.sleep(0.2)
    return ended


def problems(stage: Stage, sent: Sequence[Sent], permitted: Collection[str]) -> list[Problem]:
    """What is not as it has to be, of the studies of a round.

    ``permitted`` are reasons with which a study may have failed, by the faults of the round.
    """
    jobs = stage.jobs()
    found: list[Problem] = []
    for one in sent:
        before = len(found)
        mine = sorted(
            (job for job in jobs if job.study_instance_uid == one.films.study),
            key=lambda job: job.revision,
        )
        found += _received(stage, one)
        found += _ended(one, mine, permitted)
        rows = [row for job in mine for row in deliveries.of_job(stage.database, job.id)]
        for name, held in (("pacs", _orthanc(stage, one)), ("scripted", _scripted(stage, one))):
            there = [row for row in rows if row.made.destination == name]
            found += _delivered(stage, f"{name}, {one.films.study}", there, held, mine)
        if len(found) > before:
            found[-1] = replace(found[-1], story=tuple(story(stage, one.films.study)))
    return found + list(_stored_twice(stage))


def story(stage: Stage, study: str) -> list[str]:
    """What the ledger has of a study: for whoever looks for the cause of a problem."""
    told = []
    for job in reversed([one for one in stage.jobs() if one.study_instance_uid == study]):
        told.append(f"job {job.id}, revision {job.revision}: {job.state} {job.reason}")
        told += [f"    {e.at:.1f} {e.what}" for e in history.history(stage.database, job.id)]
        told += [
            f"    {row.made.output} at {row.made.destination}: {row.id} {row.state}, "
            f"withdrawn by {row.withdrawn_by}"
            for row in deliveries.of_job(stage.database, job.id)
        ]
    return told


def _received(stage: Stage, one: Sent) -> Iterator[Problem]:
    """Every instance answered 0x0000 is on disk, byte for byte, and belongs to a revision."""
    entered = {
        row.sop_instance_uid: row for row in received.listing(stage.database, one.films.study)
    }
    aside = None
    for path in one.films.left:
        yield Problem(STUCK, f"{path.name} was never answered 0000: {one.films.statuses[-5:]}")
    for path in one.films.answered:
        uid = str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        place = stage.spool.film(one.films.study, uid)
        wanted = data_set_bytes(path)
        if not place.exists():
            aside = aside or _quarantine(stage)
            if wanted not in aside:
                yield Problem(LOST, f"{path.name} was answered 0000 and is not on disk")
        elif data_set_bytes(place) != wanted:
            yield Problem(LOST, f"{path.name} lies on disk with other bytes")
        elif uid not in entered or entered[uid].revision is None:
            yield Problem(LOST, f"{path.name} lies on disk and belongs to no revision")


def _quarantine(stage: Stage) -> set[bytes]:
    """The data sets that were set aside with a reason."""
    reasons = tables.quarantine.c
    with stage.database.reading() as connection:
        rows = connection.execute(select(reasons.path, reasons.reason))
        paths = [stage.data / row.path for row in rows if row.reason]
    return {data_set_bytes(path) for path in paths if path.exists()}


def _ended(one: Sent, mine: Sequence[Job], permitted: Collection[str]) -> Iterator[Problem]:
    """Every revision is in a final state that was to be expected, with a reason."""
    if not mine and one.films.answered:
        yield Problem(LOST, f"study {one.films.study} has no job")
    for job in mine:
        told = f"job {job.id} is {job.state}: {job.reason or 'no reason'}"
        if not job.state.is_final:
            yield Problem(STUCK, told)
        elif not _may_end_so(job, one, permitted):
            yield Problem(WRONG, told)


def _may_end_so(job: Job, one: Sent, permitted: Collection[str]) -> bool:
    if one.deadly:
        return job.state is State.FAILED and DEADLY in job.reason
    if job.state is State.REFUSED:
        return job.revision > 1 and _NOTHING_NEW in job.reason
    return job.state is State.DONE or any(why in job.reason for why in permitted)


def _delivered(
    stage: Stage, where: str, rows: Sequence[Delivery], held: dict[str, bytes], mine: Sequence[Job]
) -> Iterator[Problem]:
    """A destination holds exactly what the ledger says, and one set of results that counts."""
    by_uid = {row.made.sop_instance_uid: row for row in rows}
    for uid in held.keys() - by_uid.keys():
        yield Problem(DOUBLED, f"{where}: an object that the ledger does not know: {uid}")
    for uid, row in by_uid.items():
        told = f"{where}: {row.made.output} of job {row.job}, {row.state}"
        if uid in held:
            if row.state not in MAY_BE_THERE:
                yield Problem(DOUBLED, f"{told}, is there")
            elif held[uid] != _canonical((stage.data / row.made.path).read_bytes()):
                yield Problem(DOUBLED, f"{told}, is there with other content")
        elif row.state is DeliveryState.THERE and (row.counts or where.startswith("scripted")):
            yield Problem(LOST, f"{told}, is not there")
    yield from _unsent(where, rows, mine)
    yield from _counted(where, rows, held, mine)


def _unsent(where: str, rows: Sequence[Delivery], mine: Sequence[Job]) -> Iterator[Problem]:
    for job in mine:
        unsent = [
            row.made.output
            for row in rows
            if row.job == job.id and row.counts and row.state is not DeliveryState.THERE
        ]
        if job.state is State.DONE and unsent:
            yield Problem(LOST, f"{where}: job {job.id} is done without {', '.join(unsent)}")


def _counted(
    where: str, rows: Sequence[Delivery], held: dict[str, bytes], mine: Sequence[Job]
) -> Iterator[Problem]:
    standing = Counter(
        row.made.output
        for row in rows
        if row.counts and not row.made.is_note and row.made.sop_instance_uid in held
    )
    for output, number in standing.items():
        if number > 1:
            yield Problem(DOUBLED, f"{where}: {number} times {output} stand")
    if any(job.state is State.DONE for job in mine) and not standing:
        yield Problem(LOST, f"{where}: nothing stands, though a revision is done")
    per_revision = Counter(
        (row.job, row.made.output, row.made.retractions)
        for row in rows
        if row.made.sop_instance_uid in held
    )
    for (job, output, _), number in per_revision.items():
        if number > 1:
            yield Problem(DOUBLED, f"{where}: {number} times {output} of job {job}")


def _stored_twice(stage: Stage) -> Iterator[Problem]:
    """An object that was sent again has the same bytes."""
    digests: dict[str, str] = {}
    for line in stage.scripted.answered():
        if (
            line["what"] == "held"
            and digests.setdefault(line["uid"], line["sha256"]) != (line["sha256"])
        ):
            yield Problem(DOUBLED, f"scripted: {line['uid']} came with other bytes")


def _orthanc(stage: Stage, one: Sent) -> dict[str, bytes]:
    client = stage.orthanc.client
    held: dict[str, bytes] = {}
    study = client.studies.lookup(one.films.study)
    for instance in client.studies.get_instances_ids(study) if study else ():
        content = client.instances.get_file(instance)
        held[sop_instance_uid(content)] = _canonical(content)
    return held


def _scripted(stage: Stage, one: Sent) -> dict[str, bytes]:
    held = {}
    for path in (stage.scripted.folder / "held").glob("*.dcm"):
        content = path.read_bytes()
        header = dcmread(io.BytesIO(content), specific_tags=["StudyInstanceUID"])
        if header.StudyInstanceUID == one.films.study:
            held[path.stem] = _canonical(content)
    return held


def sop_instance_uid(content: bytes) -> str:
    return str(dcmread(io.BytesIO(content), specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


def _canonical(content: bytes) -> bytes:
    """The data set, however its file and its sequences are encoded."""
    found = dcmread(io.BytesIO(content))
    return found.to_json().encode()
