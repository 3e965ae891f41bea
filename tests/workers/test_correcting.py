"""Revisions, retractions and retries: what counts in a real Orthanc afterwards, read as IOCM."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

import iocm
import nodes
import pytest
from builders import IDENTITY, chest, drawn_picture, variant
from peers import Orthanc, Server, StoreScp, echo, free_port
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid
from sqlalchemy import select
from stages import Node, destination, nowhere

from dicom_node import outputs
from dicom_node.deliver import Sent, Verdict, send
from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.ledger import (
    completion,
    corrections,
    deliveries,
    jobs,
    kept,
    readings,
    retrying,
    tables,
)
from dicom_node.ledger.deliveries import DeliveryState
from dicom_node.ledger.jobs import DELIVER, State
from dicom_node.outputs import OUTPUTS
from dicom_node.outputs.rejection import Reason
from dicom_node.peer import Peer
from dicom_node.receive.persons import Persons
from dicom_node.receive.recorder import Recorder
from dicom_node.receive.scan import scan
from dicom_node.retention.sweep import sweep
from dicom_node.sections import RetentionSection
from dicom_node.spool import Spool
from dicom_node.study import Patient
from workers import building, correcting, retracting, sending, way

SR = "Comprehensive 3D SR Storage"


class Films:
    """Two films of one study: the first is read, the second is read rather once it comes."""

    def __init__(self, folder: Path) -> None:
        one_study = {"StudyInstanceUID": generate_uid()} | IDENTITY
        picture = drawn_picture()
        self.first = chest(folder / "ap.dcm", picture, ViewPosition="AP", **one_study)
        self.late = chest(folder / "pa.dcm", picture, ViewPosition="PA", **one_study)


@pytest.fixture
def films(tmp_path: Path) -> Films:
    return Films(tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    written = nodes.Site(tmp_path / "site")
    rules = written.folder / "rules.yaml"
    every = f"outputs: [{', '.join(OUTPUTS)}]"
    changed = re.sub(r"outputs: \[.*\]", every, rules.read_text("utf-8"))
    rules.write_text(changed, encoding="utf-8")
    return Node(written)


@pytest.fixture
def pacs(orthanc: Orthanc, node: Node) -> Orthanc:
    """An Orthanc, where the node sends every kind of object that it writes."""
    to_pacs(node, orthanc)
    return orthanc


def to_pacs(node: Node, server: Server, **more: Any) -> None:
    node.open(destinations=[destination(server, **({"profile": "weasis"} | more))])


def read(node: Node, film: Path) -> int:
    job = node.receive(film)
    assert node.fetch()
    assert node.read()
    assert node.job(job).state is State.READ
    return job


def deliver(node: Node, job: int) -> State:
    node.make_due(job)
    assert node.deliver()
    return node.job(job).state


def retract(node: Node, job: int, reason: Reason = Reason.QUALITY) -> str:
    told = retracting.retract(node.site, job, reason)
    node.retract()
    return told


def made(node: Node, job: int) -> dict[str, str]:
    """Of the latest objects of a job: UIDs by the name of their class, from their files."""
    rows = [row.made for row in deliveries.of_job(node.site.database, job) if row.counts]
    files = [dcmread(node.site.spool.root / row.path) for row in rows if not row.is_note]
    return {one.SOPClassUID.name: str(one.SOPInstanceUID) for one in files}


def states(node: Node, job: int) -> dict[str, str]:
    rows = deliveries.of_job(node.site.database, job)
    return {f"{row.made.output}{row.made.retractions or ''}": str(row.state) for row in rows}


def notes(pacs: Orthanc) -> list[Dataset]:
    return [one for one in iocm.held(pacs) if iocm.is_note(one)]


def test_a_late_image_leaves_the_results_of_the_new_revision_alone(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    first = read(node, films.first)
    assert deliver(node, first) is State.DONE
    before = iocm.results(iocm.held(pacs))
    assert before == made(node, first)
    assert len(before) == len(OUTPUTS)

    second = read(node, films.late)
    assert deliver(node, second) is State.DONE

    assert iocm.results(iocm.held(pacs)) == made(node, second)
    (note,) = notes(pacs)
    assert iocm.rejected(note) == set(before.values()) - {before[SR]}
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    assert note.PatientID == IDENTITY["PatientID"]
    assert not set(before.values()) & set(made(node, second).values())
    rows = deliveries.of_job(node.site.database, first)
    assert not any(row.counts for row in rows), "the ledger knows what counts no more"


def test_a_third_revision_names_all_reports_before_it(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    first = read(node, films.first)
    deliver(node, first)
    second = read(node, films.late)
    deliver(node, second)
    before = {made(node, second)[SR], *(_sr(node, first))}
    retrying.retry(node.site.database, second, again=True)
    assert node.fetch()
    assert node.read()
    assert deliver(node, second) is State.DONE
    held = iocm.held(pacs)
    assert iocm.results(held) == made(node, second)
    (report,) = [one for one in iocm.current(held) if one.Modality == "SR"]
    named = {
        reference.ReferencedSOPInstanceUID
        for study in report.PredecessorDocumentsSequence
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    }
    assert named == before


def _sr(node: Node, job: int) -> list[str]:
    rows = deliveries.of_job(node.site.database, job)
    return [row.made.sop_instance_uid for row in rows if row.made.output == "sr"]


def test_where_the_new_revision_writes_no_report_the_note_takes_back_the_old_one(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    deliver(node, read(node, films.first))
    to_pacs(node, pacs, profile="minimal")
    second = read(node, films.late)
    assert deliver(node, second) is State.DONE
    assert iocm.results(iocm.held(pacs)) == made(node, second)
    assert SR not in iocm.results(iocm.held(pacs))


@pytest.mark.parametrize(("reason", "title"), [("quality", "113001"), ("safety", "113037")])
def test_a_retraction_leaves_nothing_and_a_retry_one_set_under_new_uids(
    reason: str, title: str, node: Node, films: Films, pacs: Orthanc
) -> None:
    deliver(node, read(node, films.first))
    job = read(node, films.late)
    deliver(node, job)
    sent = {one.SOPInstanceUID for one in iocm.held(pacs)}

    assert "retracting" in retract(node, job, Reason(reason))
    assert node.job(job).state is State.RETRACTED
    assert iocm.results(iocm.held(pacs)) == {}, "a report that was superseded shows up again"
    assert title in {one.ConceptNameCodeSequence[0].CodeValue for one in notes(pacs)}
    known = {one.SOPInstanceUID for one in iocm.held(pacs)}

    assert "nothing was changed" in retract(node, job)
    assert known == {one.SOPInstanceUID for one in iocm.held(pacs)}

    assert retrying.retry(node.site.database, job) is State.READ
    assert deliver(node, job) is State.DONE
    assert iocm.results(iocm.held(pacs)) == made(node, job)
    assert not set(made(node, job).values()) & sent

    retract(node, job)
    assert iocm.results(iocm.held(pacs)) == {}


def test_what_a_pacs_that_was_away_did_not_get_is_not_sent_once_it_is_superseded(
    node: Node, films: Films, tmp_path: Path
) -> None:
    pacs = Orthanc(tmp_path / "orthanc")
    to_pacs(node, pacs)
    first = read(node, films.first)
    assert deliver(node, first) is State.DELIVERING
    assert set(states(node, first).values()) == {"pending"}, "nothing can be there"
    second = read(node, films.late)
    assert deliver(node, second) is State.DELIVERING
    with pacs:
        assert deliver(node, second) is State.DONE
        assert not node.deliver()
        held = iocm.held(pacs)
    assert set(states(node, first).values()) == {"withdrawn"}
    assert node.job(first).state is State.DONE
    assert node.job(first).reason == "revision 2 takes its place"
    assert {one.SOPInstanceUID for one in held} == set(made(node, second).values())
    assert iocm.results(held) == made(node, second)


def test_what_waits_of_another_study_is_sent_whatever_takes_the_place_of_this_one(
    node: Node, films: Films, tmp_path: Path
) -> None:
    pacs = Orthanc(tmp_path / "orthanc")
    to_pacs(node, pacs)
    other = read(node, chest(tmp_path / "other.dcm", drawn_picture()))
    read(node, films.first)
    assert deliver(node, other) is State.DELIVERING
    second = read(node, films.late)
    assert deliver(node, second) is State.DELIVERING
    assert set(states(node, other).values()) == {"pending"}
    with pacs:
        assert deliver(node, other) is State.DONE
        assert iocm.results(iocm.held(pacs)) == made(node, other)
    assert set(states(node, other).values()) == {"there"}


def test_a_pacs_that_is_away_gets_its_note_later(node: Node, films: Films, tmp_path: Path) -> None:
    pacs = Orthanc(tmp_path / "orthanc")
    to_pacs(node, pacs)
    with pacs:
        job = read(node, films.first)
        deliver(node, job)
    retract(node, job)
    assert node.job(job).state is State.RETRACTING
    assert "does not answer" in node.job(job).reason
    assert retrying_is_refused(node, job)
    node.make_due(job)
    with pacs:
        assert node.retract()
        assert iocm.results(iocm.held(pacs)) == {}
    assert node.job(job).state is State.RETRACTED


def refused_retraction(node: Node, job: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The destination takes no notes just now."""

    def refuse(paths: list[Path], peer: Peer, **_: object) -> list[Sent]:
        uids = [str(dcmread(path).SOPInstanceUID) for path in paths]
        return [Sent(uid, 0x0122, Verdict.REFUSED, "no notes here") for uid in uids]

    with monkeypatch.context() as patched:
        patched.setattr(sending, "send_objects", refuse)
        node.retract()


