"""The report as JSON: everything comes back, what is not one is refused, and no identity fits."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from builders import IDENTITY, chest, identities_in
from pydantic import TypeAdapter
from report_builders import film_of, prior_of, report_on, several, unread, vocabulary

from dicom_node import report
from dicom_node.errors import BadStudy
from dicom_node.headers import read_study
from dicom_node.report import (
    SCHEMA_VERSION,
    About,
    Answered,
    Candidate,
    Film,
    LeftOut,
    Presence,
    Prior,
    PriorOutcome,
    Report,
    Weights,
)
from dicom_node.study import View
from dicom_node.text import as_text


@pytest.fixture
def full(tmp_path: Path) -> Report:
    """A report in which no field is left at what it is by default."""
    film = film_of(chest(tmp_path / "film.dcm", None, **IDENTITY))
    film = replace(film, frame_number=2, view=View.AP)
    used = replace(
        prior_of(film),
        reason="views differ: PA then AP",
        candidates=(
            Candidate("1.2.3", "of another modality", date(2019, 1, 2)),
            Candidate("1.2.4", "used"),
        ),
    )
    return report_on(
        film,
        *several(film),
        revision=3,
        left_out=(LeftOut("1.2.840.1", "view is lateral"),),
        prior=used,
        unread=unread(),
        notes=("The film does not state its view: read as frontal, as the rule says.",),
        answers=(
            Answered("presence", "fracture", About.PRIOR, "absent", "", True, 0.034, 1.25),
            Answered("location", "cardiomegaly", About.BOTH, "", "the answer does not parse"),
        ),
        free_text='Heart and lungs — „unauffällig“.\n\\ "quoted"',
    )


def test_everything_comes_back(full: Report) -> None:
    assert report.from_json(report.to_json(full)) == full


def test_it_is_written_the_same_each_time_and_for_people(full: Report) -> None:
    text = report.to_json(full)
    assert report.to_json(report.from_json(text)) == text
    assert len(text.splitlines()) > 50
    assert json.loads(text)["free_text"] == full.free_text


@pytest.mark.parametrize("weights", Weights)
@pytest.mark.parametrize("outcome", PriorOutcome)
def test_each_kind_comes_back_as_what_it_is(
    full: Report, weights: Weights, outcome: PriorOutcome
) -> None:
    one = replace(full, made=replace(full.made, weights=weights), prior=Prior(outcome, "why"))
    back = report.from_json(report.to_json(one))
    assert back.made.weights is weights
    assert back.prior.outcome is outcome
    assert back == one


def test_times_keep_their_zone_and_films_have_none(full: Report) -> None:
    elsewhere = datetime(2026, 3, 4, 5, 6, 7, 890123, timezone(timedelta(hours=-3, minutes=-30)))
    back = report.from_json(report.to_json(replace(full, read_at=elsewhere)))
    assert back.read_at == elsewhere
    assert back.read_at.utcoffset() == timedelta(hours=-3.5)
    assert full.read_at.tzinfo is UTC
    assert back.film.acquired is not None
    assert back.film.acquired.tzinfo is None


def test_scores_and_boxes_keep_every_digit(full: Report) -> None:
    value = 0.1 + 0.2
    finding = replace(full.findings[0], score=replace(full.findings[0].score, value=value))  # type: ignore[type-var]
    back = report.from_json(report.to_json(replace(full, findings=(finding,))))
    assert back.findings[0].score is not None
    assert back.findings[0].score.value == value
    assert back.findings[0].box == finding.box


def test_only_what_is_present_counts_as_present(full: Report) -> None:
    assert {one.name for one in full.findings} - {one.name for one in full.present} == {
        "pneumothorax",
        "fracture",
    }
    assert {one.presence for one in full.present} == {Presence.PRESENT}


def _is_part_of(one: Any, other: Any) -> bool:
    """Whether all that one document says stands in the other; that may say more."""
    if isinstance(one, dict):
        return all(name in other and _is_part_of(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_is_part_of, one, other))
    return bool(one == other)


def test_a_report_of_each_older_schema_version_reads() -> None:
    """The files are reports as the versions of this program before wrote them."""
    (older,) = sorted((Path(__file__).parent / "data").glob("report-schema-*.json"))
    text = older.read_text("utf-8")
    read = report.from_json(text)
    assert f"report-schema-{read.schema_version}" == older.stem
    assert read.schema_version < SCHEMA_VERSION
    assert read.answers == ()
    assert _is_part_of(json.loads(text), json.loads(report.to_json(read)))
    assert as_text(read, vocabulary()).startswith("AI made this")


def test_a_report_from_before_films_said_that_they_were_taken_in_bed_is_read(
    full: Report,
) -> None:
    older = json.loads(report.to_json(full))
    del older["film"]["bedside"], older["prior"]["film"]["bedside"]
    assert report.from_json(json.dumps(older)) == full
    in_bed = replace(full, film=replace(full.film, bedside="supine"))
    assert report.from_json(report.to_json(in_bed)).film.bedside == "supine"


def test_a_newer_schema_is_refused_with_what_to_do(full: Report) -> None:
    text = changed(full, schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(BadStudy, match=f"version {SCHEMA_VERSION + 1}.*update dicom-node"):
        report.from_json(text)
    assert report.from_json(changed(full, schema_version=SCHEMA_VERSION)) == full


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"film": {}}, "film.study_instance_uid"),
        ({"revision": "several"}, "revision"),
        ({"read_at": "yesterday"}, "read_at"),
        ({"prior": {"outcome": "lost"}}, "prior.outcome"),
        ({"findings": [{"name": "fracture", "presence": "maybe"}]}, "findings.0.presence"),
    ],
)
def test_what_is_not_a_report_is_told_by_its_place(
    full: Report, changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(BadStudy, match="not a report of this program") as caught:
        report.from_json(changed(full, **changes))
    assert place in str(caught.value)
    for value in ("several", "yesterday", "maybe", "lost"):  # what stands there may be anything
        assert value not in str(caught.value)


def test_a_box_without_area_is_not_a_report(full: Report) -> None:
    findings = json.loads(report.to_json(full))["findings"]
    findings[0]["box"] = {"left": 5, "top": 5, "right": 5, "bottom": 9}
    with pytest.raises(BadStudy, match=r"findings\.0\.box"):
        report.from_json(changed(full, findings=findings))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"job": "1"'])
def test_a_text_that_is_no_report_at_all_is_refused(text: str) -> None:
    with pytest.raises(BadStudy, match="not a report of this program") as caught:
        report.from_json(text)
    assert not str(caught.value).endswith("look at "), "it names no place, so it says so"


def test_the_schema_has_no_place_for_an_identity() -> None:
    """Every field of every type that a report is made of, by name."""
    schema = TypeAdapter(Report).json_schema()
    fields = set(schema["properties"])
    for one in schema["$defs"].values():
        fields |= set(one.get("properties", ()))
    assert "sop_instance_uid" in fields, "the schema is read as it should be"
    for part in ("patient", "birth", "sex", "accession", "address", "physician", "institution",
                 "identity", "issuer", "age", "operator", "station"):  # fmt: skip
        assert [field for field in fields if part in field.split("_")] == []
    assert {field for field in fields if "name" in field} == {"name"}  # of a finding
    assert "name" in schema["$defs"]["Finding"]["properties"]
    assert "Patient" not in schema["$defs"]
    assert "path" not in fields


def test_the_reference_to_a_film_takes_no_identity_along(tmp_path: Path, full: Report) -> None:
    path = chest(tmp_path / "Zebrowska" / "film.dcm", None, **IDENTITY)
    study = read_study([path])
    assert identities_in(study.patient.name)  # it was there to be taken
    (instance,) = study.instances
    film = Film.of(instance, frame_number=4)
    text = report.to_json(replace(full, film=film))
    assert identities_in(text) == []
    assert identities_in(repr(full)) == []
    assert (film.rows, film.columns, film.frame_number) == (96, 80, 4)
    assert film.sop_instance_uid == instance.sop_instance_uid
    assert film.orientation == ("L", "F")


def changed(full: Report, **changes: Any) -> str:
    """The JSON of a report with some of its fields replaced."""
    return json.dumps(json.loads(report.to_json(full)) | changes)
