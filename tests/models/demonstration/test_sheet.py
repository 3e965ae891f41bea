"""The sheet of phantoms for the model card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from models.demonstration.__main__ import app


def test_a_real_film_stands_first_beside_the_phantoms(tmp_path: Path) -> None:
    real = tmp_path / "real.png"
    Image.fromarray(np.full((300, 200), 77, np.uint8)).save(real)
    made = []
    for name, options in (("with.png", ["--beside", str(real)]), ("without.png", [])):
        done = CliRunner().invoke(app, ["grid", str(tmp_path / name), *options])
        assert done.exit_code == 0, done.output
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"
            made.append(np.asarray(image))
    beside, alone = made
    assert (beside[150:250, 150:200] == 77).all()
    # The first phantom of one sheet is the second tile of the other.
    tile = alone[8:400, 8:368]
    np.testing.assert_array_equal(beside[8:400, 376:736], tile)
    yellow = (tile == (255, 204, 0)).all(axis=2)
    blue = (tile == (90, 160, 210)).all(axis=2)
    assert yellow.any()
    assert blue.any()
