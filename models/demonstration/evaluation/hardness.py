"""How hard the phantoms are: what thresholds and templates alone can tell of them. No torch.

If methods as simple as these find the findings, then finding them says nothing of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.demonstration.drawing.phantoms import chest
from models.demonstration.evaluation.figures import auroc
from models.demonstration.evaluation.film import prepared
from models.demonstration.truth import FINDINGS

Picture = NDArray[np.float32]
#: The films it is fitted to, the finding (an index into FINDINGS) and new films: their scores.
Method = Callable[["Films", int, "Films"], NDArray[np.float64]]

#: Side of a phantom, and of the square that the methods look at, in pixels.
_DRAWN, _SIDE = 256, 128
_LEVELS = np.linspace(-2, 2.5, 19, dtype=np.float32)  # thresholds, in standard deviations
_BLOBS = (1.5, 2.5, 4.0, 6.0, 9.0)  # sigma of a blob in pixels of the small square
_WIDER = 1.6  # ratio of the two Gaussians whose difference is near that of a Laplacian
_GRID = 8  # parts along each side
_BORDER = _SIDE // 8  # in which no finding lies
_RIDGE = 300.0
_HEART = slice(_SIDE * 2 // 5, _SIDE * 4 // 5)  # rows in which a heart lies
_RULER = (20, 30, 40, 50, 60, 70, 80)  # percentiles


@dataclass(frozen=True, slots=True)
class Films:
    """``raw``: float32 (films, side, side), bright is dense. ``shown``: which of FINDINGS each film
    shows, bool (films, findings).
    """

    raw: Picture = field(repr=False)
    shown: NDArray[np.bool_] = field(repr=False)

    @property
    def pictures(self) -> Picture:
        """Each with mean 0 and deviation 1: no exposure stands out."""
        mean = self.raw.mean(axis=(1, 2), keepdims=True)
        plain: Picture = (self.raw - mean) / self.raw.std(axis=(1, 2), keepdims=True)
        return plain


@dataclass(frozen=True, slots=True)
class Row:
    """What one method reaches: AUROC for each of FINDINGS. ``simple``: it counts as one of those
    that must stay below the limit.
    """

    method: str
    values: tuple[float, ...]
    simple: bool = True

    @property
    def mean(self) -> float:
        """Over the findings."""
        return sum(self.values) / len(self.values)


def draw(seeds: Sequence[int]) -> Films:
    """The films of these seeds."""
    raw, shown = [], []
    for seed in seeds:
        phantom = chest(seed, side=_DRAWN)
        small = Image.fromarray(prepared(phantom.grey).picture).resize((_SIDE, _SIDE))
        raw.append(np.asarray(small, np.float32))
        there = {sign.name for sign in phantom.signs}
        shown.append([name in there for name in FINDINGS])
    return Films(np.stack(raw), np.array(shown))


def joined(parts: Sequence[Films]) -> Films:
    """All of them as one."""
    return Films(
        np.concatenate([part.raw for part in parts]),
        np.concatenate([part.shown for part in parts]),
    )


def measure(fitted: Films, tried: Films) -> list[Row]:
    """Method each method to films of training seeds, and try it on others.

    A method with several thresholds, scales or places takes for each finding the one that was
    best on the films it was fitted to, turned round where low values speak for the finding.
    """
    rows = []
    for name, features in _FEATURES.items():
        known, new = features(fitted), features(tried)
        values = (_best(known, fitted.shown[:, i], new, tried.shown[:, i]) for i in _ALL)
        rows.append(Row(name, tuple(values)))
    rows.append(Row("mean positive minus mean negative film", _fitted(_template, fitted, tried)))
    rows.append(Row("ridge regression on 32 x 32 pixels", _fitted(_ridge, fitted, tried), False))
    return rows


_ALL = range(len(FINDINGS))


def _best(
    known: Picture, truth: NDArray[np.bool_], new: Picture, wanted: NDArray[np.bool_]
) -> float:
    """AUROC on new films of the feature that was best on the known ones."""
    tried = [auroc(column.astype(np.float64), truth) - 0.5 for column in known.T]
    best = int(np.argmax(np.abs(tried)))
    return auroc(new[:, best] * np.sign(tried[best]), wanted)


def _mean(films: Films) -> Picture:
    means: Picture = films.raw.mean(axis=(1, 2))[:, None]
    return means


def _above(films: Films) -> Picture:
    parts = [(films.pictures > level).mean(axis=(1, 2)) for level in _LEVELS]
    return np.stack(parts, axis=1).astype(np.float32)


def _blob(films: Films) -> Picture:
    """The strongest bright and dark blob of each size, as differences of Gaussians."""
    pictures, found = films.pictures, []
    for sigma in _BLOBS:
        dog = _blurred(pictures, sigma) - _blurred(pictures, sigma * _WIDER)
        inside = dog[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
        found += [inside.max(axis=(1, 2)), -inside.min(axis=(1, 2))]
    return np.stack(found, axis=1)


def _sides(films: Films) -> Picture:
    """How much the halves of the film differ in each part, and at most."""
    parts = _parts(films.pictures)
    unlike = np.abs(parts - parts[:, :, ::-1])[:, :, : _GRID // 2].reshape(len(parts), -1)
    return np.concatenate([unlike, unlike.max(axis=1, keepdims=True)], axis=1)


def _places(films: Films) -> Picture:
    """How bright each part is."""
    return _parts(films.pictures).reshape(len(films.pictures), -1)


def _middle(films: Films) -> Picture:
    """How wide the bright band between the lungs is: percentiles over rows, in pixels. It is a
    ruler on the heart.
    """
    widths = [_widths(picture) for picture in films.pictures]
    return np.percentile(widths, _RULER, axis=1).T.astype(np.float32)


def _widths(picture: Picture) -> NDArray[np.int_]:
    """Of each row at the height of the heart: the run around the brightest column in the middle
    that is brighter than halfway down to the darkest place beside it.
    """
    rows = picture[_HEART]
    column = _SIDE // 3 + int(rows[:, _SIDE // 3 : -_SIDE // 3].mean(axis=0).argmax())
    near = _SIDE * 3 // 10
    low = np.minimum(
        rows[:, column - near : column].min(axis=1), rows[:, column : column + near].min(axis=1)
    )
    dark = rows < ((low + rows[:, column]) / 2)[:, None]
    return np.argmax(dark[:, column::-1], axis=1) + np.argmax(dark[:, column:], axis=1)


def _ranges(films: Films) -> Picture:
    """Dark, middle and bright: percentiles of the film."""
    return np.percentile(films.pictures, range(5, 100, 5), axis=(1, 2)).T.astype(np.float32)


_FEATURES: Mapping[str, Callable[[Films], Picture]] = {
    "mean grey": _mean,
    "part of the film above a threshold": _above,
    "percentile of the grey": _ranges,
    "strongest blob (difference of Gaussians)": _blob,
    "grey of one part of an 8 x 8 grid": _places,
    "difference of the two sides": _sides,
    "width of the bright band in the middle": _middle,
}


def _template(known: Films, index: int, new: Films) -> NDArray[np.float64]:
    """How well films fit what films with the finding have more than films without it."""
    truth = known.shown[:, index]
    pictures = known.pictures
    wanted = pictures[truth].mean(axis=0) - pictures[~truth].mean(axis=0)
    fits: NDArray[np.float64] = (new.pictures * wanted).mean(axis=(1, 2)).astype(np.float64)
    return fits


def _ridge(known: Films, index: int, new: Films) -> NDArray[np.float64]:
    """A linear classifier: a template that knows which pixels vary anyway."""
    small, other = _small(known.pictures), _small(new.pictures)
    target = known.shown[:, index] - known.shown[:, index].mean()
    kernel = small @ small.T + _RIDGE * np.eye(len(small))
    return np.asarray(other @ (small.T @ np.linalg.solve(kernel, target)), np.float64)


def _fitted(method: Method, known: Films, new: Films) -> tuple[float, ...]:
    return tuple(auroc(method(known, i, new), new.shown[:, i]) for i in _ALL)


def _small(pictures: Picture) -> NDArray[np.float64]:
    return _parts(pictures, 32).reshape(len(pictures), -1).astype(np.float64)


def _parts(pictures: Picture, grid: int = _GRID) -> Picture:
    """The mean of each part of a grid: float32 (films, grid, grid)."""
    by = _SIDE // grid
    parts: Picture = pictures.reshape(len(pictures), grid, by, grid, by).mean(axis=(2, 4))
    return parts


def _blurred(pictures: Picture, sigma: float) -> Picture:
    """With a Gaussian, in the frequency domain; the border wraps around."""
    down = np.fft.fftfreq(_SIDE)[:, None]
    across = np.fft.rfftfreq(_SIDE)[None, :]
    weight = np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    return np.fft.irfft2(np.fft.rfft2(pictures) * weight, s=(_SIDE, _SIDE)).astype(np.float32)
