"""``dicom-node worker``, but what answers costs little, and may take long or kill its process.

Everything around the engine is the node's: Celery's parent and child, ledger, spool. How long an
answer takes stands in ``engine.json`` beside the site's folder; a bright film kills.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fake_engine import FakeEngine, Known

from dicom_node import logs
from dicom_node.report import Weights
from models.engines.base import Answer, EngineOptions, Request
from workers import tasks
from workers.options import configured

KNOWN = {
    "pneumothorax": Known(site="right pleural space", box=(100, 80, 300, 240), score=0.93),
    "cardiomegaly": Known(box=(450, 300, 800, 760), score=0.71),
}
_BRIGHT = 160  # a chest film is darker than this on the average


class Scripted(FakeEngine):
    """As slow as it is told to be."""

    speed: Path

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        if any(picture.mean() > _BRIGHT for one in requests for picture in one.images):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(json.loads(self.speed.read_text())["seconds"] if self.speed.exists() else 0)
        return super().answer(requests)


def main(config: Path) -> None:
    logs.configure()
    configuration = configured(config)

    def opened(_: EngineOptions) -> Scripted:
        engine = Scripted(configuration.vocabulary, KNOWN, weights=Weights.DEMONSTRATION)
        engine.speed = config.parent.parent / "engine.json"
        return engine

    tasks.ENGINES = {"demonstration": opened}  # type: ignore[attr-defined]
    tasks.run_reader(configuration)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
