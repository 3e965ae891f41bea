"""Dates, times and the age of the patient, as far as a header states them."""

from __future__ import annotations

import re
from datetime import date, datetime, time

from pydicom import Dataset

from dicom_node.headers.elements import text as _text

#: Why an age is not known that is stated twice.
CONTRADICTION = "Patient's Birth Date and Patient's Age contradict each other"
_TOLERATED_YEARS = 2.0
_OLDEST_YEARS = 120.0
_PLACEHOLDER = date(1900, 1, 1)  # and all before: what systems write that have to write a date
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


def date_of(dataset: Dataset, keyword: str) -> date | None:
    """A value of VR DA; None when it is missing, malformed, or 1900-01-01 or before."""
    return _date(_text(dataset, keyword))


def time_of(dataset: Dataset, keyword: str) -> time:
    """A value of VR TM; midnight when it is missing or malformed."""
    return _time(_text(dataset, keyword))


def acquired(header: Dataset) -> datetime | None:
    """The best stated time of acquisition: Acquisition, Content, Series, Study, the first there."""
    stated = _text(header, "AcquisitionDateTime")
    if day := _date(stated[:8]):
        return datetime.combine(day, _time(stated[8:14]))
    for level in ("Acquisition", "Content", "Series", "Study"):
        if day := date_of(header, f"{level}Date"):
            return datetime.combine(day, _time(_text(header, f"{level}Time")))
    return None


def age(header: Dataset) -> tuple[float | None, str]:
    """The age in years when a film was taken, or None and why it is not known.

    Of several stated dates the earlier counts: a doubt makes the patient younger, not older. Birth
    Date and Patient's Age have to agree within two years where both are stated.
    """
    born = date_of(header, "PatientBirthDate")
    stated = _text(header, "PatientAge").upper()
    matched = _AGE.fullmatch(stated)
    by_age = int(matched[1]) / _PER_YEAR[matched[2]] if matched else None
    known = [one for one in (_taken(header), date_of(header, "StudyDate")) if one is not None]
    by_birth = _years_between(born, min(known)) if born and known and min(known) >= born else None
    if by_age is not None and by_birth is not None and abs(by_age - by_birth) > _TOLERATED_YEARS:
        return None, CONTRADICTION
    years = by_birth if by_birth is not None else by_age
    if years is not None and years <= _OLDEST_YEARS:
        return years, ""
    if born is None:
        missing = "Patient's Birth Date is not a date or not stated"
    else:
        missing = "no date of acquisition at or after Patient's Birth Date is stated"
    malformed = "is not of the form 045Y" if stated else "is not stated"
    return None, f"{missing}, and Patient's Age {malformed}"


def _taken(header: Dataset) -> date | None:
    when = acquired(header)
    return None if when is None else when.date()


def _years_between(born: date, taken: date) -> float:
    """Whole years by the calendar, so that a birthday counts, and the part of the year since."""
    had_birthday = (taken.month, taken.day) >= (born.month, born.day)
    years = taken.year - born.year - (not had_birthday)
    last = taken.year - (not had_birthday)
    day = min(born.day, 28) if born.month == 2 else born.day  # noqa: PLR2004 - born on 29 February
    return years + max((taken - date(last, born.month, day)).days, 0) / 366


def _date(text: str) -> date | None:
    try:
        day = datetime.strptime(text.strip().replace(".", ""), "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        return None
    return day if day > _PLACEHOLDER else None


def _time(text: str) -> time:
    """Midnight where it is missing or malformed: then only the day is known."""
    digits = re.match(r"\d{2,6}", text.replace(":", ""))
    padded = (digits[0] if digits else "").ljust(6, "0")
    try:
        return time(int(padded[:2]), int(padded[2:4]), min(int(padded[4:]), 59))
    except ValueError:
        return time()
