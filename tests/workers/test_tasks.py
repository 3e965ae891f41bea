"""What a task does when it cannot do its work."""

from __future__ import annotations

from pathlib import Path

import pytest
from nodes import Site
from peers import HOST, free_port

from dicom_node.ledger import jobs
from workers.site import configure
from workers.tasks import Worker


def test_a_ledger_that_is_away_is_one_line_and_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path / "site")
    site.configure(ledger={"url": f"postgresql+psycopg://node@{HOST}:{free_port()}/node"})
    worker = Worker(configure(site.config))
    for stage in (jobs.FETCH, jobs.DELIVER):
        worker.work(stage)
    assert [(one.levelname, one.exc_info) for one in caplog.records] == [("WARNING", None)] * 2
    assert caplog.messages[0].startswith("fetch: the ledger at 127.0.0.1 port ")
    assert caplog.messages[0].endswith("; trying again")
