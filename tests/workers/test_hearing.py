"""A worker that lives and hears nothing ends, and no other one does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nodes import Node, Site
from peers import Redis, wait_until
from sqlalchemy import insert

from dicom_node.errors import Unreachable
from dicom_node.ledger import tables
from dicom_node.ledger.database import now
from dicom_node.ledger.jobs import FETCH, Stage, State
from workers.hearing import DEAF, Around, Hearing
from workers.site import celery_application, configure, open_site
from workers.tasks import READER, SENDER, answers

SAID = "messages do not come"


def ring(_: Stage) -> None:
    pass


def away(_: Stage) -> None:
    raise Unreachable("the broker does not answer")


def no_ledger(_: Stage) -> bool:
    raise Unreachable("the ledger does not answer")


def deaf(hearing: Hearing, looks: int = 20) -> bool:
    return any(hearing.is_deaf(FETCH) for _ in range(looks))


def test_who_rings_five_times_and_hears_nothing_is_deaf() -> None:
    hearing = Hearing([FETCH], Around(lambda: False, lambda _: True, ring))
    assert not deaf(hearing, 4)
    hearing.heard("fetch")
    assert not deaf(hearing, 4)
    assert deaf(hearing, 1)


@pytest.mark.parametrize(
    "around",
    [
        Around(lambda: True, lambda _: True, ring),
        Around(lambda: False, lambda _: False, ring),
        Around(lambda: False, no_ledger, ring),
        Around(lambda: False, lambda _: True, away),
    ],
    ids=["it is at work", "nothing is left", "no ledger", "no broker"],
)
def test_who_has_another_reason_to_hear_nothing_is_not(around: Around) -> None:
    assert not deaf(Hearing([FETCH], around))


def add(site: Site, state: State) -> None:
    """A job that has been due for long, and of which no file is there."""
    database = open_site(configure(site.config)).database
    times = dict.fromkeys(("state_since", "received_at", "arrived_at", "due_at"), now() - 600)
    with database.writing() as connection:
        row = {"study_instance_uid": "1.2", "revision": 1, "state": state} | times
        connection.execute(insert(tables.jobs).values(row))
    database.close()


def site_of(folder: Path, redis: Redis) -> Site:
    site = Site(folder / "site")
    # Without weights a reader hears, and takes nothing.
    engine = {"name": "transformers", "model": "nowhere"}
    site.configure(broker={"url": redis.url}, engine=engine, limits={"deaf_seconds": 3})
    return site


def ended(node: Node) -> Callable[[], bool]:
    process = node._process
    assert process is not None
    return lambda: process.poll() is not None


def make_deaf(site: Site, stages: tuple[Stage, ...]) -> None:
    configuration = configure(site.config)
    for stage in stages:
        celery_application(configuration.settings).control.cancel_consumer(stage.name, reply=True)
    assert answers(configuration, stages), "who pings it sees nothing of it"


def is_told(node: Node) -> bool:
    assert node._process is not None
    return node._process.returncode == DEAF and node.log.read_text("utf-8").count(SAID) == 1


def test_a_sender_that_no_message_reaches_ends_and_does_its_work_when_it_is_started_again(
    redis: Redis, tmp_path: Path
) -> None:
    site = site_of(tmp_path, redis)
    with Node(site, "sender") as node:
        wait_until(lambda: answers(configure(site.config), SENDER), "it answers")
        make_deaf(site, SENDER)
        add(site, State.QUEUED)
        wait_until(ended(node), "it ends")
        assert is_told(node)
        node.stop()
        node.start()
        site.job_in("failed")  # no file is there


def test_a_reader_ends_when_no_message_reaches_it_and_not_because_it_cannot_read_or_ring(
    redis: Redis, tmp_path: Path
) -> None:
    site = site_of(tmp_path, redis)
    with Node(site, "worker") as node:
        wait_until(lambda: answers(configure(site.config), READER), "it answers")
        add(site, State.READING)  # there are no weights
        time.sleep(6)
        redis.stop()
        time.sleep(6)
        redis.start()
        wait_until(lambda: answers(configure(site.config), READER), "it answers again")
        assert not ended(node)()
        assert SAID not in node.log.read_text("utf-8")
        make_deaf(site, READER)
        wait_until(ended(node), "it ends")
        assert is_told(node)
