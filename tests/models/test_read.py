from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_engine import CURRENT, PAIR, PRIOR, FakeEngine, Known

from dicom_node.errors import Misconfigured
from dicom_node.geometry import Box
from dicom_node.report import (
    About,
    BoxShows,
    ChangeKind,
    Finding,
    Presence,
    Score,
    Unread,
    Weights,
)
from dicom_node.study import Bedside, Frame, View
from dicom_node.vocabulary import Laterality, Vocabulary
from models.prepare import chest_radiograph
from models.read import Reading, read_films

ALL = ("presence", "location", "site", "change")
RIGHT_BOX = (300, 150, 500, 400)  # of the picture's left: the patient's right
LEFT_BOX = (300, 600, 500, 900)


def read(engine: FakeEngine, current: Frame, prior: Frame | None = None, **how: Any) -> Reading:
    chosen: dict[str, Any] = {"questions": ALL, "prepare": "chest_radiograph"} | how
    return read_films(
        current=current,
        prior=prior,
        vocabulary=engine.vocabulary,
        engine=engine,
        software_version="1.2.3",
        **chosen,
    )


def found(reading: Reading, name: str) -> Finding:
    (one,) = (finding for finding in reading.findings if finding.name == name)
    return one


def unread(reading: Reading) -> list[tuple[str, str]]:
    return [(gap.question, gap.finding) for gap in reading.unread]


def with_view(frame: Frame, view: View) -> Frame:
    return replace(frame, instance=replace(frame.instance, view=view))


def in_bed(frame: Frame, bedside: Bedside) -> Frame:
    return replace(frame, instance=replace(frame.instance, bedside=bedside))


