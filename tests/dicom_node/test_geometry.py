"""Places on a film: found again on the model's picture, and back, however the film is stored."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from numpy.typing import NDArray

from dicom_node.errors import BadStudy
from dicom_node.geometry import MODEL_SCALE, STANDING, Box, Fit, is_frontal

ORIENTATIONS = [
    (row, column)
    for row, column in itertools.product("LRHF", repeat=2)
    if (row in "LR") != (column in "LR")
]
#: Rows and columns: wide, tall and square; the padding even and odd.
SHAPES = [(7, 12), (8, 13), (6, 12), (12, 7), (13, 8), (12, 6), (9, 9), (10, 10), (1, 5), (5, 1)]

both = pytest.mark.parametrize(
    ("orientation", "shape"),
    list(itertools.product(ORIENTATIONS, SHAPES)),
    ids=lambda one: "".join(one) if isinstance(one[0], str) else "x".join(map(str, one)),
)


def whole_pixel_boxes(rows: int, columns: int, seed: int = 1) -> list[Box]:
    """The whole frame, its corner pixels, and some at random."""
    chance = random.Random(seed)
    boxes = [Box(0, 0, columns, rows), Box(0, 0, 1, 1), Box(columns - 1, rows - 1, columns, rows)]
    for _ in range(20):
        left, right = sorted(chance.sample(range(columns + 1), 2))
        top, bottom = sorted(chance.sample(range(rows + 1), 2))
        boxes.append(Box(left, top, right, bottom))
    return boxes


def block(grey: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The pixels inside a box of whole pixels."""
    top, bottom, left, right = map(int, (box.top, box.bottom, box.left, box.right))
    return grey[top:bottom, left:right]


def as_stored(
    standing: NDArray[np.uint8], orientation: tuple[str, str]
) -> tuple[NDArray[np.uint8], Fit]:
    """A standing patient's picture as a film of this Patient Orientation has it, pixel by pixel:
    along a row one goes towards the first direction, down a column towards the second.
    """
    height, width = standing.shape
    lengths = {"L": width, "R": width, "H": height, "F": height}
    along_row, down_column = orientation
    rows, columns = lengths[down_column], lengths[along_row]
    stored = np.zeros((rows, columns), np.uint8)
    for row, column in itertools.product(range(rows), range(columns)):
        steps = {along_row: column, down_column: row}
        to_left = steps["L"] if "L" in steps else width - 1 - steps["R"]
        to_feet = steps["F"] if "F" in steps else height - 1 - steps["H"]
        stored[row, column] = standing[to_feet, to_left]
    return stored, Fit.standing(rows, columns, orientation)


def test_there_are_eight_ways_to_store_a_frontal_film() -> None:
    assert len(ORIENTATIONS) == 8
    assert len({(fit.turns, fit.mirrored) for fit in
                (Fit.standing(2, 3, one) for one in ORIENTATIONS)}) == 8  # fmt: skip


@both
def test_a_marked_block_is_found_again_on_the_picture(
    orientation: tuple[str, str], shape: tuple[int, int]
) -> None:
    fit = Fit.standing(*shape, orientation)
    for box in whole_pixel_boxes(*shape):
        grey = np.zeros(shape, np.uint8)
        block(grey, box)[:] = 255
        picture = fit.picture(grey)

        place = fit.to_square(box)

        assert picture.shape == (fit.side, fit.side)
        assert place.area == box.area
        assert (block(picture, place) == 255).all()
        assert np.count_nonzero(picture) == box.area


@both
def test_to_the_square_and_back_is_the_same_box(
    orientation: tuple[str, str], shape: tuple[int, int]
) -> None:
    fit = Fit.standing(*shape, orientation)
    for box in whole_pixel_boxes(*shape):
        assert fit.to_stored(fit.to_square(box)) == box
    if min(shape) > 1:
        between = Box(0.25, 0.5, shape[1] - 0.75, shape[0] - 0.125)  # exact in binary
        assert fit.to_stored(fit.to_square(between)) == between


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids="".join)
@pytest.mark.parametrize("shape", [(2011, 1791), (1791, 2011), (1024, 1024), (301, 4000)])
def test_the_model_s_thousandths_come_back_within_one(
    orientation: tuple[str, str], shape: tuple[int, int]
) -> None:
    fit, thousandth = Fit.standing(*shape, orientation), max(shape) / MODEL_SCALE
    for box in whole_pixel_boxes(*shape, seed=7)[3:]:
        square = fit.to_model(box)
        if square[0] == square[2] or square[1] == square[3]:
            continue  # thinner than what the model can say
        back = fit.from_model(square)
        for edge in ("left", "top", "right", "bottom"):
            assert abs(getattr(back, edge) - getattr(box, edge)) <= thousandth, edge
        again = fit.to_model(back)
        assert max(abs(one - other) for one, other in zip(again, square, strict=True)) <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_standing_patient_looks_the_same_from_each_stored_form(shape: tuple[int, int]) -> None:
    """The picture has the patient's right on its left and the head at the top."""
    standing = np.arange(1, shape[0] * shape[1] + 1).reshape(shape).astype(np.uint8)
    expected = Fit.standing(*shape, STANDING).picture(standing)
    for orientation in ORIENTATIONS:
        stored, fit = as_stored(standing, orientation)

        assert (fit.picture(stored) == expected).all(), orientation


