"""The guard against the wrong patient: may two studies be read as those of one person?

``docs/identity.md`` lists what is used and what is refused, case by case; the tests run that table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dicom_node import names
from dicom_node.names import Likeness
from dicom_node.study import Patient

#: Words by which departments name somebody whom they do not know yet. All words of an entry have
#: to occur in the name or in the ID; a last ``*`` stands for any end of the word.
PROVISIONAL = (
    "TRAUMA*",
    "POLYTRAUMA*",
    "EMERGENCY",
    "UNKNOWN",
    "UNIDENTIFIED",
    "NOTFALL*",
    "UNBEKANNT*",
    "INCONNU*",
    "DESCONOCID*",
    "SCONOSCIUT*",
    "ANONYM*",
    "JOHN DOE",
    "JANE DOE",
)
#: What systems write that have to write a date of birth; nobody who is filmed was born before.
_PLACEHOLDER_BIRTH = date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it is the same person, and why not; the reason quotes nothing of either."""

    same: bool
    reason: str = ""


def same_patient(
    current: Patient, earlier: Patient, provisional: Sequence[str] = PROVISIONAL
) -> Verdict:
    """Compare Patient ID, issuer, name, birth date and sex. Conflict or doubt: not the same.

    The IDs have to be stated and equal, and neither identity provisional. Nothing else that both
    state may contradict, and beside the ID the name or the birth date has to be the same; both,
    where only one names the issuer of its ID.
    """
    if (reason := _ids_differ(current, earlier)) or (reason := _unknown(current, provisional)):
        return Verdict(False, reason)
    if reason := _unknown(earlier, provisional):
        return Verdict(False, reason)
    if differs := conflict(current, earlier):
        return Verdict(False, f"{differs} differs")
    named = names.compare(current.name, earlier.name) is Likeness.SAME
    born = _birth(current) is not None and _birth(current) == _birth(earlier)
    if bool(_plain(current.issuer)) != bool(_plain(earlier.issuer)) and not (named and born):
        return Verdict(
            False,
            "Issuer of Patient ID is stated by one only, and name and birth date do not both "
            "confirm it",
        )
    if not (named or born):
        return Verdict(False, "neither name nor birth date confirms the Patient ID")
    return Verdict(True)


def conflict(one: Patient, other: Patient) -> str:
    """The first attribute in which two that may be one contradict; empty if there is none.

    What only one states, or what is not legible, contradicts nothing.
    """
    pairs = {
        "Patient ID": (_plain(one.id), _plain(other.id)),
        "Issuer of Patient ID": (_plain(one.issuer), _plain(other.issuer)),
        "Patient's Birth Date": (_birth(one), _birth(other)),
        "Patient's Sex": (_sex(one.sex), _sex(other.sex)),
    }
    if differs := next((what for what, (a, b) in pairs.items() if a and b and a != b), ""):
        return differs
    different = names.compare(one.name, other.name) is Likeness.DIFFERENT
    return "Patient's Name" if different else ""


def of_two(one: Patient, other: Patient) -> str:
    """The attribute by which two objects of one study are of two patients; empty if they may be of
    one. An object with a Patient ID and one without are of two.
    """
    if bool(_plain(one.id)) != bool(_plain(other.id)):
        return "Patient ID"
    return conflict(one, other)


def merged(patients: Sequence[Patient]) -> Patient:
    """What several data sets state of one patient, between whom there is no :func:`conflict`: of
    each attribute the first that is stated. None may state something alone and unseen.
    """
    first = patients[0]
    for other in patients[1:]:
        first = Patient(
            id=first.id or other.id,
            issuer=first.issuer or other.issuer,
            name=first.name or other.name,
            birth_date=first.birth_date or other.birth_date,
            sex=first.sex or other.sex,
        )
    return first


def is_provisional(patient: Patient, provisional: Sequence[str]) -> bool:
    """Whether the name or the ID says that the person was not known when it was given."""
    named = set(names.words(re.sub("[=^]", " ", patient.name)))
    numbered = set(re.findall(r"[^\W\d_]+", " ".join(names.words(patient.id))))
    return any(_all_in(entry, said) for entry in provisional for said in (named, numbered))


def _ids_differ(current: Patient, earlier: Patient) -> str:
    mine, theirs = _plain(current.id), _plain(earlier.id)
    if not mine or not theirs:
        return "Patient ID is missing"
    if names.UNDECODED in mine + theirs:
        return "Patient ID cannot be decoded"
    return "" if mine == theirs else "Patient ID differs"


def _unknown(patient: Patient, provisional: Sequence[str]) -> str:
    if is_provisional(patient, provisional):
        return "Patient's Name or Patient ID is a provisional one"
    return ""


def _all_in(entry: str, said: set[str]) -> bool:
    return all(
        any(word.startswith(part[:-1]) if part.endswith("*") else word == part for word in said)
        for part in entry.casefold().split()
    )


def _plain(text: str) -> str:
    """Leading and trailing spaces mean nothing in LO, SH and PN (PS3.5 Table 6.2-1)."""
    return text.strip(" \0")


def _birth(patient: Patient) -> date | None:
    born = patient.birth_date
    return born if born is not None and born > _PLACEHOLDER_BIRTH else None


def _sex(sex: str) -> str:
    """O (other) is also what systems write that do not know."""
    plain = sex.strip().upper()
    return plain if plain in ("M", "F") else ""
