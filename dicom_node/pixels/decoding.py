"""From a file to its stored values: refused before decoding where they are absurd, never half."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import DecodeOptions, get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from dicom_node import partial
from dicom_node.errors import BadStudy, Gone, Unreachable
from dicom_node.headers import CORRUPT, UNDECODABLE
from dicom_node.pixels import rle, streams
from dicom_node.pixels.layout import Layout, layout_of
from dicom_node.pixels.streams import Coded

_BYTE = 8

#: Which of pydicom's plug-ins decodes which compressed syntax. One each: with several, pydicom
#: asks the next when one refuses a corrupt stream, and the next may be less careful.
PLUGINS: Mapping[UID, str] = MappingProxyType(
    {
        JPEGBaseline8Bit: "pillow",
        JPEGExtended12Bit: "pillow",  # of 8 bits; of 12 see _twelve_bits
        JPEGLossless: "gdcm",
        JPEGLosslessSV1: "gdcm",
        JPEGLSLossless: "pyjpegls",
        JPEGLSNearLossless: "pyjpegls",
        JPEG2000Lossless: "pylibjpeg",
        JPEG2000: "pylibjpeg",
        HTJ2KLossless: "pylibjpeg",
        HTJ2KLosslessRPCL: "pylibjpeg",
        HTJ2K: "pylibjpeg",
        RLELossless: "pydicom",
    }
)
#: The start-of-frame markers that a stream of each syntax may have (PS3.5 8.2.1, 8.2.3).
_JPEG_FRAMES: Mapping[UID, frozenset[int]] = MappingProxyType(
    {
        JPEGBaseline8Bit: frozenset({0xC0, 0xC1}),
        JPEGExtended12Bit: frozenset({0xC0, 0xC1}),
        JPEGLossless: frozenset({0xC3}),
        JPEGLosslessSV1: frozenset({0xC3}),
        JPEGLSLossless: frozenset({0xF7}),
        JPEGLSNearLossless: frozenset({0xF7}),
    }
)
_LOSSY = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K})


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored values of a single greyscale frame.

    ``words`` is uint16 (rows, columns): the low ``bits`` bits of each value, in two's complement
    where ``signed``, and nothing above. ``dataset`` is the whole data set.
    """

    dataset: Dataset = field(repr=False)
    words: NDArray[np.uint16] = field(repr=False)
    bits: int
    signed: bool

    @property
    def meanings(self) -> NDArray[np.int32]:
        """The stored value that each word stands for: int32 (2 ** bits,)."""
        every = np.arange(1 << self.bits, dtype=np.int32)
        half = 1 << (self.bits - 1)
        return np.where(every >= half, every - (1 << self.bits), every) if self.signed else every


def decode(path: Path) -> Stored:
    """Read a film and decode its one frame.

    Raises:
        BadStudy: the film is not a single greyscale frame of up to 16 bits, its size is absurd, or
            its pixels are cut short, corrupt or not what the headers say.
        Unreachable: the disk cannot be read now.
    """
    dataset = _read(path)
    try:
        layout = layout_of(dataset)
        syntax = UID(dataset.file_meta.TransferSyntaxUID)
        if "PixelData" not in dataset:
            raise BadStudy("the film holds no pixels")
        if not syntax.is_encapsulated:
            words = _native(dataset, layout, syntax)
        else:
            words = _compressed(dataset, layout, syntax)
    except CORRUPT as error:
        raise BadStudy(f"pixels cannot be decoded ({type(error).__name__})") from None
    return Stored(dataset, words, layout.bits, layout.signed)


def _read(path: Path) -> Dataset:
    try:
        return partial.film(path)
    except FileNotFoundError:
        raise Gone("the file of a film is gone") from None
    except OSError as error:
        raise Unreachable(f"the file of a film cannot be read: {error.strerror}") from None
    except UNDECODABLE as error:
        raise BadStudy(f"a film cannot be read as DICOM ({type(error).__name__})") from None


