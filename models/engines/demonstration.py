"""The engine of the demonstration: a tiny Gemma 3 with random weights, made on the spot.

Everything is real but the weights: the classes of transformers, the image path, the chat template,
greedy decoding and enforced forms. What it says is noise, and its folder says so, so that every
output does.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.report import Weights
from models.engines import tiny, weights
from models.engines.base import EngineOptions
from models.engines.transformers import open_folder

if TYPE_CHECKING:
    from models.engines.gemma import Gemma

log = logging.getLogger(__name__)

#: Random weights never end an answer by themselves; more of the same noise helps nobody.
_MAX_NEW_TOKENS = 24
#: Matrices so small gain nothing from a second thread, and lose much on a busy machine.
_THREADS = 1


def open_engine(options: EngineOptions) -> Gemma:
    """Make the folder in the cache unless it is there, and load it as any other model.

    ``model`` and ``revision`` are not looked at. ``auto`` means the CPU: for so small a model it
    is fast enough, and its noise is then the same on every machine.

    Raises:
        Misconfigured: there is no such device.
    """
    folder = make(options.cache)
    chosen = replace(
        options,
        model=str(folder),
        revision=None,
        device="cpu" if options.device == "auto" else options.device,
        max_new_tokens=min(options.max_new_tokens, _MAX_NEW_TOKENS),
        threads=options.threads or _THREADS,
    )
    return open_folder("demonstration", folder, chosen)


def make(cache: Path) -> Path:
    """The folder of the checkpoint; written aside and renamed, so that two processes agree."""
    folder = cache / tiny.NAME
    if folder.is_dir():
        return folder
    log.info("making the random weights of the demonstration")
    cache.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{tiny.NAME}.", dir=cache))
    try:
        tiny.write(aside)
        note = json.dumps({"weights": Weights.RANDOM.value})
        (aside / weights.NOTE).write_text(note, encoding="utf-8")
        os.rename(aside, folder)  # noqa: PTH104 - Path.rename says less of what it does to folders
    except OSError:
        if not folder.is_dir():  # else another process was faster, and made the same
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder
