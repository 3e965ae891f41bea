"""A film arrives, is read beside its prior, and comes back as SR and SEG: all parts real."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from builders import IDENTITY, chest, identities_in, variant
from nodes import AE_TITLE, Node, Site, peer
from peers import Orthanc, Redis, dcmsend, findscu, forward_everything, running, wait_until
from pydicom import dcmread
from pydicom.uid import generate_uid

from workers.demo import PAIR_SEED
from workers.drawn import Kind, Wanted, draw

#: Longer side of the films, pixels; the model looks at 256.
SIDE = 512
SR = "1.2.840.10008.5.1.4.1.1.88.34"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The films of the demonstration, on which the model that ships finds something."""
    folder = tmp_path_factory.mktemp("drawn")
    films = draw(PAIR_SEED, Wanted(Kind.PAIR, side=SIDE)).films
    paths = {str(film.when): folder / f"{film.name}.dcm" for film in films}
    for film in films:
        paths[str(film.when)].write_bytes(film.dicom)
    return paths


@pytest.fixture
def current(drawn: dict[str, Path], tmp_path: Path) -> Path:
    return variant(drawn["current"], tmp_path / "films" / "current.dcm", **IDENTITY)


@pytest.fixture
def prior(drawn: dict[str, Path], tmp_path: Path) -> Path:
    return variant(drawn["prior"], tmp_path / "films" / "prior.dcm", **IDENTITY)


def studies(*films: Path) -> set[str]:
    return {str(dcmread(film).StudyInstanceUID) for film in films}


def instances(*films: Path) -> set[str]:
    return {str(dcmread(film).SOPInstanceUID) for film in films}


def made(told: dict[str, Any]) -> set[str]:
    """The SOP Instance UIDs that the ledger says were made."""
    return {one["sop_instance_uid"] for one in told["deliveries"]}


def test_orthanc_forwards_everything_and_the_node_reads_once(
    tmp_path: Path, current: Path, prior: Path
) -> None:
    """Results and priors come in by the same port; neither becomes a study."""
    site = Site(tmp_path / "site")
    known = {"node": (AE_TITLE, "127.0.0.1", site.port)}
    orthanc = Orthanc(tmp_path / "orthanc", modalities=known)
    site.configure(
        archive=peer(orthanc, protocol="dimse", retrieve="c-move"),
        destinations=[peer(orthanc, name="pacs", test=True)],
    )
    node = Node(site)
    with running(orthanc, node):
        dcmsend([prior], orthanc.dicom_port, aec=orthanc.aet)
        wait_until(orthanc.is_stable, "the prior was there long before the node")
        orthanc.set_lua(forward_everything("node"))
        dcmsend([current], orthanc.dicom_port, aec=orthanc.aet)
        job = site.job_in("done")
        came_back = "a result of this project came back"
        wait_until(lambda: node.log.read_text().count(came_back) >= 2, "results are forwarded")
        time.sleep(4)  # twice as long as a study takes to become complete
        told = site.show(job["id"])
        jobs = site.jobs()
        held = orthanc.sop_instance_uids()
    assert [one["study_instance_uid"] for one in jobs] == list(studies(current))
    assert held == instances(prior, current) | made(told)
    assert {one["output"]: one["state"] for one in told["deliveries"]} == {
        "sr": "there",
        "seg": "there",
    }
    assert told["report"]["prior"]["outcome"] == "used"
    assert told["report"]["prior"]["film"]["study_instance_uid"] in studies(prior)
    assert told["report"]["made"]["weights"] == "demonstration"
    happened = [event["what"] for event in told["history"]]
    assert len(happened) == len(set(happened)), "something happened twice"


