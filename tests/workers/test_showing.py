"""``jobs`` and ``show`` tell the whole story of a study."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import nodes
import pytest
from builders import IDENTITY, chest, identities_in
from report_builders import film_of, prior_of, report_on, several
from sqlalchemy import text

from dicom_node import report, spool
from dicom_node.ledger import arrivals, completion, deliveries, jobs
from dicom_node.ledger.arrivals import Arrival
from dicom_node.ledger.deliveries import DeliveryState, Made
from dicom_node.ledger.jobs import DELIVER, FETCH, READ, State
from dicom_node.report import About, Answered, Candidate, LeftOut, Report
from workers.site import Site, configure, open_site

LATERAL = "1.2.840.99.7"


def _result(film: Path) -> Report:
    reference = film_of(film)
    prior = replace(
        prior_of(reference),
        candidates=(
            Candidate("1.2.840.99.1", "later than the current study", date(2027, 1, 2)),
            Candidate("1.2.840.99.2", "used"),
        ),
    )
    return report_on(
        reference,
        *several(reference),
        prior=prior,
        left_out=(LeftOut(LATERAL, "view is lateral"),),
        answers=(
            Answered("presence", "fracture", About.PRIOR, "absent", score=0.034, seconds=1.256),
            Answered("change", "atelectasis", About.BOTH, "", "the final answer is none of them"),
            Answered("site", "atelectasis", About.CURRENT, "left lung", enforced=True),
        ),
    )


def _enter(site: Site, film: Path) -> Report:
    """A study of a film, of a lateral that is named only, and of a report: read and delivered."""
    result = _result(film)
    study = result.film.study_instance_uid
    place, _ = site.spool.file(film, site.spool.study(study), result.film.sop_instance_uid)
    kinds = {
        result.film.sop_instance_uid: ("1.2.840.10008.5.1.4.1.1.1", True),
        LATERAL: ("1.2.840.10008.5.1.4.1.1.1", True),
        "1.2.840.99.8": ("1.2.840.10008.5.1.4.1.1.88.11", False),
    }
    arrivals.record(
        site.database,
        [
            Arrival(study, uid, kind, site.spool.below(place), spool.sha256(place), image)
            for uid, (kind, image) in kinds.items()
        ],
    )
    with site.database.writing() as connection:
        connection.execute(text("UPDATE instances SET calling = 'PACS1'"))
        connection.execute(text("UPDATE jobs SET priority = 3"))
    (job,) = completion.complete(site.database, 0, 3600)
    told: dict[Any, dict[str, Any]] = {
        FETCH: {"state": State.READING, "prior": report.prior_to_json(result.prior)},
        READ: {"state": State.READ, "report": report.to_json(result)},
        DELIVER: {"state": State.DONE},
    }
    for stage, columns in told.items():
        held = jobs.lease(site.database, stage, owner="test", seconds=60, attempts=3)
        assert held is not None
        if stage is DELIVER:
            made = Made("pacs", "sr", "1.2.840.99.9", "1.2.840.99.10", site.spool.below(place))
            with site.database.writing() as connection:
                deliveries.enter(connection, job, [made])
            (row,) = deliveries.of_job(site.database, job)
            deliveries.outcome(
                site.database, held, row, DeliveryState.PENDING, "it is away", tried=True
            )
            (row,) = deliveries.of_job(site.database, job)
            deliveries.outcome(site.database, held, row, DeliveryState.THERE)
        assert jobs.advance(site.database, held, **columns)
    return result


@pytest.fixture
def written(tmp_path: Path) -> nodes.Site:
    return nodes.Site(tmp_path / "site")


@pytest.fixture
def result(written: nodes.Site, tmp_path: Path) -> Report:
    film = chest(tmp_path / "film.dcm", None, **IDENTITY)
    return _enter(open_site(configure(written.config)), film)


def _after(heading: str, told: str) -> list[str]:
    """The lines of a part."""
    return told.split(f"\n\n{heading}\n")[1].split("\n\n")[0].splitlines()


def test_show_tells_the_whole_story(written: nodes.Site, result: Report) -> None:
    done = written.command("show", 1)
    assert done.returncode == 0, done.stderr
    told = done.stdout
    assert f"study {result.film.study_instance_uid}, revision 1 STAT" in told
    assert "done STAT" in written.command("jobs").stdout

    arrived = _after("What arrived", told)
    assert len(arrived) == 3
    assert all("from PACS1" in line for line in arrived)
    film = f"Computed Radiography Image Storage {result.film.sop_instance_uid} from PACS1"
    assert sum(film in line for line in arrived) == 1
    assert sum("Basic Text SR Storage" in one and "not to be read" in one for one in arrived) == 1
    assert _after("Which film", told) == [
        f"  {result.film.sop_instance_uid}: read: {result.why_this_film}",
        f"  {LATERAL}: not read: view is lateral",
    ]
    assert _after("Which prior", told)[1:] == [
        "  1.2.840.99.1 of 2027-01-02: later than the current study",
        "  1.2.840.99.2: used",
    ]
    questions = [" ".join(line.split()) for line in _after("Questions", told)]
    assert questions == [
        "question finding about answer score seconds",
        "presence fracture prior absent 0.034 1.26",
        "change atelectasis prior and current film not read: the final answer is none of them 0.00",
        "site atelectasis current film left lung (form enforced) 0.00",
    ]
    assert _after("Objects", told) == ["  sr 1.2.840.99.9 at pacs: there, 1 attempt"]
    history = "\n".join(_after("History", told))
    for what in ("image received", "complete with 2 image(s)", "reading", "it is away", "done"):
        assert what in history
    assert "AI made this; nobody verified it" in told
    assert Path(told.strip().splitlines()[-1].removeprefix("picture: ")).exists()
    assert identities_in(told) == []


def test_show_tells_scripts_the_same(written: nodes.Site, result: Report) -> None:
    told = written.show(1)
    assert len(told["instances"]) == 3
    assert {one["calling"] for one in told["instances"]} == {"PACS1"}
    assert [one["verdict"] for one in told["prior"]["candidates"]][-1] == "used"
    assert told["report"] == json.loads(report.to_json(result))
    assert told["deliveries"][0]["state"] == "there"
    assert [one["what"] for one in told["history"]][-1] == "done"


def test_what_came_later_is_told_with_its_own_revision(
    written: nodes.Site, result: Report, tmp_path: Path
) -> None:
    site = open_site(configure(written.config))
    study = result.film.study_instance_uid
    later = Arrival(study, "1.2.840.99.11", "1.2.840.10008.5.1.4.1.1.1",
                    site.spool.below(site.spool.root / "x"), "00", True)  # fmt: skip
    arrivals.record(site.database, [later])
    assert len(_after("What arrived", written.command("show", 1).stdout)) == 3
    assert len(_after("What arrived", written.command("show", 2).stdout)) == 4
    assert written.show(2)["prior"] is None


def test_of_thousands_of_objects_the_first_are_told_and_scripts_get_all(
    written: nodes.Site, result: Report
) -> None:
    site = open_site(configure(written.config))
    study = result.film.study_instance_uid
    place = site.spool.below(site.spool.root / "x")
    arrivals.record(
        site.database,
        [Arrival(study, f"1.2.9.{one}", "1.2.840", place, "00", False) for one in range(2000)],
    )
    arrived = _after("What arrived", written.command("show", 1).stdout)
    assert len(arrived) == 101
    assert arrived[-1] == "  and 1903 more; --json lists all"
    assert len(written.show(1)["instances"]) == 2003


def test_the_list_of_studies_has_pages(written: nodes.Site) -> None:
    site = open_site(configure(written.config))
    for one in range(3):
        path = site.spool.below(site.spool.root / f"{one}")
        arrivals.record(
            site.database, [Arrival(f"1.2.{one}", f"1.3.{one}", "1.2", path, "0", True)]
        )
    page = written.command("jobs", "--json", "--limit", "2", "--before", "3")
    assert [one["id"] for one in json.loads(page.stdout)["jobs"]] == [2, 1]
    assert written.command("jobs", "--limit", "10001").returncode == 2
