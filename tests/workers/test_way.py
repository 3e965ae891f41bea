"""The way of one study, stage by stage: what becomes of it, whatever happens on the way."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodes
import pytest
from builders import IDENTITY, chest, chest_picture, identities_in
from fake_engine import FakeEngine, Known
from peers import Orthanc, Qrscp, StoreScp, free_port
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.events import EVT_C_FIND  # type: ignore[attr-defined]
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StudyRootQueryRetrieveInformationModelFind,
)
from sqlalchemy import update
from stages import KNOWN, Node, destination, nowhere

from dicom_node import durable, logs, report
from dicom_node.deliver import Verdict, send
from dicom_node.errors import (
    BadAnswer,
    BadStudy,
    Misconfigured,
    NodeError,
    NotForUs,
    Rejected,
    Unreachable,
)
from dicom_node.ledger import completion, deliveries, jobs, retrying, tables
from dicom_node.ledger.jobs import DELIVER, FETCH, READ, RETRACT, Job, Stage, State
from dicom_node.outputs.rejection import Reason
from dicom_node.peer import Peer
from dicom_node.report import NotRead, NotReadBecause, Weights
from dicom_node.study import Frame, Priority
from models.engines.base import Answer, Identity, Request
from workers import reading, retracting, way
from workers.site import Site

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(nodes.Site(tmp_path / "site"))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film of a patient whose identity can be recognised wherever it must not be."""
    return chest(tmp_path / "film.dcm", None, **IDENTITY)


def in_stage(node: Node, film: Path, stage: Stage) -> int:
    """A job that waits for a worker of this stage."""
    job = node.receive(film)
    if stage is not FETCH:
        assert node.fetch()
    if stage in (DELIVER, RETRACT):
        assert node.read()
    if stage is RETRACT:
        retracting.retract(node.site, job, Reason.QUALITY)
    return job


def raising(error: BaseException) -> way.Work:
    def work(site: Site, job: Job) -> None:
        raise error

    return work


# The whole way


def test_a_study_goes_its_way_and_each_stage_rings_for_the_next(
    node: Node, film: Path, tmp_path: Path
) -> None:
    with StoreScp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs)])
        job = node.receive(film)
        states = [node.job(job).state]
        for work, next_stage in ((node.fetch, READ), (node.read, DELIVER), (node.deliver, None)):
            assert work()
            states.append(node.job(job).state)
            if next_stage is not None:
                assert node.rung(next_stage) == 1
        received = {dcmread(path).Modality for path in pacs.files()}
    assert states == [State.QUEUED, State.READING, State.READ, State.DONE]
    assert received == {"SR", "SEG"}
    assert [what.split(":")[0] for what in node.told(job)] == [
        "first image received",
        "complete with 1 image(s)",
        "reading",
        "read",
        "sr at pacs sent",
        "seg at pacs sent",
        "sr at pacs there",
        "seg at pacs there",
        "done",
    ]
    result = report.from_json(node.job(job).report or "")
    assert {one.name for one in result.present} == set(KNOWN)
    assert (result.job, result.revision) == (str(job), 1)


@pytest.mark.parametrize("stage", jobs.STAGES, ids=lambda stage: stage.name)
def test_where_nothing_is_due_nothing_is_done(node: Node, film: Path, stage: Stage) -> None:
    assert not node.take(stage, raising(AssertionError("there is no work")))
    in_stage(node, film, READ if stage is FETCH else FETCH)
    assert not node.take(stage, raising(AssertionError("the work is of another stage")))


# What errors lead to


@pytest.mark.parametrize("stage", jobs.STAGES, ids=lambda stage: stage.name)
@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NotForUs("no rule reads it"), State.REFUSED),
        (BadStudy("it cannot be read"), State.FAILED),
        (BadAnswer("it cannot be used"), State.FAILED),
        (Rejected("the peer says no"), State.FAILED),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else str(one),
)
def test_the_type_of_an_error_decides_what_becomes_of_a_study(
    node: Node, film: Path, stage: Stage, error: Exception, state: State
) -> None:
    job = in_stage(node, film, stage)

    assert node.take(stage, raising(error))

    ended = node.job(job)
    assert (ended.state, ended.reason, ended.leased) == (state, str(error), False)
    assert node.told(job)[-1] == f"{state}: {error}"
    for any_stage in jobs.STAGES:
        assert not node.take(any_stage, raising(AssertionError("it has ended")))


@pytest.mark.parametrize("stage", jobs.STAGES, ids=lambda stage: stage.name)
@pytest.mark.parametrize("kind", [Unreachable, Misconfigured])
def test_what_can_be_mended_from_outside_is_tried_again_later_and_later(
    node: Node, film: Path, stage: Stage, kind: type[NodeError]
) -> None:
    """A peer comes back, an administrator corrects a file: no study is lost by either."""
    node.open(delivery={"first_retry_seconds": 100, "longest_retry_seconds": 500})
    job = in_stage(node, film, stage)
    for attempt, seconds in enumerate((100, 200, 400, 500, 500), start=1):
        assert node.take(stage, raising(kind(f"away {attempt}")))
        waiting = node.job(job)
        assert (waiting.state, waiting.attempts) == (stage.working, attempt)
        assert (waiting.reason, waiting.leased) == (f"away {attempt}", False)
        assert waiting.due_at - time.time() == pytest.approx(seconds, abs=20)
        assert not node.take(stage, raising(AssertionError("it is not due yet")))
        node.make_due(job)
    assert node.take(stage, raising(NotForUs("at last")))
    assert node.job(job).state is State.REFUSED


@pytest.mark.parametrize("stage", jobs.STAGES, ids=lambda stage: stage.name)
def test_a_bug_ends_the_study_and_is_raised_without_its_text_in_the_ledger(
    node: Node, film: Path, stage: Stage
) -> None:
    """The text of an error that nobody foresaw may hold anything, a patient's name too."""
    job = in_stage(node, film, stage)
    with pytest.raises(ZeroDivisionError):
        node.take(stage, raising(ZeroDivisionError(f"of {IDENTITY['PatientName']}")))

    ended = node.job(job)
    assert ended.state is State.FAILED
    assert ended.reason == "error in this program: ZeroDivisionError"
    assert identities_in("\n".join(node.told(job))) == []


