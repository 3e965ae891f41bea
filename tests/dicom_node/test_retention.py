"""What is deleted, when, and what is not: with the real ledger and real files."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import threading
import time
from pathlib import Path, PurePosixPath

import pytest
from report_builders import film_of, prior_of
from sqlalchemy import insert, select, update

from dicom_node import report
from dicom_node.ledger import (
    arrivals,
    history,
    jobs,
    kept,
    quarantined,
    retrying,
    revisions,
    tables,
)
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.database import Database, now
from dicom_node.ledger.jobs import State
from dicom_node.ledger.reopening import open_waiting
from dicom_node.ledger.retrievals import retrieving
from dicom_node.retention import rules
from dicom_node.retention.deleting import delete_study, priors_here
from dicom_node.retention.room import make_room
from dicom_node.retention.survey import survey
from dicom_node.retention.sweep import sweep
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool

CR = "1.2.840.10008.5.1.4.1.1.1"
DAY = 86_400
RETENTION = RetentionSection(done="7 days", refused="3 days", failed="30 days", priors="30 days")
FINAL = {State.DONE: 7, State.REFUSED: 3, State.FAILED: 30, State.RETRACTED: 7}
RUNNING = [state for state in State if state not in FINAL]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/ledger.sqlite3")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "data")


def receive(database: Database, spool: Spool, study: str, number: int = 1) -> int:
    """One more image of a study: its file, its row, and the job it belongs to."""
    name = f"{study}.{number}"
    received = spool.incoming / name
    received.write_bytes(name.encode())
    place, _ = spool.file(received, spool.study(study), name)
    arrivals.record(
        database, [Arrival(study, name, CR, PurePosixPath(spool.below(place)), "0" * 64, True)]
    )
    return jobs.listing(database)[0].id


def ended(
    database: Database, spool: Spool, job: int, state: State, *, days: float
) -> tuple[Path, Path]:
    """Put a job into a state so long ago; its received file and the result made for it."""
    with database.writing() as connection:
        connection.execute(
            update(tables.jobs)
            .where(tables.jobs.c.id == job)
            .values(state=state, state_since=now() - days * DAY)
        )
    result = spool.results(job) / "pacs" / "sr.dcm"
    result.parent.mkdir(parents=True)
    result.write_bytes(b"made")
    (first, *_) = sorted(spool.study(jobs.get(database, job).study_instance_uid).iterdir())
    return first, result


@pytest.mark.parametrize(("state", "days"), FINAL.items())
def test_files_go_after_the_time_of_the_state_and_not_before(
    database: Database, spool: Spool, state: State, days: float
) -> None:
    old = ended(database, spool, receive(database, spool, "1.2"), state, days=days + 0.01)
    new = ended(database, spool, receive(database, spool, "1.3"), state, days=days - 0.01)

    sweep(database, spool, RETENTION)

    assert not old[0].parent.exists()
    assert not old[1].exists()
    assert new[0].exists()
    assert new[1].exists()


def test_a_study_whose_last_revision_brought_no_image_is_deleted_as_well(
    database: Database, spool: Spool
) -> None:
    """One that was opened for a late prior, and waits, and ends without it."""
    first = receive(database, spool, "1.2")
    films, result = ended(database, spool, first, State.DONE, days=10)
    with database.writing() as connection:
        open_waiting(connection, jobs.get(database, first), hours=2, wait=0)
    (second, _) = jobs.listing(database)
    sweep(database, spool, RETENTION)
    assert films.exists(), "it waits"

    with database.writing() as connection:
        connection.execute(
            update(tables.jobs)
            .where(tables.jobs.c.id == second.id)
            .values(state=State.REFUSED, state_since=now() - 4 * DAY)
        )
    sweep(database, spool, RETENTION)
    assert not films.exists()
    assert not result.exists()


@pytest.mark.parametrize("state", RUNNING)
def test_what_has_not_ended_is_never_deleted(
    database: Database, spool: Spool, state: State
) -> None:
    files = ended(database, spool, receive(database, spool, "1.2"), state, days=400)

    sweep(database, spool, RETENTION)

    assert [path.exists() for path in files] == [True, True]


def test_the_ledger_keeps_the_job_and_tells_of_the_deletion_once(
    database: Database, spool: Spool
) -> None:
    job = receive(database, spool, "1.2")
    ended(database, spool, job, State.DONE, days=8)

    sweep(database, spool, RETENTION)
    sweep(database, spool, RETENTION)

    assert jobs.get(database, job).state is State.DONE
    told = [event.what for event in history.history(database, job)]
    assert told.count("received files deleted: their retention is over") == 1
    known = arrivals.entered(database, "1.2", "1.2.1")
    assert known is not None
    assert known.deleted


def test_a_newer_revision_that_has_not_ended_keeps_the_files_of_its_study(
    database: Database, spool: Spool
) -> None:
    files = ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    later = receive(database, spool, "1.2", 2)

    sweep(database, spool, RETENTION)
    assert files[0].exists()
    newer = ended(database, spool, later, State.REFUSED, days=2)
    sweep(database, spool, RETENTION)
    assert files[0].exists()
    assert newer[0].exists()


def test_an_earlier_revision_that_has_not_ended_keeps_the_files_of_its_study(
    database: Database, spool: Spool
) -> None:
    """What was made of it still waits for its destination, or for the site's release; meanwhile
    an object came that made the study unreadable.
    """
    first = receive(database, spool, "1.2")
    files = ended(database, spool, first, State.DELIVERING, days=40)
    second = receive(database, spool, "1.2", 2)
    ended(database, spool, second, State.FAILED, days=31)

    sweep(database, spool, RETENTION)

    assert [path.exists() for path in files] == [True, True]


def test_the_results_of_every_revision_go_with_the_files_of_the_study(
    database: Database, spool: Spool
) -> None:
    first = ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=20)
    second = ended(database, spool, receive(database, spool, "1.2", 2), State.DONE, days=10)

    sweep(database, spool, RETENTION)

    assert not second[1].exists()
    assert not first[0].parent.exists()
    assert not first[1].exists()


def test_an_image_that_comes_after_the_deletion_is_a_study_of_its_own_files(
    database: Database, spool: Spool
) -> None:
    ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    sweep(database, spool, RETENTION)

    revision = jobs.get(database, receive(database, spool, "1.2", 2))

    assert revision.revision == 2
    assert revisions.paths(database, revision) == ["studies/1.2/1.2.2.dcm"]


def test_other_studies_are_left_alone(database: Database, spool: Spool) -> None:
    """Also one whose UID begins like the one that is deleted."""
    ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    other = ended(database, spool, receive(database, spool, "1.2.1"), State.READING, days=8)

    sweep(database, spool, RETENTION)

    assert [path.exists() for path in other] == [True, True]


def test_priors_go_after_the_longest_time_of_all(database: Database, spool: Spool) -> None:
    """A failed study may be looked at, with its prior, for as long as failed ones are kept."""
    made = {}
    for uid, days in {"1.5": 31, "1.6": 29, "1.7": 0}.items():
        (spool.prior(uid)).mkdir()
        (spool.prior(uid) / "film.dcm").write_bytes(b"prior")
        when = time.time() - days * DAY
        os.utime(spool.prior(uid), (when, when))
        made[uid] = spool.prior(uid)

    sweep(database, spool, RETENTION)

    assert {uid for uid, path in made.items() if (path / "film.dcm").exists()} == {"1.6", "1.7"}
    sweep(database, spool, RetentionSection.model_validate({"priors": "20 days"}))
    assert {uid for uid, path in made.items() if path.exists()} == {"1.7"}


def test_files_that_are_gone_already_do_no_harm(database: Database, spool: Spool) -> None:
    film, _ = ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    shutil.rmtree(film.parent)
    other = ended(database, spool, receive(database, spool, "1.3"), State.FAILED, days=31)

    sweep(database, spool, RETENTION)

    assert not film.exists()
    assert not other[0].exists()


def document(database: Database, spool: Spool, study: str, name: str, *, days: float) -> Path:
    """An object that opens no job, received so long ago."""
    received = spool.incoming / name
    received.write_bytes(name.encode())
    place, _ = spool.file(received, spool.study(study), name)
    path = PurePosixPath(spool.below(place))
    arrivals.record(database, [Arrival(study, name, CR, path, "0" * 64, False)])
    with database.writing() as connection:
        connection.execute(
            update(tables.instances)
            .where(tables.instances.c.sop_instance_uid == name)
            .values(received_at=now() - days * DAY)
        )
    return place


def test_a_study_without_an_image_goes_as_a_refused_one(database: Database, spool: Spool) -> None:
    """A report of another maker opens no job, so nothing ever ends."""
    old = document(database, spool, "1.8", "1.8.1", days=3.01)
    new = document(database, spool, "1.9", "1.9.1", days=2.99)

    sweep(database, spool, RETENTION)

    assert not old.parent.exists()
    assert new.exists()


def test_what_opens_no_job_goes_with_its_study_and_keeps_it_for_a_while(
    database: Database, spool: Spool
) -> None:
    film, _ = ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    told = document(database, spool, "1.2", "1.2.99", days=1)
    sweep(database, spool, RETENTION)
    assert film.exists()

    document(database, spool, "1.2", "1.2.98", days=8)
    with database.writing() as connection:
        connection.execute(update(tables.instances).values(received_at=now() - 8 * DAY))
    sweep(database, spool, RETENTION)
    assert not told.parent.exists()


def test_a_study_that_is_put_back_on_its_way_in_between_stays(
    database: Database, spool: Spool
) -> None:
    job = receive(database, spool, "1.2")
    film, result = ended(database, spool, job, State.FAILED, days=31)
    (found,) = kept.ended(database, ["1.2"])
    retrying.retry(database, job)

    assert not delete_study(database, spool, found, "tests")
    assert film.exists()
    assert result.exists()
    assert revisions.paths(database, jobs.get(database, job)) == ["studies/1.2/1.2.1.dcm"]


def test_a_study_to_which_an_image_comes_in_between_stays(database: Database, spool: Spool) -> None:
    film, _ = ended(database, spool, receive(database, spool, "1.2"), State.DONE, days=8)
    (found,) = kept.ended(database, ["1.2"])
    receive(database, spool, "1.2", 2)

    assert not delete_study(database, spool, found, "tests")
    assert film.exists()


def test_no_object_is_lost_that_another_edge_files_while_its_study_is_deleted(
    tmp_path: Path,
) -> None:
    """Two spools over one folder, as two edges have them, know nothing of each other's locks."""
    deleting, filing = Spool(tmp_path / "data"), Spool(tmp_path / "data")
    kept_names, going, over = [], threading.Event(), threading.Event()
    until, pauses = time.monotonic() + 60, random.Random(6)

    def delete() -> None:
        going.set()
        # With pauses, of the length of a filing: either must win at times, wherever it stands.
        while not over.wait(pauses.uniform(0, 0.02)):
            deleting.delete("1.2", ())

    thread = threading.Thread(target=delete)
    thread.start()
    going.wait()
    try:
        for number in itertools.takewhile(lambda _: len(kept_names) < 100, itertools.count()):
            assert time.monotonic() < until, f"{number} tries, {len(kept_names)} filed"
            name = f"1.2.{number}"
            received = filing.incoming / name
            received.write_bytes(name.encode())
            try:  # as the door does, which answers A700 and is sent the object again
                belongs = filing.belongs(filing.study("1.2"), "somebody")
                place, _ = filing.file(received, filing.study("1.2"), name)
            except OSError:
                continue
            assert belongs
            kept_names.append(name)
            time.sleep(0.001)
            assert place.exists(), "it was answered 0000"
            place.unlink()
    finally:
        over.set()
        thread.join()


