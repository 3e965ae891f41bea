"""What modalities and archives announce, and what the door answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from announcers import Announcer, announcing, begun, ended, notice
from peers import free_port
from pydicom import Dataset
from pydicom.uid import generate_uid
from receiving import LIMITS
from sqlalchemy import select

from dicom_node.ledger.database import Database
from dicom_node.ledger.tables import announced, performed_steps
from dicom_node.receive.announcements import handlers
from dicom_node.receive.door import Door
from dicom_node.receive.origin import never
from dicom_node.receive.recorder import Recorder
from dicom_node.receive.scp import Receiver
from dicom_node.spool import Spool

STUDY, STEP = "1.2.3", "1.2.9"
SUCCESS = 0x0000
SR = "1.2.840.10008.5.1.4.1.1.88.11"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/ledger.sqlite3")


@pytest.fixture
def port(database: Database, tmp_path: Path) -> Iterator[int]:
    spool = Spool(tmp_path / "data")
    recorder = Recorder(database, spool, "tests", 30)
    receiver = Receiver(
        door=Door("DICOMNODE", ("MODALITY",), (), 9, 9, 0),
        spool=spool,
        recorder=recorder,
        asked_for=never,
        incoming=spool.incoming / "tests",
        limits=LIMITS,
        announcements=handlers(database),
    )
    number = free_port()
    recorder.start()
    receiver.start("127.0.0.1", number)
    yield number
    receiver.stop()
    recorder.stop()


@pytest.fixture
def modality(port: int) -> Iterator[Announcer]:
    with announcing(port, "DICOMNODE") as announcer:
        yield announcer


def images(database: Database, study: str = STUDY) -> set[str]:
    rows = select(announced.c.sop_instance_uid).where(announced.c.study_instance_uid == study)
    with database.reading() as connection:
        return set(connection.execute(rows).scalars())


def steps(database: Database) -> set[tuple[str, str, str]]:
    with database.reading() as connection:
        return {tuple(row)[:3] for row in connection.execute(select(performed_steps))}


def test_a_step_is_followed_from_its_begin_to_its_end(
    database: Database, modality: Announcer
) -> None:
    assert modality.create(STEP, begun(STUDY)) == SUCCESS
    assert steps(database) == {(STEP, STUDY, "IN PROGRESS")}
    assert modality.set(STEP, ended(["1.2.3.1"], status="IN PROGRESS")) == SUCCESS
    assert modality.set(STEP, ended(["1.2.3.1", "1.2.3.2", (SR, "1.2.3.3")])) == SUCCESS
    assert steps(database) == {(STEP, STUDY, "COMPLETED")}
    assert images(database) == {"1.2.3.1", "1.2.3.2"}, "reports are not images"


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
def test_a_step_that_has_ended_may_no_longer_be_updated(
    database: Database, modality: Announcer, status: str
) -> None:
    """PS3.4 F.7.2.2.3 and F.7.2.2.4."""
    modality.create(STEP, begun(STUDY))
    assert modality.set(STEP, ended([], status=status)) == SUCCESS
    assert modality.set(STEP, ended(["1.2.3.1"])) == 0x0110
    assert modality.error_id == 0xA710
    assert "no longer be updated" in modality.comment
    assert images(database) == set()
    assert steps(database) == {(STEP, STUDY, status)}


def test_a_step_may_be_told_of_in_two_associations(port: int, database: Database) -> None:
    with announcing(port, "DICOMNODE") as first:
        assert first.create(STEP, begun(STUDY)) == SUCCESS
    with announcing(port, "DICOMNODE") as second:
        assert second.create(STEP, begun(STUDY)) == 0x0111
        assert second.set(STEP, ended(["1.2.3.1"])) == SUCCESS
        assert second.set(generate_uid(), ended(["1.2.3.1"])) == 0x0112


@pytest.mark.parametrize("availability", ["ONLINE", "NEARLINE", "OFFLINE", "UNAVAILABLE"])
def test_only_what_can_be_had_is_announced(
    database: Database, modality: Announcer, availability: str
) -> None:
    assert modality.available(notice(STUDY, ["1.2.3.1", (SR, "1.2.3.2")], availability)) == SUCCESS
    there = {"1.2.3.1"} if availability in ("ONLINE", "NEARLINE") else set()
    assert images(database) == there


def test_of_a_notice_with_many_objects_each_is_kept_once(
    database: Database, modality: Announcer
) -> None:
    many = [f"1.2.3.{number}" for number in range(1, 3001)]
    for _ in range(2):
        assert modality.available(notice(STUDY, many)) == SUCCESS
    assert images(database) == set(many)


#: What is against the standard is made in the test, where pydicom may warn of it.
Attributes = Dataset | Callable[[], Dataset] | None


def made(attributes: Attributes) -> Dataset | None:
    return attributes() if isinstance(attributes, FunctionType) else attributes


def changed(attributes: Dataset, change: Callable[[Any], object]) -> Dataset:
    change(attributes)
    return attributes


def without(keyword: str) -> Callable[[Any], object]:
    return lambda dataset: delattr(dataset, keyword)


@pytest.mark.parametrize(
    ("attributes", "status", "told"),
    [
        (begun(STUDY, status="COMPLETED"), 0x0106, "IN PROGRESS"),
        (begun(STUDY, status="DONE"), 0x0106, "PerformedProcedureStepStatus"),
        (begun(STUDY, status=""), 0x0121, "PerformedProcedureStepStatus"),
        (begun(), 0x0121, "ScheduledStepAttributesSequence"),
        (lambda: begun("../../etc"), 0x0106, "StudyInstanceUID"),
        (begun(""), 0x0121, "StudyInstanceUID"),
        (changed(begun(STUDY), without("PerformedProcedureStepStatus")), 0x0120, "StepStatus"),
        (changed(begun(STUDY), without("ScheduledStepAttributesSequence")), 0x0120, "Scheduled"),
        (None, 0x0120, "PerformedProcedureStepStatus"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_step_that_is_told_of_wrongly_is_answered_so_and_changes_nothing(
    database: Database, modality: Announcer, attributes: Attributes, status: int, told: str
) -> None:
    assert modality.create(STEP, made(attributes)) == status
    assert told in modality.comment
    assert "etc" not in modality.comment
    assert (steps(database), images(database)) == (set(), set())


@pytest.mark.parametrize(
    ("attributes", "status", "told"),
    [
        (ended(["1.2.3.1"], status="DONE"), 0x0106, "PerformedProcedureStepStatus"),
        (lambda: ended(["1.2.3.1", "no UID"]), 0x0106, "ReferencedSOPInstanceUID"),
        (ended([("", "1.2.3.1")]), 0x0121, "ReferencedSOPClassUID"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_an_end_that_is_told_wrongly_does_not_end_the_step(
    database: Database, modality: Announcer, attributes: Attributes, status: int, told: str
) -> None:
    modality.create(STEP, begun(STUDY))
    assert modality.set(STEP, made(attributes)) == status
    assert told in modality.comment
    assert steps(database) == {(STEP, STUDY, "IN PROGRESS")}
    assert images(database) == set()


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        (changed(notice(STUDY, ["1.2.3.1"]), without("StudyInstanceUID")), 0x0120),
        (changed(notice(STUDY, ["1.2.3.1"]), without("ReferencedSeriesSequence")), 0x0120),
        (notice(STUDY, []), 0x0121),
        (notice(STUDY, ["1.2.3.1"], availability=""), 0x0121),
        (lambda: notice("1..2", ["1.2.3.1"]), 0x0106),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_notice_that_is_wrong_is_answered_so_and_changes_nothing(
    database: Database, modality: Announcer, attributes: Attributes, status: int
) -> None:
    assert modality.available(made(attributes)) == status
    assert images(database) == set()


@pytest.mark.parametrize(
    "data",
    [
        b"\x40\x00\x52\x02\xff\xff\xff\x7fIN",  # longer than there is
        b"\x40\x00\x70\x02\xff\xff\xff\xff\x01\x02\x03",  # a sequence of no items, without end
        b"\x00",
        b"\xff" * 64,
    ],
)
def test_bytes_that_are_no_attributes_end_neither_association_nor_node(
    database: Database, modality: Announcer, data: bytes
) -> None:
    assert modality.garbage(data) in (0x0106, 0x0110, 0x0120, 0x0121)
    assert modality.create(STEP, begun(STUDY)) == SUCCESS


def test_who_may_not_send_may_not_announce(port: int) -> None:
    with pytest.raises(AssertionError), announcing(port, "DICOMNODE", "STRANGER"):
        pass


def test_what_has_too_many_items_is_not_decoded(modality: Announcer) -> None:
    item = b"\xfe\xff\x00\xe0\x00\x00\x00\x00"  # empty, PS3.5 7.5
    assert modality.garbage(item * 50_001) == 0x0213
    assert modality.garbage(item * 50_000) != 0x0213
