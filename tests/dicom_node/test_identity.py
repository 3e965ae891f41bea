"""The guard against the wrong patient: docs/identity.md, row by row."""

from __future__ import annotations

import re
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import chest
from pydicom import Dataset, dcmread

from dicom_node import names
from dicom_node.headers import read_study
from dicom_node.identity import PROVISIONAL, of_two, same_patient
from dicom_node.names import Likeness
from dicom_node.study import Patient

PAGE = Path(__file__).resolve().parents[2] / "docs" / "identity.md"


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading of the page, each cell as it was meant."""
    section = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|") for line in section.splitlines() if line.startswith("|")]
    assert len(rows) > 2
    return [[_cell(cell) for cell in re.split(r" ?\| ?", row)] for row in rows[2:]]


def _cell(text: str) -> str:
    plain = text.strip()
    if re.fullmatch("`[^`]*`", plain):
        plain = plain[1:-1]
    return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), plain)


def patient(identifier: str, issuer: str, name: str, born: str, sex: str) -> Patient:
    return Patient(identifier, issuer, name, date.fromisoformat(born) if born else None, sex)


CASES = table("Is it the same person?")


@pytest.mark.parametrize("row", CASES, ids=lambda row: row[0])
def test_each_case_of_the_page(row: list[str]) -> None:
    _, *cells, verdict, reason = row
    assert len(cells) == 10
    assert verdict in ("use", "refuse")
    current, earlier = patient(*cells[:5]), patient(*cells[5:])
    for told in (same_patient(current, earlier), same_patient(earlier, current)):
        assert told.same == (verdict == "use"), told.reason
        assert told.reason == ("" if told.same else reason)
        for identity in {*cells} - {"", "F", "M", "O"}:
            assert identity not in told.reason


def test_the_page_has_every_case_that_was_asked_for() -> None:
    cases = {row[0]: row[-2] for row in CASES}
    wanted = {
        "ID in other case": "refuse",
        "ID with leading zeros": "refuse",
        "ID with spaces around it": "use",
        "ID with an inner space": "refuse",
        "issuer on one side only, name and birth date confirm": "use",
        "issuer on one side only, no birth date": "refuse",
        "issuer on one side only, no name": "refuse",
        "other issuer": "refuse",
        "name equal but birth date other": "refuse",
        "married name": "refuse",
        "three component groups against the first alone": "use",
        "only ideographic against only alphabetic, birth date confirms": "use",
        "only ideographic against only alphabetic, no birth date": "refuse",
        "same alphabetic group, other ideographic group": "refuse",
        "Mueller against Müller, birth date confirms": "use",
        "name in other case": "use",
        "prefix in the place of the suffix": "use",
        "name with trailing ^": "use",
        "composed against decomposed letters (NFC, NFD)": "use",
        "full-width letters": "use",
        "hyphen against space": "use",
        "sex missing": "use",
        "sex O against M": "use",
        "sex M against F": "refuse",
        "trauma ID on both sides": "refuse",
        "provisional name on both sides": "refuse",
        "John Doe": "refuse",
        "birth date 1900-01-01 on both sides, no name": "refuse",
        "name that cannot be decoded, no birth date": "refuse",
    }
    assert {case: cases.get(case) for case in wanted} == wanted
    which = {row[0] for row in table("Which film of that person?")}
    assert which >= {
        "two priors on one day",
        "prior without date",
        "prior later than current",
        "PatientID empty",
        "PatientID `12*`",
    }
    assert len(cases) == len(CASES), "a case stands twice"


def test_the_words_of_the_shipped_rules_are_the_default_ones() -> None:
    shipped = yaml.safe_load((resources.files("config") / "rules.yaml").read_text("utf-8"))
    (rule,) = shipped["rules"]
    assert tuple(rule["priors"]["provisional_identities"]) == PROVISIONAL


@pytest.mark.parametrize("word", PROVISIONAL)
def test_every_provisional_word_refuses(word: str) -> None:
    plain = word.replace("*", "")
    assert not same_patient(*[patient("4711", "", f"{plain}^7", "1950-01-02", "F")] * 2).same
    assert not same_patient(*[patient(f"{plain}-7", "", "A^B", "1950-01-02", "F")] * 2).same


def test_the_words_are_the_rule_s() -> None:
    one = patient("4711", "", "Somebody^Adam", "1950-01-02", "M")
    assert same_patient(one, one).same
    assert not same_patient(one, one, ["SOMEBODY ADAM"]).same
    assert same_patient(one, one, ["SOMEBODY EVE", "SOMEBOD"]).same
    assert not same_patient(one, one, ["some*"]).same
    trauma = patient("TRAUMA-1", "", "Somebody^Adam", "1950-01-02", "M")
    assert same_patient(trauma, trauma, []).same


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("Müller", "Müller", Likeness.COMPATIBLE),  # too few words to confirm
        ("Li^Ana", "Lia^Na", Likeness.DIFFERENT),
        ("O'Brien^Ann", "OBrien^Ann", Likeness.COMPATIBLE),
        ("Şahin^Iş\u0131k", "SAHIN^ISIK", Likeness.COMPATIBLE),
        ("Groß^Uwe", "GROSS^UWE", Likeness.SAME),
        ("Παπαδόπουλος^Νίκος", "ΠΑΠΑΔΟΠΟΥΛΟΣ^ΝΙΚΟΣ", Likeness.COMPATIBLE),
        ("राम^कुमार", "रोम^कुमार", Likeness.DIFFERENT),
        ("佐々木^みゆき", "佐々木^みゆき", Likeness.SAME),
        ("Yamada^Tarou=山田^太郎=Yamada^Taro", "Yamada^Tarou=山田^太郎=Yamada^Taro", Likeness.SAME),
        ("Yamada^Tarou=\ufffd", "Yamada^Tarou", Likeness.SAME),
        ("", "Müller^Anna", Likeness.COMPATIBLE),
    ],
)
def test_names(one: str, other: str, likeness: Likeness) -> None:
    assert names.compare(one, other) is likeness
    assert names.compare(other, one) is likeness


# What stands in files


def film_of(path: Path, character_sets: Any, name: bytes, **elements: Any) -> Patient:
    """The patient of a film whose name is these bytes."""
    chest(path, PatientName="NAMEHERE", **elements)
    film = dcmread(path)
    film.SpecificCharacterSet = character_sets
    if character_sets is None:
        del film.SpecificCharacterSet
    film.save_as(path)
    padded = name + b" " * (len(name) % 2)
    written = path.read_bytes()
    element = b"\x10\x00\x10\x00PN"
    assert written.count(element + b"\x08\x00NAMEHERE") == 1
    value = element + len(padded).to_bytes(2, "little") + padded
    path.write_bytes(written.replace(element + b"\x08\x00NAMEHERE", value))
    return read_study([path]).patient


def test_one_name_in_three_character_sets_is_one_name(tmp_path: Path) -> None:
    """PS3.5 H.3.1 example 1, as it stands there, and the same in UTF-8."""
    kanji = b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    kana = b"\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
    japanese = film_of(
        tmp_path / "jis.dcm", ["", "ISO 2022 IR 87"], b"Yamada^Tarou=" + kanji + b"=" + kana
    )
    unicode = film_of(
        tmp_path / "utf8.dcm", "ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう".encode()
    )
    ascii_only = film_of(tmp_path / "ascii.dcm", None, b"Yamada^Tarou")
    assert japanese == unicode
    assert japanese.name == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert names.compare(japanese.name, ascii_only.name) is Likeness.SAME
    assert same_patient(japanese, ascii_only).same


def test_latin_1_and_utf_8_are_decoded_alike(tmp_path: Path) -> None:
    one = film_of(tmp_path / "1.dcm", "ISO_IR 100", "Müller^Jérôme".encode("latin-1"))
    other = film_of(tmp_path / "2.dcm", "ISO_IR 192", "Müller^Jérôme".encode())
    extended = film_of(
        tmp_path / "3.dcm", ["", "ISO 2022 IR 100"], b"\x1b-AM\xfcller^\x1b-AJ\xe9r\xf4me"
    )
    assert one == other == extended
    assert one.name == "Müller^Jérôme"


@pytest.mark.filterwarnings("ignore:Unknown encoding", "ignore:Failed to decode")
@pytest.mark.parametrize(
    ("character_sets", "name"),
    [
        ("ISO_IR 999", b"M\xfcller^Anna"),  # there is none
        (None, b"M\xfcller^Anna"),  # not ASCII, and not said what else
        ("ISO_IR 192", b"M\xfcller^Anna"),  # not what it says
        (["", "ISO 2022 IR 87"], b"\x1b$B\xff\xff^Anna"),
    ],
)
def test_what_cannot_be_decoded_is_not_guessed(
    tmp_path: Path, character_sets: Any, name: bytes
) -> None:
    illegible = film_of(tmp_path / "1.dcm", character_sets, name)
    legible = film_of(tmp_path / "2.dcm", "ISO_IR 192", "Müller^Anna".encode())
    other = film_of(tmp_path / "3.dcm", "ISO_IR 192", b"Schmidt^Berta")
    for known in (legible, other):
        assert names.compare(illegible.name, known.name) is Likeness.COMPATIBLE
        assert same_patient(illegible, known).same, "the birth date confirms"
    unborn = [patient("TEST-1", "", one.name, "", "F") for one in (illegible, legible)]
    assert not same_patient(*unborn).same
    assert not same_patient(unborn[0], unborn[0]).same, "even beside itself it confirms nothing"


def test_names_in_real_files_of_many_character_sets(shared_data: Path) -> None:
    """Each is legible, the same as itself, and no other's."""
    found = {
        path.name: read_study([path]).patient
        for folder in ("pydicom+pydicom", "orthanc-mirrors+orthanc-tests")
        for path in sorted((shared_data / folder).rglob("*.dcm"))
        if path.name.startswith(("chr", "Lena-")) and path.name != "chrSQEncoding.dcm"
    }
    assert len(found) == 8
    assert found["chrJapMulti.dcm"].name == "やまだ^たろう"
    assert found["chrX1.dcm"].name == "Wang^XiaoDong=王^小東"
    assert found["chrFrenMulti.dcm"].name == "Buc^Jérôme"
    for one, person in found.items():
        assert names.compare(person.name, person.name) is not Likeness.DIFFERENT, one
        for other, somebody in found.items():
            likeness = names.compare(person.name, somebody.name)
            assert (likeness is Likeness.SAME) <= (one == other), (one, other)
            assert same_patient(person, somebody).same <= (one == other), (one, other)