def test_a_folder_into_which_nothing_came_goes_after_an_hour(
    database: Database, spool: Spool
) -> None:
    for uid, hours in (("1.2", 1.1), ("1.3", 0.9)):
        assert spool.belongs(spool.study(uid), "somebody")
        os.utime(spool.study(uid), (time.time() - hours * 3600,) * 2)

    sweep(database, spool, RETENTION)

    assert [spool.study(uid).exists() for uid in ("1.2", "1.3")] == [False, True]


def test_what_others_keep_in_the_data_folder_stays_and_harms_nothing(
    database: Database, spool: Spool
) -> None:
    """Of a disk that is mounted there, say; old enough for anything to go."""
    theirs = [
        spool.studies / "lost+found" / "some.dcm",
        spool.studies / ".snapshot",
        spool.priors / "lost+found",
        spool.root / "results" / "lost+found" / "film.dcm",
    ]
    for one in theirs:
        one.mkdir(parents=True)
        os.utime(one, (1, 1))
        os.utime(one.parent, (1, 1))

    sweep(database, spool, RETENTION)
    assert not make_room(database, spool, RETENTION, 1024**5).enough
    survey(database, spool, RETENTION)

    assert all(one.exists() for one in theirs)


def test_what_is_made_of_a_study_whose_files_have_gone_goes_as_well(
    database: Database, spool: Spool
) -> None:
    job = receive(database, spool, "1.2")
    ended(database, spool, job, State.DONE, days=8)
    sweep(database, spool, RETENTION)
    again = spool.results(job) / "pacs" / "note.dcm"
    again.parent.mkdir(parents=True)
    again.write_bytes(b"made afterwards")

    sweep(database, spool, RETENTION)

    assert not spool.results(job).exists()


