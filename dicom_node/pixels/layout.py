"""The size and the bits of a film by its headers, refused where they are absurd."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset

from dicom_node.errors import BadStudy

#: Pixels of a side, at most. The largest detector is 43 cm, the finest pitch of one 50 µm: 8600.
#: The square that a film is padded to then never needs more than 100 MB.
LONGEST_SIDE = 10_000
_MOST_BITS = 16
_BYTE = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """Image Pixel module (PS3.3 C.7.6.3) as far as a greyscale frame needs it.

    ``allocated``, ``bits`` and ``high`` are Bits Allocated, Bits Stored and High Bit.
    """

    rows: int
    columns: int
    allocated: int
    bits: int
    high: int
    signed: bool

    @property
    def bytes(self) -> int:
        """How many the frame takes uncompressed."""
        return self.rows * self.columns * self.allocated // _BYTE


def layout_of(dataset: Dataset) -> Layout:
    """What the headers say of a film's one frame.

    Raises:
        BadStudy: they are not those of a single greyscale frame of up to 16 bits and of a size that
            a film can have.
    """
    if int(dataset.get("NumberOfFrames") or 1) != 1 or int(dataset.get("SamplesPerPixel") or 1) > 1:
        raise BadStudy("the film is not a single greyscale frame")
    stated: dict[str, int] = {}
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"):
        value = dataset.get(keyword)
        if not isinstance(value, int):
            raise BadStudy(f"{keyword} is missing or not one number")
        stated[keyword] = value
    rows, columns, allocated, bits, signed = stated.values()
    if not (0 < rows <= LONGEST_SIDE and 0 < columns <= LONGEST_SIDE):
        raise BadStudy(
            f"Rows and Columns are {rows} and {columns}: not those of a film, "
            f"which has from 1 to {LONGEST_SIDE} of each"
        )
    high = int(dataset.get("HighBit", bits - 1))
    if allocated not in (_BYTE, _MOST_BITS):
        raise BadStudy(f"BitsAllocated is {allocated}: only 8 and 16 can be read")
    if not (1 <= bits <= allocated and bits - 1 <= high < allocated and signed in (0, 1)):
        raise BadStudy(
            f"BitsStored {bits}, HighBit {high} and PixelRepresentation {signed} "
            f"do not fit into BitsAllocated {allocated}"
        )
    return Layout(rows, columns, allocated, bits, high, bool(signed))
