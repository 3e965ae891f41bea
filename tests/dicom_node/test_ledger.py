"""The ledger: completion, leases, compare-and-set, history, and several programs at once."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import peers
import pytest
from peers import HOST, free_port, wait_until
from sqlalchemy import make_url, update

from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.ledger import arrivals, completion, deliveries, history, jobs, leases, revisions
from dicom_node.ledger import database as ledger
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import DELIVER, FETCH, READ, State
from dicom_node.ledger.reopening import open_waiting
from dicom_node.ledger.retrievals import retrieving
from dicom_node.ledger.tables import jobs as jobs_table
from dicom_node.study import Priority

CR = "1.2.840.10008.5.1.4.1.1.1"


def arrival(
    study: str,
    instance: str,
    *,
    opens_job: bool = True,
    association: str = "",
    priority: Priority = Priority.ROUTINE,
) -> Arrival:
    path = PurePosixPath(f"studies/{study}/{instance}.dcm")
    return Arrival(study, instance, CR, path, "0" * 64, opens_job, association, priority=priority)


def queued(database: Database, study: str = "1.2", *, priority: Priority = Priority.ROUTINE) -> int:
    arrivals.record(database, [arrival(study, f"{study}.1", priority=priority)])
    (job,) = completion.complete(database, 0, 3600)
    return job


def take(database: Database, stage: jobs.Stage = FETCH, seconds: float = 60) -> jobs.Job:
    job = jobs.lease(database, stage, owner="me", seconds=seconds, attempts=3)
    assert job is not None
    return job


def test_a_study_is_complete_only_after_the_quiet_time(database: Database) -> None:
    arrivals.record(database, [arrival("1.2", "1.2.1")])

    assert completion.complete(database, 60, 3600) == []
    assert completion.complete(database, 0, 3600) == [1]


def test_an_open_association_holds_back_the_studies_it_brings(database: Database) -> None:
    arrivals.open_association(database, "a", "edge", 60)
    arrivals.record(database, [arrival("1.2", "1.2.1", association="a"), arrival("1.3", "1.3.1")])

    assert completion.complete(database, 0, 3600) == [2]
    arrivals.close_association(database, "a")
    assert completion.complete(database, 0, 3600) == [1]


def test_the_association_of_an_edge_that_died_holds_nothing_back_for_ever(
    database: Database,
) -> None:
    arrivals.open_association(database, "a", "edge", 1.0)
    arrivals.record(database, [arrival("1.2", "1.2.1", association="a")])
    assert completion.complete(database, 0, 3600) == []
    time.sleep(1.1)

    assert completion.complete(database, 0, 3600) == [1]


def test_an_edge_that_only_seemed_dead_goes_on(database: Database) -> None:
    """Its machine stood still, and another edge has forgotten its association meanwhile."""
    arrivals.open_association(database, "a", "edge", -7200)
    arrivals.record(database, [arrival("1.2", "1.2.1", association="a")], edge="edge", lease=60)
    arrivals.forget_associations(database)
    arrivals.record(database, [arrival("1.2", "1.2.2", association="a")], edge="edge", lease=60)
    assert completion.complete(database, 0, 3600) == []
    arrivals.close_association(database, "a")
    assert completion.complete(database, 0, 3600) == [1]


def test_an_edge_that_stood_still_for_a_moment_renews_its_associations(database: Database) -> None:
    arrivals.open_association(database, "a", "edge", -60)
    arrivals.record(database, [arrival("1.2", "1.2.1", association="a")])
    arrivals.forget_associations(database)
    arrivals.renew_associations(database, "edge", 60)
    assert completion.complete(database, 0, 3600) == []


def test_the_ceiling_ends_the_wait_for_a_study_that_never_ends(database: Database) -> None:
    arrivals.open_association(database, "a", "edge", 60)
    arrivals.record(database, [arrival("1.2", "1.2.1", association="a")])

    assert completion.complete(database, 60, 0) == [1]


def test_an_object_entered_twice_counts_once_and_opens_nothing(database: Database) -> None:
    job = queued(database)
    arrivals.record(database, [arrival("1.2", "1.2.1")])

    assert completion.complete(database, 0, 3600) == []
    assert [one.id for one in jobs.listing(database)] == [job]


def test_a_later_image_opens_a_new_revision_and_a_non_image_does_not(database: Database) -> None:
    queued(database)
    arrivals.record(database, [arrival("1.2", "1.2.9", opens_job=False)])
    assert len(jobs.listing(database)) == 1

    arrivals.record(database, [arrival("1.2", "1.2.2")])

    revision, first = jobs.listing(database)
    assert (revision.revision, first.revision) == (2, 1)
    assert len(revisions.paths(database, revision)) == 2
    assert len(revisions.paths(database, first)) == 1


def test_of_many_entered_at_once_each_counts_once_and_images_only_open_a_study(
    database: Database,
) -> None:
    arrivals.record(database, [arrival("1.2", "1.2.0", priority=Priority.LOW)])
    arrivals.record(
        database,
        [
            arrival("1.3", "1.3.9", opens_job=False),
            *(arrival("1.2", f"1.2.{number}", association="a") for number in range(600)),
            *(arrival("1.2", f"1.2.{number}") for number in range(3)),
            arrival("1.2", "1.2.700", opens_job=False),
            arrival("1.2", "1.2.701", priority=Priority.STAT),
        ],
        edge="edge",
        lease=60,
    )

    assert len(arrivals.entered_of(database, [("1.2", f"1.2.{n}") for n in range(800)])) == 602
    (job,) = jobs.listing(database, limit=9)
    assert (job.study_instance_uid, job.priority) == ("1.2", Priority.STAT)
    assert completion.complete(database, 0, 3600) == []
    arrivals.close_association(database, "a")
    assert completion.complete(database, 0, 3600) == [1]


def test_the_most_urgent_goes_first_and_of_those_the_first_to_come(database: Database) -> None:
    for number in range(10):
        queued(database, f"1.{number + 2}")
    low = queued(database, "1.20", priority=Priority.LOW)
    stat = queued(database, "1.21", priority=Priority.STAT)
    high = queued(database, "1.22", priority=Priority.HIGH)
    again = queued(database, "1.23", priority=Priority.STAT)

    taken = [take(database).id for _ in range(14)]
    assert taken == [stat, again, high, *range(1, 11), low]


def test_a_study_is_as_urgent_as_the_most_urgent_of_its_images(database: Database) -> None:
    for number, priority in enumerate((Priority.LOW, Priority.STAT, Priority.ROUTINE)):
        arrivals.record(database, [arrival("1.2", f"1.2.{number}", priority=priority)])
    (job,) = completion.complete(database, 0, 3600)
    assert jobs.get(database, job).priority is Priority.STAT

    arrivals.record(database, [arrival("1.2", "1.2.9")])
    assert jobs.listing(database)[0].priority is Priority.STAT, "its next revision too"


def test_who_has_waited_for_long_goes_first_where_patience_has_an_end(database: Database) -> None:
    oldest = queued(database, "1.2", priority=Priority.LOW)
    old = queued(database, "1.3", priority=Priority.STAT)
    stat = queued(database, "1.4", priority=Priority.STAT)
    with database.writing() as connection:
        for job, due in ((oldest, 1000.0), (old, 2000.0)):
            connection.execute(update(jobs_table).where(jobs_table.c.id == job).values(due_at=due))

    def patient(job: int, patience: float | None) -> None:
        found = jobs.lease(database, FETCH, owner="me", seconds=60, attempts=3, patience=patience)
        assert found is not None
        assert found.id == job

    patient(old, None)
    patient(stat, 1e10)
    patient(oldest, 60)


def test_a_leased_job_is_not_given_to_another(database: Database) -> None:
    queued(database)
    take(database)

    assert jobs.lease(database, FETCH, owner="other", seconds=60, attempts=3) is None


def test_a_worker_that_lost_its_lease_cannot_publish(database: Database) -> None:
    queued(database)
    late = take(database, seconds=0.05)
    time.sleep(0.1)
    current = take(database)

    assert not jobs.advance(database, late, State.READING)
    assert jobs.advance(database, current, State.READING)


def test_a_job_whose_leases_keep_running_out_is_stopped(database: Database) -> None:
    job = queued(database)
    for _ in range(3):
        take(database, seconds=0.02)
        time.sleep(0.04)

    assert jobs.lease(database, FETCH, owner="me", seconds=60, attempts=3) is None
    stopped = jobs.get(database, job)
    assert stopped.state is State.FAILED
    assert "3 attempts" in stopped.reason


def test_many_orderly_retries_do_not_count_as_lost_leases(database: Database) -> None:
    job = queued(database)
    jobs.advance(database, take(database), State.READING)
    jobs.advance(database, take(database, READ), State.READ, report="{}")
    for _ in range(6):
        jobs.advance(database, take(database, DELIVER), State.DELIVERING, reason="away")
    take(database, DELIVER, seconds=0.02)
    time.sleep(0.04)

    assert take(database, DELIVER).id == job


def test_a_postponed_job_is_not_due_before_its_time(database: Database) -> None:
    queued(database)
    jobs.advance(database, take(database), State.FETCHING, wait=60)

    assert jobs.waiting(database) == {}


def test_the_history_tells_what_happened_in_order(database: Database) -> None:
    job = queued(database)
    jobs.advance(database, take(database), State.REFUSED, reason="no chest")

    told = [event.what for event in history.history(database, job)]
    assert told == ["first image received", "complete with 1 image(s)", "refused: no chest"]


def test_two_workers_that_ask_at_once_never_get_the_same_job(
    ledger_url: str, database: Database
) -> None:
    for number in range(20):
        queued(database, f"1.{number + 2}")
    taken: list[int] = []

    def work() -> None:
        own = Database(ledger_url)
        while job := jobs.lease(own, FETCH, owner=str(id(own)), seconds=60, attempts=3):
            taken.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 21))


def test_several_programs_may_bring_the_ledger_up_to_date_at_once(ledger_url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            Database(ledger_url)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test must see it
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def waiting(database: Database) -> jobs.Job:
    """The revision of a read study that waits for a late prior."""
    queued(database)
    jobs.advance(database, take(database), State.READING)
    job = take(database, READ)
    opens = partial(open_waiting, job=job, hours=2, wait=0)
    assert jobs.advance(database, job, State.READ, also=opens, report="{}")
    (second, _) = jobs.listing(database)
    return second


def test_a_revision_that_waits_for_a_late_prior_becomes_that_of_what_arrives(
    database: Database,
) -> None:
    second = waiting(database)
    assert second.waits_for_prior
    assert second.revision == 2
    arrivals.record(database, [arrival("1.2", "1.2.2")])
    after = jobs.get(database, second.id)
    assert (after.state, after.prior_until) == (State.RECEIVED, None)
    assert len(jobs.listing(database)) == 2
    assert completion.complete(database, 60, 3600) == [], "the quiet time counts from this image"
    assert completion.complete(database, 0, 3600) == [second.id]


def test_who_looks_for_a_late_prior_cannot_hand_on_what_became_ordinary(
    database: Database,
) -> None:
    second = waiting(database)
    mine = take(database)
    assert mine.id == second.id
    arrivals.record(database, [arrival("1.2", "1.2.2")])
    assert not jobs.advance(database, mine, State.READING)
    assert jobs.get(database, second.id).state is State.RECEIVED


def test_who_looks_for_a_late_prior_does_not_hold_what_another_thread_has_by_now(
    database: Database,
) -> None:
    """Of the same process, at the same stage, at its first attempt too."""
    second = waiting(database)
    mine = take(database)
    arrivals.record(database, [arrival("1.2", "1.2.2")])
    assert completion.complete(database, 0, 3600) == [second.id]
    theirs = take(database)
    assert (mine.id, mine.state, mine.attempts) == (theirs.id, theirs.state, theirs.attempts)

    completion.asked(database, mine, 7, "counted")
    assert jobs.get(database, second.id).expected is None
    assert not leases.renew(database, mine, 600)
    assert not jobs.advance(database, mine, State.FETCHING, wait=3600, prior_until=9e9)
    assert jobs.advance(database, theirs, State.READING)
    assert jobs.get(database, second.id).prior_until is None


def test_what_is_published_too_late_opens_nothing(database: Database) -> None:
    queued(database)
    jobs.advance(database, take(database), State.READING)
    late = take(database, READ, seconds=0.01)
    time.sleep(0.03)
    take(database, READ)
    opens = partial(open_waiting, job=late, hours=2, wait=0)
    assert not jobs.advance(database, late, State.READ, also=opens)
    assert len(jobs.listing(database)) == 1


def test_where_a_later_revision_is_on_its_way_none_is_opened(database: Database) -> None:
    queued(database)
    jobs.advance(database, take(database), State.READING)
    job = take(database, READ)
    arrivals.record(database, [arrival("1.2", "1.2.2")])
    opens = partial(open_waiting, job=job, hours=2, wait=0)
    assert jobs.advance(database, job, State.READ, also=opens)
    assert [one.revision for one in jobs.listing(database)] == [2, 1]


def test_a_retrieval_is_known_only_while_it_lasts(database: Database) -> None:
    job = queued(database)
    with retrieving(database, job, "1.9", "PACS", 60) as message_id:
        assert 1 <= message_id <= 65535
        assert arrivals.asked_for(database, "1.9", "PACS")
        assert not arrivals.asked_for(database, "1.9", "OTHER")

    assert not arrivals.asked_for(database, "1.9", "PACS")


def test_an_object_is_entered_once_for_each_destination(database: Database) -> None:
    job = queued(database)
    made = deliveries.Made("a", "sr", "1.5", "1.4", PurePosixPath("results/1/a/sr.dcm"))
    for _ in range(2):
        with database.writing() as connection:
            deliveries.enter(connection, job, [made])

    (row,) = deliveries.of_job(database, job)
    assert row.made == made


@pytest.mark.parametrize(
    "url",
    ["not a url", "mysql://a@b/c", "postgresql://a@b/c", "postgresql+psycopg://a@b:port/c"],
)
def test_a_url_that_is_none_is_a_mistake_of_configuration(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"ledger\.url: expected sqlite:.*postgresql\+psycopg"):
        Database(url)


@pytest.mark.parametrize("option", ["sslmode=full", "sslmod=x"])
def test_an_option_that_is_none_is_told_in_plain_words(option: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(Unreachable, match=r"its URL has an (option|sslmode) that PostgreSQL does"):
        Database(f"postgresql+psycopg://who@{HOST}/name?{option}")


def test_of_a_password_with_an_at_sign_nothing_is_told() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(Unreachable) as told:
        Database(f"postgresql+psycopg://who:hun@ter2@{HOST}:{free_port()}/name")
    assert "ter2" not in str(told.value)


@pytest.mark.parametrize(
    ("host", "why"), [(HOST, "nobody listens there"), ("b.invalid", "its host has no address")]
)
def test_of_a_ledger_that_is_away_it_says_where_and_what_to_look_at(host: str, why: str) -> None:
    pytest.importorskip("psycopg")
    port = free_port()
    with pytest.raises(Unreachable) as told:
        Database(f"postgresql+psycopg://who:hunter2@{host}:{port}/name")
    assert str(told.value) == f"the ledger at {host} port {port} does not answer: {why}"


def test_of_a_file_that_is_no_ledger_it_says_what_sqlite_says(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="does not answer: OperationalError, SQLITE_CANTOPEN"):
        Database(f"sqlite:///{tmp_path}")
    file = tmp_path / "ledger.sqlite3"
    file.write_bytes(b"garbage " * 1000)
    with pytest.raises(Unreachable, match="SQLITE_NOTADB"):
        Database(f"sqlite:///{file}")
    with pytest.raises(Misconfigured, match=r"ledger\.url: its folder cannot be made: Not a dir"):
        Database(f"sqlite:///{file}/below/ledger.sqlite3")


def test_a_ledger_of_a_later_version_is_left_alone(database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="by a later version of this program"):
        database.migrate()


@pytest.mark.parametrize(
    "ledger_url", [pytest.param("postgresql", marks=peers.PostgreSQL.MARKS)], indirect=True
)
def test_a_writer_that_has_gone_holds_up_the_others_for_a_while_only(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a machine with a worker loses its power in a transaction."""
    monkeypatch.setattr(ledger, "_LOCK_MILLISECONDS", 300)
    monkeypatch.setattr(ledger, "_SILENT_MILLISECONDS", 3000)
    gone, living = Database(ledger_url), Database(ledger_url)
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(Unreachable, match="does not answer: "))
        connection = stack.enter_context(gone.writing())
        with pytest.raises(Unreachable, match="LockNotAvailable"):
            queued(living)
        wait_until(lambda: _can_write(living), "its transaction is ended")
        connection.exec_driver_sql("SELECT 1")