def with_header(database: Database, spool: Spool, study: str, state: State, *, days: float) -> int:
    """A job that came into this state so long ago, its film looked at just before."""
    job = receive(database, spool, study)
    ended(database, spool, job, state, days=days)
    spool.header(job).write_bytes(b"header")
    os.utime(spool.header(job), (time.time() - days * DAY,) * 2)
    return job


def test_the_history_says_when_nothing_can_be_withdrawn_any_more(
    database: Database, spool: Spool
) -> None:
    job = with_header(database, spool, "1.2", State.DONE, days=364)
    sweep(database, spool, RETENTION)
    assert list(spool.results(job).iterdir()) == [spool.header(job)]

    with database.writing() as connection:
        connection.execute(update(tables.jobs).values(state_since=now() - 366 * DAY))
    sweep(database, spool, RETENTION)
    sweep(database, spool, RETENTION)

    assert not spool.results(job).exists()
    told = [event.what for event in history.history(database, job)]
    assert told.count("header of the film deleted: nothing can be withdrawn any more") == 1


@pytest.mark.parametrize("state", [State.DELIVERING, State.RETRACTING])
@pytest.mark.parametrize("received", ["here", "deleted"])
def test_what_waits_for_its_destination_is_there_however_old_it_is(
    database: Database, spool: Spool, state: State, received: str
) -> None:
    """For longer than anything is kept: `release` is false, or the PACS is away."""
    job = with_header(database, spool, "1.2", state, days=400)
    if received == "deleted":
        shutil.rmtree(spool.study("1.2"))
    sweep(database, spool, RETENTION)
    assert spool.header(job).exists()
    assert (spool.results(job) / "pacs" / "sr.dcm").exists()


