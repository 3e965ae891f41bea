"""The written order in which files go when the disk is short: the decision alone, and a disk on
which nothing is free. The whole is in ``tests/workers/test_housekeeping.py``.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path, PurePosixPath

import disks
import pytest
from sqlalchemy import insert, update

from dicom_node.ledger import arrivals, tables
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import State
from dicom_node.ledger.kept import Ended, Needed
from dicom_node.receive.door import Door
from dicom_node.retention import rules
from dicom_node.retention.ballast import keep_ballast
from dicom_node.retention.room import make_room
from dicom_node.retention.rules import CachedPrior
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool

DAY, MIB = 86_400, 1024**2
NOW = 1000.0 * DAY
RETENTION = RetentionSection.model_validate(
    {"done": "7 days", "under_pressure": "1 day", "refused": "3 days", "failed": "30 days"}
)
NOBODY = Needed(frozenset(), None)


def study(name: str, state: State | None, days: float, *, delivered: bool = True) -> Ended:
    return Ended(name, 1, state, NOW - days * DAY, delivered)


def early(*studies: Ended, retention: RetentionSection = RETENTION) -> list[str]:
    shuffled = random.Random(1).sample(studies, len(studies))
    return [one.study_instance_uid for one in rules.early_studies(shuffled, retention, NOW)]


def test_what_is_overdue_goes_before_what_goes_early_and_the_oldest_first() -> None:
    assert early(
        study("done 2", State.DONE, 2),
        study("done 5", State.DONE, 5),
        study("retracted 3", State.RETRACTED, 3),
        study("failed 31", State.FAILED, 31),
        study("done 8", State.DONE, 8),
        study("refused 4", State.REFUSED, 4),
    ) == ["failed 31", "done 8", "refused 4", "done 5", "retracted 3", "done 2"]


@pytest.mark.parametrize(
    "kept",
    [
        study("too young", State.DONE, 0.9),
        study("failed", State.FAILED, 29),
        study("refused", State.REFUSED, 2.9),
        study("not to be read", None, 2.9),
        study("not all delivered", State.DONE, 6, delivered=False),
    ],
    ids=lambda one: one.study_instance_uid,
)
def test_nothing_else_goes_early(kept: Ended) -> None:
    assert early(kept) == []


def test_a_longer_time_under_pressure_than_without_is_none() -> None:
    """Of one hour after the end; that it is longer is the default's doing."""
    retention = RetentionSection.model_validate({"done": "12 hours"})
    assert early(study("done", State.DONE, 0.6), retention=retention) == ["done"]


def test_priors_that_a_job_needs_stay_and_the_oldest_of_the_others_goes_first() -> None:
    cached = [CachedPrior(uid, since) for uid, since in (("1", 50.0), ("2", 10.0), ("3", 5.0))]
    needed = Needed(frozenset({"3"}), None)
    assert [one.study_instance_uid for one in rules.free_priors(cached, needed)] == ["2", "1"]


def test_while_something_is_fetched_what_was_asked_for_since_stays() -> None:
    cached = [CachedPrior("before", 1000.0), CachedPrior("since", 5000.0)]
    fetching = Needed(frozenset(), 4000.0)
    assert [one.study_instance_uid for one in rules.free_priors(cached, fetching)] == ["before"]
    assert len(rules.free_priors(cached, NOBODY)) == 2


def test_of_a_size_the_newest_stay() -> None:
    newest_first = [("c", 4), ("b", 4), ("a", 4)]
    assert rules.over_size(newest_first, 8) == ["a"]
    assert rules.over_size(newest_first, 7) == ["a", "b"]
    assert rules.over_size(newest_first, 12) == []