@pytest.mark.parametrize("stage", jobs.STAGES, ids=lambda stage: stage.name)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.ESTALE])
def test_a_disk_that_is_full_or_faulty_is_no_fault_of_the_study(
    node: Node, film: Path, stage: Stage, number: int
) -> None:
    job = in_stage(node, film, stage)
    assert node.take(stage, raising(OSError(number, os.strerror(number), "/a/path")))
    assert node.job(job).state is stage.working
    assert node.job(job).reason == f"the data folder: {os.strerror(number)}"


@pytest.mark.parametrize("stage", jobs.STAGES, ids=lambda stage: stage.name)
def test_a_disk_that_is_not_mounted_is_waited_for(node: Node, film: Path, stage: Stage) -> None:
    job = in_stage(node, film, stage)
    away = [one.rename(one.with_suffix(".away")) for one in node.site.spool.root.glob("[spr]*s")]
    work = {FETCH: node.fetch, READ: node.read, DELIVER: node.deliver, RETRACT: node.retract}
    if stage in (FETCH, READ):
        assert work[stage]()
    else:
        assert node.take(stage, raising(FileNotFoundError(errno.ENOENT, "away")))
    assert node.job(job).state is stage.working
    assert node.job(job).reason == "the data folder is not there; is its disk mounted?"
    for one in away:
        one.rename(one.with_suffix(""))
    node.make_due(job)
    assert work[stage]()
    assert node.job(job).state not in (stage.working, State.FAILED)


def test_a_worker_that_is_told_to_end_leaves_its_job_to_another(node: Node, film: Path) -> None:
    job = in_stage(node, film, READ)
    with pytest.raises(SystemExit):
        node.take(READ, raising(SystemExit(1)))

    assert (node.job(job).state, node.job(job).leased) == (State.READING, True)
    assert not node.read()
    node.make_due(job, lease_until=1.0)
    assert node.read()
    assert node.job(job).state is State.READ


# The errors that there really are


@pytest.mark.parametrize(
    ("elements", "told"),
    [
        ({"BodyPartExamined": "HAND"}, "Body Part Examined is HAND"),
        ({"Modality": "CT"}, "Modality is CT"),
        ({"PatientOrientation": ["A", "F"], "ViewPosition": None}, "view is lateral"),
        ({"PatientBirthDate": "20100101"}, "younger than 18 years"),
        ({"PatientBirthDate": None}, "age of the patient is not known"),
    ],
)
def test_a_study_that_no_rule_reads_is_refused_with_the_rule_and_the_reason(
    node: Node, film: Path, elements: dict[str, Any], told: str
) -> None:
    job = node.receive(chest(film, **elements))
    assert node.fetch()
    assert node.job(job).state is State.REFUSED
    assert node.job(job).reason.startswith("adult chest radiograph: ")
    assert told in node.job(job).reason
    assert node.rung(READ) == 0


def test_a_study_of_two_patients_fails(node: Node, film: Path) -> None:
    header = dcmread(film)
    other = chest(
        film.parent / "other.dcm", StudyInstanceUID=header.StudyInstanceUID, PatientID="SOMEBODY"
    )
    job = node.receive(film, other)
    assert node.fetch()
    assert node.job(job).state is State.FAILED
    assert "of two patients: Patient ID differs" in node.job(job).reason
    assert identities_in(node.job(job).reason) == []


@pytest.mark.parametrize(
    "elements",
    [
        {"PixelData": b"\0" * 100},
        {"PhotometricInterpretation": "PALETTE COLOR"},
    ],
    ids=["cut off", "in colours"],
)
def test_a_film_that_cannot_be_looked_at_fails_before_anything_is_asked(
    node: Node, film: Path, elements: dict[str, Any]
) -> None:
    job = node.receive(chest(film, **elements))
    assert node.fetch()
    engine = node.engine()
    assert node.read(engine)
    assert node.deliver()
    assert node.job(job).state is State.FAILED
    assert node.job(job).reason
    assert not node.job(job).reason.startswith("error in this program")
    assert engine.asked == []


def test_a_file_that_is_gone_fails(node: Node, film: Path) -> None:
    study = str(dcmread(film).StudyInstanceUID)
    job = in_stage(node, film, READ)
    shutil.rmtree(node.site.spool.study(study))
    assert node.read()
    assert node.job(job).state is State.FAILED
    assert "gone" in node.job(job).reason


def test_a_film_that_retention_deleted_before_delivery_fails(node: Node, film: Path) -> None:
    study = str(dcmread(film).StudyInstanceUID)
    job = in_stage(node, film, DELIVER)
    shutil.rmtree(node.site.spool.study(study))
    assert node.deliver()
    assert node.job(job).state is State.FAILED
    assert "no longer in the spool" in node.job(job).reason


def test_a_rule_that_was_renamed_meanwhile_is_told_and_waits_for_its_name(
    node: Node, film: Path
) -> None:
    job = in_stage(node, film, DELIVER)
    path = node.written.folder / "rules.yaml"
    before = path.read_text("utf-8")
    path.write_text(before.replace("adult chest radio", "adult thorax radio"), encoding="utf-8")
    node.open(destinations=[nowhere(name="pacs", test=True)])
    assert node.deliver()
    assert node.job(job).state is State.DELIVERING
    assert "did you mean `adult thorax radiograph`?" in node.job(job).reason

    path.write_text(before, encoding="utf-8")
    node.open()
    node.make_due(job)
    assert node.deliver()
    assert "pacs does not answer" in node.job(job).reason
    assert len(deliveries_of(node, job)) == 2


def test_a_broker_that_is_away_does_not_stop_a_study(node: Node, film: Path) -> None:
    """The sweeper rings again; the ledger says what is due."""
    node.open(broker={"url": f"redis://127.0.0.1:{free_port()}/0"})
    job = node.receive(film)
    assert node.fetch()
    assert node.job(job).state is State.READING
    assert jobs.waiting(node.site.database) == {"read": 1}


# Whose turn it is


def test_what_is_urgent_is_read_before_all_that_waits(node: Node, tmp_path: Path) -> None:
    for number in range(10):
        node.receive(chest(tmp_path / f"{number}.dcm"))
    while node.fetch():
        pass
    stat = node.receive(chest(tmp_path / "stat.dcm"), priority=Priority.STAT)
    assert node.fetch()
    assert node.read()
    assert node.job(stat).state is State.READ
    assert jobs.waiting(node.site.database) == {"read": 10, "deliver": 1}


