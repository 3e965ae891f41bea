"""Codes against the dictionaries of the DICOM standard: no validator checks them."""

from __future__ import annotations

from importlib import resources

import pytest
import report_builders
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code as Concept

from dicom_node import yamlfile
from dicom_node.findings_file import CodeEntry, FindingsFile
from dicom_node.outputs import codes
from dicom_node.report import ChangeKind, Presence
from dicom_node.study import View
from dicom_node.vocabulary import Laterality

#: What pydicom's dictionaries do not have in these words, and where it was seen.
ELSEWHERE = {
    ("385425000", "SCT", "Improved"): "HL7 HSPC course value set expansion, 2016",
    ("58158008", "SCT", "Stable"): "HL7 HSPC course value set expansion, 2016",
    ("230993007", "SCT", "Worsening"): "HL7 HSPC course value set expansion, 2016",
    ("7147002", "SCT", "New"): "findingmodel standard codes",
    ("C0034375", "UMLS", "Qualitative Evaluations"): "PS3.16 TID 1500",
    ("260753009", "SCT", "Source"): "PS3.16 TID 320; SNOMED: Source (attribute)",
    ("{pixels}", "UCUM", "Pixels"): "PS3.16 TID 1602",
}


def in_standard(value: str, scheme: str) -> dict[str, list[int]]:
    """What the standard calls a code: each meaning, with the context groups that have it."""
    known: dict[str, dict[str, dict[str, tuple[str, list[int]]]]] = dict(concepts)  # type: ignore[arg-type]
    names = known.get(scheme, {}).values()
    return {name[value][0]: name[value][1] for name in names if value in name}


def written() -> dict[str, Concept]:
    """Every code that the outputs write by themselves."""
    found = {}
    for name, value in vars(codes).items():
        if isinstance(value, Concept):
            found[name] = value
        elif isinstance(value, dict) and name.isupper():
            found |= {f"{name} {key}": one for key, one in value.items()}
    return found


def configured() -> dict[str, CodeEntry]:
    """Every code of config/findings.yaml."""
    with resources.as_file(resources.files("config") / "findings.yaml") as path:
        file = yamlfile.load(path, FindingsFile)
    findings = {entry.name: entry.code for entry in file.findings}
    return findings | {entry.name: entry.code for entry in file.sites}


def test_there_is_something_to_compare() -> None:
    assert len(written()) > 40
    assert len(configured()) > 30
    assert in_standard("36118008", "SCT")["Pneumothorax"]
    assert not in_standard("99999999", "SCT")


@pytest.mark.parametrize("name", written())
def test_a_fixed_code_means_in_the_standard_what_we_write(name: str) -> None:
    code = written()[name]
    if (code.value, code.scheme_designator, code.meaning) in ELSEWHERE:  # == ignores meanings
        assert code.meaning not in in_standard(code.value, code.scheme_designator)
    else:
        assert code.meaning in in_standard(code.value, code.scheme_designator)


@pytest.mark.parametrize("name", configured())
def test_a_code_of_findings_yaml_is_as_sure_as_it_says(name: str) -> None:
    entry = configured()[name]
    groups = in_standard(entry.value, entry.scheme)
    if entry.grade == "A":
        kind, number = entry.source.split()
        assert kind == "CID"
        assert int(number) in groups[entry.meaning]
    else:
        assert entry.meaning not in groups
        assert entry.source
        assert not entry.source.startswith("CID")


def test_what_is_ready_to_be_switched_on_fits_together() -> None:
    """Each finding has phrase, sites and colour of its own, and size is asked on PA films only."""
    every = report_builders.every_finding()
    asked = report_builders.vocabulary()
    assert set(every.findings) - set(asked.findings) >= {
        "ground-glass opacity",
        "central line",
        "port",
        "chest tube",
        "endotracheal tube",
        "feeding tube",
        "pacemaker",
        "enlarged mediastinum",
    }
    assert len({term.colour for term in every.findings.values()}) == len(every.findings)
    only_pa = {name for name, term in every.findings.items() if "AP" not in term.views}
    assert only_pa == {"cardiomegaly", "enlarged mediastinum"}
    mediastinum = every.findings["enlarged mediastinum"]
    assert (mediastinum.code.value, mediastinum.sites) == ("260376009", ("mediastinum",))
    devices = {term.code.meaning for term in every.findings.values() if term.device}
    assert devices == {
        "Central line",
        "Portacath",
        "Chest tube",
        "Endotracheal tube",
        "Feeding tube",
        "Cardiac pacemaker",
        "Cardiac pacemaker lead",
        "Heart valve prosthesis",
    }


def test_codes_that_public_code_gets_wrong_are_not_here() -> None:
    """Generic oedema for pulmonary oedema, the fetal cardiomegaly, screening mammography's
    "new" and "stable".
    """
    used = {code.value for code in written().values()}
    used |= {code.value for code in configured().values()}
    assert not used & {"267038008", "287272002", "129721008", "129723006", "2667000"}


def test_every_value_of_a_report_has_a_code() -> None:
    assert set(codes.PRESENCE) == set(Presence)
    assert set(codes.CHANGE) == set(ChangeKind)
    assert set(codes.LATERALITY) == set(Laterality)
    assert set(codes.VIEW) == set(View) - {View.UNKNOWN}
    for group in (codes.PRESENCE, codes.CHANGE, codes.LATERALITY, codes.VIEW, codes.OUTCOME):
        assert len({code.value for code in group.values()}) == len(group)
