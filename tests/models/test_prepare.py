from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dicom_node.errors import BadStudy
from dicom_node.study import Frame
from models.prepare import PREPARE


def turned(frame: Frame, orientation: tuple[str, str] | None, quarters: int) -> Frame:
    grey = np.ascontiguousarray(np.rot90(frame.grey, quarters))
    return Frame(replace(frame.instance, orientation=orientation), grey)


def test_the_film_stands_in_a_padded_square(current: Frame) -> None:
    prepared = PREPARE["chest_radiograph"](current)
    rows, columns = current.grey.shape
    assert prepared.picture.shape == (rows, rows)
    assert prepared.picture.dtype == np.uint8
    offset = (rows - columns) // 2
    assert np.array_equal(prepared.picture[:, offset : offset + columns], current.grey)
    assert not prepared.picture[:, :offset].any()


def test_a_film_stored_lying_makes_the_same_picture(current: Frame) -> None:
    upright = PREPARE["chest_radiograph"](current).picture
    lying = turned(current, ("F", "R"), 1)  # along a row towards the feet
    prepared = PREPARE["chest_radiograph"](lying)
    assert prepared.picture.shape == upright.shape
    shift = np.abs(prepared.picture.astype(int) - upright).mean()
    assert shift < np.abs(np.rot90(upright, 2).astype(int) - upright).mean() / 4


def test_the_picture_cannot_be_written_to(current: Frame) -> None:
    with pytest.raises(ValueError, match="read-only"):
        PREPARE["chest_radiograph"](current).picture[0, 0] = 1


def test_a_lateral_orientation_is_refused(current: Frame) -> None:
    with pytest.raises(BadStudy, match="PatientOrientation"):
        PREPARE["chest_radiograph"](turned(current, ("A", "F"), 0))
