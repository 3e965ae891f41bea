"""No validator finds anything unexplained in any object, and foreign readers read all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import proof
import pytest
import validators
from builders import chest, drawn_picture
from peers import call, dcmpschk, dsrdump, need
from proof import Made, Outcome
from pydicom import dcmread

from dicom_node.outputs import OUTPUTS
from dicom_node.profiles import PROFILES

#: Persons, as their hospitals write them: character sets and Patient's Name.
NAMES = {
    "Japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "Korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "Arabic": (["ISO_IR 127"], "قباني^لنزار"),
    "Cyrillic": (["ISO_IR 144"], "Люксембург"),
}
#: What a film may lack.
LACKING = ("PatientOrientation", "BodyPartExamined", "StudyID", "StudyTime")


@pytest.fixture(scope="module")
def made(rg1: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    """Each kind of report on a drawn film, and the fullest on films with their difficulties."""
    folder = tmp_path_factory.mktemp("proof")
    drawn = drawn_picture(side=301)  # columns that fill no byte
    odd = chest(folder / "odd.dcm", drawn, PatientName="Odd^Columns")
    hard = [
        rg1,
        chest(folder / "bare.dcm", PixelSpacing=[0, 0], **dict.fromkeys(LACKING)),
        *(
            chest(folder / f"{name}.dcm", SpecificCharacterSet=sets, PatientName=person)
            for name, (sets, person) in NAMES.items()
        ),
    ]
    cases = list(proof.kinds(odd, folder))
    cases += [next(proof.kinds(film, folder)) for film in hard]
    return list(proof.objects(cases, folder / "objects"))


@pytest.fixture(scope="module")
def both(made: list[Made]) -> tuple[Outcome, list[validators.Said]]:
    """What the validators say of all of them; and of one that was broken, in the midst of them
    because Java starts slowly.
    """
    first = next(one for one in made if one.output == "sr")
    broken = replace(first, case="broken", path=first.path.with_name("broken.dcm"))
    dataset = dcmread(first.path)
    del dataset.VerificationFlag  # Type 1
    for item in dataset.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Procedure reported":
            item.ConceptCodeSequence[0].CodeValue = "399208008"  # not in its context group 100
    dataset.save_as(broken.path)
    outcome = proof.prove([broken, *made])
    outcome.said.pop(broken)
    return outcome, outcome.unexplained.pop(broken)


@pytest.fixture(scope="module")
def outcome(both: tuple[Outcome, list[validators.Said]]) -> Outcome:
    """What the validators say of our objects."""
    return both[0]


@pytest.fixture(scope="module")
def outcome_of_broken(both: tuple[Outcome, list[validators.Said]]) -> list[validators.Said]:
    """What they say of the broken one."""
    return both[1]


def test_every_object_of_every_profile_is_there(made: list[Made]) -> None:
    there = {(profile, one.output) for one in made for profile in one.profiles}
    wanted = {(name, output) for name, row in PROFILES.items() for output in row.outputs}
    assert there - {(name, "rejection") for name in PROFILES} == {
        (name, output) for name, output in wanted if output in OUTPUTS
    }


def test_no_validator_says_anything_that_is_not_explained(outcome: Outcome) -> None:
    assert outcome.lines() == []


def test_each_explanation_is_needed(outcome: Outcome) -> None:
    assert outcome.needless() == []


def test_the_validators_see_what_is_wrong(outcome_of_broken: list[validators.Said]) -> None:
    found = {(one.validator, one.is_error) for one in outcome_of_broken}
    assert {(validators.DCIODVFY, True), (validators.PIXELMED, True)} <= found


def test_many_files_at_once_are_validated_as_each_by_the_program_itself(outcome: Outcome) -> None:
    """This one comes after others: nothing of them is left."""
    said = {made: _of_pixelmed(outcome.said[made]) for made in outcome.said if made.output == "sr"}
    one = min((made for made in said if said[made]), key=lambda made: len(said[made]))
    program = [*validators.java(), "com.pixelmed.validate.DicomSRValidator"]
    alone = call(*program, one.path).stdout.splitlines()
    assert validators.messages(validators.PIXELMED, alone) == said[one]


def _of_pixelmed(said: Iterable[validators.Said]) -> list[validators.Said]:
    return [one for one in said if one.validator == validators.PIXELMED]


def _dump(path: Path, folder: Path) -> None:
    assert dsrdump(path).splitlines()[0].endswith("Document")


def _presentation_state(path: Path, folder: Path) -> None:
    assert dcmpschk(path) == []


def _picture(path: Path, folder: Path) -> None:
    call(need("dcm2pnm", "dcmtk"), path, folder / "picture.pnm")


def _page(path: Path, folder: Path) -> None:
    call(need("dcm2pdf", "dcmtk"), path, folder / "page.pdf")
    assert (folder / "page.pdf").read_bytes().startswith(b"%PDF-")


#: What reads an object back beside highdicom, by the output.
FOREIGN: dict[str, Callable[[Path, Path], None]] = {
    "sr": _dump,
    "kos": _dump,
    "rejection": _dump,
    "gsps": _presentation_state,
    "sc": _picture,
    "pdf": _page,
}


def test_foreign_readers_read_every_object_back(made: list[Made], tmp_path: Path) -> None:
    for one in made:
        if one.output in FOREIGN:
            FOREIGN[one.output](one.path, tmp_path)


def _segmentation(path: Path) -> Any:
    """Without pixel measures: highdicom wants a spacing in them, and a film may state none."""
    dataset = dcmread(path)
    dataset.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence", None)
    return hd.seg.Segmentation.from_dataset(dataset)


#: highdicom's own readers; of the other outputs it has none.
READERS: dict[str, Callable[[Path], Any]] = {
    "sr": hd.sr.srread,
    "seg": _segmentation,
    "kos": lambda path: hd.ko.KeyObjectSelectionDocument.from_dataset(dcmread(path)),
    "rejection": lambda path: hd.ko.KeyObjectSelectionDocument.from_dataset(dcmread(path)),
}


def test_highdicom_reads_back_what_it_can(made: list[Made]) -> None:
    for one in made:
        if one.output in READERS:
            assert READERS[one.output](one.path).SOPInstanceUID
