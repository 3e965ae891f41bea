"""The guard against the wrong patient: may two studies be read as those of one person?"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from dicom_node.study import Patient


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it is the same person, and why not; the reason quotes nothing of either."""

    same: bool
    reason: str = ""


def same_patient(current: Patient, earlier: Patient) -> Verdict:
    """Compare Patient ID, issuer, name, birth date and sex. Conflict or doubt: not the same.

    The IDs have to be stated and equal. Nothing else that both state may differ, and beside the
    ID at least the name or the birth date has to be stated by both.
    """
    if not current.id or current.id != earlier.id:
        return Verdict(False, "Patient ID differs or is missing")
    if differs := conflict(current, earlier):
        return Verdict(False, f"{differs} differs")
    confirmed = (current.name and earlier.name, current.birth_date and earlier.birth_date)
    if not any(confirmed):
        return Verdict(False, "neither name nor birth date confirms the Patient ID")
    return Verdict(True)


def conflict(one: Patient, other: Patient) -> str:
    """The first attribute that both state differently; empty if there is none."""
    pairs = {
        "Patient ID": (one.id, other.id),
        "Issuer of Patient ID": (one.issuer, other.issuer),
        "Patient's Name": (_name(one.name), _name(other.name)),
        "Patient's Birth Date": (one.birth_date, other.birth_date),
        "Patient's Sex": (_sex(one.sex), _sex(other.sex)),
    }
    return next((what for what, (a, b) in pairs.items() if a and b and a != b), "")


def _name(name: str) -> tuple[str, ...]:
    """The words of the first component group (PS3.5 6.2.1.1) without case, marks and order of
    prefixes or suffixes that are empty.
    """
    plain = unicodedata.normalize("NFKD", name.split("=")[0]).casefold()
    letters = (char if char.isalnum() else " " for char in plain if not unicodedata.combining(char))
    return tuple("".join(letters).split())


def _sex(sex: str) -> str:
    """O (other) is also what systems write that do not know."""
    return sex if sex in ("M", "F") else ""
