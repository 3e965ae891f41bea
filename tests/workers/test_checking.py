"""What `check` says of the time that a certificate has left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import certificates
import pytest

from dicom_node import settings
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


def test_a_certificate_for_the_port_and_for_peers_is_told_of_once(tmp_path: Path) -> None:
    made = certificates.authority(tmp_path / "tls").sign("node")
    (tmp_path / "node.yaml").write_text(
        f"tls: {{port: 2762, certificate: {made.certificate}, key: {made.key}, "
        f"authority: {made.authority}}}\n"
        "archive: {ae_title: PACS, host: pacs, port: 104, tls: true}\n"
    )
    site: Any = SimpleNamespace(settings=settings.load(tmp_path / "node.yaml"))
    told = list(checking._certificates(site))
    assert [one.what.split(" is valid")[0] for one in told] == [f"TLS: {made.certificate}"]
    made.key.chmod(0o644)
    assert [one.failed for one in checking._certificates(site)] == [True]
