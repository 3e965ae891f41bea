"""An image of another patient comes for a study whose files were deleted: the edge is real."""

from __future__ import annotations

from pathlib import Path

import iocm
import nodes
import pytest
from builders import IDENTITY, chest, drawn_picture, variant
from peers import Orthanc, storescu, wait_until
from pydicom.uid import generate_uid
from stages import Node, destination

from dicom_node.ledger import jobs, quarantined
from dicom_node.ledger.jobs import State
from dicom_node.outputs.rejection import Reason
from workers import retracting

SECONDS = 60
OTHER = {"PatientID": "SECRET125", "PatientName": "Mustermann^Erika"}


class Films:
    """Of one study: the one that is read first, and some of another patient."""

    def __init__(self, folder: Path) -> None:
        self.first = chest(folder / "ap.dcm", drawn_picture(), ViewPosition="AP", **IDENTITY)
        self.others = [self.copy(folder / f"other-{number}.dcm", **OTHER) for number in range(3)]

    def copy(self, path: Path, **elements: str) -> Path:
        late = {"ViewPosition": "PA", "SOPInstanceUID": generate_uid(), **elements}
        return variant(self.first, path, **late)


@pytest.fixture
def films(tmp_path: Path) -> Films:
    return Films(tmp_path)


@pytest.fixture
def node(tmp_path: Path, orthanc: Orthanc) -> Node:
    """Its edge deletes at its start what is done."""
    node = Node(nodes.Site(tmp_path / "site"))
    to = destination(orthanc, profile="weasis")
    node.open(destinations=[to], retention={"done": "0.001 seconds"})
    return node


def delivered(node: Node, job: int) -> None:
    node.make_due(job)
    for work in (node.fetch, node.read, node.deliver):
        assert work()
    assert node.job(job).state is State.DONE, node.job(job).reason


def send(node: Node, film: Path) -> None:
    told = storescu([film], node.written.port, aec=nodes.AE_TITLE)
    assert "Success" in told.stdout + told.stderr


def study_gone(node: Node, job: int) -> None:
    folder = node.site.spool.study(node.job(job).study_instance_uid)
    wait_until(lambda: not folder.exists(), "retention deletes the study", SECONDS)


def aside(node: Node) -> list[str]:
    return [one.reason for one in quarantined.listing(node.site.database, limit=9)]


def test_another_patient_is_quarantined_until_the_study_is_forgotten(
    node: Node, films: Films, orthanc: Orthanc
) -> None:
    """Also while nothing that was sent of the first one stands any more."""
    first = node.receive(films.first)
    delivered(node, first)
    stands = iocm.results(iocm.held(orthanc))
    assert stands
    with nodes.Node(node.written, "edge"):
        study_gone(node, first)
        send(node, films.others[0])
        wait_until(lambda: len(aside(node)) == 1, "it is quarantined", SECONDS)
        assert iocm.results(iocm.held(orthanc)) == stands

        retracting.retract(node.site, first, Reason.SAFETY)
        assert node.retract()
        send(node, films.others[1])
        wait_until(lambda: len(aside(node)) == 2, "it is quarantined", SECONDS)
        assert set(aside(node)) == {"an object of this study is of another Patient ID"}
        assert [one.id for one in jobs.listing(node.site.database)] == [first]

        retracting.forget(node.site, first)
        send(node, films.others[2])
        wait_until(lambda: len(jobs.listing(node.site.database)) == 2, "it came", SECONDS)
        second = jobs.listing(node.site.database)[0].id
        wait_until(lambda: node.job(second).state is State.QUEUED, "it is complete", SECONDS)
    delivered(node, second)
    assert {one.PatientID for one in iocm.current(iocm.held(orthanc))} == {OTHER["PatientID"]}
