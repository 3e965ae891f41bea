"""`dicom-node demo`, as the README calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image
from pydicom import dcmread


def test_the_demo_shows_the_main_job_in_the_folder_where_one_stands(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers", "demo", "--out", "demo-out"],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for told in (
        "reading: prior used",
        "sr at demo-pacs there",
        "AI made this; nobody verified it",
    ):
        assert told in done.stdout
    assert "  demo-out/sr.dcm" in done.stdout.splitlines()
    out = tmp_path / "demo-out"
    assert dcmread(out / "sr.dcm").Modality == "SR"
    assert dcmread(out / "seg.dcm").Modality == "SEG"
    assert Image.open(out / "picture.png").width >= 1000
