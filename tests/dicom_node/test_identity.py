"""The guard against the wrong patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from dicom_node.identity import same_patient
from dicom_node.study import Patient

ANNA = Patient("4711", "HOSPITAL", "Müller^Anna^Maria", date(1950, 1, 2), "F")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "MÜLLER^ANNA^MARIA"},
        {"name": "Muller^Anna Maria^^^"},
        {"name": "Müller^Anna^Maria=ミュラー^アンナ"},
        {"issuer": ""},
        {"sex": "O"},
        {"birth_date": None},
        {"name": ""},
    ],
)
def test_the_same_person(changes: dict[str, Any]) -> None:
    assert same_patient(ANNA, replace(ANNA, **changes)).same


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": "4712"}, "Patient ID differs"),
        ({"id": ""}, "Patient ID is missing"),
        ({"issuer": "OTHER"}, "Issuer of Patient ID differs"),
        ({"name": "Müller^Berta"}, "Name differs"),
        ({"birth_date": date(1950, 2, 1)}, "Birth Date differs"),
        ({"sex": "M"}, "Sex differs"),
        ({"name": "", "birth_date": None}, "neither name nor birth date"),
    ],
)
def test_conflict_or_doubt(changes: dict[str, Any], reason: str) -> None:
    verdict = same_patient(ANNA, replace(ANNA, **changes))
    assert not verdict.same
    assert reason in verdict.reason
    for identity in ("4711", "Müller", "1950", "HOSPITAL", "OTHER"):
        assert identity not in verdict.reason


def test_two_empty_ids_are_not_the_same_person() -> None:
    assert not same_patient(replace(ANNA, id=""), replace(ANNA, id="")).same
