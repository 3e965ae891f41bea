"""Which image of a study is read, and why not the others."""

from __future__ import annotations

from datetime import datetime, timedelta
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
    assert choose(large, image("1")).why == "the largest of one moment of 2 images of view PA"
    assert choose(repeat, image("1")).why == "the latest of 2 images of view PA"


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


def reasons(choice: Choice) -> dict[str, str]:
    return {one.sop_instance_uid: one.reason for one in choice.left_out}


def at(name: str, minutes: float, **changes: Any) -> Instance:
    return image(name, acquired=datetime(2020, 1, 1, 8) + timedelta(minutes=minutes), **changes)


def test_of_three_repeats_the_last_is_read_and_the_others_are_called_repeats() -> None:
    choice = choose(at("1", 0), at("3", 4), at("2", 3.5))
    assert choice.film.sop_instance_uid == "3"
    assert choice.why == "the latest of 3 images of view PA"
    assert reasons(choice) == {"1": "repeated 4 min later", "2": "repeated 30 s later"}


def test_of_two_portables_of_one_day_the_later_is_read_and_the_time_between_is_told() -> None:
    portable: dict[str, Any] = {"view": View.AP, "bedside": "portable"}
    choice = choose(at("1", 0, **portable), at("2", 310, **portable))
    assert choice.film.sop_instance_uid == "2"
    assert reasons(choice) == {"1": "taken 5 h 10 min before the film that is read"}


@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        (59.9, "repeated 59 min later"),
        (60, "taken 1 h before the film that is read"),
        (24 * 60 + 90, "taken 1 d 1 h before the film that is read"),
        (2 * 24 * 60, "taken 2 d before the film that is read"),
    ],
)
def test_the_time_between_in_words(minutes: float, told: str) -> None:
    assert reasons(choose(at("1", 0), at("2", minutes))) == {"1": told}


def test_a_copy_is_never_preferred_and_never_read_alone() -> None:
    plain, copy = at("1", 0), at("2", 60, rows=99, processed="Series Description")
    choice = choose(copy, plain)
    assert choice.film is plain
    assert reasons(choice) == {"2": "is a processed copy by Series Description"}
    with pytest.raises(NotForUs, match="processed copy by Series Description"):
        choose(copy)


def test_an_image_made_from_another_of_the_study_is_a_copy() -> None:
    copy = at("2", 60, sources=("1", "9"))
    choice = choose(at("1", 0), copy)
    assert choice.film.sop_instance_uid == "1"
    assert "Source Image Sequence" in reasons(choice)["2"]
    assert choose(copy).film is copy  # its source is none of ours: made lossy, or stored anew


def test_what_is_for_presentation_is_no_copy_of_what_is_for_processing() -> None:
    raw = image("1", presentation_intent="FOR PROCESSING")
    shown = image("2", presentation_intent="FOR PRESENTATION", sources=("1",))
    choice = choose(raw, shown)
    assert choice.film is shown
    assert reasons(choice) == {"1": "is FOR PROCESSING"}


def test_an_image_that_names_itself_as_its_source_is_no_copy() -> None:
    assert choose(image("1", sources=("1",))).film.sop_instance_uid == "1"


def test_secondary_is_the_weaker_but_better_than_nothing() -> None:
    primary, secondary = at("1", 0), at("2", 60, secondary=True)
    choice = choose(secondary, primary)
    assert choice.film is primary
    assert reasons(choice) == {"2": "is SECONDARY in Image Type; a PRIMARY image is preferred"}
    assert choice.why == "the best (PRIMARY) of 2 images of view PA"
    assert choose(secondary).film is secondary


def test_of_two_images_of_one_moment_the_first_by_number_is_read() -> None:
    """An inverted copy that does not say so gets a later number."""
    one, inverted = image("9", number=(1, 2)), image("1", number=(2, 1))
    later = image("2", number=(1, 3))
    for given in ((one, inverted, later), (later, inverted, one)):
        choice = choose(*given)
        assert choice.film is one
        assert reasons(choice) == dict.fromkeys("12", "another image of the same moment")
        assert "first of one moment" in choice.why
    assert choose(image("1"), one).film is one  # without a number: after all others


def test_a_film_taken_at_the_stand_is_preferred_over_one_taken_in_bed() -> None:
    standing, in_bed = at("1", 0), at("2", 300, bedside="portable")
    choice = choose(standing, in_bed)
    assert choice.film is standing
    assert "not taken in bed" in reasons(choice)["2"]
    assert "not taken in bed" in choice.why


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"doubt": "View Position and Series Description disagree"}, "disagree"),
        ({"orientation": ("A", "L")}, "Patient Orientation is not that of a frontal film"),
        ({"orientation": ("L", "L")}, "Patient Orientation is not that of a frontal film"),
        ({"orientation": ("A", "F"), "view": View.LATERAL}, "view is lateral"),
    ],
)
def test_what_its_header_forbids_is_not_read(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotForUs, match=reason):
        choose(image("1", **changes))
    assert reason in reasons(choose(image("1"), image("2", **changes)))["2"]


def test_the_result_says_where_the_view_was_taken_from() -> None:
    assert choose(image("1")).notes == ()
    (note,) = choose(image("1", view_from="Series Description")).notes
    assert note == "The view was taken from Series Description."