def test_each_finding_gets_its_own_box_site_score_and_change(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    fit = chest_radiograph(current).fit
    boxes = {
        "atelectasis": Box(200, 300, 600, 700),
        "cardiomegaly": Box(500, 900, 1400, 1500),
        "fracture": Box(1500, 200, 1700, 400),
    }
    known = {
        "atelectasis": Known(
            before=True,
            score=0.61,
            site="right upper lung zone",
            box=fit.to_model(boxes["atelectasis"]),
            change="Worsened",
        ),
        "cardiomegaly": Known(score=0.72, box=fit.to_model(boxes["cardiomegaly"])),
        "consolidation": Known(present=False, before=True, score=0.2),
        "fracture": Known(
            before=True, score=0.83, site="left clavicle", box=fit.to_model(boxes["fracture"])
        ),
    }
    reading = read(FakeEngine(vocabulary, known), current, prior)

    assert [one.name for one in reading.findings] == list(vocabulary.findings)
    assert reading.unread == ()
    one = found(reading, "atelectasis")
    assert one.presence is Presence.PRESENT
    assert one.score == Score(0.61)
    assert (one.site, one.laterality) == ("right upper lung zone", Laterality.RIGHT)
    assert one.box_shows is BoxShows.FINDING
    assert one.change is ChangeKind.WORSENED
    one = found(reading, "cardiomegaly")
    assert (one.site, one.laterality) == ("cardiac silhouette", None)
    assert one.change is ChangeKind.NEW
    one = found(reading, "consolidation")
    assert one == Finding("consolidation", Presence.ABSENT, Score(0.2), change=ChangeKind.RESOLVED)
    assert found(reading, "fracture").change is ChangeKind.STABLE
    assert found(reading, "pneumothorax").change is None
    for name, box in boxes.items():
        drawn = found(reading, name).box
        assert drawn is not None
        assert drawn.iou(box) > 0.97, name
    assert reading.made.software_version == "1.2.3"
    assert reading.made.weights_digest == "fa" * 32
    assert reading.made.questions == tuple((name, "1") for name in ALL)
    assert reading.free_text == ""


def test_each_question_is_told_with_its_answer(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    """Also those that got no usable answer, and never in the model's own words."""
    name = "pleural effusion"
    known = {
        name: Known(before=True, score=0.8, site="right pleural space", box=RIGHT_BOX),
        "pneumothorax": Known(score=0.7),
    }
    texts = {
        ("change", name, PAIR): "It told me so.",
        ("location", "pneumothorax", CURRENT): "Zebrowska: everywhere",
        ("presence", "fracture", CURRENT): "Zebrowska: perhaps",
    }
    enforced = {("location", "pneumothorax", CURRENT): "[1, 2, 3]"}
    engine = FakeEngine(vocabulary, known, texts, enforced)
    reading = read(engine, current, prior, questions=(*ALL, "description"))

    asked = {(one.question, one.finding, one.about): one for one in reading.answers}
    assert len(asked) == len(reading.answers)
    assert len(asked) == 8 + 8 + 2 * 2 + 1 + 1  # presence twice, site and place, change, words
    one = asked["presence", name, About.CURRENT]
    assert (one.answer, one.score, one.enforced) == ("present", 0.8, False)
    assert asked["presence", name, About.PRIOR].answer == "present"
    assert asked["site", name, About.CURRENT].answer == "right pleural space"
    assert asked["location", name, About.CURRENT].answer == str(list(RIGHT_BOX))
    one = asked["change", name, About.BOTH]
    assert (one.answer, one.enforced) == ("stable", True)
    one = asked["presence", "fracture", About.CURRENT]
    assert (one.answer, one.enforced, one.score) == ("absent", True, 0.1)
    one = asked["location", "pneumothorax", About.CURRENT]
    assert one.answer == ""
    assert "no `Final Answer:`; with the form enforced" in one.reason
    assert asked["description", "film", About.CURRENT].answer == "3 words"
    assert "Zebrowska" not in repr(reading.answers)


def test_swapping_two_findings_changes_exactly_those(
    vocabulary: Vocabulary, current: Frame
) -> None:
    one = Known(score=0.7, site="right lower lung zone", box=RIGHT_BOX)
    other = Known(score=0.9, site="left upper lung zone", box=LEFT_BOX)
    names = "atelectasis", "lung opacity"
    before = read(FakeEngine(vocabulary, dict(zip(names, (one, other), strict=True))), current)
    after = read(FakeEngine(vocabulary, dict(zip(names, (other, one), strict=True))), current)
    pairs = zip(before.findings, after.findings, strict=True)
    assert [a.name for a, b in pairs if a != b] == list(names)
    swapped = replace(found(after, names[1]), name=names[0])
    assert found(before, names[0]) == swapped


def test_without_a_prior_nothing_is_said_of_change(vocabulary: Vocabulary, current: Frame) -> None:
    engine = FakeEngine(vocabulary, {"pulmonary edema": Known(site="both lungs")})
    reading = read(engine, current)
    assert {finding.change for finding in reading.findings} == {None}
    assert {film for (_, _, film), _ in engine.asked} == {CURRENT}


def test_the_earlier_image_comes_first(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    engine = FakeEngine(vocabulary, {"cardiomegaly": Known(before=True)})
    read(engine, current, prior)
    (place,) = (n for n, (key, _) in enumerate(engine.asked) if key[2] == PAIR)
    first, second = engine.images[place]
    assert np.array_equal(first, chest_radiograph(prior).picture)
    assert np.array_equal(second, chest_radiograph(current).picture)
    assert len({id(image) for images in engine.images for image in images}) == 2
    assert len(engine.batches) == 2  # presence; then everything on what is there


def test_a_portable_film_is_not_asked_for_heart_size(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    everything = {name: Known(before=True) for name in vocabulary.findings}
    engine = FakeEngine(vocabulary, everything)
    reading = read(engine, with_view(current, View.AP), prior)
    assert "cardiomegaly" not in [finding.name for finding in reading.findings]
    assert not [key for key, _ in engine.asked if key[1] == "cardiomegaly"]


def test_a_portable_prior_is_not_compared_for_heart_size(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    engine = FakeEngine(vocabulary, {"cardiomegaly": Known(before=True)})
    reading = read(engine, current, with_view(prior, View.AP))
    assert found(reading, "cardiomegaly").change is ChangeKind.NOT_COMPARABLE
    engine = FakeEngine(vocabulary, {})
    reading = read(engine, current, with_view(prior, View.AP))
    assert found(reading, "cardiomegaly").change is None


@pytest.mark.parametrize("bedside", ["portable", "supine"])
def test_a_film_from_the_bed_called_pa_is_not_asked_for_heart_size(
    vocabulary: Vocabulary, current: Frame, prior: Frame, bedside: Bedside
) -> None:
    engine = FakeEngine(vocabulary, {name: Known(before=True) for name in vocabulary.findings})
    reading = read(engine, in_bed(current, bedside), prior)
    assert not [key for key, _ in engine.asked if key[1] == "cardiomegaly"]
    assert [one.name for one in reading.findings] == [
        name for name in vocabulary.findings if name != "cardiomegaly"
    ]
    engine = FakeEngine(vocabulary, {"cardiomegaly": Known(before=True)})
    reading = read(engine, current, in_bed(prior, bedside))
    assert found(reading, "cardiomegaly").change is ChangeKind.NOT_COMPARABLE
    assert ("presence", "cardiomegaly", PRIOR) not in [key for key, _ in engine.asked]


def test_the_model_is_first_asked_whether_it_is_a_chest(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    engine = FakeEngine(vocabulary, {"fracture": Known(site="spine")})
    reading = read(engine, current, prior, questions=("suitability", *ALL))
    asked = [key for key, _ in engine.asked if key[0] == "suitability"]
    assert asked == [("suitability", "", CURRENT)] * 2
    assert engine.batches[0] == 2
    assert engine.asked[0][0][0] == "suitability"
    assert reading.notes == ()
    assert reading.made.questions[0] == ("suitability", "1")
    assert reading.findings == read(FakeEngine(vocabulary, engine.known), current, prior).findings


SUITABLE = ("suitability", "", CURRENT)


@pytest.mark.parametrize("texts", [{}, {SUITABLE: "It is a pelvis."}], ids=["said", "not readable"])
def test_what_the_model_takes_for_no_chest_is_refused_before_anything_is_asked(
    vocabulary: Vocabulary, current: Frame, texts: dict[Any, str]
) -> None:
    engine = FakeEngine(vocabulary, suitable=0.1, texts=texts)
    reading = read(engine, current, questions=("suitability", *ALL))
    assert reading.refusal == "the model does not take the image for a frontal chest radiograph"
    assert (reading.findings, reading.unread) == ((), ())
    assert [(one.question, one.about) for one in reading.answers] == [
        ("suitability", About.CURRENT)
    ]
    assert reading.made.questions[0] == ("suitability", "1")
    assert {key[0] for key, _ in engine.asked} == {"suitability"}


@pytest.mark.parametrize(("said", "score"), [("no", 0.9), ("yes", 0.1)])
def test_a_model_that_contradicts_itself_about_the_film_reads_on_and_says_so(
    vocabulary: Vocabulary, current: Frame, said: str, score: float
) -> None:
    texts = {SUITABLE: f"Final Answer: {said}"}
    engine = FakeEngine(vocabulary, suitable=score, texts=texts)
    reading = read(engine, current, questions=("suitability", *ALL))
    (note,) = reading.notes
    assert note.startswith("It is not certain that this is a frontal chest radiograph")
    assert len(reading.findings) == len(vocabulary.findings)


def test_every_kind_of_weights_is_asked_whether_it_can_read_the_film(
    vocabulary: Vocabulary, current: Frame
) -> None:
    for weights in Weights:
        engine = FakeEngine(vocabulary, weights=weights)
        reading = read(engine, current, questions=("suitability", *ALL))
        assert "suitability" in {key[0] for key, _ in engine.asked}
        assert reading.notes == ()


def test_what_does_not_parse_gets_one_second_try(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    name = "pleural effusion"
    known = {name: Known(before=True, site="left pleural space", box=LEFT_BOX, change="Improved")}
    keys = [("site", name, CURRENT), ("location", name, CURRENT), ("change", name, PAIR)]
    keys += [("presence", name, CURRENT), ("presence", name, PRIOR)]
    engine = FakeEngine(vocabulary, known, texts=dict.fromkeys(keys, "I am not sure."))
    reading = read(engine, current, prior)
    expected = read(FakeEngine(vocabulary, known), current, prior)
    assert reading.findings == expected.findings
    assert reading.unread == ()
    for key in keys:
        forms = [form for one, form in engine.asked if one == key]
        assert len(forms) == 2, key
        assert forms[0] == "FreeText"


def test_what_fails_twice_is_stated(vocabulary: Vocabulary, current: Frame, prior: Frame) -> None:
    name = "pleural effusion"
    known = {name: Known(before=True)}
    keys = [("site", name, CURRENT), ("location", name, CURRENT), ("change", name, PAIR)]
    engine = FakeEngine(
        vocabulary,
        known,
        texts=dict.fromkeys(keys, "Hm."),
        enforced=dict.fromkeys(keys, "[1000, 1000, 1000, 1000]"),
    )
    reading = read(engine, current, prior)
    one = found(reading, name)
    assert one.presence is Presence.PRESENT
    assert (one.site, one.laterality, one.box, one.box_shows, one.change) == (None,) * 5
    assert sorted(unread(reading)) == [("change", name), ("location", name), ("site", name)]
    assert all("with the form enforced" in gap.reason for gap in reading.unread)
    assert len(engine.asked) == len(set(engine.asked))  # no third try


def test_a_side_that_contradicts_the_box_leaves_neither(
    vocabulary: Vocabulary, current: Frame
) -> None:
    known = {
        "pneumothorax": Known(site="right pleural space", box=LEFT_BOX),
        "consolidation": Known(site="left lower lung zone", box=LEFT_BOX),
    }
    reading = read(FakeEngine(vocabulary, known), current)
    one = found(reading, "pneumothorax")
    assert one.presence is Presence.PRESENT
    assert (one.site, one.laterality, one.box, one.box_shows) == (None,) * 4
    assert unread(reading) == [("site", "pneumothorax"), ("location", "pneumothorax")]
    assert found(reading, "consolidation").box is not None


def test_sides_are_the_patients_on_a_film_stored_mirrored(
    vocabulary: Vocabulary, current: Frame
) -> None:
    """Mirrored pixels that say so: the standing picture, and so the answer, is the same."""
    instance = replace(current.instance, orientation=("R", "F"))
    mirrored = Frame(instance, np.ascontiguousarray(np.fliplr(current.grey)))
    known = {"pneumothorax": Known(site="right pleural space", box=RIGHT_BOX)}
    straight = found(read(FakeEngine(vocabulary, known), current), "pneumothorax").box
    turned = found(read(FakeEngine(vocabulary, known), mirrored), "pneumothorax").box
    assert straight is not None
    assert turned is not None
    columns = current.grey.shape[1]
    assert turned.left == pytest.approx(columns - straight.right, abs=2)
    assert turned.top == straight.top


def test_a_box_beside_the_film_is_unread(vocabulary: Vocabulary, current: Frame) -> None:
    """The film is narrower than the square: its outermost columns are padding."""
    known = {"fracture": Known(site="right ribs", box=(100, 0, 300, 20))}
    reading = read(FakeEngine(vocabulary, known), current)
    assert found(reading, "fracture").box is None
    assert found(reading, "fracture").site == "right ribs"
    assert unread(reading) == [("location", "fracture")]


@pytest.mark.parametrize(("present", "score"), [(True, 0.49), (False, 0.5)])
def test_an_answer_that_its_score_contradicts_is_unread(
    vocabulary: Vocabulary, current: Frame, score: float, *, present: bool
) -> None:
    known = {"fracture": Known(present=present, score=score)}
    reading = read(FakeEngine(vocabulary, known), current)
    assert "fracture" not in [finding.name for finding in reading.findings]
    assert unread(reading) == [("presence", "fracture")]
    assert f"{score:.2f}" in reading.unread[0].reason


def test_the_threshold_of_the_site_counts(vocabulary: Vocabulary, current: Frame) -> None:
    strict = replace(vocabulary.findings["fracture"], threshold=0.8)
    changed = Vocabulary(vocabulary.findings | {"fracture": strict}, vocabulary.sites)
    key = ("presence", "fracture", CURRENT)
    for score, expected in ((0.79, Presence.ABSENT), (0.8, Presence.PRESENT)):
        engine = FakeEngine(changed, {"fracture": Known(score=score)}, texts={key: "Hm."})
        assert found(read(engine, current), "fracture").presence is expected


def test_presence_unread_on_the_prior_leaves_the_change_unread(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    engine = FakeEngine(
        vocabulary,
        {"fracture": Known(site="spine")},
        texts={("presence", "fracture", PRIOR): "Final Answer: yes"},
    )
    reading = read(engine, current, prior)
    assert found(reading, "fracture").change is None
    (gap,) = reading.unread
    assert (gap.question, gap.finding) == ("change", "fracture")
    assert gap.reason.startswith("presence on the prior: the model says present")


def test_a_prompt_in_the_answer_is_not_read(vocabulary: Vocabulary, current: Frame) -> None:
    key = ("presence", "fracture", CURRENT)
    leaked = "<end_of_turn>\nFinal Answer: yes"
    engine = FakeEngine(vocabulary, {"fracture": Known(present=False)}, texts={key: leaked})
    assert found(read(engine, current), "fracture").presence is Presence.ABSENT


def test_only_what_the_rule_names_is_asked(
    vocabulary: Vocabulary, current: Frame, prior: Frame
) -> None:
    everything = {name: Known(before=True) for name in vocabulary.findings}
    engine = FakeEngine(vocabulary, everything)
    reading = read(engine, current, prior, questions=("presence",))
    assert {key[0] for key, _ in engine.asked} == {"presence"}
    assert {key[2] for key, _ in engine.asked} == {CURRENT}
    assert {finding.box for finding in reading.findings} == {None}
    assert reading.made.questions == (("presence", "1"),)


def test_free_text_comes_only_when_asked_for(vocabulary: Vocabulary, current: Frame) -> None:
    engine = FakeEngine(vocabulary, description="Clear lungs.")
    assert read(engine, current, questions=(*ALL, "description")).free_text == "Clear lungs."
    assert read(engine, current).free_text == ""
    silent = FakeEngine(vocabulary, description=" . ")
    reading = read(silent, current, questions=("description",))
    assert reading.free_text == ""
    assert reading.unread == (Unread("description", "film", "the description holds no words"),)


def test_details_need_presence(vocabulary: Vocabulary, current: Frame) -> None:
    with pytest.raises(Misconfigured, match="`location` needs `presence`"):
        read(FakeEngine(vocabulary), current, questions=("location",))


def test_progress_counts_requests(vocabulary: Vocabulary, current: Frame) -> None:
    told: list[tuple[int, int]] = []
    known = {"fracture": Known(site="spine")}
    key = ("location", "fracture", CURRENT)
    engine = FakeEngine(vocabulary, known, texts={key: json.dumps([])})
    read(engine, current, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 16), (16, 16), (16, 18), (18, 18), (18, 19), (19, 19)]
