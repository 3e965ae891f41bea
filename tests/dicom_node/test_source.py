"""Whose a result is: the film's identity, byte by byte, whatever its character set."""

from __future__ import annotations

import errno
import warnings
from pathlib import Path
from typing import Any

import pytest
from builders import chest
from pydicom import Dataset, dcmread
from pydicom.data import get_charset_files
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from report_builders import film_of, gives_none, object_of, report_on, several, unchanged

from dicom_node import outputs
from dicom_node.errors import BadStudy, Unreachable
from dicom_node.outputs import source
from dicom_node.vocabulary import Vocabulary

#: What is compared, in raw bytes.
IDENTITY = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "ReferringPhysicianName",
)
CHARSETS = (
    "chrArab",
    "chrFrenMulti",
    "chrGreek",
    "chrH31",
    "chrH32",
    "chrHbrw",
    "chrI2",
    "chrJapMulti",
    "chrKoreanMulti",
    "chrRuss",
    "chrX1",  # UTF-8
    "chrX2",  # GB18030
)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.EIO, "Input/output error"), Unreachable),
        (FileNotFoundError(errno.ENOENT, "No such file"), BadStudy),
        (OSError("Unexpected end of file"), BadStudy),  # pydicom's, of a corrupt sequence
    ],
    ids=["the disk", "gone", "corrupt"],
)
def test_a_disk_that_gives_nothing_is_told_from_a_film_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, raised: type[Exception]
) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise error

    path = chest(tmp_path / "film.dcm")
    monkeypatch.setattr(source, "dcmread", fails)
    with pytest.raises(raised, match="the file of a film cannot be read") as caught:
        source.read(path, film_of(path))
    assert type(caught.value) is raised


def raw(path: Path) -> dict[str, bytes]:
    """The stored bytes of the identity, without padding."""
    read = dcmread(path)
    found = {}
    for keyword in IDENTITY:
        tag = tag_for_keyword(keyword)
        assert tag is not None
        if tag in read:
            value = read.get_item(tag).value
            if isinstance(value, bytes):
                found[keyword] = value.rstrip(b" \0")
            else:  # pydicom decodes the character set by itself
                found[keyword] = str(value).encode()
    return found


