"""A site is opened on the disk that it was on before, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import nodes
import pytest
from builders import chest
from stages import Node

from dicom_node.errors import Unreachable
from dicom_node.ledger.jobs import State
from workers import checking, edge
from workers.site import configure, open_site


def test_before_its_disk_is_mounted_nothing_starts_and_nothing_is_made_in_its_place(
    tmp_path: Path,
) -> None:
    """Neither by a program nor by a command: a study on its way would fail, and what comes would
    lie under what is mounted then.
    """
    node = Node(nodes.Site(tmp_path / "site"))
    data, at = node.written.data, {"url": f"sqlite:///{tmp_path}/ledger.sqlite3"}
    node.open(ledger=at)
    job = node.receive(chest(tmp_path / "film.dcm"))
    disk = data.rename(tmp_path / "disk")
    data.mkdir()
    told = "is empty, and the ledger knows of files in it; is its disk mounted"
    for open_it in (open_site, edge.opened):
        with pytest.raises(Unreachable, match=told):
            open_it(configure(node.written.config))
    room = [one for one in checking.everything(configure(node.written.config)) if one.failed]
    assert any(told in one.what for one in room)
    assert [one.name for one in data.iterdir() if one.name != "broker"] == []
    assert node.fetch()
    assert node.job(job).state is State.FETCHING

    shutil.rmtree(data)
    disk.rename(data)
    node.open()
    node.make_due(job)
    node.fetch()
    assert node.job(job).state is State.READING


def test_a_site_whose_files_are_lost_starts_once_that_is_said(tmp_path: Path) -> None:
    node = Node(nodes.Site(tmp_path / "site"))
    node.open(ledger={"url": f"sqlite:///{tmp_path}/ledger.sqlite3"})
    node.receive(chest(tmp_path / "film.dcm"))
    shutil.rmtree(node.written.data)
    with pytest.raises(Unreachable, match="make the folder"):
        node.open()
    (node.written.data / "studies").mkdir()
    node.open()