def test_the_picture_s_left_is_the_patient_s_right_and_its_top_the_head() -> None:
    """An apex in the right half of the chest, marked on each of the stored forms."""
    standing = np.zeros((11, 8), np.uint8)
    standing[1, 2] = 200  # near the head, on the patient's right
    for orientation in ORIENTATIONS:
        stored, fit = as_stored(standing, orientation)
        ((row, column),) = np.argwhere(stored).tolist()
        y0, x0, y1, x1 = fit.to_model(Box(column, row, column + 1, row + 1))

        assert x0 < x1 < MODEL_SCALE / 2, orientation
        assert y0 < y1 < MODEL_SCALE / 4, orientation


@pytest.mark.parametrize(
    ("shape", "first", "last"),
    [((5, 8), (1, 0), (5, 7)), ((8, 5), (0, 1), (7, 5)), ((6, 8), (1, 0), (6, 7))],
)
def test_the_padding_is_even_and_an_odd_pixel_is_at_the_bottom_or_right(
    shape: tuple[int, int], first: tuple[int, int], last: tuple[int, int]
) -> None:
    shown = np.argwhere(Fit(*shape).picture(np.full(shape, 9, np.uint8)))
    assert (tuple(shown[0]), tuple(shown[-1])) == (first, last)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_film_that_states_no_orientation_is_taken_as_standing(shape: tuple[int, int]) -> None:
    assert Fit.standing(*shape, None) == Fit.standing(*shape, STANDING)


@pytest.mark.parametrize(
    "orientation", [("A", "F"), ("P", "F"), ("L", "P"), ("A", "P"), ("L", "R"), ("H", "F"),
                    ("L", "L"), ("", "F")]
)  # fmt: skip
def test_an_orientation_that_is_not_frontal_is_refused_by_its_name(
    orientation: tuple[str, str],
) -> None:
    with pytest.raises(BadStudy) as caught:
        Fit.standing(10, 10, orientation)
    assert f"PatientOrientation {orientation[0]}\\{orientation[1]} is not" in str(caught.value)


@both
def test_what_reaches_over_the_padding_is_clipped_to_the_film(
    orientation: tuple[str, str], shape: tuple[int, int]
) -> None:
    fit = Fit.standing(*shape, orientation)
    assert fit.to_stored(Box(0, 0, fit.side, fit.side)) == Box(0, 0, shape[1], shape[0])
    assert fit.from_model((0, 0, 1000, 1000)) == Box(0, 0, shape[1], shape[0])
    assert fit.to_stored(Box(-5, -5, fit.side + 5, fit.side + 5)) == Box(0, 0, shape[1], shape[0])


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids="".join)
@pytest.mark.parametrize(
    ("shape", "padding"),
    [((100, 200), [(0, 0, 240, 1000), (760, 0, 1000, 1000)]),
     ((200, 100), [(0, 0, 1000, 240), (0, 760, 1000, 1000)])],
)  # fmt: skip
def test_a_box_on_the_padding_alone_is_none(
    orientation: tuple[str, str],
    shape: tuple[int, int],
    padding: list[tuple[int, int, int, int]],
) -> None:
    """A film stored lying has its padding where it stands, not where it lies."""
    fit = Fit.standing(*shape, orientation)
    lies = orientation[0] in "HF"
    for y0, x0, y1, x1 in padding:
        with pytest.raises(ValueError, match="no area"):
            fit.from_model((x0, y0, x1, y1) if lies else (y0, x0, y1, x1))
        on_film = fit.from_model((y0, x0, y1, x1) if lies else (x0, y0, x1, y1))
        assert on_film.area > 0


@pytest.mark.parametrize(
    "box_2d", [(-1, 0, 10, 10), (0, 0, 10, 1001), (10, 10, 10, 20), (20, 10, 10, 20)]
)
def test_a_box_that_the_model_may_not_say_is_refused(box_2d: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"outside 0 to 1000|no area"):
        Fit(100, 100).from_model(box_2d)