def test_the_ballast_is_not_given_up_while_something_is_free(tmp_path: Path) -> None:
    """Others than the ledger would take its place."""
    with disks.small(tmp_path, "size=16m"):
        spool = Spool(tmp_path)
        database = Database(f"sqlite:///{tmp_path}/ledger.sqlite3")
        keep_ballast(spool, MIB)
        for free, stays in ((3 * MIB, True), (MIB // 2, False)):
            of_another = bytes(spool.free_bytes() - free)
            (tmp_path / f"of another {free}").write_bytes(of_another)
            make_room(database, spool, RETENTION, 16 * MIB)
            assert (tmp_path / "ballast").exists() is stays
        database.close()


def test_a_ballast_that_was_laid_aside_in_part_is_made_whole(tmp_path: Path) -> None:
    """Its writer was killed, or a quota did not give it."""
    spool = Spool(tmp_path)
    (tmp_path / "ballast").touch()
    keep_ballast(spool, 0)
    assert (tmp_path / "ballast").stat().st_size == 4 * MIB


def test_a_disk_on_which_no_file_is_free_empties_itself(tmp_path: Path) -> None:
    with disks.small(tmp_path, "size=999m", "nr_inodes=60"):
        spool = Spool(tmp_path)
        database = Database(f"sqlite:///{tmp_path}/ledger.sqlite3")
        arrivals.record(database, [_film(spool, "1.2")])
        with database.writing() as connection:
            connection.execute(update(tables.jobs).values(state="done", state_since=0))
        with suppress(OSError):
            for number in range(60):
                (tmp_path / f"of another {number}").touch()
        assert Door("NODE", (), (), 9, 9, reserve_bytes=MIB).is_full(spool)

        made = make_room(database, spool, RETENTION, 2 * MIB)

        assert (made.studies, made.enough) == (1, True)
        assert not Door("NODE", (), (), 9, 9, reserve_bytes=MIB).is_full(spool)
        database.close()


def test_results_go_after_priors_that_are_at_their_destination_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite3")
    arrivals.record(database, [_film(spool, "1.2")])
    (spool.priors / "1.9").mkdir()
    os.utime(spool.priors / "1.9", (0, 0))
    states = ("there", "sent", "sending", "pending", "refused")
    folder = spool.results(1) / "pacs"
    folder.mkdir(parents=True)
    row = {"job_id": 1, "destination": "pacs", "series_instance_uid": "1.3"}
    with database.writing() as connection:
        for state in states:
            path = folder / f"{state}.dcm"
            path.write_bytes(b"object")
            named = {"output": state, "sop_instance_uid": state, "path": str(spool.below(path))}
            connection.execute(insert(tables.deliveries).values(row | named | {"state": state}))

    free = spool.free_bytes() + 1  # until anything was deleted
    looks = iter((free - 1, free - 1, free))
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "free_bytes", lambda _: next(looks))
        made = make_room(database, spool, RETENTION, free)
    assert (made.priors, made.results, made.studies, made.enough) == (1, 0, 0, True)

    made = make_room(database, spool, RETENTION, 2**62)

    assert (made.priors, made.results, made.studies) == (0, 1, 0)
    assert {one.stem for one in folder.iterdir()} == set(states) - {"there"}
    database.close()


def _film(spool: Spool, study: str) -> Arrival:
    film = spool.study(study) / f"{study}.1.dcm"
    film.parent.mkdir()
    film.write_bytes(bytes(2 * MIB))
    path = PurePosixPath(spool.below(film))
    return Arrival(study, f"{study}.1", "1.3", path, "0" * 64, True)


def test_a_disk_on_which_nothing_is_free_empties_itself(tmp_path: Path) -> None:
    """Somebody else filled it up, and the ledger, which is to be told of each deletion, has no
    room either.
    """
    with disks.small(tmp_path, "size=16m"):
        spool = Spool(tmp_path)
        database = Database(f"sqlite:///{tmp_path}/ledger.sqlite3")
        keep_ballast(spool, MIB)
        arrivals.record(database, [_film(spool, "1.2")])
        with database.writing() as connection:
            connection.execute(update(tables.jobs).values(state="done", state_since=0))
        with suppress(OSError), (tmp_path / "log of another").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        assert spool.free_bytes() == 0

        made = make_room(database, spool, RETENTION, 3 * MIB)

        assert (made.studies, made.enough) == (1, True)
        assert not spool.film("1.2", "1.2.1").exists()
        database.close()
