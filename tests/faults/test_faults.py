"""The short form: some of each kind of fault on one stage, and the proof; and that the proof would
tell if something were lost, there twice, or stuck. The long form: ``make faults``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders import variant
from faults import check
from faults.__main__ import table
from faults.breaking import FAULTS, KILLED, NO_READING
from faults.plan import draw, plan
from faults.rounds import Broken, Played, play
from faults.stage import Stage
from pydicom.uid import generate_uid
from sqlalchemy import update

from dicom_node.ledger import deliveries, tables
from dicom_node.ledger.jobs import State

SEED = 6
#: Of the node's own processes, of what is around it, of the PACS, of the line, and of the studies.
NAMES = (
    "edge killed while receiving",
    "PACS stores and closes",
    "reader's child killed",
    "Redis killed and restarted",
    "late instances",
    "association closed in an object",
    "sender killed while delivering",
    "the same study twice at once",
    "disk full",
    "Orthanc killed",
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("faults") / "stage", redis=True) as stage:
        yield stage


@pytest.fixture(scope="module")
def played(stage: Stage) -> Played:
    names = [name for name in NAMES if FAULTS[name].needs(stage)]
    return play(stage, plan(SEED, 0, names, spread=0.4))


def test_nothing_is_lost_doubled_or_stuck_whatever_breaks(played: Played) -> None:
    assert not played.problems, "\n".join(map(str, [played.plan, *played.problems]))
    assert all(one.recovered is not None for one in played.broken)


def test_the_proof_tells_of_a_file_that_is_gone_or_changed(stage: Stage, played: Played) -> None:
    film = next(stage.spool.received())
    content = film.read_bytes()
    try:
        film.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert check.LOST in kinds(stage, played)
        film.unlink()
        assert check.LOST in kinds(stage, played)
    finally:
        film.write_bytes(content)
    assert kinds(stage, played) == set()


def test_the_proof_tells_of_a_result_that_is_there_twice(stage: Stage, played: Played) -> None:
    """Of an object that the ledger does not know, and of two sets of results that count."""
    rows = [row for job in stage.jobs() for row in deliveries.of_job(stage.database, job.id)]
    result = next(row for row in rows if row.counts and row.made.destination == "pacs")
    source = stage.data / result.made.path
    other = variant(source, stage.folder / "other.dcm", SOPInstanceUID=generate_uid())
    stage.orthanc.upload(other)
    try:
        assert kinds(stage, played) == {check.DOUBLED}
    finally:
        (instance,) = [
            one
            for one in stage.orthanc.client.instances.get_all_ids()
            if stage.orthanc.client.instances.get_tags(one)["SOPInstanceUID"]
            == check.sop_instance_uid(other.read_bytes())
        ]
        stage.orthanc.client.instances.delete(instance)
    assert kinds(stage, played) == set()


def test_the_proof_tells_of_a_result_that_is_not_there(stage: Stage, played: Played) -> None:
    held = next((stage.scripted.folder / "held").glob("*.dcm"))
    aside = held.rename(held.with_suffix(".aside"))
    try:
        assert check.LOST in kinds(stage, played)
    finally:
        aside.rename(held)


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        (State.READING, "", check.STUCK),
        (State.FAILED, "", check.WRONG),
        (State.FAILED, "nobody knows why", check.WRONG),
    ],
)
def test_the_proof_tells_of_a_study_that_has_not_ended_as_it_should(
    stage: Stage, played: Played, state: State, reason: str, kind: str
) -> None:
    job = stage.jobs()[0]
    _put(stage, job.id, state=state, reason=reason, lease_until=1e12)
    try:
        assert kind in kinds(stage, played)
    finally:
        _put(stage, job.id, state=job.state, reason=job.reason, lease_until=None)


def test_a_plan_is_drawn_again_by_its_seed() -> None:
    names, weights = list(FAULTS), [fault.weight for fault in FAULTS.values()]
    first, again, other = (draw(seed, 3, names, weights, 10) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_table_tells_which_faults_met_somebody_at_work() -> None:
    drawn = plan(1, 0, ["reader's child killed", "Redis flushed"])
    broken = [Broken("reader's child killed", met=met) for met in (KILLED, NO_READING)]
    (_, one, every) = table([Played(drawn, broken)]).splitlines()
    assert one.removeprefix("reader's child killed").split()[:2] == ["2", "1"]
    assert every.endswith("2     1       0       0       0       0")


def kinds(stage: Stage, played: Played) -> set[str]:
    return {one.kind for one in check.problems(stage, played.sent, played.permitted)}


def _put(stage: Stage, job: int, **columns: object) -> None:
    with stage.database.writing() as connection:
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == job).values(columns))
