"""Real files and honest conversations, and ways to spoil them. All by a seeded random."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import data_store
import wire
from pydicom.filereader import read_file_meta_info
from receiving import DEFLATED, EXPLICIT, IMPLICIT, dataset, encoded, part10

from dicom_node.partial import data_set_of

_LARGEST = 150_000  # bytes of a file that is worth to be sent thousands of times
_SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
_VRS = (b"SQ", b"UI", b"PN", b"OB", b"OW", b"UN", b"UT", b"US", b"DS", b"??", b"\0\0")
_LENGTHS = (0, 1, 2, 7, 0xFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Seed:
    """A data set as it goes over the network."""

    name: str
    syntax: str
    sop_class: str
    content: bytes


def seeds(folder: Path) -> list[Seed]:
    """Of pydicom-data, of ../shared/data where that is, and some of our own."""
    found = [_own(folder, syntax) for syntax in (EXPLICIT, IMPLICIT, DEFLATED)]
    roots = [Path(data_store.__file__).parent, _SHARED]
    paths = sorted(path for root in roots if root.is_dir() for path in root.rglob("*")
                   if path.is_file() and 300 < path.stat().st_size < _LARGEST)  # fmt: skip
    for path in paths:
        try:
            syntax, begin = data_set_of(path)
            sop_class = str(read_file_meta_info(path).MediaStorageSOPClassUID)
        except Exception:  # noqa: BLE001 - whatever it is, it is no seed
            continue
        content = path.read_bytes()[begin:]
        if syntax and sop_class and content:
            found.append(Seed(path.name, syntax, sop_class, content))
    return found


def _own(folder: Path, syntax: str) -> Seed:
    made = dataset()
    path = part10(folder / "seed.dcm", made, encoded(made, syntax), syntax)
    return Seed(f"own {syntax}", syntax, str(made.SOPClassUID),
                path.read_bytes()[data_set_of(path)[1] :])  # fmt: skip


def _flip(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8, 40))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _near_the_start(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3))):
        content[chance.randrange(min(600, len(content)))] = chance.randrange(256)


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def _delete(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.choice((1, 2, 4, 8, 100, 5000))]


def _repeat(content: bytearray, chance: random.Random) -> None:
    at, size = chance.randrange(len(content)), chance.choice((2, 8, 64, 1000))
    content[at:at] = content[at : at + size] * chance.choice((1, 2, 50))


def _lengthen(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    form = chance.choice(("<L", "<H", ">L", ">H"))
    value = chance.choice(_LENGTHS) & (0xFFFFFFFF if form[1] == "L" else 0xFFFF)
    content[at : at + struct.calcsize(form)] = struct.pack(form, value)


def _another_vr(content: bytearray, chance: random.Random) -> None:
    at = content.find(chance.choice(_VRS), chance.randrange(len(content)))
    if at >= 0:
        content[at : at + 2] = chance.choice(_VRS)


def _sequences(content: bytearray, chance: random.Random) -> None:
    """Sequences and items of undefined length, one within the other."""
    begin = struct.pack("<HH2s2xL", 0x0008, 0x1140, b"SQ", 0xFFFFFFFF)
    begin += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    content[:0] = begin * chance.choice((1, 3, 50, 3000))


def _garbage(content: bytearray, chance: random.Random) -> None:
    content[:] = chance.randbytes(chance.choice((1, 9, 200, 5000)))


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _flip, _near_the_start, _near_the_start, _cut, _delete, _repeat, _lengthen, _lengthen,
    _another_vr, _sequences, _garbage,
)  # fmt: skip


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """Some bytes with one to three mutations; one in ten stays whole, but for its end."""
    changed = bytearray(content)
    if chance.random() < 0.1:
        changed += bytes(2 * chance.randrange(4))
        return bytes(changed)
    for _ in range(chance.choice((1, 1, 2, 3))):
        if changed:
            chance.choice(_MUTATIONS)(changed, chance)
    return bytes(changed)


def renamed(content: bytes, number: int) -> bytes:
    """The data set with UIDs of its own, of the same length, where they stand as text."""
    made = bytearray(content)
    for tag in ((0x08, 0x18), (0x20, 0x0D)):
        at = made.find(struct.pack("<HH", *tag), 0, 4000)
        if at >= 0:
            begin = at + 8
            length = at + (6 if made[at + 4 : at + 6] == b"UI" else 4)  # implicit VR has none
            (size,) = struct.unpack_from("<H", made, length)
            digits = str(10**8 + number).encode()
            if len(digits) + 2 < size <= 64:
                made[begin + 2 : begin + 2 + len(digits)] = digits
    return bytes(made)


def conversation(seed: Seed, chance: random.Random) -> bytes:
    """What a sender says from its request to its release, spoiled."""
    store = wire.store(seed.content[:20_000], piece=chance.choice((50, 4000, 60_000))) \
        if chance.random() < 0.7 else []  # fmt: skip
    announcement = [
        wire.data(wire.fragment(wire.command(chance.choice((0x140, 0x120, 0x21, 0x130, 0x8000)),
                                             wire.MPPS, instance="1.2.3", data_set=True), 3, 5)),
        wire.data(wire.fragment(seed.content[:1000], wire.LAST, 5)),
    ]  # fmt: skip
    said = [wire.request(), *chance.choice(([wire.ECHO], store, [*store, wire.ECHO], announcement))]
    said += chance.choice(([wire.RELEASE], [wire.ABORT], [], [wire.RELEASE, *store]))
    for _ in range(chance.choice((0, 1, 1, 2))):
        _disorder(said, chance)
    whole = b"".join(said)
    return whole if chance.random() < 0.3 else spoiled(whole, chance)


def _disorder(said: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(said))
    kind = chance.randrange(6)
    if kind == 0:
        said.insert(at, said[chance.randrange(len(said))])
    elif kind == 1:
        said.append(said.pop(at))
    elif kind == 2:
        said[at] = spoiled(said[at], chance)
    elif kind == 3:
        said[at] = said[at][: chance.randrange(len(said[at]) + 1)]
    elif kind == 4:
        said.insert(at, wire.pdu(chance.randrange(9), chance.randbytes(chance.randrange(200))))
    else:
        said[at] = said[at][:2] + struct.pack(">L", chance.choice(_LENGTHS)) + said[at][6:]


def request(chance: random.Random) -> bytes:
    """An association request with many, few, twice the same or odd contexts and user items."""
    count = chance.choice((0, 1, 3, 128, 300, 3000))
    contexts: Sequence[bytes] = [
        wire.context(chance.choice((1, (2 * at + 1) % 256, at % 256)),
                     chance.choice((wire.FILM, wire.VERIFICATION, "1.2..3", "", "9" * 300, "x")),
                     *[wire.EXPLICIT] * chance.choice((0, 1, 1, 40)))
        for at in range(count)
    ]  # fmt: skip
    items = b"".join(
        wire.item(chance.choice((0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x77)),
                  chance.randbytes(chance.choice((0, 1, 4, 20, 300))))
        for _ in range(chance.choice((0, 0, 1, 5, 200)))
    )  # fmt: skip
    made = wire.request(contexts, items[:60_000], chance.choice((b"FUZZ", b"", b"\xff" * 16)))
    return made if chance.random() < 0.5 else spoiled(made, chance)
