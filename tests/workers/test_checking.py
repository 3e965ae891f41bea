"""What `check` says of the time that a certificate has left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from workers import checking


@pytest.mark.parametrize(
    ("days", "failed", "told"),
    [
        (15, False, "is valid until "),
        (13, True, ": less than two weeks are left; replace it"),
        (-1, True, ": replace it"),
    ],
)
def test_a_certificate_is_to_be_replaced_two_weeks_before_its_end(
    days: int, failed: bool, told: str
) -> None:
    result = checking.validity("node.crt", datetime.now(UTC) + timedelta(days=days))
    assert result.failed is failed
    assert told in result.what
    assert ("was valid" in result.what) is (days < 0)
