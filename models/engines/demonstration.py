"""The engine of the demonstration: the small Gemma 3 that ships with the node.

It is loaded as any other model. It learnt from drawn films only (``models.demonstration``), and
its folder says so, so that every output does.

The digest of the checkpoint that ships is written down beside it (``checkpoint.sha256``): a copy
that differs in one byte answers something else, and is refused. Whoever changes a file of the
checkpoint writes it anew with ``python -m models.demonstration pin`` and commits both.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.errors import Misconfigured
from models.engines import weights
from models.engines.base import EngineOptions
from models.engines.transformers import open_folder

if TYPE_CHECKING:
    from models.engines.gemma import Gemma

#: As results call it. What they were made with exactly is said by the digest.
MODEL = "demonstration-gemma3-1"
#: The longest answer it learnt has about twenty.
_MAX_NEW_TOKENS = 64
#: A pair with all questions takes 2.1 s with one thread and 2.0 s with two: a second core is better
#: left to others.
_THREADS = 1


def open_engine(options: EngineOptions) -> Gemma:
    """Load the checkpoint that ships with the node.

    ``model`` and ``revision`` are not looked at. ``auto`` means the CPU: for so small a model it
    is fast enough, and its answers are then the same on every machine.

    Raises:
        Misconfigured: the checkpoint is not whole or not the one that ships, or there is no such
            device.
    """
    return open_shipped(folder(), options)


def look(_: EngineOptions) -> None:
    """See, without loading anything, whether the checkpoint is whole.

    Raises:
        Misconfigured: it is not.
    """
    _check(folder())


def open_shipped(checkpoint: Path, options: EngineOptions) -> Gemma:
    """Load a checkpoint beside which its digest is written, and no other than that.

    Raises:
        Misconfigured: as :func:`open_engine`.
    """
    _check(checkpoint)
    if weights.digest(checkpoint) != pinned(checkpoint):
        raise Misconfigured(
            f"{checkpoint}: is not the checkpoint that ships with this version of dicom-node; "
            "install dicom-node anew"
        )
    return open_checkpoint(checkpoint, options)


def open_checkpoint(checkpoint: Path, options: EngineOptions) -> Gemma:
    """Load a checkpoint of the demonstration, as one that was just trained.

    Raises:
        Misconfigured: as :func:`open_engine`.
    """
    _check(checkpoint)
    chosen = replace(
        options,
        model=str(checkpoint),
        revision=None,
        device="cpu" if options.device == "auto" else options.device,
        max_new_tokens=min(options.max_new_tokens, _MAX_NEW_TOKENS),
        threads=options.threads or _THREADS,
    )
    return open_folder("demonstration", checkpoint, chosen, model=MODEL)


def folder() -> Path:
    """Where the checkpoint lies in the installed package."""
    return Path(str(resources.files("models.demonstration"))) / "checkpoint"


def pinned(checkpoint: Path) -> str:
    """The digest that is written beside a checkpoint; empty where none is."""
    path = _pin(checkpoint)
    return path.read_text("ascii", "replace").strip() if path.is_file() else ""


def pin(checkpoint: Path) -> str:
    """Mark a checkpoint as the demonstration's and write its digest beside it; that digest.

    Raises:
        Misconfigured: it is not whole.
    """
    _check(checkpoint)
    weights.mark(checkpoint)
    digest = weights.digest(checkpoint)
    _pin(checkpoint).write_text(f"{digest}\n", "ascii")
    return digest


def _pin(checkpoint: Path) -> Path:
    """Beside the folder: a training writes the folder, and does not decide what ships."""
    return checkpoint.with_suffix(".sha256")


def _check(checkpoint: Path) -> None:
    """Without its note the checkpoint would pass for a model for patients: it is not loaded."""
    lacks = weights.missing(checkpoint)
    if not lacks and not (checkpoint / weights.NOTE).is_file():
        lacks = weights.NOTE
    if lacks:
        raise Misconfigured(
            f"{checkpoint}: the checkpoint of the demonstration lacks {lacks}; install dicom-node "
            "anew, or train it with `python -m models.demonstration train`"
        )