def test_separate_processes_over_redis(tmp_path: Path, current: Path, prior: Path) -> None:
    """DCMTK sends to the node; a broken object in the same association does no harm."""
    site = Site(tmp_path / "site")
    orthanc = Orthanc(tmp_path / "orthanc")
    redis = Redis(tmp_path / "redis")
    site.configure(
        broker={"url": redis.url},
        archive=peer(orthanc, protocol="dimse", retrieve="c-get"),
        destinations=[peer(orthanc, name="pacs", test=True)],
    )
    broken = variant(current, tmp_path / "films" / "broken.dcm", StudyInstanceUID="not/a/uid")
    lateral = variant(
        current,
        tmp_path / "films" / "lateral.dcm",
        SOPInstanceUID=generate_uid(),
        ViewPosition="LL",
        PatientOrientation=["A", "F"],
    )
    with running(orthanc, redis, *(Node(site, role) for role in ("edge", "worker", "sender"))):
        orthanc.upload(prior)
        dcmsend([lateral, broken, current], site.port, aec=AE_TITLE, check=False)
        job = site.job_in("done")
        told = site.show(job["id"])
        assert orthanc.sop_instance_uids() == instances(prior) | made(told)
        found = {
            modality: findscu(
                {
                    "QueryRetrieveLevel": "SERIES",
                    "StudyInstanceUID": told["study_instance_uid"],
                    "Modality": modality,
                    "SeriesDescription": "",
                    "SeriesNumber": "",
                },
                orthanc.dicom_port,
                tmp_path / f"answers-{modality}",
                aec=orthanc.aet,
            )
            for modality in ("SR", "SEG")
        }
        downloaded = {
            orthanc.client.instances.get_tags(one)["SOPClassUID"]
            for one in orthanc.client.studies.get_instances_ids(
                orthanc.client.studies.lookup(told["study_instance_uid"])
            )
        }
    assert downloaded == {SR, SEG}
    for answers in found.values():
        (series,) = answers
        assert "AI" in series.SeriesDescription
        assert "NOT VERIFIED" in series.SeriesDescription.upper()
        assert int(series.SeriesNumber) > 1000
    assert told["report"]["film"]["sop_instance_uid"] in instances(current)
    reasons = {one["sop_instance_uid"]: one["reason"] for one in told["report"]["left_out"]}
    assert reasons == dict.fromkeys(instances(lateral), "view is lateral")
    (aside,) = site.listing()["quarantine"]
    assert "UID that is none" in aside["reason"]
    for log in tmp_path.glob("site/process-*/log.txt"):
        text = log.read_text(errors="replace")
        assert identities_in(text) == [], f"{log.parent.name} names the patient"
        assert "Traceback" not in text
    names = "\n".join(str(path) for path in site.data.rglob("*"))
    assert identities_in(names) == []


def test_a_pacs_that_is_away_gets_the_results_later_without_a_second_reading(
    tmp_path: Path, current: Path
) -> None:
    site = Site(tmp_path / "site")
    orthanc = Orthanc(tmp_path / "orthanc")
    site.configure(destinations=[peer(orthanc, name="pacs", test=True)])
    with running(Node(site)):
        dcmsend([current], site.port, aec=AE_TITLE)
        job = site.job_in("read", "delivering")
        wait_until(lambda: "does not answer" in site.jobs()[0]["reason"], "it was tried in vain")
        before = site.show(job["id"])
        with orthanc:
            site.job_in("done")
            after = site.show(job["id"])
            held = orthanc.sop_instance_uids()
    assert held == made(after) == made(before)
    assert after["report"] == before["report"]
    read = [event for event in after["history"] if event["what"].startswith("read")]
    assert len([one for one in read if one["what"].split(":")[0] == "read"]) == 1


def test_the_same_study_sent_again_makes_the_same_objects(tmp_path: Path, current: Path) -> None:
    """To the same node: nothing happens. To another that knows nothing: the same UIDs."""
    made_by = []
    orthanc = Orthanc(tmp_path / "orthanc")
    with orthanc:
        for name in ("first", "second"):
            site = Site(tmp_path / name)
            site.configure(destinations=[peer(orthanc, name="pacs", test=True)])
            with running(Node(site)):
                dcmsend([current], site.port, aec=AE_TITLE)
                job = site.job_in("done")
                dcmsend([current], site.port, aec=AE_TITLE)
                time.sleep(4)
                assert [one["id"] for one in site.jobs()] == [job["id"]]
                made_by.append(made(site.show(job["id"])))
        assert orthanc.sop_instance_uids() == made_by[0] == made_by[1]


def test_a_study_that_no_rule_reads_ends_visibly(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    hand = chest(tmp_path / "hand.dcm", BodyPartExamined="HAND")
    with running(Node(site)):
        dcmsend([hand], site.port, aec=AE_TITLE)
        job = site.job_in("refused")
        assert "is back, queued" in site.command("retry", job["id"]).stdout
        site.job_in("refused")
        happened = [event["what"] for event in site.show(job["id"])["history"]]
        assert len([what for what in happened if what.startswith("refused")]) == 2
    assert "there is no job 99" in site.command("retry", 99).stderr
    assert re.search("adult chest radiograph.*Body Part Examined is HAND", job["reason"])