def test_a_retraction_that_failed_goes_on_by_retry_and_sends_no_result(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = read(node, films.first)
    deliver(node, job)
    retracting.retract(node.site, job, Reason.QUALITY)
    refused_retraction(node, job, monkeypatch)
    assert node.job(job).state is State.FAILED
    assert node.job(job).reason == "retraction at pacs: no notes here"
    assert retrying.retry(node.site.database, job) is State.RETRACTING
    assert node.retract()
    assert node.job(job).state is State.RETRACTED
    assert iocm.results(iocm.held(pacs)) == {}


def test_a_retraction_that_failed_goes_on_also_under_a_later_revision(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That was delivered while the note was on its way, and left to it what it names."""
    first = read(node, films.first)
    deliver(node, first)
    second = read(node, films.late)
    told = retracting.retract(node.site, first, Reason.SAFETY)
    assert told.endswith(f"; job {second} of the same study is read: that stays")
    assert deliver(node, second) is State.DONE
    refused_retraction(node, first, monkeypatch)
    assert node.job(first).state is State.FAILED
    with pytest.raises(Misconfigured, match=f"`dicom-node retry {first}` goes on"):
        retract(node, first)
    assert retrying.retry(node.site.database, first) is State.RETRACTING
    assert node.retract()
    assert node.job(first).state is State.RETRACTED
    assert iocm.results(iocm.held(pacs)) == made(node, second)
    with pytest.raises(Misconfigured, match="revision 2 was read"):
        retrying.retry(node.site.database, first)


def test_a_retraction_that_failed_and_was_superseded_does_not_end_as_if_it_had_been_sent(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What still stands of it, a report that a later one took the place of, is retracted anew."""
    first = read(node, films.first)
    deliver(node, first)
    retracting.retract(node.site, first, Reason.SAFETY)
    refused_retraction(node, first, monkeypatch)
    second = read(node, films.late)
    assert deliver(node, second) is State.DONE
    assert states(node, first)["retraction1"] == "withdrawn"
    with pytest.raises(Misconfigured, match="revision 2 was read"):
        retrying.retry(node.site.database, first)
    retract(node, first, Reason.SAFETY)
    assert node.job(first).state is State.RETRACTED
    safety = [one for one in notes(pacs) if one.ConceptNameCodeSequence[0].CodeValue == "113037"]
    assert [iocm.rejected(one) for one in safety] == [set(_sr(node, first))]
    assert iocm.results(iocm.held(pacs)) == made(node, second)


def test_what_a_note_was_to_take_back_that_is_sent_no_more_stands(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its destination was not in node.yaml when a later revision took the place of the others."""
    here = destination(pacs, profile="weasis")
    node.open(destinations=[here, here | {"name": "other"}])
    first = read(node, films.first)
    deliver(node, first)
    retracting.retract(node.site, first, Reason.SAFETY)
    refused_retraction(node, first, monkeypatch)
    node.open(destinations=[here])
    assert deliver(node, read(node, films.late)) is State.DONE
    node.open(destinations=[here, here | {"name": "other"}])
    retract(node, first, Reason.SAFETY)
    assert node.job(first).state is State.RETRACTED
    results = deliveries.of_job(node.site.database, first)
    notes_there = [row.id for row in results if row.made.is_note and row.state == "there"]
    others = [one for one in results if one.made.destination == "other" and not one.made.is_note]
    assert {one.withdrawn_by in notes_there for one in others} == {True}


def test_while_a_retraction_has_failed_nothing_is_forgotten(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive shows it still; the command names another job of the study."""
    first = read(node, films.first)
    deliver(node, first)
    second = read(node, films.late)
    retracting.retract(node.site, first, Reason.SAFETY)
    assert deliver(node, second) is State.DONE
    refused_retraction(node, first, monkeypatch)
    retract(node, second, Reason.SAFETY)
    with pytest.raises(Misconfigured, match=f"retraction of job {first} has failed"):
        retracting.forget(node.site, second)
    retrying.retry(node.site.database, first)
    assert node.retract()
    assert "2 received file(s)" in retracting.forget(node.site, second)
    assert iocm.results(iocm.held(pacs)) == {}


def test_where_another_film_was_read_and_not_sent_what_was_sent_is_withdrawn(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    """By the rules as they are now. The note is about the film that the results are about."""
    about = dcmread(films.late).SOPInstanceUID
    job = node.receive(films.first, films.late)
    assert node.fetch()
    assert node.read()
    assert deliver(node, job) is State.DONE
    change_rules(node, pacs, "views: [PA, AP, frontal]", "views: [AP]")
    retrying.retry(node.site.database, job, again=True)
    assert node.fetch()
    assert node.read()
    retract(node, job, Reason.SAFETY)
    assert node.job(job).state is State.RETRACTED
    assert iocm.results(iocm.held(pacs)) == {}
    assert dcmread(node.site.spool.header(job)).SOPInstanceUID == about


def change_rules(node: Node, pacs: Server, old: str, new: str) -> None:
    rules = node.written.folder / "rules.yaml"
    rules.write_text(rules.read_text("utf-8").replace(old, new, 1), encoding="utf-8")
    to_pacs(node, pacs)


def reading_again_that_ends_as(state: State, node: Node, pacs: Server, job: int) -> None:
    """The film has been deleted meanwhile, or no rule reads it any more."""
    if state is State.FAILED:
        study = node.job(job).study_instance_uid
        node.site.spool.delete(study, map(node.site.spool.below, node.site.spool.received()))
    else:
        change_rules(node, pacs, "modalities: [CR, DX]", "modalities: [DX]")
    assert retrying.retry(node.site.database, job, again=True) is State.QUEUED
    assert node.fetch()
    assert node.job(job).state is state


@pytest.mark.parametrize("state", [State.FAILED, State.REFUSED])
def test_where_reading_again_fails_what_stands_can_be_withdrawn(
    state: State, node: Node, films: Films, pacs: Orthanc
) -> None:
    job = read(node, films.first)
    deliver(node, job)
    before = made(node, job)
    reading_again_that_ends_as(state, node, pacs, job)
    assert iocm.results(iocm.held(pacs)) == before
    assert retrying.retry(node.site.database, job) is State.QUEUED, "what was asked for goes on"
    assert node.fetch()
    retract(node, job)
    assert node.job(job).state is State.RETRACTED
    assert iocm.results(iocm.held(pacs)) == {}


def test_where_reading_again_fails_what_was_withdrawn_is_not_sent_as_it_was(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    job = read(node, films.first)
    deliver(node, job)
    retract(node, job)
    reading_again_that_ends_as(State.REFUSED, node, pacs, job)
    assert retrying.retry(node.site.database, job) is State.QUEUED
    assert not node.deliver()
    assert iocm.results(iocm.held(pacs)) == {}


def retrying_is_refused(node: Node, job: int) -> bool:
    with pytest.raises(Misconfigured, match="only failed, refused or retracted"):
        retrying.retry(node.site.database, job)
    return True


def test_a_job_that_waits_is_retracted_without_a_note(node: Node, films: Films) -> None:
    node.open(destinations=[nowhere(name="pacs", test=True)])
    job = read(node, films.first)
    deliver(node, job)
    retract(node, job)
    assert node.job(job).state is State.RETRACTED
    assert set(states(node, job).values()) == {"withdrawn"}
    node.make_due(job)
    assert not node.deliver()


def test_a_job_that_sent_nothing_or_is_worked_on_is_not_retracted(
    node: Node, films: Films, tmp_path: Path
) -> None:
    job = node.receive(films.first)
    with pytest.raises(Misconfigured, match=f"job {job} is queued: nothing that it sent"):
        retract(node, job)
    with pytest.raises(Misconfigured, match="there is no job 99"):
        retract(node, 99)
    with StoreScp(tmp_path / "pacs") as pacs:
        to_pacs(node, pacs, verify="none")
        node.fetch()
        node.read()
        held = jobs.lease(node.site.database, DELIVER, owner="other", seconds=60, attempts=3)
        assert held is not None
        with pytest.raises(Misconfigured, match="is being worked on just now"):
            retract(node, job)
        assert node.job(job).state is State.DELIVERING
        assert node.job(job).retractions == 0


def test_a_sender_that_was_killed_may_have_brought_what_it_was_at(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    """It is named as a predecessor or in the note, though the ledger does not know it as sent."""
    job = read(node, films.first)
    with pytest.raises(SystemExit):
        node.take(DELIVER, _killed_after_sending)
    node.make_due(job, lease_until=1.0)
    assert set(states(node, job).values()) == {"sending"}
    assert iocm.held(pacs)

    second = read(node, films.late)
    node.take(DELIVER, way.deliver)  # the first is due for longer: it goes on where it stood
    while node.deliver():
        pass
    for one in (job, second):
        node.make_due(one)
        node.deliver()
    assert iocm.results(iocm.held(pacs)) == made(node, second)


def _killed_after_sending(site: Any, job: jobs.Job) -> None:
    result = readings.of(job)
    building.build(site, job, result, *way.films(site, job, result))
    rows = deliveries.of_job(site.database, job.id)
    claimed = deliveries.claim(site.database, job, rows)
    peer = site.settings.peer("pacs", site.settings.destinations[0])
    sending.send_objects([site.spool.root / row.made.path for row in claimed], peer)
    raise SystemExit(9)


def test_a_sender_that_lost_its_lease_brings_nothing_back(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    """It was built and not sent; its lease ran out; a later revision took its place."""
    first = read(node, films.first)
    lost = jobs.lease(node.site.database, DELIVER, owner="lost", seconds=60, attempts=3)
    assert lost is not None
    result = readings.of(lost)
    building.build(node.site, lost, result, *way.films(node.site, lost, result))
    second = read(node, films.late)
    node.make_due(second)
    assert node.deliver()
    assert "revision 1 is being sent just now" in node.job(second).reason

    node.make_due(first, lease_until=1.0, due_at=9e11)
    assert deliver(node, second) is State.DONE
    rows = deliveries.of_job(node.site.database, first)
    assert deliveries.claim(node.site.database, lost, rows) == []
    sending.bring(node.site, lost, result)
    deliveries.outcome(node.site.database, lost, rows[0], DeliveryState.PENDING)
    assert set(states(node, first).values()) == {"withdrawn"}
    with pytest.raises(Unreachable, match="somebody else"):
        building.build(node.site, lost, result, *way.films(node.site, lost, result))
    assert iocm.results(iocm.held(pacs)) == made(node, second)


def test_a_lease_lasts_for_as_long_as_objects_are_built(
    node: Node, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long each of them takes: nobody else begins to build them."""
    node.open(destinations=[nowhere(name="pacs", test=True, profile="weasis")])
    first, left, build = read(node, films.first), [], outputs.build
    until = select(tables.jobs.c.lease_until).where(tables.jobs.c.id == first)

    def nearly_over(*material: Any) -> Iterator[Any]:
        for made in build(*material):
            node.make_due(first, lease_until=time.time() + 1)
            yield made
            with node.site.database.reading() as connection:
                left.append(connection.execute(until).scalar_one() - time.time())

    monkeypatch.setattr(outputs, "build", nearly_over)
    assert deliver(node, first) is State.DELIVERING
    assert len(left) == len(OUTPUTS)
    assert min(left) > 30


def test_what_changes_between_building_and_entering_is_built_again(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first revision is found there only after the second one was built."""
    first = read(node, films.first)
    deliver(node, first)
    second = read(node, films.late)
    nothing = corrections.Standing(())
    with monkeypatch.context() as patched:
        patched.setattr(corrections, "before", lambda *_: nothing)
        node.make_due(second)
        assert node.deliver()
    assert "has changed just now" in node.job(second).reason
    assert deliveries.of_job(node.site.database, second) == []
    assert deliver(node, second) is State.DONE
    assert iocm.results(iocm.held(pacs)) == made(node, second)


def test_a_note_waits_until_all_that_takes_the_place_is_accepted(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PACS has no room for the report just now."""
    deliver(node, read(node, films.first))
    second = read(node, films.late)

    def full(paths: list[Path], peer: Peer, **_: object) -> list[Sent]:
        reports = [path for path in paths if path.name == "sr.dcm"]
        uids = [str(dcmread(path).SOPInstanceUID) for path in reports]
        others = send([path for path in paths if path not in reports], peer)
        return [*others, *(Sent(uid, 0xA700, Verdict.LATER, "full") for uid in uids)]

    with monkeypatch.context() as patched:
        patched.setattr(sending, "send_objects", full)
        assert deliver(node, second) is State.DELIVERING
    assert states(node, second)["sr"] == states(node, second)["rejection"] == "pending"
    assert notes(pacs) == []
    assert deliver(node, second) is State.DONE
    assert iocm.results(iocm.held(pacs)) == made(node, second)


def test_a_destination_that_is_away_holds_up_no_other_one(
    node: Node, films: Films, pacs: Orthanc, tmp_path: Path
) -> None:
    """There the old set counts until the new one and the note have come."""
    other = Orthanc(tmp_path / "other", aet="OTHER")
    both = [
        destination(pacs, profile="weasis"),
        destination(other, name="other", profile="weasis"),
    ]
    node.open(destinations=both)
    with other:
        first = read(node, films.first)
        deliver(node, first)
    second = read(node, films.late)
    assert deliver(node, second) is State.DELIVERING
    assert iocm.results(iocm.held(pacs)) == made(node, second)
    with other:
        assert set(iocm.results(iocm.held(other)).values()) <= set(_all(node, first))
        assert deliver(node, second) is State.DONE
        assert iocm.results(iocm.held(other)) == made(node, second)


def contents(node: Node, job: int) -> dict[str, set[bytes]]:
    """The files that were made for a job, by the UID of the object in them."""
    found: dict[str, set[bytes]] = {}
    for row in deliveries.of_job(node.site.database, job):
        content = (node.site.spool.root / row.made.path).read_bytes()
        found.setdefault(row.made.sop_instance_uid, set()).add(content)
    return found


def test_no_uid_is_of_two_objects_at_destinations_with_another_past(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    """One got the first revision and one did not; both may send on to the same archive."""
    here = destination(pacs, profile="weasis")
    node.open(destinations=[here, nowhere(name="other", test=True, profile="weasis")])
    deliver(node, read(node, films.first))
    node.open(destinations=[here, here | {"name": "other"}])
    second = read(node, films.late)
    assert deliver(node, second) is State.DONE
    assert {len(files) for files in contents(node, second).values()} == {1}


def test_a_note_for_two_destinations_is_one_object(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written for one after the other, and of one time all the same."""
    clock = iter(range(60))

    class Slow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = UTC) -> Slow:
            return cls(2026, 3, 4, 5, 6, next(clock), tzinfo=tz)

    monkeypatch.setattr(retracting, "datetime", Slow)
    here = destination(pacs, profile="weasis")
    node.open(destinations=[here, here | {"name": "other"}])
    job = read(node, films.first)
    assert deliver(node, job) is State.DONE
    retract(node, job)
    assert {len(files) for files in contents(node, job).values()} == {1}


def _all(node: Node, job: int) -> list[str]:
    return [row.made.sop_instance_uid for row in deliveries.of_job(node.site.database, job)]


def test_a_result_is_withdrawn_after_retention_has_deleted_its_film(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    job = read(node, films.first)
    deliver(node, job)
    study = node.job(job).study_instance_uid
    for path in node.site.spool.study(study).iterdir():
        path.unlink()
    retract(node, job)
    assert iocm.results(iocm.held(pacs)) == {}
    (note,) = notes(pacs)
    assert (note.PatientID, note.PatientName) == (IDENTITY["PatientID"], IDENTITY["PatientName"])
    kept = dcmread(node.site.spool.header(job))
    assert "PatientAddress" not in kept
    assert "PixelData" not in kept
    assert correcting.header(node.site, node.job(job), readings.of(node.job(job)))


def delete_as_old(node: Node, job: int) -> None:
    """As retention does when the time of the study's files is over."""
    for one in jobs.listing(node.site.database):
        node.make_due(one.id, state_since=time.time() - 40 * 86_400)
    sweep(node.site.database, node.site.spool, RetentionSection())
    assert not list(node.site.spool.study(node.job(job).study_instance_uid).glob("*"))


def test_a_retraction_that_failed_goes_on_after_retention_has_deleted_what_was_sent(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = read(node, films.first)
    deliver(node, job)
    retracting.retract(node.site, job, Reason.SAFETY)
    refused_retraction(node, job, monkeypatch)
    delete_as_old(node, job)
    assert retrying.retry(node.site.database, job) is State.RETRACTING
    assert node.retract()
    assert node.job(job).state is State.RETRACTED
    assert iocm.results(iocm.held(pacs)) == {}
    header = node.site.spool.header(job)
    assert sorted(one.name for one in header.parent.iterdir()) == [header.name, "pacs"]
    assert [one.name for one in (header.parent / "pacs").iterdir()] == ["retraction-1.dcm"]


def test_a_note_that_is_written_while_retention_deletes_is_sent(
    node: Node, films: Films, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a study whose files it has deleted before, and looks at once more."""
    job = read(node, films.first)
    deliver(node, job)
    delete_as_old(node, job)
    ended = kept.ended

    def and_then_is_retracted(*about: Any) -> list[kept.Ended]:
        if (found := ended(*about)) and node.job(job).state is State.DONE:
            retracting.retract(node.site, job, Reason.SAFETY)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(kept, "ended", and_then_is_retracted)
        sweep(node.site.database, node.site.spool, RetentionSection())
    assert node.retract()
    assert node.job(job).state is State.RETRACTED
    assert iocm.results(iocm.held(pacs)) == {}


def test_an_earlier_revision_is_not_retried_and_the_later_one_is_named(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    first = read(node, films.first)
    node.open(destinations=[destination(pacs, port=free_port(), name="pacs")])
    deliver(node, first)
    to_pacs(node, pacs)
    second = read(node, films.late)
    deliver(node, second)
    jobs_state = node.job(first)
    assert (jobs_state.state, jobs_state.reason) == (State.DONE, "revision 2 takes its place")
    with pytest.raises(Misconfigured, match=f"revision 2 was read: .* retry job {second}"):
        retrying.retry(node.site.database, first, again=True)
    assert node.job(first).state is State.DONE
    assert iocm.results(iocm.held(pacs)) == made(node, second)


def test_corrected_demographics_come_under_the_same_uids_and_are_read_anew(
    node: Node, films: Films, pacs: Orthanc, tmp_path: Path
) -> None:
    corrected = variant(films.first, tmp_path / "corrected.dcm", PatientID="RIGHT-ONE")
    job = read(node, films.first)
    deliver(node, job)
    persons = Persons(node.site.spool)
    study = node.job(job).study_instance_uid
    assert node.site.spool.belongs(node.site.spool.study(study), IDENTITY["PatientID"])
    assert persons.conflict(study, somebody(IDENTITY["PatientID"])) == ""
    with pytest.raises(Misconfigured, match="nothing was deleted"):
        retracting.forget(node.site, job)
    retract(node, job, Reason.SAFETY)
    assert "1 received file(s) of the study deleted" in retracting.forget(node.site, job)

    assert node.site.spool.belongs(node.site.spool.study(study), "RIGHT-ONE")
    assert persons.conflict(study, somebody("RIGHT-ONE")) == ""
    second = read(node, corrected)
    assert node.job(second).revision == 2
    assert deliver(node, second) is State.DONE
    held = iocm.held(pacs)
    assert iocm.results(held) == made(node, second)
    assert {one.PatientID for one in iocm.current(held)} == {"RIGHT-ONE"}


def test_a_study_that_is_being_forgotten_is_not_taken_for_new(
    node: Node, films: Films, pacs: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is killed before it has deleted the files; then an edge looks through them, or
    the command is given once more.
    """
    corrected = variant(films.first, tmp_path / "corrected.dcm", PatientID="RIGHT-ONE")
    job = read(node, films.first)
    deliver(node, job)
    retract(node, job, Reason.SAFETY)
    (left,) = node.site.spool.received()
    content = left.read_bytes()

    def killed(*_: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "delete", killed)
        with pytest.raises(SystemExit):
            retracting.forget(node.site, job)
    assert left.exists()
    assert scanned(node) == []
    assert not left.exists()

    left.parent.mkdir()
    left.write_bytes(content)
    assert "1 received file(s)" in retracting.forget(node.site, job)
    assert scanned(node) == []
    assert node.job(read(node, corrected)).revision == 2


def scanned(node: Node) -> list[int]:
    """The jobs that come of what an edge finds in the spool at its start."""
    recorder = Recorder(node.site.database, node.site.spool, "edge", 30)
    recorder.start()
    scan(node.site.spool, node.site.database, recorder)
    recorder.stop()
    return completion.complete(node.site.database, 0, 3600)


def waiting_for_a_late_prior(node: Node, pacs: Server, film: Path) -> tuple[int, int]:
    """A study that was read and delivered without its prior, and the revision that waits for it."""
    rules = node.written.folder / "rules.yaml"
    changed = rules.read_text("utf-8").replace("reopen_hours: 0", "reopen_hours: 2")
    rules.write_text(changed, encoding="utf-8")
    node.open(
        archive=nowhere(),
        destinations=[destination(pacs, profile="weasis")],
        limits={"prior_wait_seconds": 0.01},
        delivery={"first_retry_seconds": 100, "longest_retry_seconds": 500},
    )
    first = read(node, film)
    assert deliver(node, first) is State.DONE
    second, _ = jobs.listing(node.site.database)
    assert second.waits_for_prior
    return first, second.id


def test_what_was_withdrawn_is_not_read_again_for_a_prior_that_comes_late(
    node: Node, films: Films, pacs: Orthanc, tmp_path: Path
) -> None:
    corrected = variant(films.first, tmp_path / "corrected.dcm", PatientID="RIGHT-ONE")
    first, second = waiting_for_a_late_prior(node, pacs, films.first)
    retract(node, first, Reason.SAFETY)
    assert iocm.results(iocm.held(pacs)) == {}
    assert node.job(second).state is State.REFUSED
    assert node.job(second).reason == "revision 1 was withdrawn by hand"
    node.make_due(second)
    assert not node.fetch()

    assert "1 received file(s)" in retracting.forget(node.site, first)
    third = read(node, corrected)
    assert deliver(node, third) is State.DONE
    assert iocm.results(iocm.held(pacs)) == made(node, third)


def test_a_reading_with_the_late_prior_does_not_bring_back_what_is_withdrawn_meanwhile(
    node: Node, films: Films, pacs: Orthanc
) -> None:
    """Who reads just now cannot hand it on."""
    first, second = waiting_for_a_late_prior(node, pacs, films.first)
    node.make_due(second, state=State.READING, prior_until=None)
    reading = jobs.lease(node.site.database, jobs.READ, owner="me", seconds=60, attempts=3)
    assert reading is not None
    retract(node, first)
    assert node.job(second).state is State.REFUSED
    assert not jobs.advance(node.site.database, reading, State.READ)


def lateral_of(film: Path, folder: Path) -> Path:
    """Another image of the study, that is not read."""
    study = str(dcmread(film).StudyInstanceUID)
    side = {"ViewPosition": "LL", "PatientOrientation": ["A", "F"], "StudyInstanceUID": study}
    return chest(folder / "lateral.dcm", drawn_picture(), **IDENTITY | side)


def test_what_a_retraction_that_failed_names_does_not_come_back_beside_another_image(
    node: Node, films: Films, pacs: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive takes no notes yet; and nobody reads the film once more for its late prior."""
    lateral = lateral_of(films.first, tmp_path)
    first, _ = waiting_for_a_late_prior(node, pacs, films.first)
    retracting.retract(node.site, first, Reason.SAFETY)
    refused_retraction(node, first, monkeypatch)
    assert node.job(first).state is State.FAILED
    third = node.receive(lateral)
    assert node.fetch()
    assert node.job(third).state is State.REFUSED
    assert node.job(third).reason == "the film chosen was read by revision 1, and withdrawn"
    assert retrying.retry(node.site.database, first) is State.RETRACTING
    assert node.retract()
    assert iocm.results(iocm.held(pacs)) == {}


def test_an_image_beside_a_film_that_was_withdrawn_does_not_bring_its_results_back(
    node: Node, films: Films, pacs: Orthanc, tmp_path: Path
) -> None:
    """Whether it came before the retraction or afterwards; another film is read."""
    lateral = lateral_of(films.first, tmp_path)
    first, second = waiting_for_a_late_prior(node, pacs, films.first)
    assert node.receive(lateral) == second
    retract(node, first)
    assert node.job(second).state is State.QUEUED
    assert node.fetch()
    assert node.job(second).state is State.REFUSED
    told = "the film chosen was read by revision 1, and withdrawn"
    assert node.job(second).reason == told
    assert deliver(node, read(node, films.late)) is State.DONE


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_in_an_orthanc_that_is_named_what_was_withdrawn_is_deleted(
    password: str, node: Node, films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"AuthenticationEnabled": True, "RegisteredUsers": {"node": "right"}}
    pacs = Orthanc(tmp_path / "orthanc")
    to_pacs(node, pacs, orthanc=pacs.url)
    with pacs:
        pacs.upload(films.late)
        film = pacs.sop_instance_uids()
        job = read(node, films.first)
        deliver(node, job)
    monkeypatch.setenv("DICOM_NODE_ORTHANC__PASSWORD", password)
    node.open(orthanc={"user": "node"})
    asked = Orthanc(pacs.folder, settings=login)  # over the same storage
    to_pacs(node, asked, orthanc=f"http://127.0.0.1:{asked.http_port}")
    monkeypatch.setattr(asked, "answers", lambda: echo(asked.dicom_port, asked.aet))
    with asked:
        state = deliver(node, read(node, films.late))
    with pacs:
        left = {one.SOPInstanceUID for one in iocm.held(pacs)} - film
        noted = {one.SOPInstanceUID for one in notes(pacs)}
    old, new = set(_all(node, job)), set(made(node, job + 1).values())
    assert state is (State.DONE if password == "right" else State.FAILED)
    assert left == (new | noted if password == "right" else old | new | noted)


def somebody(patient_id: str) -> Patient:
    return Patient(patient_id, "", IDENTITY["PatientName"], date(1941, 3, 17), "F")