def test_what_a_retry_may_still_send_stays_as_long_as_the_study(
    database: Database, spool: Spool
) -> None:
    short = RetentionSection.model_validate({"correctable": "5 days", "failed": "30 days"})
    job = with_header(database, spool, "1.2", State.FAILED, days=20)
    sweep(database, spool, short)
    assert (spool.results(job) / "pacs" / "sr.dcm").exists()


def test_results_can_be_withdrawn_for_as_long_after_they_were_sent_late(
    database: Database, spool: Spool
) -> None:
    """A year after the film was read, that is."""
    job = with_header(database, spool, "1.2", State.DONE, days=8)
    os.utime(spool.header(job), (time.time() - 400 * DAY,) * 2)
    sweep(database, spool, RETENTION)
    assert spool.header(job).exists()


def test_what_is_put_back_on_its_way_in_between_keeps_what_was_made(
    database: Database, spool: Spool
) -> None:
    job = with_header(database, spool, "1.2", State.FAILED, days=400)
    (found,) = kept.ended(database, ["1.2"])
    retrying.retry(database, job)
    assert not kept.note_deletion(database, found, job, "tests")


def test_what_was_made_by_a_ledger_that_is_lost_goes_in_the_end(
    database: Database, spool: Spool
) -> None:
    for job, days in ((7, 366), (8, 364)):
        spool.results(job).mkdir(parents=True)
        spool.header(job).write_bytes(b"header")
        os.utime(spool.header(job), (time.time() - days * DAY,) * 2)
    sweep(database, spool, RETENTION)
    assert spool.jobs_with_results() == [8]


def aside(database: Database, spool: Spool, name: str, *, days: float, size: int = 10) -> Path:
    path = spool.quarantine / f"{name}.dcm"
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - days * DAY,) * 2)
    arrivals.quarantined(database, PurePosixPath(spool.below(path)), "not readable")
    return path


def test_what_was_set_aside_goes_after_its_time_and_its_row_says_so(
    database: Database, spool: Spool
) -> None:
    old = aside(database, spool, "a", days=91)
    new = aside(database, spool, "b", days=89)

    sweep(database, spool, RETENTION)

    assert [old.exists(), new.exists()] == [False, True]
    newest, oldest = quarantined.listing(database, limit=9)
    assert newest.deleted_at is None
    assert oldest.deleted_at == pytest.approx(time.time(), abs=60)
    assert oldest.reason == "not readable"


def test_of_the_quarantine_the_newest_stay(database: Database, spool: Spool) -> None:
    retention = RetentionSection.model_validate({"quarantine_size": "10 KiB"})
    files = [aside(database, spool, str(days), days=days, size=4096) for days in (1, 2, 3)]

    sweep(database, spool, retention)

    assert [path.exists() for path in files] == [True, True, False]


