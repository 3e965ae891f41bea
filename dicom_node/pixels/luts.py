"""The look-up tables and the rescale of a film (PS3.3 C.11.1 Modality LUT, C.11.2 VOI LUT)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID

_WORD = 1 << 16
_DEPTHS = range(8, 17)  # bits of an entry (C.11.1.1, C.11.2.1.1)
_Values = NDArray[np.float64]


class Unusable(Exception):
    """A part of the film's own presentation that cannot be used, and why; never an identity."""


def modality(dataset: Dataset, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stored values as values of the modality: by the table, or else by slope and intercept.

    Raises:
        Unusable: what is stated makes no sense.
    """
    if dataset.get("ModalityLUTSequence"):
        table, first, _ = _table(dataset, "ModalityLUTSequence", values)
        return _mapped(table, first, values)
    slope = _one(dataset, "RescaleSlope", 1.0)
    intercept = _one(dataset, "RescaleIntercept", 0.0)
    if not math.isfinite(slope) or not math.isfinite(intercept) or slope == 0:
        raise Unusable("Rescale Slope and Intercept make no sense")
    return slope * values + intercept


def voi(dataset: Dataset, values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Values of the modality by the first VOI LUT, 0 to 1 over all that its entries may say; None
    where there is no such table.

    Raises:
        Unusable: what is stated makes no sense.
    """
    if not dataset.get("VOILUTSequence"):
        return None
    table, first, bits = _table(dataset, "VOILUTSequence", values)
    return _mapped(table, first, values) / ((1 << bits) - 1)


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


def _one(dataset: Dataset, keyword: str, otherwise: float) -> float:
    stated = numbers(dataset, keyword)
    return stated[0] if stated else otherwise


def _mapped(table: _Values, first: int, values: _Values) -> _Values:
    """What is below the first or beyond the last entry's input gets that entry."""
    at = np.clip(np.round(values) - first, 0, len(table) - 1).astype(np.int64)
    return table[at]


def _table(dataset: Dataset, keyword: str, values: _Values) -> tuple[_Values, int, int]:
    """Entries, the value that the first is for, and the bits of an entry."""
    item = dataset[keyword].value[0]
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    try:
        count, first, bits = (int(one) for one in descriptor)
    except (TypeError, ValueError):
        raise Unusable("its descriptor is not three numbers") from None
    count = count % _WORD or _WORD
    if bits not in _DEPTHS:
        raise Unusable("its descriptor states bits that no table has")
    table = _entries(data, count, bits, _is_little(dataset))
    if len(table) != count:
        raise Unusable("its descriptor states another number of entries than there are")
    if table.max() >= 1 << bits:
        raise Unusable("its entries do not fit into the bits that its descriptor states")
    return table, _signed(first % _WORD, values), bits


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
