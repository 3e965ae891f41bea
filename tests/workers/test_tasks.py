"""What a task does when it cannot do its work."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import chest, drawn_picture
from nodes import AE_TITLE, Node, Site
from peers import HOST, dcmsend, free_port, wait_until

from dicom_node import queue
from dicom_node.ledger import jobs
from workers.site import celery_application, configure
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


def test_weights_that_are_not_there_are_told_at_the_start_and_at_the_studies_that_wait(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path / "site")
    folder = tmp_path / "weights"
    site.configure(engine={"name": "transformers", "model": str(folder)})
    application = celery_application(configure(site.config).settings)
    why = f"engine.model: there is no folder {folder}"
    with Node(site) as node:
        said = f"nothing can be read: {why}"
        wait_until(lambda: said in node.log.read_text("utf-8"), "the log says so at the start")
        dcmsend([chest(tmp_path / "film.dcm", drawn_picture())], site.port, aec=AE_TITLE)
        job = site.job_in("reading")["id"]

        def told() -> bool:
            (row,) = site.jobs()
            return bool(row["reason"].startswith(f"cannot be read yet: {why}"))

        wait_until(told, "the study says why it waits")
        for _ in range(3):
            queue.ring(application, "read")
        wait_until(lambda: not any((site.data / "broker").glob("*.msg")), "they were taken")
        history = [one["what"] for one in site.show(job)["history"]]
        assert sum(why in one for one in history) == 1, "it is noted once"
        assert node.log.read_text("utf-8").count(said) <= 2, "and logged once more at most"