def test_what_is_set_aside_again_after_its_deletion_is_told_again(
    database: Database, spool: Spool
) -> None:
    old = aside(database, spool, "a", days=91)
    sweep(database, spool, RETENTION)
    path = PurePosixPath(spool.below(old))
    assert arrivals.recorded(database, [path]) == set()

    for _ in range(2):
        aside(database, spool, "a", days=0)

    assert [one.deleted_at is None for one in quarantined.listing(database, limit=9)] == [
        True,
        False,
    ]
    assert arrivals.recorded(database, [path]) == {path}


def cached(spool: Spool, uid: str, *, days: float, size: int = 10) -> Path:
    spool.prior(uid).mkdir()
    (spool.prior(uid) / "film.dcm").write_bytes(bytes(size))
    os.utime(spool.prior(uid), (time.time() - days * DAY,) * 2)
    return spool.prior(uid)


def test_of_the_priors_the_newest_stay(database: Database, spool: Spool) -> None:
    retention = RetentionSection.model_validate({"priors_size": "10 KiB"})
    folders = [cached(spool, f"1.{days}", days=days, size=4096) for days in (1, 2, 3)]

    sweep(database, spool, retention)

    assert [folder.exists() for folder in folders] == [True, True, False]


@pytest.mark.parametrize("state", [State.READING, State.READ, State.DELIVERING])
def test_a_prior_that_a_job_needs_stays_however_old_it_is(
    database: Database, spool: Spool, film: Path, state: State
) -> None:
    prior = prior_of(film_of(film))
    assert prior.film is not None
    folder = cached(spool, prior.film.study_instance_uid, days=400)
    job = receive(database, spool, "1.2")
    with database.writing() as connection:
        connection.execute(
            update(tables.jobs).values(state=state, prior=report.prior_to_json(prior))
        )
    sweep(database, spool, RETENTION)
    assert folder.exists()

    with database.writing() as connection:
        jobs.move(connection, job, State.DONE)
    sweep(database, spool, RETENTION)
    assert not folder.exists()


def test_a_prior_that_is_being_fetched_stays(database: Database, spool: Spool) -> None:
    """While its images come, and while they are looked at."""
    folder = cached(spool, "1.5", days=400)
    job = receive(database, spool, "1.2")
    with retrieving(database, job, "1.5", "ARCHIVE", 60):
        sweep(database, spool, RETENTION)
    assert folder.exists()

    (found,) = priors_here(spool)
    spool.want_prior("1.5")
    assert not spool.delete_prior("1.5", found.since), "somebody wants it since it was looked at"
    with database.writing() as connection:
        connection.execute(
            update(tables.jobs).values(
                state=State.FETCHING, state_since=now() - 60, lease_until=now() + 60
            )
        )
    assert rules.free_priors(priors_here(spool), kept.needed(database)) == []
    with database.writing() as connection:
        connection.execute(update(tables.jobs).values(lease_until=None))
    assert rules.free_priors(priors_here(spool), kept.needed(database)) != []


def test_a_retrieval_whose_program_died_is_forgotten(database: Database, spool: Spool) -> None:
    job = receive(database, spool, "1.2")
    row = {"job_id": job, "archive_ae_title": "ARCHIVE"}
    with database.writing() as connection:
        for uid, days in (("1.5", 1.1), ("1.6", 0.9)):
            values = {"study_instance_uid": uid, "expires_at": now() - days * DAY}
            connection.execute(insert(tables.retrievals).values(**row | values))

    sweep(database, spool, RETENTION)

    with database.reading() as connection:
        left = connection.execute(select(tables.retrievals.c.study_instance_uid)).scalars()
        assert list(left) == ["1.6"]


def test_two_edges_that_sweep_at_once_delete_each_thing_once(
    database: Database, spool: Spool
) -> None:
    numbers = [receive(database, spool, f"1.{place}") for place in range(2, 22)]
    for job in numbers:
        ended(database, spool, job, State.DONE, days=8)
    edges = [
        threading.Thread(target=sweep, args=(database, Spool(spool.root), RETENTION))
        for _ in range(2)
    ]
    for edge in edges:
        edge.start()
    for edge in edges:
        edge.join()

    assert list(spool.received()) == []
    for job in numbers:
        told = [event.what for event in history.history(database, job)]
        assert told.count("received files deleted: their retention is over") == 1