def test_a_rule_raises_the_priority_of_what_it_reads_and_lowers_none(
    node: Node, tmp_path: Path
) -> None:
    rules = node.written.folder / "rules.yaml"
    text = rules.read_text("utf-8")
    rules.write_text(text.replace("priority: routine", "priority: high"), encoding="utf-8")
    node.open()
    for stated, then in ((Priority.ROUTINE, Priority.HIGH), (Priority.STAT, Priority.STAT)):
        job = node.receive(chest(tmp_path / f"{stated}.dcm"), priority=stated)
        assert node.fetch()
        assert node.job(job).priority is then


def test_each_fourth_turn_is_of_who_has_waited_for_long(node: Node, tmp_path: Path) -> None:
    """A stream of urgent studies does not hold up the others for ever, and these do not hold up
    the urgent ones.
    """
    routine = node.receive(chest(tmp_path / "routine.dcm"))
    node.make_due(routine, due_at=1000.0)
    urgent = [
        node.receive(chest(tmp_path / f"{number}.dcm"), priority=Priority.STAT)
        for number in range(4)
    ]
    order: list[int] = []
    for turn in range(1, 6):
        node.take(FETCH, lambda _, job: order.append(job.id), turn=turn)
    assert order == [*urgent[:3], routine, urgent[3]]


# What the archive counts


def in_the_archive(archive: Orthanc | Qrscp, node: Node, *films: Path) -> None:
    """Films that the archive holds, and the node knows it."""
    peer = Peer("archive", archive.aet, "127.0.0.1", archive.dicom_port, "TEST")
    assert {one.verdict for one in send(films, peer)} == {Verdict.ACCEPTED}
    node.open(archive=nodes.peer(archive, protocol="dimse", retrieve="c-get"))


def of_one_study(film: Path, number: int, **elements: object) -> list[Path]:
    """Further films of a study."""
    study = {"StudyInstanceUID": dcmread(film).StudyInstanceUID}
    return [
        chest(film.parent / f"{film.stem}-{index}.dcm", **IDENTITY, **study, **elements)
        for index in range(number)
    ]


def test_what_the_archive_holds_and_has_not_sent_yet_is_waited_for(
    node: Node, film: Path, tmp_path: Path
) -> None:
    second, third = of_one_study(film, 2)
    report_of_ours = chest(
        tmp_path / "sr.dcm", **IDENTITY, Modality="SR", SOPClassUID=BASIC_TEXT_SR,
        StudyInstanceUID=dcmread(film).StudyInstanceUID,
    )  # fmt: skip
    with Orthanc(tmp_path / "archive") as archive:
        in_the_archive(archive, node, film, second, third, report_of_ours)
        job = node.receive(film, second)
        assert node.fetch()
        assert node.job(job).state is State.RECEIVED
        assert node.job(job).reason == "the archive holds 3 images, 2 have arrived"
        assert not node.fetch()
        assert node.receive(third) == job
        assert node.fetch()
    assert node.job(job).state is State.READING
    assert node.told(job).count("received: the archive holds 3 images, 2 have arrived") == 1
    assert "complete with 3 image(s); the archive holds 3" in node.told(job)


def test_what_does_not_come_in_time_is_read_without_and_not_asked_for_again(
    node: Node, film: Path, tmp_path: Path
) -> None:
    with Orthanc(tmp_path / "archive") as archive:
        in_the_archive(archive, node, film, *of_one_study(film, 1))
        job = node.receive(film)
        assert node.fetch()
        assert completion.complete(node.site.database, 0, 3600, count=60) == []
        assert completion.complete(node.site.database, 0, 3600, count=0) == [job]
        assert node.fetch()
    assert node.job(job).state is State.READING
    assert node.told(job)[-2:] == [
        "complete with 1 image(s); the archive holds 2",
        "reading: prior none found",
    ]


def test_a_study_that_is_all_here_is_asked_for_once(node: Node, film: Path, tmp_path: Path) -> None:
    with Orthanc(tmp_path / "archive") as archive:
        in_the_archive(archive, node, film)
        job = node.receive(film)
        assert node.fetch()
        assert node.told(job)[-2:] == [
            "nothing more to wait for: the archive counts 1 of the 1 image(s)",
            "reading: prior none found",
        ]
        elsewhere = node.receive(chest(tmp_path / "elsewhere.dcm", **IDENTITY))
        assert node.fetch()
        assert "the archive has none of it: no more is waited for" in node.told(elsewhere)


def test_an_archive_that_does_not_count_changes_nothing(
    node: Node, film: Path, tmp_path: Path
) -> None:
    with Qrscp(tmp_path / "archive") as archive:
        in_the_archive(archive, node, film, *of_one_study(film, 1))
        job = node.receive(film)
        assert node.fetch()
    assert node.job(job).state is State.READING
    assert "nothing more to wait for: the archive does not count images" in node.told(job)


def test_an_archive_that_is_away_holds_no_study_back(node: Node, film: Path) -> None:
    node.open(archive=nowhere(), limits={"prior_wait_seconds": 0.01})
    job = node.receive(film)
    assert node.fetch()
    assert node.job(job).state is State.READING
    assert "not counted in the archive: archive does not answer at its host and port" in node.told(
        job
    )


@pytest.mark.parametrize(
    ("ask", "elements"), [(False, {}), (True, {"Modality": "CT"})], ids=["by setting", "no rule"]
)
def test_where_it_need_not_be_the_archive_is_not_asked(
    node: Node, film: Path, ask: bool, elements: dict[str, str]
) -> None:
    node.open(archive=nowhere(), completion={"ask_archive": ask}, limits={"prior_wait_seconds": 1})
    job = node.receive(chest(film, **elements))
    assert node.fetch()
    assert "not counted" not in "".join(node.told(job))


# The prior


@pytest.mark.parametrize(
    ("archive", "outcome", "reason"),
    [
        (None, "not asked for", "no archive is configured"),
        (nowhere(), "not retrieved in time", "archive does not answer at its host and port"),
    ],
)
def test_without_an_archive_that_answers_the_film_is_read_alone_and_it_says_so(
    node: Node, film: Path, archive: object, outcome: str, reason: str
) -> None:
    node.open(archive=archive, limits={"prior_wait_seconds": 0.01})
    job = in_stage(node, film, DELIVER)
    result = report.from_json(node.job(job).report or "")
    assert (result.prior.outcome, result.prior.reason) == (outcome, reason)
    assert f"reading: prior {outcome}" in node.told(job)


