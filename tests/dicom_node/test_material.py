"""UIDs of objects: never the same one with other bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import chest, drawn_picture
from report_builders import film_of, material, prior_of, report_on, several

from dicom_node import outputs
from dicom_node.outputs import Material, Reference
from dicom_node.outputs.files import encode
from dicom_node.report import LeftOut
from dicom_node.vocabulary import Vocabulary


@pytest.fixture
def made(vocabulary: Vocabulary, tmp_path: Path) -> Material:
    """Of a report with a prior, and with more lines than a page has room for."""
    path = chest(tmp_path / "film.dcm", drawn_picture())
    film = film_of(path)
    left_out = tuple(LeftOut(f"1.2.3.{number}", "not frontal") for number in range(100))
    report = report_on(film, *several(film), prior=prior_of(film), left_out=left_out)
    return material(report, vocabulary, path, prior=path)


def objects(made: Material, *names: str) -> dict[str, tuple[str, bytes]]:
    built = outputs.build(made, names or made.profile.outputs)
    return {one.output: (one.sop_instance_uid, encode(dataset)) for one, dataset in built}


def differing(made: Material, other: Material, *names: str) -> set[str]:
    """The outputs whose bytes differ; their UIDs have to differ too, and those of no others."""
    one, another = objects(made), objects(other, *names)
    changed = {name for name in another if one[name][1] != another[name][1]}
    assert changed == {name for name in another if one[name][0] != another[name][0]}
    return changed


def test_a_report_with_other_predecessors_is_another_object(made: Material) -> None:
    """As at two destinations, one of which was away when the first revision was sent."""
    film = made.report.film
    before = Reference(
        "sr", film.study_instance_uid, "1.2.31", "1.2.840.10008.5.1.4.1.1.88.34", "1.2.311"
    )
    assert differing(made, replace(made, predecessors=(before,))) == {"sr", "kos"}


def test_a_page_without_a_report_beside_it_is_another_object(made: Material) -> None:
    """Of two profiles of one dialect one has no SR: the page cannot point to it."""
    assert differing(made, made, "sc", "pdf") == {"pdf"}


def test_pictures_without_the_prior_are_other_objects(made: Material, tmp_path: Path) -> None:
    """It was deleted between two times that a report is built."""
    prior = made.report.prior.film
    assert prior is not None
    elements = {
        "StudyInstanceUID": prior.study_instance_uid,
        "SeriesInstanceUID": prior.series_instance_uid,
        "SOPInstanceUID": prior.sop_instance_uid,
    }
    kept = chest(tmp_path / "prior.dcm", drawn_picture(1), **elements)
    changed = differing(replace(made, prior=kept), replace(made, prior=None))
    assert changed == {"sc", "pdf", "kos"}
