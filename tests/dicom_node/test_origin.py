"""Whether this node has asked for an object, as far as the archive says it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import nodes
import pytest
from builders import chest
from stages import Node

from dicom_node.ledger.retrievals import retrieving
from dicom_node.receive.header import Header, read_header
from dicom_node.receive.origin import Asked, Mover, Origin

SILENT = Origin(calling="PACS", originator="")
SAYS = Origin(calling="PACS", originator="NODE")
TODAY = datetime.now().astimezone().date()
OLD, NEW = TODAY - timedelta(days=30), TODAY - timedelta(days=1)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(nodes.Site(tmp_path / "site"))


@pytest.fixture
def mover(node: Node) -> Mover:
    return Mover(node.site.database, "NODE", "PACS")


def film(tmp_path: Path, day: date | None) -> Header:
    return read_header(
        chest(tmp_path / "prior.dcm", StudyDate="" if day is None else f"{day:%Y%m%d}")
    )


@contextmanager
def fetched(node: Node, tmp_path: Path, prior: Header) -> Iterator[None]:
    """While the node asks the archive for it."""
    job = node.receive(chest(tmp_path / "film.dcm"))
    with retrieving(node.site.database, job, prior.study_instance_uid, "PACS", 120):
        yield


@pytest.mark.parametrize("day", [OLD, NEW])
def test_an_archive_that_says_who_asked_is_believed(
    node: Node, mover: Mover, tmp_path: Path, day: date
) -> None:
    one = film(tmp_path, day)
    assert mover.asked_for(one, SILENT) is Asked.NO
    with fetched(node, tmp_path, one):
        assert mover.asked_for(one, SAYS) is Asked.YES
        assert mover.asked_for(one, Origin("PACS", "ANOTHER")) is Asked.NO
        assert mover.asked_for(one, Origin("MODALITY", "")) is Asked.NO
        assert mover.asked_for(one, SILENT) is Asked.PERHAPS, "it says so where it is asked"
    assert mover.asked_for(one, SAYS) is Asked.YES, "it comes late"
    assert mover.asked_for(one, SILENT) is Asked.NO


@pytest.mark.parametrize(
    ("day", "asked"), [(OLD, Asked.YES), (NEW, Asked.PERHAPS), (None, Asked.PERHAPS)]
)
def test_of_an_archive_that_never_says_it_only_what_is_new_may_be_routed(
    node: Node, mover: Mover, tmp_path: Path, day: date | None, asked: Asked
) -> None:
    """Not every prior becomes a study, and no image of today is lost."""
    one, other = film(tmp_path, day), read_header(chest(tmp_path / "other.dcm"))
    with fetched(node, tmp_path, one):
        assert mover.asked_for(one, SILENT) is asked
        assert mover.asked_for(other, SILENT) is Asked.NO


def test_what_another_title_was_asked_by_says_nothing_of_the_archive(
    node: Node, mover: Mover, tmp_path: Path
) -> None:
    one = film(tmp_path, OLD)
    with fetched(node, tmp_path, one):
        assert mover.asked_for(one, Origin("PACS", "ANOTHER")) is Asked.NO
        assert mover.asked_for(one, Origin("OTHER", "NODE")) is Asked.YES
        assert mover.asked_for(one, SILENT) is Asked.YES
