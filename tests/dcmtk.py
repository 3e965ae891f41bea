"""What DCMTK makes of a film: an independent reading to compare ours with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peers import need
from PIL import Image


def picture(film: Path, folder: Path, *window: str) -> NDArray[np.uint8]:
    """The film as dcm2pnm shows it; ``window`` are its options. Uint8 (rows, columns)."""
    out = folder / "dcmtk.pgm"
    program = need("dcm2pnm", "dcmtk")
    options = [*window, "+op", "+Fa"]  # 8 bit PGM of all frames, which have a number in their name
    subprocess.run([program, *options, str(film), str(out)], check=True, capture_output=True)
    (made,) = folder.glob("dcmtk*.pgm")
    shown = np.asarray(Image.open(made))
    made.unlink()
    return shown


def convert(program: str, *arguments: str | Path) -> None:
    """Run one of DCMTK's converters (dcmcjpeg, dcmcjpls, dcmcrle, dcmconv...)."""
    subprocess.run([need(program, "dcmtk"), *map(str, arguments)], check=True, capture_output=True)


def mean_difference(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> float:
    """Mean absolute difference, in greys of 255."""
    return float(np.abs(ours.astype(int) - theirs.astype(int)).mean())