@pytest.mark.parametrize(
    "edges", [(1, 1, 1, 2), (1, 1, 2, 1), (2, 1, 1, 2), (1, 2, 2, 1), (float("nan"), 0, 1, 1)]
)
def test_a_box_has_an_area(edges: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="no area"):
        Box(*edges)


def test_a_frame_of_another_size_is_not_shown() -> None:
    with pytest.raises(ValueError, match=r"frame is \(4, 3\)"):
        Fit(3, 4).picture(np.zeros((4, 3), np.uint8))


def test_the_picture_is_a_copy() -> None:
    grey = np.full((3, 3), 7, np.uint8)
    Fit(3, 3).picture(grey)[:] = 0
    assert (grey == 7).all()


def test_middle_area_and_overlap() -> None:
    box = Box(2, 4, 6, 10)
    assert box.centre == (4, 7)
    assert box.area == 24
    assert box.iou(box) == 1
    assert box.iou(Box(4, 4, 8, 10)) == pytest.approx(12 / 36)
    assert box.iou(Box(6, 4, 9, 10)) == 0
    assert box.iou(Box(3, 5, 5, 7)) == pytest.approx(4 / 24)


#: Rows to columns from 1 to 4 up to 4 to 1, odd and even, as small as a thumbnail and as large as
#: a detector.
RATIOS = [(1, 4), (1, 3), (1, 2), (2, 3), (4, 5), (1, 1), (5, 4), (3, 2), (2, 1), (3, 1), (4, 1)]


def film_sizes(seed: int) -> list[tuple[int, int]]:
    chance, sizes = random.Random(seed), []
    for (high, wide), longest in itertools.product(RATIOS, (97, 1024, 2011, 4288)):
        scale = longest / max(high, wide)
        rows, columns = round(high * scale), round(wide * scale)
        sizes.append((rows + chance.randrange(2), columns + chance.randrange(2)))
    return sizes


def any_boxes(rows: int, columns: int, chance: random.Random) -> list[Box]:
    """Boxes between pixels, of every size that the model can say."""
    boxes = []
    while len(boxes) < 12:
        left, right = sorted(chance.uniform(0, columns) for _ in range(2))
        top, bottom = sorted(chance.uniform(0, rows) for _ in range(2))
        if min(right - left, bottom - top) > 2 * max(rows, columns) / MODEL_SCALE:
            boxes.append(Box(left, top, right, bottom))
    return boxes


def apart(one: Box, other: Box) -> float:
    """How far the edges of two boxes are from each other at most, in pixels."""
    edges = ("left", "top", "right", "bottom")
    return max(abs(getattr(one, edge) - getattr(other, edge)) for edge in edges)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids="".join)
def test_there_and_back_for_every_aspect_ratio(orientation: tuple[str, str]) -> None:
    """Through the square within half a pixel; through the model's thousandths, rounded, within
    half of one and half a pixel.
    """
    chance = random.Random("".join(orientation))
    for rows, columns in film_sizes(seed=11):
        fit = Fit.standing(rows, columns, orientation)
        for box in any_boxes(rows, columns, chance):
            assert apart(fit.to_stored(fit.to_square(box)), box) <= 0.5, (rows, columns)
            back = fit.from_model(fit.to_model(box))
            assert apart(back, box) <= fit.side / 2000 + 0.5, (rows, columns)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids="".join)
def test_every_thousandth_that_the_model_says_is_said_again(orientation: tuple[str, str]) -> None:
    """No drift: from the model's numbers to the film and back they are the same."""
    chance = random.Random(3)
    for rows, columns in film_sizes(seed=12):
        fit = Fit.standing(rows, columns, orientation)
        for box in any_boxes(rows, columns, chance):
            said = fit.to_model(box)
            again = fit.to_model(fit.from_model(said))
            on_film = fit.to_square(Box(0, 0, columns, rows))
            scale = fit.side / MODEL_SCALE
            inside = (said[0] * scale >= on_film.top and said[1] * scale >= on_film.left
                      and said[2] * scale <= on_film.bottom
                      and said[3] * scale <= on_film.right)  # fmt: skip
            if inside:  # else it was rounded onto the padding, and is clipped to the film
                assert again == said, (rows, columns)


def test_a_film_is_frontal_exactly_when_it_can_be_stood_up() -> None:
    assert is_frontal(None)
    for row in "LRAPHF":
        for column in "LRAPHF":
            try:
                Fit.standing(10, 8, (row, column))
            except BadStudy:
                assert not is_frontal((row, column))
            else:
                assert is_frontal((row, column))