def test_an_archive_that_is_away_is_waited_for(node: Node, film: Path) -> None:
    """As long as limits.prior_wait_seconds says, without holding a worker."""
    node.open(archive=nowhere())
    job = node.receive(film)
    assert node.fetch()
    assert node.job(job).state is State.FETCHING
    assert node.job(job).reason == "prior: archive does not answer at its host and port"


def test_a_prior_in_the_archive_is_fetched_and_compared_with(
    node: Node, film: Path, tmp_path: Path
) -> None:
    earlier = chest(
        tmp_path / "earlier.dcm", chest_picture(seed=4), **IDENTITY, StudyDate="20190601",
        SeriesDate="20190601", AcquisitionDate="20190601",
    )  # fmt: skip
    with Qrscp(tmp_path / "archive") as archive:
        peer = Peer("archive", archive.aet, "127.0.0.1", archive.dicom_port, "TEST")
        assert [one.verdict for one in send([earlier], peer)] == [Verdict.ACCEPTED]
        node.open(archive=nodes.peer(archive, protocol="dimse", retrieve="c-get"))
        job = node.receive(film)
        assert node.fetch()
    assert node.read(node.engine(cardiomegaly=Known(before=True, change="Worsened")))
    result = report.from_json(node.job(job).report or "")
    assert result.prior.outcome == "used", result.prior
    assert result.prior.days == 215
    changes = {one.name: one.change for one in result.present}
    assert changes == {"cardiomegaly": "worsened", "pneumothorax": "new"}


