"""The report as a person reads it: every value is there, and nothing is claimed too much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_builders import MADE, film_of, prior_of, report_on, several, unchanged, unread

from dicom_node import wording
from dicom_node.equipment import device_uid
from dicom_node.report import (
    ChangeKind,
    Finding,
    LeftOut,
    Presence,
    Prior,
    PriorOutcome,
    Report,
    Score,
    Weights,
)
from dicom_node.study import Bedside, View
from dicom_node.text import as_text
from dicom_node.vocabulary import Laterality, Vocabulary


@pytest.fixture
def report(rg1: Path) -> Report:
    film = film_of(rg1)
    return report_on(film, *several(film), prior=prior_of(film), unread=unread())


def test_every_finding_is_told_with_all_that_is_known(
    report: Report, vocabulary: Vocabulary
) -> None:
    lines = [line.strip() for line in as_text(report, vocabulary).splitlines()]
    for line in (
        "Consolidation: present, right lower lung zone, new since the prior, "
        "87.3 % (score of presence, not calibrated), box around the finding",
        "Pleural effusion: present, left pleural space, worsened since the prior, "
        "64.2 % (score of presence, not calibrated), box around its anatomical site",
        "Pulmonary edema: present, both lungs, stable since the prior, 71.1 % (probability), "
        "box around the finding",
        "Cardiomegaly: present, cardiac silhouette, improved since the prior, "
        "55.5 % (score of presence, not calibrated)",
        "Pneumothorax: absent, resolved since the prior, 2.1 % (score of presence, not calibrated)",
        "Fracture: absent, 3.4 % (score of presence, not calibrated)",
        "Cardiomegaly: location not read (the answer does not parse)",
        "Compared with a film of 183 days earlier: PA, 2019-07-03 10:15.",
        f"device {device_uid(MADE)}",
    ):
        assert lines.count(line) == 1, line


def test_what_is_there_stands_before_what_is_not(rg1: Path, vocabulary: Vocabulary) -> None:
    film = film_of(rg1)
    found = unchanged(several(film))
    text = as_text(report_on(film, *reversed(found)), vocabulary)
    assert text.index("Consolidation: present") < text.index("Fracture: absent")


@pytest.mark.parametrize(
    ("weights", "said"),
    [(Weights.MODEL, ""), (Weights.DEMONSTRATION, "DEMONSTR")],
)
def test_it_begins_with_what_it_is(
    weights: Weights, said: str, report: Report, vocabulary: Vocabulary
) -> None:
    lines = as_text(replace(report, made=replace(MADE, weights=weights)), vocabulary).splitlines()
    assert lines[0] == wording.NOT_VERIFIED
    assert lines[1].startswith(said)
    assert bool(lines[1]) is bool(said)


@pytest.mark.parametrize("outcome", [one for one in PriorOutcome if one is not PriorOutcome.USED])
def test_each_way_to_have_no_prior_is_told(
    outcome: PriorOutcome, rg1: Path, vocabulary: Vocabulary
) -> None:
    film = film_of(rg1)
    text = as_text(report_on(film, prior=Prior(outcome, "because of this")), vocabulary)
    assert f"Read without a prior: {outcome} (because of this)." in text


def test_nothing_read_and_nothing_found_are_told_apart(rg1: Path, vocabulary: Vocabulary) -> None:
    film = film_of(rg1)
    assert "Nothing could be read" in as_text(report_on(film), vocabulary)
    absent = Finding("fracture", Presence.ABSENT)
    text = as_text(report_on(film, absent), vocabulary)
    assert "No finding above threshold." in text
    assert "Nothing could be read" not in text


def test_limits_say_what_was_assumed_and_left_out(rg1: Path, vocabulary: Vocabulary) -> None:
    film = replace(film_of(rg1), orientation=None)
    report = report_on(
        film, left_out=(LeftOut("1.2", "lateral"),), notes=("No window: full range.",)
    )
    text = as_text(report, vocabulary)
    assert "Not read: 1.2 (lateral)." in text
    assert f"Film read: {film.sop_instance_uid}, the only frontal film." in text
    assert "does not state Patient Orientation" in text
    assert "No window: full range." in text
    assert "Boxes are coarse" not in text


@pytest.mark.parametrize(
    ("view", "bedside", "told"),
    [
        (View.PA, "", []),
        (View.AP, "", ["AP film: heart size"]),
        (View.FRONTAL, "", ["Frontal (PA or AP not stated) film: heart size"]),
        (View.AP, "portable", ["AP film: heart size", "Portable film: an effusion"]),
        (View.PA, "supine", ["Supine film: heart size", "Supine film: an effusion"]),
    ],
)
def test_what_cannot_be_said_of_a_film_from_the_bed_or_from_the_front(
    rg1: Path, vocabulary: Vocabulary, view: View, bedside: Bedside, told: list[str]
) -> None:
    film = replace(film_of(rg1), view=view, bedside=bedside)
    absent = Finding("pneumothorax", Presence.ABSENT)
    limits = wording.limits(report_on(film, absent))
    about = [line for line in limits if "heart size" in line or "effusion" in line]
    assert [line.startswith(start) for line, start in zip(about, told, strict=True)] == [
        True for _ in told
    ]
    assert (bedside in wording.film(film).split(", ")) is bool(bedside)
    # A site that asks for it on AP films is not contradicted.
    size = wording.limits(report_on(film, Finding("cardiomegaly", Presence.ABSENT)))
    assert not [line for line in size if "heart size" in line]


def test_a_score_is_called_a_probability_only_when_calibrated() -> None:
    assert wording.score(Score(0.5)) == "50.0 % (score of presence, not calibrated)"
    assert wording.score(Score(0.5, calibrated=True)) == "50.0 % (probability)"


@pytest.mark.parametrize(
    ("site", "side", "words"),
    [
        ("right lower lung zone", Laterality.RIGHT, "right lower lung zone"),  # not twice right
        ("cardiac silhouette", None, "cardiac silhouette"),
        ("spine", Laterality.LEFT, "left spine"),
        (None, Laterality.LEFT, "left side"),
        (None, Laterality.BILATERAL, "both sides"),
        (None, None, ""),
    ],
)
def test_a_place_in_words(
    site: str | None, side: Laterality | None, words: str, vocabulary: Vocabulary
) -> None:
    finding = Finding("fracture", Presence.PRESENT, site=site, laterality=side)
    assert wording.place(finding, vocabulary) == words


def test_every_view_and_change_has_words(rg1: Path) -> None:
    film = film_of(rg1)
    views = {wording.film(replace(film, view=view)) for view in View}
    assert len(views) == len(View)
    assert len({wording.change(kind) for kind in ChangeKind}) == len(ChangeKind)
    assert "date not stated" in wording.film(replace(film, acquired=None))


@pytest.mark.parametrize(
    ("days", "words"), [(0, "0 days earlier"), (1, "1 day earlier"), (None, "interval not known")]
)
def test_an_interval_in_words(days: int | None, words: str) -> None:
    assert wording.interval(Prior(PriorOutcome.USED, days=days)) == words