def _native(dataset: Dataset, layout: Layout, syntax: UID) -> NDArray[np.uint16]:
    """PS3.5 8.1.1. Bits beside the stored ones may hold anything: old overlays, or rubbish."""
    held, needed = len(dataset.PixelData), layout.bytes
    row = min(layout.rows, layout.columns) * layout.allocated // _BYTE
    if held < needed or held - needed >= max(row, 2):
        raise BadStudy(
            f"PixelData holds {held} bytes where Rows, Columns and BitsAllocated say {needed}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of some spare bytes at the end
        options = DecodeOptions(correct_unused_bits=False, view_only=True)
        raw, _ = get_decoder(syntax).as_array(dataset, raw=True, **options)  # type: ignore[arg-type]
    return _words(raw, layout)


def _words(raw: NDArray[np.integer], layout: Layout) -> NDArray[np.uint16]:
    unsigned = raw.view(f"{raw.dtype.byteorder}u{raw.dtype.itemsize}")
    shift, mask = layout.high + 1 - layout.bits, (1 << layout.bits) - 1
    if shift:
        unsigned = unsigned >> shift
    if mask != (1 << layout.allocated) - 1:
        unsigned = unsigned & mask
    words: NDArray[np.uint16] = unsigned.astype(np.uint16)
    return words


def _compressed(dataset: Dataset, layout: Layout, syntax: UID) -> NDArray[np.uint16]:
    if syntax not in PLUGINS:
        raise BadStudy(f"transfer syntax {syntax} is not one that can be decoded")
    stream = _stream(dataset)
    coded = _look_through(stream, layout, syntax)
    try:
        if syntax == JPEGExtended12Bit and coded and coded.precision > _BYTE:
            raw = _twelve_bits(stream, layout)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of precisions that differ: see _agreed
                if syntax == RLELossless:  # it tells of bytes too many by a warning alone
                    warnings.filterwarnings("error", "The decoded RLE segment")
                raw, _ = get_decoder(syntax).as_array(
                    dataset,
                    raw=True,
                    decoding_plugin=PLUGINS[syntax],
                    correct_unused_bits=False,  # type: ignore[arg-type]
                )
    except CORRUPT:
        raise BadStudy(f"the {_family(syntax)} stream is corrupt: it cannot be decoded") from None
    return _agreed(raw, layout, syntax, coded)


def _family(syntax: UID) -> str:
    if syntax == RLELossless:
        return "RLE"
    if syntax in JPEG2000TransferSyntaxes or "HTJ2K" in syntax.keyword:
        return "JPEG 2000"
    return "JPEG-LS" if syntax in JPEGLSTransferSyntaxes else "JPEG"


def _stream(dataset: Dataset) -> bytes:
    """The one frame, its fragments joined (PS3.5 A.4)."""
    try:
        frames = list(generate_frames(dataset.PixelData, number_of_frames=1))
    except CORRUPT:
        raise BadStudy("PixelData holds no whole stream, as the transfer syntax says") from None
    if len(frames) != 1:
        raise BadStudy(f"PixelData holds {len(frames)} frames where one is stated")
    return frames[0]


def _look_through(stream: bytes, layout: Layout, syntax: UID) -> Coded | None:
    """What the stream states, which has to agree with the film; None for RLE, which states
    nothing.
    """
    family = _family(syntax)
    if family == "RLE":
        if not rle.fits(stream, layout.allocated // _BYTE, layout.rows * layout.columns):
            raise BadStudy("the RLE stream is corrupt: it holds fewer or more pixels")
        return None
    coded = streams.of_jpeg_2000(stream) if family == "JPEG 2000" else streams.of_jpeg(stream)
    if family != "JPEG 2000" and coded.frame not in _JPEG_FRAMES[syntax]:
        raise BadStudy("the stream is not of the process that the transfer syntax says")
    if (coded.rows, coded.columns, coded.components) != (layout.rows, layout.columns, 1):
        raise BadStudy(
            f"the stream holds {coded.rows} rows, {coded.columns} columns and {coded.components} "
            f"components, the film states {layout.rows}, {layout.columns} and 1"
        )
    if coded.precision > layout.allocated:
        raise BadStudy(
            f"the stream holds {coded.precision} bits, the film allocates {layout.allocated}"
        )
    return coded


def _agreed(
    raw: NDArray[np.integer], layout: Layout, syntax: UID, coded: Coded | None
) -> NDArray[np.uint16]:
    """The values as words of BitsStored, where stream and film agree on what those are.

    A stream of all allocated bits holds whole words, as native pixels are stored. Another one that
    has more bits than are stored has to do without them. Where both number of bits and sign
    differ, nobody knows what a value is.
    """
    if raw.ndim != 2 or raw.shape != (layout.rows, layout.columns):  # noqa: PLR2004
        raise BadStudy("the stream does not hold the pixels that the film states")
    if coded is None:
        return _words(raw, layout)
    other_sign = coded.signed is not None and coded.signed != layout.signed
    if other_sign and coded.precision != layout.bits:
        raise BadStudy("stream and film differ in both the number of bits and the sign")
    whole = coded.precision == layout.allocated
    if layout.high != layout.bits - 1 and not whole:
        raise BadStudy("HighBit is not the highest of the stored bits")
    if coded.precision > layout.bits and not (whole and syntax not in _LOSSY):
        raw = _within(_extended(raw, coded, layout), layout, lossy=syntax in _LOSSY)
    return _words(raw, layout)


def _extended(raw: NDArray[np.integer], coded: Coded, layout: Layout) -> NDArray[np.integer]:
    """Values of the stream's bits as numbers, with the sign that the film says they have."""
    spare = layout.allocated - coded.precision
    view = raw.view(f"{'i' if layout.signed else 'u'}{raw.dtype.itemsize}")
    return (view << spare) >> spare


def _within(raw: NDArray[np.integer], layout: Layout, *, lossy: bool) -> NDArray[np.integer]:
    """Values of no more than the stored bits: a lossy stream may overshoot, another may not."""
    low = -(1 << (layout.bits - 1)) if layout.signed else 0
    high = low + (1 << layout.bits) - 1
    if lossy:
        return raw.clip(low, high)
    if raw.min() < low or raw.max() > high:
        raise BadStudy(f"the stream holds values that do not fit into BitsStored {layout.bits}")
    return raw


def _twelve_bits(stream: bytes, layout: Layout) -> NDArray[np.integer]:
    """JPEG Extended of 12 bits. GDCM decodes it, though pydicom's plug-in for GDCM refuses it."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((layout.columns, layout.rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    kind = gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))
    image.SetTransferSyntax(gdcm.TransferSyntax(kind))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, int(layout.signed)))
    told = image.GetBuffer()  # the bytes as a str; None for a stream that it cannot decode
    if told is None:
        raise ValueError("not decoded")
    values = np.frombuffer(told.encode("utf-8", "surrogateescape"), np.uint16)
    return values.reshape(layout.rows, layout.columns)
