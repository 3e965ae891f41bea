"""findings.yaml: what is shipped works, and what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from dicom_node import findings_file
from dicom_node.errors import Misconfigured
from dicom_node.vocabulary import Laterality, Vocabulary

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