@pytest.mark.parametrize(
    "ledger_url", [pytest.param("postgresql", marks=peers.PostgreSQL.MARKS)], indirect=True
)
def test_a_server_that_may_only_be_read_just_now_does_not_answer(ledger_url: str) -> None:
    """As while another one takes its place."""
    database = Database(ledger_url)
    name = make_url(ledger_url).database
    with database.writing() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = 1')
    database.close()
    with pytest.raises(Unreachable, match="ReadOnlySqlTransaction"):
        queued(database)
    with pytest.raises(Unreachable, match="ReadOnlySqlTransaction"):
        database.try_to_write()
    with database.reading() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    with suppress(Unreachable):  # by the session that was opened meanwhile
        database.try_to_write()
    assert queued(database) == 1


def _can_write(database: Database) -> bool:
    with suppress(Unreachable), database.writing():
        return True
    return False


def test_when_all_connections_are_in_use_the_ledger_does_not_answer(database: Database) -> None:
    pool: Any = database._engine.pool
    pool._timeout = 0.1
    with ExitStack() as stack:
        for _ in range(pool.size() + pool._max_overflow):
            stack.enter_context(database.reading())
        with pytest.raises(Unreachable, match="too many wait"):
            jobs.waiting(database)
    assert jobs.waiting(database) == {}
