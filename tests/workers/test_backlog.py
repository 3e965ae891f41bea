"""Studies that wait are worked off by all workers that there are, and each of them once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import backlog
import pytest
from nodes import Site
from peers import PostgreSQL, wait_until
from sqlalchemy import select
from stages import Node

from dicom_node.ledger import deliveries
from dicom_node.ledger.jobs import FETCH, READ
from dicom_node.ledger.tables import events

_STUDIES = 24


def test_who_takes_a_study_rings_before_its_work_so_that_others_begin_meanwhile(
    tmp_path: Path, film: Path
) -> None:
    node = Node(Site(tmp_path / "site"))
    node.receive(film)
    rung: list[int] = []
    assert node.take(FETCH, lambda *_: rung.append(node.rung(FETCH)))
    assert rung == [1]
    assert node.rung(READ) == 0


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql, redis", marks=PostgreSQL.MARKS)]
)
def test_two_workers_are_both_at_work_and_do_nothing_twice(tmp_path: Path, kind: str) -> None:
    """The node's own programs; only the engine costs nothing."""
    with backlog.site(tmp_path, kind, "INFO") as at:
        at.fill(_STUDIES)
        workers = [backlog.Part(at.written, "worker", number) for number in range(2)]
        # The edge last: nobody rings before all are there.
        others = [backlog.Part(at.written, role) for role in ("sender", "edge")]
        with backlog.running([*workers, *others]):
            wait_until(
                lambda: at.states() == {"done": _STUDIES}, f"all are done: {at.states()}", 240
            )
        with at.database.reading() as connection:
            told = connection.execute(select(events.c.job_id, events.c.what)).all()
        ends = Counter((job, what.partition(":")[0]) for job, what in told)
        for job in range(1, _STUDIES + 1):
            assert [ends[job, what] for what in ("read", "sr at pacs there", "done")] == [1, 1, 1]
            assert [one.state for one in deliveries.of_job(at.database, job)] == ["there"]
    begun = [part.log.read_text().count("read: attempt 1") for part in workers]
    assert sum(begun) == _STUDIES
    assert min(begun) >= _STUDIES // 8, "both are rung for"
