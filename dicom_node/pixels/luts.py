"""The look-up tables and the rescale of a film (PS3.3 C.11.1 Modality LUT, C.11.2 VOI LUT)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID

_WORD = 1 << 16
_DEPTHS = range(8, 17)  # bits of an entry (C.11.1.1, C.11.2.1.1)
_Values = NDArray[np.float64]


class Unusable(Exception):
    """A part of the film's own presentation that cannot be used, and why; never an identity."""


@dataclass(frozen=True, slots=True)
class Table:
    """A look-up table: its entries, the value that the first is for, and the bits of an entry."""

    entries: NDArray[np.float64]
    first: int
    bits: int


def modality(dataset: Dataset, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stored values as values of the modality: by the table, or else by slope and intercept.

    Raises:
        Unusable: what is stated makes no sense.
    """
    stated = table(dataset, "ModalityLUTSequence", values)
    if stated is not None:
        return _mapped(stated, values)
    slope, intercept = rescale(dataset) or (1.0, 0.0)
    return slope * values + intercept


def rescale(dataset: Dataset) -> tuple[float, float] | None:
    """Slope and intercept; None where neither is stated.

    Raises:
        Unusable: what is stated makes no sense.
    """
    stated = [numbers(dataset, name)[:1] for name in ("RescaleSlope", "RescaleIntercept")]
    if not any(stated):
        return None
    (slope,), (intercept,) = stated[0] or (1.0,), stated[1] or (0.0,)
    if not math.isfinite(slope) or not math.isfinite(intercept) or slope == 0:
        raise Unusable("Rescale Slope and Intercept make no sense")
    return slope, intercept


def voi(dataset: Dataset, values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Values of the modality by the first VOI LUT, 0 to 1 over all that its entries may say; None
    where there is no such table.

    Raises:
        Unusable: what is stated makes no sense.
    """
    stated = table(dataset, "VOILUTSequence", values)
    return None if stated is None else _mapped(stated, values) / ((1 << stated.bits) - 1)


def table(dataset: Dataset, keyword: str, values: NDArray[np.float64]) -> Table | None:
    """The first table of a sequence, for values that go in; None where there is no table.

    Raises:
        Unusable: what is stated makes no sense.
    """
    if not dataset.get(keyword):
        return None
    item = dataset[keyword].value[0]
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    try:
        count, first, bits = (int(one) for one in descriptor)
    except (TypeError, ValueError):
        raise Unusable("its descriptor is not three numbers") from None
    count = count % _WORD or _WORD
    if bits not in _DEPTHS:
        raise Unusable("its descriptor states bits that no table has")
    entries = _entries(data, count, bits, _is_little(dataset))
    if len(entries) != count:
        raise Unusable("its descriptor states another number of entries than there are")
    if entries.max() >= 1 << bits:
        raise Unusable("its entries do not fit into the bits that its descriptor states")
    return Table(entries, _signed(first % _WORD, values), bits)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """The values of an element of VR DS; NaN for one that is no number."""
    try:
        value = dataset.get(keyword)
    except ValueError:
        return (math.nan,)
    if value is None or value == "":
        return ()
    listed = [value] if isinstance(value, str | int | float) else list(value)
    return tuple(_number(one) for one in listed)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan


def _mapped(stated: Table, values: _Values) -> _Values:
    """What is below the first or beyond the last entry's input gets that entry."""
    at = np.clip(np.round(values) - stated.first, 0, len(stated.entries) - 1).astype(np.int64)
    return stated.entries[at]


def _signed(first: int, values: _Values) -> int:
    """First value mapped: of VR US or SS as the values that go in have it (C.11.2.1.1)."""
    return first - _WORD if values.min() < 0 and first >= _WORD // 2 else first


def _entries(data: object, count: int, bits: int, little: bool) -> _Values:
    """LUT Data (0028,3006): numbers of VR US, or bytes of VR OW; of 8 bits perhaps packed."""
    if isinstance(data, int):
        data = [data]
    if not isinstance(data, bytes):
        return np.array([int(one) for one in data or ()], np.float64)  # type: ignore[attr-defined]
    if bits == min(_DEPTHS) and len(data) == count + count % 2:
        return np.frombuffer(data, np.uint8)[:count].astype(np.float64)
    whole = data[: len(data) // 2 * 2]
    return np.frombuffer(whole, "<u2" if little else ">u2").astype(np.float64)


def _is_little(dataset: Dataset) -> bool:
    return bool(UID(dataset.file_meta.TransferSyntaxUID).is_little_endian)
