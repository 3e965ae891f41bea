"""What one sender does for one study: what counts as sent, and what becomes of the rest."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodes
import pytest
from builders import IDENTITY, chest, drawn_picture
from committers import Committer
from iocm import KEY_OBJECT_SELECTION
from pydicom import dcmread
from stages import Node, destination, nowhere

from dicom_node import deliver
from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.ledger import deliveries, leases, retrying
from dicom_node.ledger.jobs import State
from dicom_node.outputs.rejection import Reason
from workers import retracting


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(nodes.Site(tmp_path / "site"))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return chest(tmp_path / "film.dcm", None, **IDENTITY, ViewPosition="AP")


def read(node: Node, film: Path, **to: object) -> int:
    """A study that waits to be delivered, later and later up to minutes."""
    node.open(destinations=[to], delivery={"first_retry_seconds": 100})
    job = node.receive(film)
    assert node.fetch()
    assert node.read()
    return job


def again(node: Node, job: int) -> None:
    node.make_due(job)
    assert node.deliver()


def states(node: Node, job: int) -> dict[str, tuple[str, int]]:
    """Of each object its state, and how often it was sent."""
    rows = deliveries.of_job(node.site.database, job)
    return {row.made.output: (str(row.state), row.attempts) for row in rows}


def test_what_was_not_sent_is_no_attempt(node: Node, film: Path) -> None:
    """Nobody is there, or the site itself holds it back."""
    job = read(node, film, **nowhere(name="pacs", test=True))
    assert node.deliver()
    again(node, job)
    node.open(destinations=[nowhere(name="pacs", test=False)])
    again(node, job)
    assert states(node, job) == {"sr": ("pending", 0), "seg": ("pending", 0)}
    with Committer(None).running() as pacs:
        node.open(destinations=[destination(pacs)])
        again(node, job)
    assert states(node, job) == {"sr": ("there", 1), "seg": ("there", 1)}


def test_a_retry_after_retention_says_that_there_is_nothing_to_send_any_more(
    node: Node, film: Path
) -> None:
    """And nothing counts as sent, so that nothing is taken back."""
    job = read(node, film, **nowhere(name="pacs", test=True))
    node.open(delivery={"give_up": "1 day"})
    assert node.deliver()
    node.make_due(job, state_since=0.0)
    assert node.deliver()
    assert node.job(job).state is State.FAILED
    shutil.rmtree(node.site.spool.results(job))
    retrying.retry(node.site.database, job)
    assert node.deliver()
    assert node.job(job).state is State.FAILED
    assert node.job(job).reason == "what was made is no longer in the spool (see retention)"
    assert states(node, job) == {"sr": ("pending", 0), "seg": ("pending", 0)}
    with pytest.raises(Misconfigured, match=r"nothing that it sent is still to be withdrawn$"):
        retracting.retract(node.site, job, Reason.SAFETY)  # a retry would send it


def test_a_disk_that_cannot_be_read_is_waited_for(
    node: Node, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "/somewhere")

    with Committer(None).running() as pacs:
        job = read(node, film, **destination(pacs))
        with monkeypatch.context() as patched:
            patched.setattr(deliver, "dcmread", broken)
            assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        assert "what was made cannot be read: Input/output error" in node.job(job).reason
        assert "somewhere" not in node.job(job).reason
        assert states(node, job) == {"sr": ("pending", 0), "seg": ("pending", 0)}
        again(node, job)
    assert node.job(job).state is State.DONE


def test_what_was_sent_before_the_ledger_went_away_is_not_forgotten(
    node: Node, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.errand._RENEW_AFTER", 0.0)
    renew, asked = leases.renew, iter(range(9))

    def away_after_the_first_object(*arguments: Any) -> bool:
        if pacs.stored and next(asked) == 0:
            raise Unreachable("the ledger does not answer")
        return renew(*arguments)

    with Committer(None).running() as pacs:
        job = read(node, film, **destination(pacs))
        monkeypatch.setattr(leases, "renew", away_after_the_first_object)
        assert node.deliver()
        assert states(node, job) == {"sr": ("there", 1), "seg": ("pending", 0)}
        assert "could not be told whether this sender still has the study" in node.job(job).reason
        again(node, job)
    assert node.job(job).state is State.DONE
    assert len(pacs.stored) == 2


# A revision


@pytest.fixture
def late(film: Path, tmp_path: Path) -> Path:
    """Another film of the same study, that is read rather than the first."""
    study = {"StudyInstanceUID": dcmread(film).StudyInstanceUID}
    return chest(tmp_path / "late.dcm", drawn_picture(), **IDENTITY, **study, ViewPosition="PA")


@contextmanager
def revised(
    node: Node, film: Path, late: Path, *, refuses: str = ""
) -> Iterator[tuple[Committer, int]]:
    """A study whose second revision waits to be delivered where the first one is."""
    archive = Committer(None)
    archive.refuses = (refuses,)
    with archive.running() as pacs:
        to = destination(pacs, verify="query")
        assert_done(node, read(node, film, **to))
        yield pacs, read(node, late, **to)


def assert_done(node: Node, job: int) -> None:
    assert node.deliver()
    assert node.job(job).state is State.DONE


def test_a_revision_of_which_one_object_is_refused_ends_and_a_retry_ends_it_well(
    node: Node, film: Path, late: Path
) -> None:
    """The note about the earlier results would wait for it until all is given up."""
    with revised(node, film, late) as (pacs, job):
        pacs.store = lambda event: 0xA900 if event.dataset.Modality == "SEG" else 0
        assert node.deliver()
        assert node.job(job).state is State.FAILED
        assert "seg at pacs: pacs answered 0xA900" in node.job(job).reason
        assert "rejection at pacs: not sent, for not all" in node.job(job).reason
        assert states(node, job) == {
            "sr": ("there", 1), "seg": ("refused", 1), "rejection": ("pending", 0),
        }  # fmt: skip
        pacs.store = lambda _: 0
        retrying.retry(node.site.database, job)
        assert_done(node, job)
    assert {state for state, _ in states(node, job).values()} == {"there"}


def test_while_one_object_may_still_be_taken_the_note_waits_for_it(
    node: Node, film: Path, late: Path
) -> None:
    with revised(node, film, late) as (pacs, job):
        pacs.store = lambda event: 0xA700 if event.dataset.Modality == "SEG" else 0
        assert node.deliver()
        assert node.job(job).state is State.DELIVERING
        pacs.store = lambda _: 0
        node.make_due(job)
        assert_done(node, job)


def test_new_results_are_proven_where_no_note_is_taken(node: Node, film: Path, late: Path) -> None:
    with revised(node, film, late, refuses=KEY_OBJECT_SELECTION) as (_, job):
        assert node.deliver()
        assert node.job(job).state is State.FAILED
        assert node.job(job).reason.startswith(
            "rejection at pacs: pacs does not take Key Object Selection Document Storage in "
        )
        assert states(node, job) == {
            "sr": ("there", 1), "seg": ("there", 1), "rejection": ("refused", 0),
        }  # fmt: skip
