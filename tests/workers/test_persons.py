"""What was sent of one patient stands, whatever comes of another: behind the door, in Orthanc."""

from __future__ import annotations

from pathlib import Path

import iocm
import nodes
import pytest
from builders import IDENTITY, chest, drawn_picture, identities_in, variant
from peers import Orthanc
from pydicom import Dataset
from pydicom.uid import generate_uid
from stages import Node, destination, nowhere

from dicom_node.ledger import deliveries, kept
from dicom_node.ledger.jobs import State
from dicom_node.retention.deleting import delete_study

IS_ANOTHER = "it is of another patient than revision 1 of this study, whose results stand: "
MAY_BE = "it may be of another patient than revision 1 of this study, whose results stand: "


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return chest(tmp_path / "ap.dcm", drawn_picture(), ViewPosition="AP", **IDENTITY)


@pytest.fixture
def node(tmp_path: Path, orthanc: Orthanc) -> Node:
    node = Node(nodes.Site(tmp_path / "site"))
    node.open(destinations=[destination(orthanc, profile="weasis")])
    return node


def late(film: Path, **elements: str | None) -> Path:
    """Another film of the study, which is read rather."""
    other = {"ViewPosition": "PA", "SOPInstanceUID": generate_uid(), **elements}
    return variant(film, film.with_name("late.dcm"), **other)


def deliver(node: Node, job: int) -> tuple[State, str]:
    node.make_due(job)
    assert node.deliver()
    return node.job(job).state, node.job(job).reason


def delivered(node: Node, film: Path) -> int:
    """A revision of which all was sent, and the study's files deleted by retention."""
    job = node.receive(film)
    assert node.fetch()
    assert node.read()
    assert deliver(node, job) == (State.DONE, "")
    (ended,) = kept.ended(node.site.database, [node.job(job).study_instance_uid])
    assert delete_study(node.site.database, node.site.spool, ended, "in a test")
    return job


def stands(node: Node, orthanc: Orthanc, job: int) -> dict[str, str]:
    """What counts in the archive, which has to be what counts by the ledger."""
    found = iocm.results(iocm.held(orthanc))
    rows = deliveries.of_job(node.site.database, job)
    results = [row.made for row in rows if row.counts and not row.made.is_note]
    assert set(found.values()) == {made.sop_instance_uid for made in results}
    assert found
    return found


@pytest.mark.parametrize(
    ("elements", "differs"),
    [
        ({"PatientID": "SECRET125", "PatientName": "Mustermann^Erika"}, "Patient ID"),
        ({"PatientID": None}, "Patient ID"),
        ({"IssuerOfPatientID": "ELSEWHERE"}, "Issuer of Patient ID"),
        ({"PatientName": "Mustermann^Erika"}, "Patient's Name"),
    ],
)
def test_a_revision_of_another_patient_is_not_read_and_what_was_sent_stands(
    elements: dict[str, str | None],
    differs: str,
    node: Node,
    film: Path,
    orthanc: Orthanc,
    tmp_path: Path,
) -> None:
    film = variant(film, tmp_path / "issued.dcm", IssuerOfPatientID="HERE")
    other = late(film, **elements)
    first = delivered(node, film)
    before = stands(node, orthanc, first)
    second = node.receive(other)
    assert node.fetch()
    failed = node.job(second)
    assert (failed.state, failed.reason) == (State.FAILED, f"{IS_ANOTHER}{differs} differs")
    assert identities_in(failed.reason) == []
    assert not node.read()
    assert stands(node, orthanc, first) == before


@pytest.mark.parametrize("built", [False, True])
def test_nor_is_it_sent_where_that_is_found_out_late(
    built: bool, node: Node, film: Path, orthanc: Orthanc
) -> None:
    """The header of the first film is another one than when the second one was read."""
    other = late(film).rename(film.with_name("other.dcm"))
    sent = late(film)
    first = delivered(node, film)
    before = stands(node, orthanc, first)
    second = node.receive(sent)
    assert node.fetch()
    assert node.read()
    to_orthanc = node.written.settings["destinations"]
    if built:
        node.open(destinations=[nowhere(name="pacs", test=True, profile="weasis")])
        assert deliver(node, second)[0] is State.DELIVERING
    header = node.site.spool.header(first)
    variant(other, header, PatientID="SECRET125", PixelData=None)
    node.open(destinations=to_orthanc)
    assert deliver(node, second) == (State.FAILED, f"{IS_ANOTHER}Patient ID differs")
    assert iocm.results(iocm.held(orthanc)) == before

    header.unlink()
    assert not node.deliver()
    second = node.receive(late(other))
    assert node.fetch()
    assert node.job(second).reason.startswith(MAY_BE)
    assert iocm.results(iocm.held(orthanc)) == before


def test_a_note_has_the_identity_of_what_it_takes_back(
    node: Node, film: Path, orthanc: Orthanc
) -> None:
    """The late film states the same patient in other words, and another order."""
    new = late(film, PatientName=f"{IDENTITY['PatientName']}^^Dr", AccessionNumber="ACC-NEW",
               IssuerOfPatientID="HERE")  # fmt: skip
    first = delivered(node, film)
    before = stands(node, orthanc, first)
    second = node.receive(new)
    assert node.fetch()
    assert node.read()
    assert deliver(node, second) == (State.DONE, "")
    after = stands(node, orthanc, second)
    assert not set(before.values()) & set(after.values())
    (note,) = [one for one in iocm.held(orthanc) if iocm.is_note(one)]
    assert iocm.rejected(note) <= set(before.values())
    assert whose(note) == [IDENTITY["PatientName"], "", IDENTITY["AccessionNumber"]]
    (report,) = [one for one in iocm.current(iocm.held(orthanc)) if one.Modality == "SR"]
    assert whose(report) == [f"{IDENTITY['PatientName']}^^Dr", "HERE", "ACC-NEW"]


WHOSE = ("PatientName", "IssuerOfPatientID", "AccessionNumber")


def whose(dataset: Dataset) -> list[str]:
    return [str(dataset.get(keyword) or "") for keyword in WHOSE]
