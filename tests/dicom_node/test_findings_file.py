"""findings.yaml: what is shipped works, and what is wrong is named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from dicom_node import findings_file
from dicom_node.errors import Misconfigured
from dicom_node.vocabulary import Code, Laterality, Vocabulary

SHIPPED = (resources.files("config") / "findings.yaml").read_text("utf-8")


def load(text: str, folder: Path) -> Vocabulary:
    path = folder / "findings.yaml"
    path.write_text(text, encoding="utf-8")
    return findings_file.load(path)


def changed(old: str, new: str) -> str:
    assert old in SHIPPED
    return SHIPPED.replace(old, new, 1)


def test_only_what_is_asked_is_in_the_vocabulary(vocabulary: Vocabulary) -> None:
    assert "pneumothorax" in vocabulary.findings
    assert "nodule" not in vocabulary.findings  # ask: false
    assert list(vocabulary.findings)[:2] == ["atelectasis", "cardiomegaly"]  # in the file's order


def test_all_words_that_ship_are_known_to_what_draws_and_judges(vocabulary: Vocabulary) -> None:
    shipped = findings_file.shipped()
    written = yaml.safe_load(SHIPPED)["findings"]
    assert list(shipped.findings) == [entry["name"] for entry in written]
    assert vocabulary.findings.items() < shipped.findings.items()
    assert shipped.sites == vocabulary.sites


def test_a_finding_is_read_as_it_is_written(vocabulary: Vocabulary) -> None:
    term = vocabulary.findings["cardiomegaly"]
    assert (term.code.value, term.code.scheme) == ("8186001", "SCT")
    assert term.views == ("PA",)  # an AP film magnifies the heart
    assert term.colour == (0xCC, 0x79, 0xA7)
    assert [site.name for site in vocabulary.sites_of("cardiomegaly")] == ["cardiac silhouette"]


def test_sides_are_those_of_the_names(vocabulary: Vocabulary) -> None:
    for name, site in vocabulary.sites.items():
        for side in (Laterality.RIGHT, Laterality.LEFT):
            assert (site.laterality is side) is name.startswith(side)


def test_findings_are_told_apart_by_colour_code_and_phrase(vocabulary: Vocabulary) -> None:
    terms = vocabulary.findings.values()
    assert len({term.colour for term in terms}) == len(terms)
    assert len({term.code for term in terms}) == len(terms)
    assert len({term.phrase for term in terms}) == len(terms)


def test_a_number_without_quotes_is_the_same_code(tmp_path: Path) -> None:
    text = changed('value: "36118008"', "value: 36118008")
    assert load(text, tmp_path).findings["pneumothorax"].code.value == "36118008"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (lambda: changed("    boxed: true", "    boxd: true"), ["boxd", "boxed"]),
        (lambda: changed("threshold: 0.5", "threshold: 1.5"), ["threshold", "atelectasis|0"]),
        (lambda: changed("threshold: 0.5", "threshold: high"), ["threshold"]),
        (
            lambda: changed("sites: [cardiac silhouette]", "sites: [cardiac siluette]"),
            ["cardiac siluette", "cardiac silhouette"],
        ),
        (lambda: changed("- name: cardiomegaly", "- name: atelectasis"), ["atelectasis", "twice"]),
        (lambda: changed('"#56b4e9"', '"blue"'), ["colour"]),
        (lambda: changed("meaning: Atelectasis", "meaning: Atélectasie"), ["meaning"]),
        (lambda: changed("meaning: Atelectasis", "meaning: a\\b"), ["meaning"]),
        (lambda: changed("grade: B", "grade: D"), ["grade"]),
        (lambda: changed("views: [PA]", "views: [lateral]"), ["views"]),
        (lambda: SHIPPED.replace("ask: true", "ask: false"), ["ask: true"]),
        (lambda: "findings: []\nsites: []\n", ["findings"]),
    ],
)
def test_what_is_wrong_is_named(text: Callable[[], str], named: list[str], tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(text(), tmp_path)
    said = str(caught.value)
    assert "findings.yaml" in said
    assert "Traceback" not in said
    for part in named:
        assert any(one in said for one in part.split("|")), said


#: A file with few entries, of which each can be changed alone.
FILE: dict[str, list[dict[str, Any]]] = {
    "findings": [
        {
            "name": "mass",
            "ask": True,
            "phrase": "lung mass",
            "code": {
                "value": "4147007",
                "scheme": "SCT",
                "meaning": "Mass",
                "grade": "A",
                "source": "CID 6102",
            },
            "threshold": 0.25,
            "boxed": False,
            "sites": ["left lung", "right lung"],
            "views": ["PA"],
            "colour": "#d4A017",
        },
    ],
    "sites": [
        {
            "name": f"{side} lung",
            "phrase": f"{side} half of the lungs",
            "code": {
                "value": "39607008",
                "scheme": "SCT",
                "meaning": "Lung",
                "grade": "A",
                "source": "CID 4",
            },
            "laterality": side,
        }
        for side in ("right", "left")
    ],
}


def replaced(place: str, value: object) -> dict[str, Any]:
    """The file with one value replaced; ``place`` is for example ``findings.0.code.value``."""
    file: Any = copy.deepcopy(FILE)
    *above, last = (int(part) if part.isdigit() else part for part in place.split("."))
    inner = file
    for part in above:
        inner = inner[part]
    inner[last] = value
    return dict(file)


def more(what: str, **changes: object) -> dict[str, Any]:
    """The file with a second finding, or a third site."""
    file = copy.deepcopy(FILE)
    file[what].append(copy.deepcopy(file[what][0]) | changes)
    return dict(file)


def load_data(folder: Path, file: dict[str, Any]) -> Vocabulary:
    return load(yaml.safe_dump(file, sort_keys=False), folder)


def fault(folder: Path, file: dict[str, Any]) -> str:
    with pytest.raises(Misconfigured) as caught:
        load_data(folder, file)
    told = str(caught.value)
    assert told.startswith(f"{folder / 'findings.yaml'}:")
    return told


def test_a_finding_comes_as_it_is_written(tmp_path: Path) -> None:
    vocabulary = load_data(tmp_path, FILE)
    (term,) = vocabulary.findings.values()
    assert (term.name, term.phrase) == ("mass", "lung mass")
    assert term.code == Code("4147007", "SCT", "Mass")
    assert (term.threshold, term.boxed, term.views) == (0.25, False, ("PA",))
    assert term.colour == (0xD4, 0xA0, 0x17)
    assert [site.name for site in vocabulary.sites_of("mass")] == ["left lung", "right lung"]


def test_a_site_comes_as_it_is_written_and_is_called_by_its_name_unless_told(
    tmp_path: Path,
) -> None:
    file = replaced("sites.1.phrase", None)
    del file["sites"][1]["laterality"]
    sites = load_data(tmp_path, file).sites
    assert sites["right lung"].phrase == "right half of the lungs"
    assert sites["right lung"].laterality is Laterality.RIGHT
    assert sites["left lung"].phrase == "left lung"
    assert sites["left lung"].laterality is None


def test_only_what_is_asked_is_in_the_vocabulary_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = more("findings", name="fracture", phrase="fracture", ask=False)
    file["findings"].insert(0, FILE["findings"][0] | {"name": "nodule", "phrase": "nodule"})
    assert list(load_data(tmp_path, file).findings) == ["nodule", "mass"]


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("findings.0.sites", ["left lugn"], "mass: sites: unknown `left lugn`; "
                                            "did you mean `left lung`?"),
        ("findings.0.sites", [], "findings.0.sites: "),
        ("findings.0.sites", ["left lung", "left lung"], "site of mass `left lung` stands twice"),
        ("findings.0.colour", "red", "findings.0.colour: "),
        ("findings.0.colour", "#12345", "findings.0.colour: "),
        ("findings.0.threshold", 0, "findings.0.threshold: input should be greater than 0"),
        ("findings.0.threshold", 1.5, "findings.0.threshold: input should be less than or equal"),
        ("findings.0.views", ["lateral"], "findings.0.views.0: "),
        ("findings.0.views", [], "findings.0.views: "),
        ("findings.0.ask", False, "no finding has `ask: true`"),
        ("findings.0.code.grade", "D", "findings.0.code.grade: "),
        ("findings.0.code.value", "12345678901234567", "findings.0.code.value: "),
        ("findings.0.code.meaning", "a\\b", "findings.0.code.meaning: "),
        ("findings.0.code.meaning", "Ödem", "findings.0.code.meaning: "),
        ("findings.0.code.meaning", "", "findings.0.code.meaning: "),
        ("findings.0.phrase", "x" * 65, "findings.0.phrase: "),
        ("findings.0.phrase", "two\nlines", "findings.0.phrase: "),
        ("sites.0.laterality", "rihgt", "sites.0.laterality: input should be 'right', 'left'"),
        ("sites.0.colour", "#000000", "sites.0.colour: unknown `colour`"),
        ("findings", [], "findings: "),
    ],
)  # fmt: skip
def test_what_cannot_be_written_or_asked_is_refused(
    tmp_path: Path, place: str, value: object, told: str
) -> None:
    assert told in fault(tmp_path, replaced(place, value))


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (more("findings"), "finding `mass` stands twice"),
        (more("findings", name="other"), "phrase `lung mass` stands twice"),
        (more("sites", phrase="elsewhere"), "site `right lung` stands twice"),
        (more("sites", name="other"), "phrase `right half of the lungs` stands twice"),
        (more("sites", name="right half of the lungs", phrase=None),
         "phrase `right half of the lungs` stands twice"),
    ],
)  # fmt: skip
def test_twins_are_refused(tmp_path: Path, file: dict[str, Any], told: str) -> None:
    """The model would answer one question for two findings, or name one of two places."""
    assert told in fault(tmp_path, file)


def test_bounds_themselves_are_allowed(tmp_path: Path) -> None:
    file = replaced("findings.0.threshold", 1)
    file["findings"][0]["phrase"] = "x" * 64
    file["findings"][0]["code"]["value"] = "1234567890123456"
    assert load_data(tmp_path, file).findings["mass"].threshold == 1


def test_blanks_around_a_word_are_not_part_of_it(tmp_path: Path) -> None:
    assert load_data(tmp_path, replaced("findings.0.phrase", "  lung mass ")) == load_data(
        tmp_path, FILE
    )
