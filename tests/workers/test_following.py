"""A finding keeps the Tracking UID of the prior's report by the stated rule, or has a new one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from report_builders import report_on

from dicom_node.geometry import Box, Fit
from dicom_node.report import BoxShows, ChangeKind, Film, Finding, Presence, Prior, PriorOutcome
from dicom_node.study import View
from dicom_node.tracking import tracking_uids
from dicom_node.vocabulary import Laterality
from workers.following import SAME_FROM_IOU, follow

THEN = Film(
    study_instance_uid="1.2.3",
    series_instance_uid="1.2.3.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
    sop_instance_uid="1.2.3.1.1",
    rows=1000,
    columns=800,
    view=View.PA,
    acquired=datetime(2020, 1, 2, 10, 15),
    orientation=("L", "F"),
)
NOW = replace(
    THEN, study_instance_uid="1.2.4", series_instance_uid="1.2.4.1", sop_instance_uid="1.2.4.1.1"
)
BOX = Box(100, 200, 300, 400)
SITE = "right lower lung zone"
UNBOXED: dict[str, Any] = {"box": None, "box_shows": None}


def finding(**fields: Any) -> Finding:
    one = Finding(
        "nodule",
        Presence.PRESENT,
        site=SITE,
        laterality=Laterality.RIGHT,
        box=BOX,
        box_shows=BoxShows.FINDING,
        change=ChangeKind.STABLE,
    )
    return replace(one, **fields)


def kept(
    now: list[Finding], before: list[Finding], film: Film = NOW, earlier: Film = THEN
) -> list[int | None]:
    """For each finding of now: of which one of before (0-based) it has the UID; None: its own."""
    first = report_on(earlier, *before)
    second = report_on(film, *now, prior=Prior(PriorOutcome.USED, film=earlier, days=183))
    uids = tracking_uids(first)
    own = tracking_uids(second)
    found = []
    for uid, mine in zip(tracking_uids(follow(second, first)), own, strict=True):
        found.append(uids.index(uid) if uid in uids else None)
        assert uid in uids or uid == mine
    return found


def moved(by: float) -> Box:
    return Box(BOX.left + by, BOX.top, BOX.right + by, BOX.bottom)


def test_a_finding_in_its_place_keeps_the_uid_and_its_own_report_says_nothing_else() -> None:
    first = report_on(THEN, finding())
    second = report_on(NOW, finding())
    followed = follow(second, first)
    assert followed.findings[0].tracking_uid == tracking_uids(first)[0]
    assert replace(followed, findings=second.findings) == second


def test_the_uid_goes_on_from_report_to_report() -> None:
    first = report_on(THEN, finding())
    second = follow(report_on(NOW, finding()), first)
    third = follow(report_on(replace(NOW, sop_instance_uid="1.2.5"), finding()), second)
    assert tracking_uids(third) == tracking_uids(second) == tracking_uids(first)


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ({"name": "mass"}, {}),
        ({"presence": Presence.ABSENT}, {}),
        ({}, {"presence": Presence.ABSENT}),
        ({"change": ChangeKind.NEW}, {}),
        ({"change": ChangeKind.NOT_COMPARABLE}, {}),
        ({"change": ChangeKind.RESOLVED}, {}),
        ({"site": "right upper lung zone"}, {}),
        ({"laterality": Laterality.LEFT}, {}),
        ({"laterality": Laterality.BILATERAL}, {}),
        (UNBOXED, {}),
        ({}, UNBOXED),
        ({"box_shows": BoxShows.SITE}, {}),
        ({}, {"box_shows": BoxShows.SITE}),
    ],
)
def test_one_thing_that_speaks_against_it_makes_the_finding_new(
    now: dict[str, Any], before: dict[str, Any]
) -> None:
    assert kept([finding(**now)], [finding(**before)]) == [None]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ({"change": None}, {}),
        ({"change": ChangeKind.WORSENED}, {}),
        ({"change": ChangeKind.IMPROVED}, {}),
        ({"site": None}, {}),
        ({}, {"site": None, "laterality": None}),
        ({"laterality": None}, {}),
    ],
)
def test_what_is_not_stated_speaks_against_nothing(
    now: dict[str, Any], before: dict[str, Any]
) -> None:
    assert kept([finding(**now)], [finding(**before)]) == [0]


def test_boxes_match_from_the_stated_overlap_on() -> None:
    # Two boxes of width 200, one moved by d: IoU = (200 - d) / (200 + d).
    limit = 200 * (1 - 0.3) / (1 + 0.3)
    assert kept([finding(box=moved(limit - 1))], [finding()]) == [0]
    assert kept([finding(box=moved(limit + 1))], [finding()]) == [None]


def test_boxes_are_compared_on_the_standing_square_not_in_stored_pixels() -> None:
    """The prior in half the resolution, on its side and mirrored: the same place on the square."""
    film = replace(THEN, rows=400, columns=500, orientation=("F", "L"))
    standing = Fit.standing(1000, 800, ("L", "F")).to_square(BOX)
    half = Box(standing.left / 2, standing.top / 2, standing.right / 2, standing.bottom / 2)
    there = Fit.standing(400, 500, ("F", "L")).to_stored(half)
    assert there.iou(BOX) < SAME_FROM_IOU
    assert kept([finding()], [finding(box=there)], earlier=film) == [0]
    assert kept([finding()], [finding(box=there)]) == [None]


def test_a_film_that_cannot_be_stood_up_has_no_box_to_compare() -> None:
    assert kept([finding()], [finding()], earlier=replace(THEN, orientation=("A", "F"))) == [None]


def test_the_best_overlap_goes_first_and_each_finding_is_used_once() -> None:
    before = [finding(), finding(box=moved(60))]
    now = [finding(box=moved(70)), finding(box=moved(5))]
    assert kept(now, before) == [1, 0]
    assert kept([finding(), finding(box=moved(90))], [finding()]) == [0, None]


def test_two_partners_that_are_nearly_as_good_are_a_doubt() -> None:
    assert kept([finding(box=moved(31))], [finding(), finding(box=moved(60))]) == [None]
    assert kept([finding(), finding(box=moved(60))], [finding(box=moved(29))]) == [None, None]


def test_who_was_in_doubt_is_not_given_to_a_third() -> None:
    before = [finding(), finding(box=moved(60))]
    now = [finding(box=moved(30)), finding(box=moved(100))]
    assert kept(now, before) == [None, None]


def test_without_boxes_the_only_one_of_its_name_at_the_same_site_keeps_the_uid() -> None:
    bare = finding(**UNBOXED)
    round_the_site = finding(box_shows=BoxShows.SITE)
    assert kept([bare], [bare]) == [0]
    assert kept([round_the_site], [bare]) == [0]
    assert kept([bare, finding(presence=Presence.ABSENT)], [bare]) == [0, None]
    assert kept([bare, bare], [bare]) == [None, None]
    assert kept([bare], [bare, bare]) == [None]
    for nowhere in ({"site": None}, {"site": "right upper lung zone"}):
        assert kept([replace(bare, **nowhere)], [bare]) == [None]
        assert kept([bare], [replace(bare, **nowhere)]) == [None]
    assert kept([replace(bare, site=None)], [replace(bare, site=None)]) == [None]
    assert kept([replace(bare, change=ChangeKind.NEW)], [bare]) == [None]
    assert kept([replace(bare, laterality=Laterality.LEFT)], [bare]) == [None]