def test_studies_of_one_patient_that_are_fetched_for_at_once_have_their_prior(
    node: Node, tmp_path: Path
) -> None:
    """Each fetches the same film into the same place."""
    with Orthanc(tmp_path / "archive") as archive:
        archive.upload(earlier_film(tmp_path))
        node.open(archive=nodes.peer(archive, protocol="dimse", retrieve="c-get"))
        told = []
        for number in range(4):
            films = [chest(tmp_path / f"{number}-{one}.dcm", **IDENTITY) for one in "ab"]
            both = [node.receive(one) for one in films]
            workers = [
                threading.Thread(target=node.take, args=(FETCH, way.fetch), kwargs={"owner": one})
                for one in "ab"
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            told += [node.told(job)[-1] for job in both]
    assert told == ["reading: prior used"] * 8


def no_room(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/path")


@pytest.mark.parametrize(
    ("module", "name"), [(os, "utime"), (durable, "write")], ids=["its folder", "its file"]
)
def test_without_room_for_its_prior_a_film_waits_and_is_read_alone_in_the_end(
    node: Node, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    with Orthanc(tmp_path / "archive") as archive:
        archive.upload(earlier_film(tmp_path))
        section = nodes.peer(archive, protocol="dimse", retrieve="c-get")
        node.open(archive=section)
        job = node.receive(film)
        with monkeypatch.context() as patch:
            patch.setattr(module, name, no_room)
            assert node.fetch()
            assert node.job(job).state is State.FETCHING, node.job(job).reason
            assert node.job(job).reason.startswith("prior: ")
            node.open(archive=section, limits={"prior_wait_seconds": 0.01})
            node.make_due(job)
            assert node.fetch()
    assert node.told(job)[-1] == "reading: prior not retrieved in time"
    assert node.read()
    assert node.job(job).state is State.READ


def take_away_when_read(node: Node, job: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its prior goes once its reader has seen that it is there."""
    prior = report.prior_from_json(node.job(job).prior or "")
    prior_frame = reading.prior_frame

    def late(path: Path | None) -> Frame | None:
        if path is not None:
            shutil.rmtree(path.parent)
        return prior_frame(path)

    assert way.prior_path(node.site, prior) is not None
    monkeypatch.setattr(reading, "prior_frame", late)


def test_a_prior_that_goes_while_its_reader_begins_is_fetched_again(
    node: Node, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Orthanc(tmp_path / "archive") as archive:
        archive.upload(earlier_film(tmp_path))
        node.open(archive=nodes.peer(archive, protocol="dimse", retrieve="c-get"))
        job = in_stage(node, film, READ)
        with monkeypatch.context() as patch:
            take_away_when_read(node, job, patch)
            assert node.read()
        assert node.told(job)[-1] == "fetching: the prior has gone from the spool"
        assert node.fetch()
        path = way.prior_path(node.site, report.prior_from_json(node.job(job).prior or ""))
        assert path is not None
        path.write_bytes(path.read_bytes()[:5000])  # the disk may be failing
        assert node.read()
        assert node.job(job).state is State.FETCHING
        assert node.fetch()
        assert node.read()
    result = report.from_json(node.job(job).report or "")
    assert result.prior.outcome == "used"


def test_a_prior_that_goes_each_time_is_done_without(
    node: Node, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Orthanc(tmp_path / "archive") as archive:
        archive.upload(earlier_film(tmp_path))
        node.open(
            archive=nodes.peer(archive, protocol="dimse", retrieve="c-get"),
            limits={"attempts": 2},
        )
        job = in_stage(node, film, READ)
        take_away_when_read(node, job, monkeypatch)
        for _ in range(2):
            assert node.read()
            assert node.fetch()
        assert node.read()
    result = report.from_json(node.job(job).report or "")
    assert (result.prior.outcome, result.prior.reason) == (
        "not retrieved in time",
        "the prior has gone from the spool each time",
    )


def test_a_revision_that_adds_nothing_to_read_is_refused(
    node: Node, film: Path, tmp_path: Path
) -> None:
    header = dcmread(film)
    lateral = chest(
        tmp_path / "lateral.dcm", None, **IDENTITY, StudyInstanceUID=header.StudyInstanceUID,
        ViewPosition="LL", PatientOrientation=["A", "F"],
    )  # fmt: skip
    first = in_stage(node, film, DELIVER)
    second = node.receive(lateral)
    assert node.fetch()
    assert node.job(second).revision == 2
    assert node.job(second).state is State.REFUSED
    assert node.job(second).reason == "the film chosen is the one that revision 1 read"
    assert node.job(first).state is State.READ


def test_a_revision_with_a_later_film_is_read(node: Node, film: Path, tmp_path: Path) -> None:
    header = dcmread(film)
    repeat = chest(
        tmp_path / "repeat.dcm", chest_picture(seed=9), **IDENTITY, AcquisitionTime="103000",
        StudyInstanceUID=header.StudyInstanceUID,
    )  # fmt: skip
    uid = str(dcmread(repeat).SOPInstanceUID)
    in_stage(node, film, DELIVER)
    second = node.receive(repeat)
    assert node.fetch()
    assert node.read()
    result = report.from_json(node.job(second).report or "")
    assert (result.revision, result.film.sop_instance_uid) == (2, uid)
    assert [one.sop_instance_uid for one in result.left_out] == [str(header.SOPInstanceUID)]


# The same finding on the prior

SAME = {"cardiomegaly": Known(box=(450, 300, 800, 760), before=True, change="Worsened")}


def tracked_in(path: Path) -> dict[str, str]:
    """Tracking UID of each finding of a Structured Report, by the name that it has there."""
    groups = (
        group.ContentSequence
        for item in dcmread(path).ContentSequence
        for group in item.get("ContentSequence", ())
        if "ContentSequence" in group
    )
    found = {}
    for group in groups:
        told = {
            str(one.ConceptNameCodeSequence[0].CodeMeaning): one
            for one in group
            if "ConceptNameCodeSequence" in one
        }
        if "Tracking Unique Identifier" in told:
            name = str(told["Finding"].ConceptCodeSequence[0].CodeMeaning)
            found[name] = str(told["Tracking Unique Identifier"].UID)
    return found


def read_both(
    node: Node, film: Path, tmp_path: Path, between: Callable[[int], None] = lambda _: None
) -> tuple[dict[str, str], dict[str, str]]:
    """The Tracking UIDs of a study, and of the next one, which was read beside it."""
    earlier = chest(
        tmp_path / "earlier.dcm", chest_picture(seed=4), **IDENTITY, StudyDate="20190601",
        SeriesDate="20190601", AcquisitionDate="20190601",
    )  # fmt: skip
    with Qrscp(tmp_path / "archive") as archive, StoreScp(tmp_path / "pacs") as pacs:
        peer = Peer("archive", archive.aet, "127.0.0.1", archive.dicom_port, "TEST")
        assert [one.verdict for one in send([earlier], peer)] == [Verdict.ACCEPTED]
        node.open(
            archive=nodes.peer(archive, protocol="dimse", retrieve="c-get"),
            destinations=[destination(pacs)],
        )
        told = []
        for one, known in ((earlier, {}), (film, SAME)):
            job = node.receive(one)
            assert node.fetch()
            assert node.read(node.engine(**known))
            assert node.deliver()
            assert node.job(job).state is State.DONE, node.job(job).reason
            (sr,) = (node.written.data / "results" / str(job)).glob("**/sr.dcm")
            told.append(tracked_in(sr))
            between(job)
    return told[0], told[1]


def test_a_finding_of_the_prior_keeps_its_tracking_uid(
    node: Node, film: Path, tmp_path: Path
) -> None:
    first, second = read_both(node, film, tmp_path)
    assert first.keys() == second.keys() >= {"Cardiomegaly", "Pneumothorax"}
    # The model sees the pneumothorax now and, asked again, not on the prior: it is new.
    assert [name for name in first if first[name] == second[name]] == ["Cardiomegaly"]


def test_what_was_withdrawn_is_not_followed(node: Node, film: Path, tmp_path: Path) -> None:
    def withdraw(_: int) -> None:
        with node.site.database.writing() as connection:
            connection.execute(update(tables.deliveries).values(withdrawn_by=1))

    first, second = read_both(node, film, tmp_path, withdraw)
    assert not set(first.values()) & set(second.values())


def test_an_earlier_report_that_cannot_be_read_does_not_stop_the_reading(
    node: Node, film: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(job: int) -> None:
        text = (node.job(job).report or "").replace('"schema_version": ', '"schema_version": 99')
        with node.site.database.writing() as connection:
            connection.execute(update(tables.jobs).values(report=text))

    first, second = read_both(node, film, tmp_path, spoil)
    assert not set(first.values()) & set(second.values())
    assert "findings are not tracked from the report on the prior: report has schema" in caplog.text


# The prior that comes late


def reopening(node: Node, hours: float, **sections: object) -> None:
    """Let the rule wait so long for a late prior."""
    path = node.written.folder / "rules.yaml"
    written = path.read_text("utf-8")
    assert written.count("reopen_hours: 0") == 1
    path.write_text(written.replace("reopen_hours: 0", f"reopen_hours: {hours}"), "utf-8")
    node.open(
        limits={"prior_wait_seconds": 0.01},
        delivery={"first_retry_seconds": 100, "longest_retry_seconds": 500},
        **sections,
    )


def earlier_film(tmp_path: Path) -> Path:
    day = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate"), "20190601")
    return chest(tmp_path / "earlier.dcm", chest_picture(seed=4), **IDENTITY, **day)


def of_study(film: Path, path: Path, **elements: Any) -> Path:
    """Another film of the same study."""
    study = str(dcmread(film).StudyInstanceUID)
    return chest(path, chest_picture(seed=9), **IDENTITY, StudyInstanceUID=study, **elements)


def test_a_prior_that_comes_late_reopens_the_study_by_configuration(
    node: Node, film: Path, tmp_path: Path
) -> None:
    """The archive is away, then it is back without the prior, then the prior is there."""
    archive = Orthanc(tmp_path / "archive")
    with StoreScp(tmp_path / "pacs") as pacs:
        reopening(
            node,
            2,
            archive=nodes.peer(archive, protocol="dimse", retrieve="c-get"),
            destinations=[destination(pacs)],
        )
        first = in_stage(node, film, READ)
        assert node.read()
        assert node.deliver()
        assert len(pacs.files()) == 2
        node.open(limits={"prior_wait_seconds": 60})
        second, _ = jobs.listing(node.site.database)
        assert (second.revision, second.state) == (2, State.FETCHING)
        assert second.waits_for_prior
        assert second.due_at - time.time() == pytest.approx(100, abs=20)
        assert second.prior_until == pytest.approx(time.time() + 7200, abs=20)
        assert not node.fetch(), "it is not due yet"

        for attempt, wait in enumerate((100, 200), start=1):
            node.make_due(second.id)
            assert node.fetch()
            assert node.job(second.id).attempts == attempt
            assert node.job(second.id).due_at - time.time() == pytest.approx(wait, abs=20)
        told = node.written.command("jobs").stdout
        assert re.search(r"waiting for a late prior until 20..-..-.. ..:.. \(last: not ret", told)
        with archive:
            node.make_due(second.id)
            before = node.rung(READ)
            assert node.fetch()
            assert node.job(second.id).reason.startswith("none found")
            assert node.rung(READ) == before, "only the first reading was rung for"
            archive.upload(earlier_film(tmp_path))
            node.make_due(second.id)
            assert node.fetch()
        assert node.job(second.id).state is State.READING
        assert node.job(second.id).prior_until is None
        assert node.read()
        assert node.deliver()
        assert not node.fetch(), "it is not opened a third time"
        assert len(jobs.listing(node.site.database)) == 2
        made = [dcmread(path) for path in pacs.files()]
    assert sorted(one.Modality for one in made) == ["KO", "SEG", "SEG", "SR", "SR"]
    assert len({one.SOPInstanceUID for one in made}) == len(made)
    results = [report.from_json(node.job(one).report or "") for one in (first, second.id)]
    assert [one.prior.outcome for one in results] == ["not retrieved in time", "used"]
    assert [one.film for one in results] == [results[0].film] * 2
    assert {node.job(one).state for one in (first, second.id)} == {State.DONE}


def test_a_study_is_not_reopened_where_the_rule_does_not_say_so(node: Node, film: Path) -> None:
    node.open(archive=nowhere(), limits={"prior_wait_seconds": 0.01})
    in_stage(node, film, DELIVER)
    assert len(jobs.listing(node.site.database)) == 1


def test_a_study_that_found_none_is_not_reopened(node: Node, film: Path, tmp_path: Path) -> None:
    with Qrscp(tmp_path / "archive") as archive:
        reopening(node, 2, archive=nodes.peer(archive, protocol="dimse", retrieve="c-get"))
        in_stage(node, film, DELIVER)
    assert len(jobs.listing(node.site.database)) == 1


def test_the_wait_for_a_late_prior_ends(node: Node, film: Path) -> None:
    reopening(node, 1.5, archive=nowhere())
    in_stage(node, film, DELIVER)
    second, _ = jobs.listing(node.site.database)
    node.make_due(second.id, prior_until=time.time() - 1)
    assert node.fetch()
    ended = node.job(second.id)
    assert ended.state is State.REFUSED
    assert ended.reason.startswith("no prior came within 1.5 h: not retrieved in time")
    assert not ended.waits_for_prior


def test_an_image_that_arrives_meanwhile_is_of_the_revision_that_waits(
    node: Node, film: Path, tmp_path: Path
) -> None:
    """A lateral changes nothing: after it the study waits on, until the same time."""
    from_the_side = {"ViewPosition": "LL", "PatientOrientation": ["A", "F"]}
    lateral = of_study(film, tmp_path / "lateral.dcm", **from_the_side)
    repeat = of_study(film, tmp_path / "repeat.dcm", AcquisitionTime="103000")
    reopening(node, 2, archive=nowhere())
    in_stage(node, film, DELIVER)
    second, _ = jobs.listing(node.site.database)
    job = node.receive(lateral)
    assert job == second.id
    assert node.job(job).state is State.QUEUED
    assert node.job(job).prior_until is None
    assert node.fetch()
    waits = node.job(job)
    assert waits.waits_for_prior
    assert waits.prior_until == pytest.approx(second.prior_until, abs=5)

    assert node.receive(repeat) == job
    assert node.fetch()
    assert node.job(job).state is State.READING, "another film is read at once"
    assert len(jobs.listing(node.site.database)) == 2


def test_a_worker_that_looks_for_a_late_prior_loses_it_to_an_image_that_arrives(
    node: Node, film: Path, tmp_path: Path
) -> None:
    repeat = of_study(film, tmp_path / "repeat.dcm", AcquisitionTime="103000")
    reopening(node, 2, archive=nowhere())
    in_stage(node, film, DELIVER)
    second, _ = jobs.listing(node.site.database)
    node.make_due(second.id)

    def late(site: Site, job: Job) -> None:
        assert node.receive(repeat) == job.id
        way.fetch(site, job)

    assert node.take(FETCH, late)
    assert node.job(second.id).state is State.QUEUED
    assert node.fetch()
    assert node.job(second.id).state is State.READING


def test_a_study_that_waits_for_a_slow_archive_holds_up_no_reading(
    node: Node, film: Path, tmp_path: Path
) -> None:
    """The archive answers one query only when the other study has been read."""
    answering, asked = threading.Event(), threading.Event()

    def find(event: Any) -> Iterator[tuple[int, None]]:
        asked.set()
        answering.wait(30)
        yield 0x0000, None

    ae = AE(ae_title="SLOW")
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(EVT_C_FIND, find)])
    try:
        other = in_stage(node, chest(tmp_path / "other.dcm"), READ)
        node.open(archive=nowhere(ae_title="SLOW", port=port, timeout_seconds=30))
        slow = node.receive(film)
        fetching = threading.Thread(target=node.fetch)
        fetching.start()
        assert asked.wait(20)
        assert node.read()
        assert node.job(other).state is State.READ
        assert (node.job(slow).state, node.job(slow).leased) == (State.FETCHING, True)
        answering.set()
        fetching.join(20)
        assert node.job(slow).state is State.READING
    finally:
        answering.set()
        server.shutdown()


def test_a_film_stored_from_the_side_is_refused_with_both_attributes_that_disagree(
    node: Node, film: Path
) -> None:
    job = node.receive(chest(film, PatientOrientation=["A", "F"]))
    assert node.fetch()
    assert node.job(job).state is State.REFUSED
    assert "View Position and Patient Orientation disagree" in node.job(job).reason


NOT_A_CHEST = "the model does not take the image for a frontal chest radiograph"


def test_what_the_model_takes_for_no_chest_is_told_and_ends_as_refused(
    node: Node, film: Path, tmp_path: Path
) -> None:
    with StoreScp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs)])
        job = in_stage(node, film, READ)
        engine = node.engine()
        engine.suitable = 0.02
        assert node.read(engine)
        result = report.from_json(node.job(job).report or "")
        assert result.not_read == NotRead(NotReadBecause.NOT_SUITABLE, NOT_A_CHEST)
        assert (result.findings, result.made.model) == ((), "known-answers")
        assert node.deliver()
        assert (node.job(job).state, node.job(job).reason) == (State.REFUSED, NOT_A_CHEST)
        assert [row.made.output for row in deliveries.of_job(node.site.database, job)] == ["sr"]


def test_a_film_without_a_picture_is_told_and_ends_as_failed(node: Node, tmp_path: Path) -> None:
    with StoreScp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs)])
        blank = chest(tmp_path / "blank.dcm", chest_picture() * 0 + 7)
        job = in_stage(node, blank, READ)
        assert node.read()
        result = report.from_json(node.job(job).report or "")
        assert result.not_read is not None
        assert result.not_read.because is NotReadBecause.UNREADABLE
        assert result.film.sop_instance_uid not in result.not_read.reason
        assert node.deliver()
        assert (node.job(job).state, node.job(job).reason) == (State.FAILED, result.not_read.reason)


def test_a_film_that_was_not_read_is_read_again_when_it_is_retried(node: Node, film: Path) -> None:
    job = in_stage(node, film, READ)
    engine = node.engine()
    engine.suitable = 0.02
    assert node.read(engine)
    assert node.deliver()
    assert retrying.retry(node.site.database, job) is State.QUEUED
    assert node.fetch()
    assert node.read()
    assert report.from_json(node.job(job).report or "").not_read is None
    assert node.deliver()
    assert node.job(job).state is State.DONE


def test_a_supine_film_is_read_with_its_caveat(node: Node, tmp_path: Path) -> None:
    film = chest(
        tmp_path / "bed.dcm", SeriesDescription="Thorax a.p. liegend", ViewPosition=None
    )  # fmt: skip
    job = in_stage(node, film, READ)
    assert node.read()
    result = report.from_json(node.job(job).report or "")
    assert (result.film.view, result.film.bedside) == ("AP", "supine")
    assert "The view was taken from Series Description." in result.notes
    assert "cardiomegaly" not in {one.name for one in result.findings}


# Workers that die, and workers that are late

DIES = """
import os, signal, sys
from dicom_node.ledger import jobs
from workers import retracting, way
from workers.site import configure, open_site
site = open_site(configure(__import__("pathlib").Path(sys.argv[1])))
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
way.take(site, jobs.READ, kill, owner=f"pid {os.getpid()}", lease_seconds=float(sys.argv[2]))
"""


def die_while_reading(node: Node, lease_seconds: float = 0.01) -> None:
    """A process takes the job, and is killed in the middle of its work."""
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(node.written.config), str(lease_seconds)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr


def test_a_job_whose_worker_was_killed_is_taken_again(node: Node, film: Path) -> None:
    job = in_stage(node, film, READ)
    die_while_reading(node, lease_seconds=60)
    assert node.job(job).leased
    assert not node.read(), "its lease has not run out"

    node.make_due(job, lease_until=1.0)

    assert node.read()
    assert node.job(job).state is State.READ


def test_a_job_that_kills_every_worker_ends_as_failed(node: Node, film: Path) -> None:
    node.open(limits={"attempts": 2})
    job = in_stage(node, film, READ)
    for _ in range(2):
        die_while_reading(node)
        assert node.job(job).state is State.READING
        node.make_due(job, lease_until=1.0)  # on a busy machine it may not have run out yet

    assert not node.read()

    assert node.job(job).state is State.FAILED
    assert node.job(job).reason == "stopped after 2 attempts to read that did not end"


@dataclass
class Slow:
    """An engine during whose answer something else happens, once."""

    engine: FakeEngine
    meanwhile: Callable[[], object] | None

    @property
    def identity(self) -> Identity:
        return self.engine.identity

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return self.engine.answer(requests)


def test_a_reader_that_comes_too_late_discards_its_reading(node: Node, film: Path) -> None:
    """Its lease ran out while it read, and another one read and published."""
    job = in_stage(node, film, READ)
    other = node.engine(fracture=Known(site="left ribs", score=0.88))

    def another_worker_reads() -> None:
        node.make_due(job, lease_until=1.0)
        assert node.read(other, owner="other")

    slow = Slow(node.engine(), another_worker_reads)
    assert node.take(READ, lambda site, one: way.read(site, one, slow), owner="slow")

    published = report.from_json(node.job(job).report or "")
    assert {one.name for one in published.present} == {*KNOWN, "fracture"}
    assert [what.split(":")[0] for what in node.told(job)].count("read") == 1
    assert node.rung(DELIVER) == 1


@pytest.mark.parametrize(
    "error", [NotForUs("late"), BadStudy("late"), Unreachable("late"), KeyError("late")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_a_worker_that_comes_too_late_does_not_end_what_another_one_does(
    node: Node, film: Path, error: Exception
) -> None:
    """Whatever it ends with: the job is no longer its own."""
    job = in_stage(node, film, READ)

    def late(site: Site, mine: Job) -> None:
        node.make_due(job, lease_until=1.0)
        other = jobs.lease(site.database, READ, owner="other", seconds=60, attempts=3)
        assert other is not None
        raise error

    with pytest.raises(KeyError) if isinstance(error, KeyError) else nullcontext():
        assert node.take(READ, late, owner="slow")

    after = node.job(job)
    assert (after.state, after.leased) == (State.READING, True)
    assert (after.lease_owner or "").endswith(" other")
    assert not any("late" in what for what in node.told(job))


# Delivery


def deliveries_of(node: Node, job: int) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (one.made.destination, one.made.output): (str(one.state), one.reason)
        for one in deliveries.of_job(node.site.database, job)
    }


def test_what_is_not_a_test_is_held_back_without_release_and_goes_with_it(
    node: Node, film: Path, tmp_path: Path
) -> None:
    with StoreScp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs, test=False)])
        job = in_stage(node, film, DELIVER)
        calls = pacs.said.count("Association Received")
        assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        assert "held back: `release` in node.yaml is false" in node.job(job).reason
        assert node.job(job).reason.count("held back") == 1
        assert pacs.files() == []
        assert pacs.said.count("Association Received") == calls > 0, "nobody even called"

        node.make_due(job)
        node.open(release=True)
        assert node.deliver()
        assert node.job(job).state is State.DONE
        assert len(pacs.files()) == 2


@pytest.mark.parametrize("release", [True, False])
def test_nothing_but_a_model_s_result_ever_goes_to_what_is_not_a_test(
    node: Node, film: Path, tmp_path: Path, *, release: bool
) -> None:
    with StoreScp(tmp_path / "real") as real, StoreScp(tmp_path / "test") as test:
        node.open(
            release=release,
            destinations=[
                destination(real, name="real", test=False),
                destination(test, name="test", test=True),
            ],
        )
        job = in_stage(node, film, READ)
        assert node.read(node.engine(Weights.DEMONSTRATION))
        assert node.deliver()
        ended = node.job(job)
        assert ended.state is State.FAILED
        assert "made with demonstration weights, and real is not a test" in ended.reason
        node.make_due(job)
        assert not node.deliver()
        assert real.files() == []
        assert len(test.files()) == 2
    states = deliveries_of(node, job)
    assert {states["real", output][0] for output in ("sr", "seg")} == {"refused"}
    assert {states["test", output][0] for output in ("sr", "seg")} == {"there"}


def test_a_destination_that_is_away_holds_up_no_other_and_gets_its_objects_once(
    node: Node, film: Path, tmp_path: Path
) -> None:
    near, far = StoreScp(tmp_path / "near"), StoreScp(tmp_path / "far")
    node.open(destinations=[destination(far, name="far"), destination(near, name="near")])
    with near:
        job = in_stage(node, film, DELIVER)
        assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        assert "far does not answer" in node.job(job).reason
        assert len(near.files()) == 2
        made = node.job(job).report
        with far:
            node.make_due(job)
            assert node.deliver()
            assert len(far.files()) == 2
        stored = near.log.read_text(errors="replace").lower().count("received store request")
    assert stored == 2, "what is there is not sent again"
    assert node.job(job).state is State.DONE
    assert node.job(job).report == made


def test_what_is_accepted_but_not_found_is_not_done(node: Node, film: Path, tmp_path: Path) -> None:
    """``storescp`` takes everything and answers no query."""
    with StoreScp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs, verify="query")])
        job = in_stage(node, film, DELIVER)
        assert node.deliver()
        assert len(pacs.files()) == 2
    assert node.job(job).state is not State.DONE


def test_what_is_accepted_and_found_is_done(node: Node, film: Path, tmp_path: Path) -> None:
    with Qrscp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs, verify="query")])
        job = in_stage(node, film, DELIVER)
        assert node.deliver()
    assert node.job(job).state is State.DONE
    assert {state for state, _ in deliveries_of(node, job).values()} == {"there"}


def test_a_peer_that_refuses_for_good_ends_the_delivery(
    node: Node, film: Path, tmp_path: Path
) -> None:
    with Orthanc(tmp_path / "pacs", settings={"DicomCheckCalledAet": True}) as pacs:
        wrong = nodes.peer(pacs, name="pacs", test=True) | {"ae_title": "ANOTHER"}
        node.open(destinations=[wrong])
        job = in_stage(node, film, DELIVER)
        assert node.deliver()
        assert pacs.sop_instance_uids() == set()
    assert node.job(job).state is State.FAILED
    assert "is its AE title really 'ANOTHER'?" in node.job(job).reason


def test_a_refusal_at_one_destination_takes_nothing_from_another_that_is_away(
    node: Node, film: Path, tmp_path: Path
) -> None:
    """Only when nothing waits any more does the study end as failed."""
    away = StoreScp(tmp_path / "away")
    refusing = nowhere(name="real", test=False)
    node.open(release=True, destinations=[refusing, destination(away, name="away")])
    job = in_stage(node, film, READ)
    assert node.read(node.engine(Weights.DEMONSTRATION))
    assert node.deliver()
    assert node.job(job).state is State.DELIVERING
    with away:
        node.make_due(job)
        assert node.deliver()
        assert len(away.files()) == 2
    assert node.job(job).state is State.FAILED
    assert "real is not a test" in node.job(job).reason


def test_delivery_is_given_up_after_the_days_that_the_site_wants(node: Node, film: Path) -> None:
    node.open(
        destinations=[nowhere(name="pacs", test=True)],
        delivery={"give_up": "2 days", "first_retry_seconds": 1},
    )
    job = in_stage(node, film, DELIVER)
    assert node.deliver()
    assert node.job(job).state is State.DELIVERING
    node.make_due(job, state_since=time.time() - 1.9 * 86_400)
    assert node.deliver()
    assert node.job(job).state is State.DELIVERING
    node.make_due(job, state_since=time.time() - 2.1 * 86_400)
    assert node.deliver()
    assert node.job(job).state is State.FAILED
    assert node.job(job).reason.startswith("given up after 2 days: ")


def test_what_the_site_holds_back_itself_is_never_given_up(node: Node, film: Path) -> None:
    node.open(destinations=[nowhere(name="pacs", test=False)], delivery={"give_up": "2 days"})
    job = in_stage(node, film, DELIVER)
    assert node.deliver()
    node.make_due(job, state_since=time.time() - 100 * 86_400)
    assert node.deliver()
    assert node.job(job).state is State.DELIVERING
    assert "held back" in node.job(job).reason


def test_without_a_destination_a_study_is_done_once_it_is_read(node: Node, film: Path) -> None:
    job = in_stage(node, film, DELIVER)
    assert node.deliver()
    assert node.job(job).state is State.DONE
    assert deliveries_of(node, job) == {}


def test_no_identity_is_in_ledger_names_or_questions(
    node: Node, film: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure("DEBUG")
    with StoreScp(tmp_path / "pacs") as pacs:
        node.open(destinations=[destination(pacs)])
        engine = node.engine()
        job = in_stage(node, film, READ)
        assert node.read(engine)
        assert node.deliver()
        delivered = [dcmread(path) for path in pacs.files()]
    assert {str(one.PatientID) for one in delivered} == {IDENTITY["PatientID"]}  # it goes there
    names = "\n".join(str(path.relative_to(tmp_path)) for path in node.written.data.rglob("*"))
    written = "\n".join(node.told(job)) + (node.job(job).report or "")
    assert identities_in(names + written) == []
    assert identities_in(capfd.readouterr().err) == []
    assert engine.asked
