"""Which image of a study is read, and why not the others."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from dicom_node.errors import NotForUs
from dicom_node.films import Choice, choose_film
from dicom_node.study import Instance, Patient, Study, View

NOBODY = Patient("", "", "", None, "")


def image(name: str, **changes: Any) -> Instance:
    given = {
        "path": Path(name),
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1",
        "sop_instance_uid": name,
        "series_instance_uid": "1.2",
        "study_instance_uid": "1",
        "modality": "CR",
        "body_part": "CHEST",
        "view": View.PA,
        "rows": 10,
        "columns": 10,
        "acquired": datetime(2020, 1, 1),
    }
    return Instance(**(given | changes))


def choose(
    *images: Instance, unknown_view: Literal["read as frontal", "refuse"] = "refuse"
) -> Choice:
    return choose_film(
        Study("1", NOBODY, images),
        modalities=("CR", "DX"),
        body_parts=("CHEST",),
        views=(View.PA, View.AP, View.FRONTAL),
        unknown_view=unknown_view,
    )


def test_the_view_that_stands_first_wins() -> None:
    choice = choose(image("1", view=View.AP), image("2"), image("3", view=View.LATERAL))
    assert choice.film.sop_instance_uid == "2"
    assert choice.why == "PA is preferred over AP"
    assert {one.sop_instance_uid: one.reason for one in choice.left_out} == {
        "1": "PA is preferred over AP",
        "3": "view is lateral",
    }


def test_of_repeats_the_latest_then_the_largest() -> None:
    repeat = image("2", acquired=datetime(2020, 1, 1, 0, 5))
    assert choose(image("1", rows=99), repeat).film is repeat
    large = image("3", rows=99)
    assert choose(image("1"), large).film is large
    assert choose(large, image("1")).why == "the latest of 2 images of view PA"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modality": "CT"}, "Modality is CT"),
        ({"body_part": "HIP"}, "Body Part Examined is HIP"),
        ({"body_part": ""}, "Body Part Examined is not stated"),
        ({"presentation_intent": "FOR PROCESSING"}, "is FOR PROCESSING"),
        ({"rows": 0}, "has no pixels"),
        ({"view": View.LATERAL}, "view is lateral"),
        ({"view": View.UNKNOWN}, "view is not stated"),
    ],
)
def test_what_cannot_be_read_says_why(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotForUs, match=reason):
        choose(image("1", **changes))


def test_a_study_without_images_says_so() -> None:
    with pytest.raises(NotForUs, match="holds no image"):
        choose()


def test_an_unknown_view_is_read_only_where_the_rule_says_so_and_noted() -> None:
    choice = choose(image("1", view=View.UNKNOWN), unknown_view="read as frontal")
    assert choice.film.view is View.FRONTAL
    assert "does not state its view" in choice.notes[0]
