"""How old an earlier study may be: ``6M-5Y``, as dcm4chee writes it."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import MINYEAR, date, timedelta

_RANGE = re.compile(r"(\d{1,4})([DWMY])-(\d{1,4})([DWMY])")
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
_WANTED = (
    "is not a range of ages: write two ages with a hyphen between, in days, weeks, months or "
    "years, the younger first, such as `0D-5Y` or `6M-5Y`"
)


@dataclass(frozen=True, slots=True)
class Age:
    """A number of days (D), weeks (W), months (M) or years (Y) by the calendar."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number}{self.unit}"

    def before(self, day: date) -> date:
        """The day so long before another; a day that its month lacks is the month's last."""
        if self.unit in "DW":
            days = self.number * (7 if self.unit == "W" else 1)
            return day - min(timedelta(days), day - date.min)
        months = day.year * 12 + day.month - 1 - self.number * (12 if self.unit == "Y" else 1)
        year, month = months // 12, months % 12 + 1
        if year < MINYEAR:
            return date.min
        return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


@dataclass(frozen=True, slots=True)
class AgeRange:
    """From one age to another, both included."""

    youngest: Age
    oldest: Age

    def __str__(self) -> str:
        return f"{self.youngest}-{self.oldest}"

    @classmethod
    def parse(cls, text: object) -> AgeRange:
        """The range that a text such as ``6M-5Y`` means.

        Raises:
            ValueError: it means none; the text says what to write.
        """
        if isinstance(text, AgeRange):
            return text
        match = _RANGE.fullmatch(str(text).strip().upper())
        if match is None:
            raise ValueError(f"`{text}` {_WANTED}")
        youngest, oldest = Age(int(match[1]), match[2]), Age(int(match[3]), match[4])
        if youngest.number * _DAYS[youngest.unit] > oldest.number * _DAYS[oldest.unit]:
            raise ValueError(f"`{text}` {_WANTED}")
        return cls(youngest, oldest)

    def holds(self, earlier: date, current: date) -> bool:
        """Whether a study of the earlier day is of such an age on the current day."""
        return self.oldest.before(current) <= earlier <= self.youngest.before(current)
