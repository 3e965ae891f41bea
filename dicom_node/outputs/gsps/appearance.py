"""How a film looks, said once more: a viewer that applies a presentation state leaves aside what
the film itself says of it (PS3.4 N.2).

Each part is left out when the film does not state it, or in a way that makes no sense.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from dicom_node.headers import CORRUPT
from dicom_node.headers.elements import texts
from dicom_node.pixels import luts, shutters
from dicom_node.report import Film

_WORD = 1 << 16
_UNSPECIFIED = "US"  # Rescale Type and Modality LUT Type (C.11.1.1.2)
_TERM = re.compile(r"[A-Z_]{1,16}")
_OVERLAYS = "FILM_OVERLAYS"  # the name of their layer
_GROUPS = range(0x6000, 0x6020, 2)  # of overlays (PS3.5 7.6)
_OVERLAY_ROWS, _ACTIVATION_LAYER = 0x0010, 0x1001
_EDGES = tuple(f"Shutter{edge}Edge" for edge in (
    "LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal"
))  # fmt: skip
_SHUTTER = {
    "RECTANGULAR": _EDGES,
    "CIRCULAR": ("CenterOfCircularShutter", "RadiusOfCircularShutter"),
    "POLYGONAL": ("VerticesOfThePolygonalShutter",),
}


def keep(header: Dataset, film: Film, state: Dataset) -> None:
    """Let a film look under a presentation state as it looks without one: Modality LUT, VOI LUT
    or window, polarity, shutter, overlays, and the aspect of its pixels.

    ``state`` has its own layers, above which nothing is put, and shows all of the film.
    """
    state.update(_usable(_modality_lut, header))
    # One of both: a state shows a film in one way, and not all viewers read one with two.
    voi = _usable(_voi_lut, header) or _usable(_window, header)
    if voi:
        state.SoftcopyVOILUTSequence = [voi]
    # It counts instead of Photometric Interpretation (C.11.6.1.2).
    inverted = header.get("PhotometricInterpretation") == "MONOCHROME1"
    state.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    state.update(_usable(lambda one: _shutter(one, film), header))
    _activate_overlays(header, state)
    (area,) = state.DisplayedAreaSelectionSequence
    del area.PixelOriginInterpretation  # of tiled images alone
    spacing = _usable(_spacing, header)
    if spacing:
        del area.PresentationPixelAspectRatio
        area.update(spacing)


def _usable(part: Callable[[Dataset], Dataset], header: Dataset) -> Dataset:
    """A part of what the film says, empty when it cannot be used."""
    try:
        return part(header)
    except (luts.Unusable, *CORRUPT):
        return Dataset()


def _modality_lut(header: Dataset) -> Dataset:
    """C.11.1."""
    part = Dataset()
    table = luts.table(header, "ModalityLUTSequence", _stored(header))
    if table is not None:
        item = _lut(table, table.entries)
        item.ModalityLUTType = _term(header.ModalityLUTSequence[0].get("ModalityLUTType"))
        part.ModalityLUTSequence = [item]
    elif (rescale := luts.rescale(header)) is not None:
        slope, intercept = rescale
        part.RescaleIntercept = _decimal(intercept)
        part.RescaleSlope = _decimal(slope)
        part.RescaleType = _term(header.get("RescaleType"))
    return part


def _voi_lut(header: Dataset) -> Dataset:
    """The first VOI LUT (C.11.2)."""
    part = Dataset()
    try:
        values = luts.modality(header, _stored(header))
    except luts.Unusable:
        values = _stored(header)
    table = luts.table(header, "VOILUTSequence", values)
    if table is not None:
        entries = np.round(table.entries * (_WORD - 1) / ((1 << table.bits) - 1))
        part.VOILUTSequence = [_lut(table, entries)]
    return part


def _window(header: Dataset) -> Dataset:
    """The first window, which is the one that is shown, and its function (C.11.2.1.2)."""
    part = Dataset()
    centres, widths = luts.numbers(header, "WindowCenter"), luts.numbers(header, "WindowWidth")
    function = str(header.get("VOILUTFunction") or "").strip().upper()
    curved = function in ("LINEAR_EXACT", "SIGMOID")
    if not centres or len(centres) != len(widths):
        return part
    centre, width = centres[0], widths[0]
    wide = width > 0 if curved else width >= 1
    if wide and math.isfinite(centre) and math.isfinite(width):
        part.WindowCenter = _decimal(centre)
        part.WindowWidth = _decimal(width)
        if curved:  # else LINEAR, which is taken where none is stated
            part.VOILUTFunction = function
    return part


def _shutter(header: Dataset, film: Film) -> Dataset:
    """C.7.6.11."""
    part = Dataset()
    shape = (film.rows, film.columns)
    seen, unusable = shutters.inside(header, shutters.SHUTTER, shape)
    if seen is None or unusable:
        return part
    part.ShutterShape = header.ShutterShape
    for stated in texts(header, "ShutterShape"):
        for keyword in _SHUTTER[stated]:
            setattr(part, keyword, header[keyword].value)
    value = header.get("ShutterPresentationValue")
    part.ShutterPresentationValue = value if isinstance(value, int) else 0
    return part


def _activate_overlays(header: Dataset, state: Dataset) -> None:
    """C.11.7: the overlays of the film in a layer of their own below all others."""
    groups = [group for group in _GROUPS if (group, _OVERLAY_ROWS) in header]
    for group in groups:
        state.add_new((group, _ACTIVATION_LAYER), "CS", _OVERLAYS)
    if groups:
        layer = Dataset()
        layer.GraphicLayer = _OVERLAYS
        layer.GraphicLayerOrder = 0
        state.GraphicLayerSequence.insert(0, layer)


def _spacing(header: Dataset) -> Dataset:
    """Presentation Pixel Spacing, or for what is not known in millimetres the aspect (C.10.4)."""
    part = Dataset()
    spacing = luts.numbers(header, "PixelSpacing")
    aspect = luts.numbers(header, "PixelAspectRatio")
    if _both_positive(spacing):
        part.PresentationPixelSpacing = [_decimal(one) for one in spacing]
    elif _both_positive(aspect):
        part.PresentationPixelAspectRatio = [int(one) for one in aspect]
    return part


def _both_positive(pair: tuple[float, ...]) -> bool:
    return len(pair) == 2 and all(0 < one < math.inf for one in pair)  # noqa: PLR2004


def _stored(header: Dataset) -> NDArray[np.float64]:
    """The smallest and the largest value that can be stored."""
    bits = int(header.get("BitsStored") or 16)
    low = -(1 << bits - 1) if header.get("PixelRepresentation") == 1 else 0
    return np.array([low, low + (1 << bits) - 1], np.float64)


def _lut(table: luts.Table, entries: NDArray[np.float64]) -> Dataset:
    """An item with a table of 16 bits: a presentation state has no other but those of 8."""
    item = Dataset()
    count, signed = len(entries) % _WORD, table.first < 0
    if signed and count >= _WORD // 2:
        count -= _WORD  # the number has no sign, whatever its VR
    item.add_new("LUTDescriptor", "SS" if signed else "US", [count, table.first, 16])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return item


def _term(value: object) -> str:
    text = str(value or "").strip()
    return text if _TERM.fullmatch(text) else _UNSPECIFIED


def _decimal(value: float) -> DSfloat:
    return DSfloat(value, auto_format=True)
