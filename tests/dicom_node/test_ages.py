"""How old an earlier study may be."""

from __future__ import annotations

from datetime import date

import pytest

from dicom_node.ages import Age, AgeRange


@pytest.mark.parametrize(
    ("age", "day", "before"),
    [
        ("3D", date(2020, 1, 2), date(2019, 12, 30)),
        ("2W", date(2020, 1, 2), date(2019, 12, 19)),
        ("1M", date(2021, 3, 31), date(2021, 2, 28)),
        ("12M", date(2020, 2, 29), date(2019, 2, 28)),
        ("5Y", date(2020, 1, 2), date(2015, 1, 2)),
        ("1Y", date(2020, 2, 29), date(2019, 2, 28)),
        ("9999Y", date(2020, 1, 2), date.min),
        ("9999W", date(100, 1, 2), date.min),
        ("0D", date(2020, 1, 2), date(2020, 1, 2)),
    ],
)
def test_a_day_so_long_before(age: str, day: date, before: date) -> None:
    assert Age(int(age[:-1]), age[-1]).before(day) == before


@pytest.mark.parametrize("text", ["0D-5Y", "6M-5Y", "1W-1M", "30D-1M", "12M-1Y"])
def test_a_range_is_written_as_it_was_read(text: str) -> None:
    assert str(AgeRange.parse(text)) == text
    assert AgeRange.parse(f" {text.lower()} ") == AgeRange.parse(text)


@pytest.mark.parametrize("text", ["", "5Y", "-5Y", "6M-", "6M5Y", "0-5Y", "5Y-0D", "6M-5X", "1,5Y"])
def test_what_is_no_range_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="such as `0D-5Y` or `6M-5Y`"):
        AgeRange.parse(text)
