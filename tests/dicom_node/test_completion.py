"""When a study is complete: what archive, modality and availability notices say of it."""

from __future__ import annotations

from pathlib import PurePosixPath

from sqlalchemy import update

from dicom_node.ledger import announcements, arrivals, completion, history, jobs, tables
from dicom_node.ledger.announcements import Outcome, Step, StepStatus
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.database import Database
from dicom_node.ledger.jobs import FETCH, Job, State

CR = "1.2.840.10008.5.1.4.1.1.1"
STUDY = "1.2"
IMAGES = ("1.2.1", "1.2.2", "1.2.3")


def receive(database: Database, *images: str, association: str = "", study: str = STUDY) -> None:
    arrivals.record(
        database,
        [
            Arrival(
                study, one, CR, PurePosixPath(f"studies/{one}.dcm"), "0" * 64, True, association
            )
            for one in images
        ],
        edge="edge",
        lease=60,
    )


def complete(
    database: Database, *, quiet: float = 60, announced: float = 0, count: float = 300
) -> list[int]:
    return completion.complete(database, quiet, 3600, announced_after=announced, count=count)


def let_pass(database: Database, seconds: float) -> None:
    """All that is told in the ledger was so much longer ago."""
    with database.writing() as connection:
        for column in (
            *(tables.jobs.c[name] for name in ("received_at", "arrived_at", "state_since")),
            tables.announced.c.at,
            tables.performed_steps.c.at,
        ):
            connection.execute(update(column.table).values({column.name: column - seconds}))


def step(status: StepStatus | None, *images: str) -> Step:
    return Step("1.9", status, frozenset(images))


def told(database: Database, job: int) -> list[str]:
    return [event.what for event in history.history(database, job)]


# What is announced


def test_what_was_announced_and_is_here_is_waited_for_no_longer(database: Database) -> None:
    receive(database, *IMAGES)
    assert complete(database) == []
    announcements.announce(database, {STUDY: IMAGES})
    assert complete(database, announced=60) == [], "and nothing came for a moment"
    assert complete(database) == [1]


def test_what_was_announced_before_it_came_counts_too(database: Database) -> None:
    announcements.announce(database, {STUDY: IMAGES})
    receive(database, *IMAGES)
    assert complete(database) == [1]


def test_what_is_missing_is_waited_for_but_never_longer_than_without(database: Database) -> None:
    announcements.announce(database, {STUDY: IMAGES})
    receive(database, *IMAGES[:2])
    assert complete(database) == []
    let_pass(database, 61)
    assert complete(database) == [1]


def test_an_open_association_does_not_hold_back_what_is_all_here(database: Database) -> None:
    receive(database, *IMAGES, association="a")
    announcements.announce(database, {STUDY: IMAGES})
    assert complete(database) == [1]


def test_an_image_that_nobody_announced_is_of_a_step_of_which_nothing_is_known(
    database: Database,
) -> None:
    announcements.announce(database, {STUDY: IMAGES[:2]})
    receive(database, *IMAGES)
    assert complete(database) == []


def test_a_step_in_progress_is_waited_for_but_never_longer_than_without(
    database: Database,
) -> None:
    announcements.announce(database, {STUDY: IMAGES[:1]})
    announcements.begin(database, step(StepStatus.IN_PROGRESS), [STUDY])
    receive(database, IMAGES[0])
    assert complete(database) == []
    let_pass(database, 61)
    assert complete(database) == [1]


def test_a_completed_step_announces_what_it_made(database: Database) -> None:
    announcements.begin(database, step(StepStatus.IN_PROGRESS), [STUDY])
    receive(database, *IMAGES)
    assert complete(database) == []
    done = announcements.update_step(database, step(StepStatus.COMPLETED, *IMAGES))
    assert done is Outcome.UPDATED
    assert complete(database) == [1]


def test_a_discontinued_step_announces_nothing(database: Database) -> None:
    announcements.begin(database, step(StepStatus.IN_PROGRESS), [STUDY])
    announcements.update_step(database, step(StepStatus.DISCONTINUED, *IMAGES))
    receive(database, *IMAGES)
    assert complete(database) == []


def test_of_a_step_for_two_studies_it_is_not_known_which_images_are_of_which(
    database: Database,
) -> None:
    announcements.begin(database, step(StepStatus.IN_PROGRESS), [STUDY, "1.7"])
    announcements.update_step(database, step(StepStatus.COMPLETED, *IMAGES))
    receive(database, *IMAGES)
    assert complete(database) == []


