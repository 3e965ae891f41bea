"""The kinds of inputs, in batches, and how each is tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import campaign
import grown
import mutations
import readers
import wire
from campaign import Tally
from pydicom.dataset import Dataset
from receiving import EXPLICIT, part10

_Batch = Callable[[Tally, int, random.Random, Path], None]


def data_sets(tally: Tally, count: int, chance: random.Random, folder: Path) -> None:
    """Of real files, spoiled, by C-STORE."""
    seeds = mutations.seeds(folder)
    chosen = [chance.choice(seeds) for _ in range(count)]
    inputs = [
        (one.syntax, mutations.spoiled(mutations.renamed(one.content, number), chance))
        for number, one in enumerate(chosen)
    ]
    with campaign.under_fire(tally, folder) as node:
        campaign.send_data_sets(tally, node, inputs)


def grown_data_sets(tally: Tally, count: int, chance: random.Random, folder: Path) -> None:
    """Of hypothesis, by C-STORE."""
    inputs = [(EXPLICIT, one) for one in grown.data_sets(count, chance.randrange(2**32))]
    with campaign.under_fire(tally, folder) as node:
        campaign.send_data_sets(tally, node, inputs)


def conversations(tally: Tally, count: int, chance: random.Random, folder: Path) -> None:
    """From the request to the release, spoiled anywhere."""
    seeds = [one for one in mutations.seeds(folder) if one.syntax == EXPLICIT]
    inputs = [mutations.conversation(chance.choice(seeds), chance) for _ in range(count)]
    with campaign.under_fire(tally, folder) as node:
        campaign.send_conversations(tally, node, inputs)


def requests(tally: Tally, count: int, chance: random.Random, folder: Path) -> None:
    """Association requests with contexts and user items of all kinds; garbage."""
    inputs = [
        mutations.request(chance) if chance.random() < 0.9 else chance.randbytes(2000)
        for _ in range(count)
    ]
    with campaign.under_fire(tally, folder) as node:
        campaign.send_conversations(tally, node, inputs)


def cut_short(tally: Tally, count: int, chance: random.Random, folder: Path) -> None:
    """One conversation, ended after each of its bytes in turn, or where that is too many, some."""
    content = b"".join(wire.store(b"\x08\x00\x16\x00UI\x04\x001.2\x00" * 3))
    whole = wire.request() + content + wire.ECHO + wire.RELEASE
    ends = range(len(whole)) if count >= len(whole) else chance.sample(range(len(whole)), count)
    with campaign.under_fire(tally, folder) as node:
        campaign.send_conversations(tally, node, [whole[:end] for end in ends])


def files(tally: Tally, count: int, chance: random.Random, folder: Path) -> None:
    """Part 10 files, as a worker reads headers and pixels: spoiled data sets, spoiled files."""
    seeds = mutations.seeds(folder)
    inputs = list(_files(seeds, count, chance, folder))
    readers.read(tally, inputs, folder)


def _files(
    seeds: list[mutations.Seed], count: int, chance: random.Random, folder: Path
) -> Iterator[bytes]:
    named = Dataset()
    for number in range(count):
        one = chance.choice(seeds)
        content = mutations.spoiled(mutations.renamed(one.content, number), chance)
        named.SOPClassUID, named.SOPInstanceUID = one.sop_class, f"1.2.{number}"
        whole = part10(folder / "made.dcm", named, content, one.syntax).read_bytes()
        yield mutations.spoiled(whole, chance) if chance.random() < 0.2 else whole


#: Kind, how it is tried, share of all inputs, inputs of a batch.
KINDS: tuple[tuple[str, _Batch, float, int], ...] = (
    ("data sets, mutated", data_sets, 0.35, 400),
    ("data sets, grown", grown_data_sets, 0.15, 400),
    ("conversations", conversations, 0.2, 300),
    ("requests, garbage", requests, 0.06, 200),
    ("cut at each byte", cut_short, 0.04, 2000),
    ("files, by a worker", files, 0.2, 400),
)


def campaign_of(total: int, seed: int, folder: Path, *, told: Callable[[str], None]) -> list[Tally]:
    """About so many inputs of all kinds. ``told`` hears of each kind that is done."""
    tallies = []
    told(campaign.HEADING)
    for kind, tried, share, most in KINDS:
        tally, chance = Tally(kind), random.Random(f"{seed} {kind}")
        wanted = max(1, round(total * share))
        while tally.inputs < wanted:
            place = folder / f"{kind.replace(', ', '-').replace(' ', '-')}-{tally.inputs}"
            place.mkdir(parents=True)
            tried(tally, min(most, wanted - tally.inputs), chance, place)
        told(tally.line())
        tallies.append(tally)
    return tallies
