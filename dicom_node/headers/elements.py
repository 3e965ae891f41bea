"""Single elements of a data set as plain values."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from pydicom import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue

#: What pydicom raises on bytes that are not what they claim to be.
UNDECODABLE = (
    InvalidDicomError,
    BytesLengthException,
    struct.error,
    zlib.error,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    RuntimeError,
    UnicodeError,
)
#: The same of what is in memory already, where no disk can fail: of a corrupt sequence pydicom
#: raises OSError, without a number.
CORRUPT = (*UNDECODABLE, OSError)
_ITEM = b"\xfe\xff\x00\xe0"  # its tag, PS3.5 7.5


def items_in(encoded: BinaryIO) -> int:
    """How many items an encoded data set has at most, in all its sequences; before it is decoded,
    for each takes a hundred times its bytes then.
    """
    encoded.seek(0)
    return encoded.read().count(_ITEM)


def text(dataset: Dataset, keyword: str) -> str:
    """A value as text, trimmed; empty where the element is missing or empty. Several values stand
    as they are written, with a backslash between them.
    """
    value = dataset.get(keyword) or ""
    several = isinstance(value, MultiValue)
    return "\\".join(map(str, value)) if several else str(value).strip()


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Each value of an element as text, trimmed; none where it is missing or empty."""
    value = dataset.get(keyword)
    values = value if isinstance(value, MultiValue | list) else (value,)
    return tuple(str(one).strip() for one in values if one not in (None, ""))


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; none where it is missing, empty or no sequence."""
    value = dataset.get(keyword)
    return tuple(one for one in value or () if isinstance(one, Dataset))


def codes(dataset: Dataset, keyword: str) -> set[str]:
    """The Code Values of a code sequence (PS3.3 8.8)."""
    return {text(item, "CodeValue") for item in items(dataset, keyword)} - {""}


def meanings(dataset: Dataset, keyword: str) -> str:
    """The Code Meanings of a code sequence, one after the other."""
    return " ".join(text(item, "CodeMeaning") for item in items(dataset, keyword))
