"""The short form: a few hundred inputs of each kind. `make fuzz` is the long one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from campaign import Tally
from inputs import KINDS

_SHORT = {"data sets, mutated": 250, "data sets, grown": 150, "conversations": 100,
          "requests, garbage": 60, "cut at each byte": 60, "files, by a worker": 150}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [kind for kind, *_ in KINDS])
def test_nothing_crashes_leaks_or_gets_lost(kind: str, tmp_path: Path) -> None:
    (tried,) = (tried for name, tried, *_ in KINDS if name == kind)
    tally = Tally(kind)
    tried(tally, _SHORT[kind], random.Random(6), tmp_path)
    assert tally.crashes == []
    assert tally.leaks == []
    assert tally.inputs >= _SHORT[kind] - 5
