"""Settings with a unit: durations (``7 days``, ``PT12H``) and sizes (``1 GiB``).

A bare number is refused: what it counts would be a guess, and a wrong one deletes files.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, TypeAdapter, ValidationError

_WORDS = re.compile(r"(\d+(?:\.\d+)?) *([a-z]+)", re.IGNORECASE)
_SIZE = re.compile(r"\d+(\.\d+)? *[kmgt]?i?b", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_SHORT = {"s": "second", "min": "minute", "h": "hour", "d": "day"}
_LONGEST = timedelta(days=36_525)  # a hundred years: more is a slip of the pen
_LARGEST = 1024**5  # a pebibyte: so is this
_ISO = TypeAdapter(timedelta)
_SIZES = TypeAdapter(ByteSize)


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    found = _read_duration(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            f"expected a duration with a unit, such as `7 days`, `12 hours` or `90 minutes` "
            f"(also ISO 8601, `P7D`), not `{value}`"
        )
    if not timedelta(0) < found <= _LONGEST:
        raise ValueError(f"`{value}`: a duration is more than nothing and at most 100 years")
    return found


def _read_duration(text: str) -> timedelta | None:
    try:
        if text[:1] == "P":
            return _ISO.validate_python(text)
        if (match := _WORDS.fullmatch(text)) is None:
            return None
        name = match[2].lower()
        seconds = _SECONDS.get(_SHORT.get(name, name.removesuffix("s")))
        return None if seconds is None else timedelta(seconds=float(match[1]) * seconds)
    except ValidationError:
        return None
    except OverflowError:
        return timedelta.max


def _size(value: Any) -> int:
    # pydantic's own type takes a bare number too, and whatever follows the unit.
    if not isinstance(value, str) or not _SIZE.fullmatch(value.strip()):
        raise ValueError(f"expected a size with a unit, such as `1 GiB` or `500 MB`, not `{value}`")
    found = int(_SIZES.validate_python(value.strip()))
    if not 0 < found <= _LARGEST:
        raise ValueError(f"`{value}`: a size is more than nothing and at most 1024 TiB")
    return found


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(_size)]  # bytes


def size_text(count: int) -> str:
    """So many bytes, for people: ``1.5 GiB``."""
    return ByteSize(count).human_readable(separator=" ")


def duration_text(seconds: float) -> str:
    """So many seconds, for people, in the largest unit of which it is at least one: ``7 days``."""
    name, unit = max(
        ((name, unit) for name, unit in _SECONDS.items() if name != "week" and unit <= seconds),
        key=lambda one: one[1],
        default=("second", 1),
    )
    count = f"{round(seconds / unit, 2):g}"
    return f"{count} {name}" if count == "1" else f"{count} {name}s"