def results(film: Path, vocabulary: Vocabulary, folder: Path) -> list[Path]:
    report = report_on(film_of(film), *unchanged(several(film_of(film))))
    paths = []
    for name in outputs.OUTPUTS:
        if gives_none(name, report, vocabulary, film):
            assert name == "sc"  # these films have no pixels that could be shown
            continue
        outputs.write(object_of(name, report, vocabulary, film), folder / f"{name}.dcm")
        paths.append(folder / f"{name}.dcm")
    return paths


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_name_is_copied_in_every_character_set(
    charset: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    (found,) = get_charset_files(f"{charset}.dcm")
    film = Path(found)
    before = raw(film)
    assert before["PatientName"]
    for path in results(film, vocabulary, tmp_path):
        after = raw(path)
        assert {key: after.get(key, b"") for key in before} == before
        assert dcmread(path).PatientName == dcmread(film).PatientName


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientName": b"M\xfcller^J\xf6rg"},  # Latin 1, not declared
        {"SpecificCharacterSet": "ISO_IR 192", "PatientName": b"M\xfcller^J\xf6rg"},  # not UTF-8
        {"SpecificCharacterSet": "ISO_IR 999", "PatientName": b"M\xfcller^J\xf6rg"},  # no such set
        {"PatientName": b"A" * 80, "PatientID": b"P" * 80},  # too long
        {"StudyDate": b"2020.01.02", "PatientBirthDate": b"UNKNOWN ", "StudyTime": b"10:15:00"},
        {"PatientID": b"", "AccessionNumber": b"A\\B"},
        {"PatientSex": b"weiblich", "StudyID": b"an identifier of more than 16"},
    ],
)
def test_malformed_values_stop_nothing_and_stay_as_they_are(
    elements: dict[str, bytes | str], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    film = malformed(tmp_path, elements)
    before = raw(film)
    for keyword, value in elements.items():
        if isinstance(value, bytes):
            assert before[keyword] == value.rstrip()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        made = results(film, vocabulary, tmp_path)
    assert not [one for one in warned if "ller" in str(one.message)]  # no name in a warning
    for path in made:
        after = raw(path)
        assert {key: after.get(key, b"") for key in before} == before


def test_what_the_film_does_not_state_is_empty(vocabulary: Vocabulary, tmp_path: Path) -> None:
    nobody: dict[str, Any] = dict.fromkeys(IDENTITY)
    film = chest(tmp_path / "film.dcm", **nobody)
    for path in results(film, vocabulary, tmp_path):
        read = dcmread(path)
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyDate", "StudyID"):
            assert keyword in read  # Type 2
            assert not read[keyword].value


@pytest.mark.parametrize(
    ("offset", "hour"),
    [("+0930", "143607"), ("-0400", "010607"), ("+9999", "050607"), ("", "050607")],
)
def test_times_are_in_the_zone_of_the_film(
    offset: str, hour: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """The report was read at 05:06:07 UTC; a zone that no place has is not believed."""
    film = chest(tmp_path / "film.dcm", TimezoneOffsetFromUTC=offset)
    for path in results(film, vocabulary, tmp_path):
        read = dcmread(path)
        assert read.InstanceCreationTime == hour
        assert (read.get("TimezoneOffsetFromUTC") or "") == ("" if offset == "+9999" else offset)


def test_identity_in_sequences_is_copied(vocabulary: Vocabulary, tmp_path: Path) -> None:
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = "OTHER-9", "TEXT"
    film = chest(tmp_path / "film.dcm", OtherPatientIDsSequence=[other], IssuerOfPatientID="CLINIC")
    for path in results(film, vocabulary, tmp_path):
        read = dcmread(path)
        assert read.IssuerOfPatientID == "CLINIC"
        assert read.OtherPatientIDsSequence[0].PatientID == "OTHER-9"


def test_malformed_identity_in_sequences_stays_as_it_is(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    latin = b"M\xfcller"  # not UTF-8, which the film declares
    plain = chest(
        tmp_path / "plain.dcm",
        SpecificCharacterSet="ISO_IR 192",
        OtherPatientIDsSequence=[Dataset()],
    )
    read = dcmread(plain)
    (item,) = read.OtherPatientIDsSequence
    item[0x00100020] = stored("PatientID", latin)
    item.set_original_encoding(False, True)
    read.save_as(tmp_path / "film.dcm")
    for path in (tmp_path / "film.dcm", *results(tmp_path / "film.dcm", vocabulary, tmp_path)):
        (item,) = dcmread(path).OtherPatientIDsSequence
        assert item.get_item(0x00100020).value == latin


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("NumberOfFrames", "IS", b"abc "),
        ("NumberOfFrames", "IS", b"1\\2 "),
        ("RequestAttributesSequence", "LO", b"none"),
        ("RequestAttributesSequence", "UN", b"none"),
        ("ProcedureCodeSequence", "LO", b"none"),
        ("OtherPatientIDsSequence", "LO", b"none"),
    ],
)
def test_what_is_no_number_or_no_sequence_stops_nothing(
    keyword: str, vr: str, value: bytes, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    read = dcmread(chest(tmp_path / "plain.dcm"))
    read[tag] = RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)
    read.save_as(tmp_path / "film.dcm")
    assert len(results(tmp_path / "film.dcm", vocabulary, tmp_path)) > 1


def test_values_of_odd_length_are_padded(vocabulary: Vocabulary, tmp_path: Path) -> None:
    read = dcmread(chest(tmp_path / "plain.dcm"))
    read[0x00100020] = stored("PatientID", b"ODD", pad=b"")
    read.save_as(tmp_path / "film.dcm")
    for path in results(tmp_path / "film.dcm", vocabulary, tmp_path):
        assert dcmread(path).get_item(0x00100020).value == b"ODD "


def malformed(folder: Path, elements: dict[str, bytes | str]) -> Path:
    """A film whose stored bytes are exactly these; a value that is text is set as usual."""
    declared: dict[str, Any] = {
        key: value for key, value in elements.items() if isinstance(value, str)
    }
    read = dcmread(chest(folder / "plain.dcm", **declared))
    for keyword, value in elements.items():
        if isinstance(value, bytes):
            element = stored(keyword, value)
            read[element.tag] = element
    read.save_as(folder / "film.dcm")
    return folder / "film.dcm"


def stored(keyword: str, value: bytes, pad: bytes = b" ") -> RawDataElement:
    """An element as a file has it, whatever its value."""
    tag = BaseTag(tag_for_keyword(keyword) or 0)
    value += pad * (len(value) % 2)
    return RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)


def test_whose_a_kept_header_is_and_of_which_film(film: Path, tmp_path: Path) -> None:
    """Another one than the report is on; neither a film without a size nor one of another study."""
    other = {"StudyInstanceUID": dcmread(film).StudyInstanceUID, "PatientID": "OTHER"}
    path = chest(tmp_path / "other.dcm", **other)
    source.keep_header(path, film_of(path), tmp_path / "kept.dcm")
    found, patient = source.whose(tmp_path / "kept.dcm", film_of(film))
    assert source.read(tmp_path / "kept.dcm", found)
    assert patient.id == "OTHER"
    for elements in ({"StudyInstanceUID": "1.2.3"}, {"Rows": None}):
        bad = chest(tmp_path / "bad.dcm", **(other | elements))
        with pytest.raises(BadStudy):
            source.whose(bad, film_of(film))