def test_a_step_that_ended_cannot_be_changed_and_none_begins_twice(database: Database) -> None:
    assert announcements.update_step(database, step(None, "1.5")) is Outcome.UNKNOWN
    assert announcements.begin(database, step(StepStatus.IN_PROGRESS), [STUDY])
    assert not announcements.begin(database, step(StepStatus.IN_PROGRESS), [STUDY])
    assert announcements.update_step(database, step(None, "1.5")) is Outcome.UPDATED
    ended = step(StepStatus.COMPLETED)
    assert announcements.update_step(database, ended) is Outcome.UPDATED
    assert announcements.update_step(database, ended) is Outcome.ENDED


def test_a_later_image_is_not_rushed_by_the_announcement_of_those_before(
    database: Database,
) -> None:
    announcements.announce(database, {STUDY: IMAGES[:2]})
    receive(database, *IMAGES[:2])
    assert complete(database) == [1]
    receive(database, IMAGES[2])
    assert complete(database) == []
    announcements.announce(database, {STUDY: IMAGES})
    assert complete(database) == [2]


def test_what_was_told_is_forgotten_after_a_while(database: Database) -> None:
    announcements.announce(database, {STUDY: IMAGES})
    announcements.begin(database, step(StepStatus.IN_PROGRESS), [STUDY])
    announcements.forget(database)
    let_pass(database, 2 * 86_400)
    announcements.forget(database)
    receive(database, *IMAGES)
    assert announcements.update_step(database, step(StepStatus.COMPLETED)) is Outcome.UPDATED
    assert complete(database) == []
    let_pass(database, 8 * 86_400)
    announcements.forget(database)
    assert announcements.update_step(database, step(None)) is Outcome.UNKNOWN


# What the archive counts


def counted(database: Database, held: int, *images: str) -> Job:
    """A study that had become quiet, and of which the archive was asked."""
    receive(database, *images)
    assert complete(database, quiet=0) == [1]
    job = jobs.lease(database, FETCH, owner="me", seconds=60, attempts=3)
    assert job is not None
    assert completion.images(database, STUDY) == len(images)
    assert completion.wait_for_more(database, job, held, len(images))
    return job


def test_what_the_archive_has_is_waited_for_and_joins_the_same_revision(
    database: Database,
) -> None:
    job = counted(database, 3, *IMAGES[:2])
    assert jobs.get(database, job.id).state is State.RECEIVED
    assert complete(database, quiet=0) == []
    receive(database, IMAGES[2])
    assert complete(database, announced=60) == []
    assert complete(database) == [1]
    assert [one.revision for one in jobs.listing(database)] == [1]
    assert told(database, 1)[-2:] == [
        "received: the archive holds 3 images, 2 have arrived",
        "complete with 3 image(s); the archive holds 3",
    ]


def test_what_does_not_come_is_waited_for_only_so_long(database: Database) -> None:
    counted(database, 3, *IMAGES[:2])
    let_pass(database, 299)
    assert complete(database) == []
    let_pass(database, 2)
    assert complete(database) == [1]
    assert told(database, 1)[-1] == "complete with 2 image(s); the archive holds 3"


def test_the_ceiling_ends_also_this_wait(database: Database) -> None:
    counted(database, 3, *IMAGES[:2])
    assert complete(database, count=1e6) == []
    let_pass(database, 3601)
    assert complete(database, count=1e6) == [1]


def test_when_the_time_is_over_what_still_comes_is_waited_for_as_ever(
    database: Database,
) -> None:
    counted(database, 9, IMAGES[0])
    let_pass(database, 301)
    receive(database, IMAGES[1], association="a")
    assert complete(database) == []
    let_pass(database, 61)
    assert complete(database) == [], "its association is open"
    arrivals.close_association(database, "a")
    assert complete(database) == [1]


def test_an_announcement_does_not_overrule_what_the_archive_counts(database: Database) -> None:
    counted(database, 3, *IMAGES[:2])
    announcements.announce(database, {STUDY: IMAGES[:2]})
    assert complete(database) == []


def test_a_study_of_which_a_later_revision_gathers_more_does_not_wait(database: Database) -> None:
    receive(database, *IMAGES[:2])
    assert complete(database, quiet=0) == [1]
    job = jobs.lease(database, FETCH, owner="me", seconds=60, attempts=3)
    assert job is not None
    receive(database, IMAGES[2])
    assert not completion.wait_for_more(database, job, 4, 2)
    assert jobs.get(database, 1).state is State.FETCHING
    assert jobs.advance(database, job, State.READING), "it is still ours"