def test_other_patient_ids_are_never_used(tmp_path: Path) -> None:
    """Not even where each film states the other's ID among its own."""
    other_id = Dataset()
    other_id.PatientID, other_id.TypeOfPatientID = "NEW-1", "TEXT"
    current = read_study([chest(tmp_path / "1.dcm", PatientID="NEW-1", OtherPatientIDs="OLD-1")])
    earlier = read_study(
        [chest(tmp_path / "2.dcm", PatientID="OLD-1", OtherPatientIDsSequence=[other_id])]
    )
    assert same_patient(current.patient, earlier.patient).reason == "Patient ID differs"


def test_objects_of_one_study_are_of_two_patients_where_they_contradict_or_one_has_no_id() -> None:
    """It needs no proof, as it does of two studies: what is provisional or missing is no doubt."""
    unknown = Patient("TRAUMA-1", "", "Unknown^Male", None, "")
    assert of_two(unknown, Patient("TRAUMA-1 ", "HERE", "", None, "M")) == ""
    assert of_two(unknown, Patient("TRAUMA-2", "", "Unknown^Male", None, "")) == "Patient ID"
    assert of_two(unknown, Patient(" ", "", "Unknown^Male", None, "")) == "Patient ID"
    assert of_two(unknown, Patient("TRAUMA-1", "", "Roe^Jane", None, "")) == "Patient's Name"
