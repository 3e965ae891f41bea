"""Durations and sizes in node.yaml: what is understood, and what a mistake is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dicom_node import settings
from dicom_node.errors import Misconfigured
from dicom_node.sections import ReceiveSection, RetentionSection
from dicom_node.units import duration_text, size_text


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("7 days", 168),
        ("1 day", 24),
        ("12 hours", 12),
        ("12h", 12),
        ("90 minutes", 1.5),
        ("1.5 weeks", 252),
        (" 2 D ", 48),
        ("P7D", 168),
        ("PT12H", 12),
        ("P1DT90M", 25.5),
    ],
)
def test_a_duration_is_understood(text: str, hours: float) -> None:
    assert RetentionSection.model_validate({"done": text}).done == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1 GiB", 1024**3), ("500 MB", 500_000_000), ("1.5kib", 1536), ("512 B", 512)],
)
def test_a_size_is_understood(text: str, size: int) -> None:
    assert ReceiveSection.model_validate({"disk_reserve": text}).disk_reserve == size


_DURATION = "expected a duration with a unit, such as `7 days`"
_SIZE = "expected a size with a unit, such as `1 GiB`"


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("retention", "done", "7", _DURATION),
        ("retention", "done", "7 moons", _DURATION),
        ("retention", "done", "-7 days", _DURATION),
        ("retention", "done", "1:30:00", _DURATION),
        ("retention", "done", "[7, days]", _DURATION),
        ("retention", "done", "", _DURATION),
        ("retention", "done", "P", _DURATION),
        ("retention", "done", "0 days", "`0 days`: a duration is more than nothing"),
        ("retention", "done", "-P7D", _DURATION),
        ("retention", "done", "900000000000000 days", "a duration is more than nothing and at"),
        ("retention", "done", "101 years", _DURATION),
        ("retention", "done", "P200Y", "at most 100 years"),
        ("retention", "incoming", "5 minutes", "at least 1 hour: an edge that lives"),
        ("retention", "priors_size", "10", _SIZE),
        ("retention", "priors_size", "10 GiB or so", _SIZE),
        ("retention", "priors_size", "-1 GiB", _SIZE),
        ("retention", "priors_size", "0 GiB", "a size is more than nothing"),
        ("retention", "priors_size", "5000 TiB", "at most 1024 TiB"),
        ("receive", "disk_reserve", "1024", _SIZE),
        ("receive", "disk_low", "1 MiB", "room has to be made before nothing is accepted"),
    ],
)
def test_a_mistake_is_one_line_with_file_line_and_key(
    tmp_path: Path, section: str, key: str, value: str, expected: str
) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(f"# first line\n{section}:\n  {key}: {value}\n", encoding="utf-8")

    with pytest.raises(Misconfigured) as caught:
        settings.load(path)

    told = str(caught.value)
    assert told.startswith(f"{path}:3: {section}.{key}: ")
    assert expected in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [
        ("retention", "done_days", "done"),
        ("retention", "refused_days", "refused"),
        ("retention", "failed_days", "failed"),
        ("retention", "correctable_days", "correctable"),
        ("receive", "disk_reserve_megabytes", "disk_reserve"),
        ("delivery", "give_up_days", "give_up"),
    ],
)
def test_a_key_of_before_is_told_the_one_of_now(
    tmp_path: Path, section: str, old: str, new: str
) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(f"{section}:\n  {old}: 7\n", encoding="utf-8")

    with pytest.raises(Misconfigured) as caught:
        settings.load(path)

    assert str(caught.value) == (
        f"{path}:2: {section}.{old}: unknown `{old}`; did you mean `{new}`?"
    )


def test_the_environment_takes_units_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("retention: {done: 7 days}\n", encoding="utf-8")
    monkeypatch.setenv("DICOM_NODE_RETENTION__DONE", "36 hours")
    assert settings.load(path).retention.done == timedelta(hours=36)

    monkeypatch.setenv("DICOM_NODE_RETENTION__DONE", "36")
    with pytest.raises(Misconfigured, match="variable DICOM_NODE_RETENTION__DONE: expected a dur"):
        settings.load(path)


def test_room_is_made_from_twice_the_reserve_on_where_nothing_is_said() -> None:
    assert ReceiveSection.model_validate({"disk_reserve": "3 GiB"}).low_bytes == 6 * 1024**3
    given = {"disk_reserve": "3 GiB", "disk_low": "4 GiB"}
    assert ReceiveSection.model_validate(given).low_bytes == 4 * 1024**3


def test_people_are_told_in_units() -> None:
    assert [size_text(one) for one in (0, 3 * 1024**2, 1536 * 1024**2)] == [
        "0 B",
        "3.0 MiB",
        "1.5 GiB",
    ]
    assert [duration_text(one) for one in (3600, 86_400, 604_800, 129_600, 3650 * 86_400)] == [
        "1 hour",
        "1 day",
        "7 days",
        "1.5 days",
        "3650 days",
    ]
