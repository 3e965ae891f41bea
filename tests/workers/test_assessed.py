"""A radiologist's assessment, from the sender to what ``show`` tells: at a real edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from assessors import (
    ACCEPTED,
    AFTER_MODIFICATION,
    REJECTED,
    assessment,
    entry,
    observed,
    referenced,
    save,
    status,
)
from builders import IDENTITY, chest, identities_in
from ledger_rows import read_job
from nodes import AE_TITLE, Node, Site
from peers import storescu, wait_until
from report_builders import film_of, report_on, several, unchanged

from dicom_node.tracking import tracking_uids
from workers.site import configure, open_site


@pytest.fixture
def written(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def test_show_tells_what_the_radiologist_said_last(written: Site, tmp_path: Path) -> None:
    film = film_of(chest(tmp_path / "film.dcm"))
    told = report_on(film, *unchanged(several(film)))
    site = open_site(configure(written.config))
    job = read_job(site.database, told)
    uid = tracking_uids(told)[1]
    whole, finding = referenced(f"1.2.{job}"), observed(uid)
    study = film.study_instance_uid
    made = [
        assessment(entry(whole, status(REJECTED)), study=study, **IDENTITY),
        assessment(
            entry(whole, status(ACCEPTED)),
            entry(whole, *finding, status(ACCEPTED, AFTER_MODIFICATION)),
            study=study,
            **IDENTITY,
        ),
    ]
    with Node(written, "edge") as edge:
        for number, one in enumerate(made, 1):
            storescu([save(one, tmp_path / f"{number}.dcm")], written.port, aec=AE_TITLE)
            wait_until(
                lambda n=number: len(written.show(job)["instances"]) == n,  # type: ignore[misc]
                "the assessment is entered",
            )
        said = edge.said
    assert identities_in(said) == []
    shown = written.command("show", job).stdout
    part = shown.split("\n\nAssessments\n")[1].split("\n\n")[0].splitlines()
    assert [line.strip().split("  ", 1)[1] for line in part] == [
        "accepted: the whole object, sr at pacs, the latest of 2",
        f"modified: pleural effusion {uid}, sr at pacs",
    ]
    assert "assessment from STORESCU: 1 rejected" in shown
    latest, other = written.show(job)["assessments"]
    assert latest | {"at": 0.0} == {
        "at": 0.0,
        "result": f"1.2.{job}",
        "finding": "",
        "finding_name": "",
        "verdict": "accepted",
        "sop_instance_uid": str(made[1].SOPInstanceUID),
        "count": 2,
    }
    assert (other["finding"], other["finding_name"]) == (uid, "pleural effusion")
    assert [one["id"] for one in written.jobs()] == [job]
