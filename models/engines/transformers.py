"""MedGemma by the transformers library, from a folder or from the hub, on a GPU or the CPU."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.errors import Misconfigured
from models.engines import weights
from models.engines.base import Device, EngineOptions, Identity

if TYPE_CHECKING:
    from models.engines.gemma import Gemma

log = logging.getLogger(__name__)
#: Characters of a library's error that are told: some list all that they know.
_LONGEST_REASON = 240


def open_engine(options: EngineOptions) -> Gemma:
    """Load the model that the options name: bf16 on a GPU, fp32 on the CPU, never fp16.

    Gemma 3 overflows in fp16 and then answers nothing (huggingface/transformers 36822, 39972).

    Raises:
        Misconfigured: the weights are not there, do not fit or do not answer, or there is no such
            device.
    """
    return open_folder("transformers", weights.locate(options.model, options.revision), options)


def look(options: EngineOptions) -> None:
    """See, within a moment and without loading or fetching anything, whether it can be opened.

    Raises:
        Misconfigured: there is no such folder, or it lacks what a model needs.
    """
    if folder := weights.here(options.model, options.revision):
        weights.check(folder)


def open_folder(name: str, folder: Path, options: EngineOptions, model: str = "") -> Gemma:
    """Load the model that a folder holds, for the engine of this name, and ask it once.

    Much that is wrong with a folder shows at the first question only. It is asked here, so that a
    check finds it and no study has to.

    ``model`` is what results call it; empty: by its hub id, or by the name of the folder.

    Raises:
        Misconfigured: as :func:`open_engine`.
    """
    import torch

    from models.engines.gemma import Gemma

    weights.check(folder)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = _device(options.device)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    identity = Identity(
        name=name,
        model=model or _named(folder, options),
        weights=weights.kind(folder),
        digest=weights.digest(folder),
    )
    log.info(
        "loading %s (%s weights) on %s as %s",
        identity.model,
        identity.weights,
        device,
        str(dtype).removeprefix("torch."),
    )
    loaded = _model(folder, dtype, device)
    processor = _processor(folder)
    with _one_line(f"the weights in {folder} do not answer"):
        engine = Gemma(
            identity=identity,
            model=loaded,
            processor=processor,
            max_new_tokens=options.max_new_tokens,
        )
        engine.try_out()
    return engine


def _named(folder: Path, options: EngineOptions) -> str:
    """No path of this machine: it would end in the results."""
    if options.revision and options.model != str(folder):
        return f"{options.model}@{options.revision}"
    return folder.resolve().name


def _device(asked: Device) -> str:
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise Misconfigured(
            "engine.device is cuda, but PyTorch sees no CUDA device; write cpu or auto, or look "
            "at the driver and at the build of PyTorch"
        )
    return "cuda" if there and asked != "cpu" else "cpu"


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Whatever the libraries raise over a damaged folder, as one line.

    No list of types would do: tokenizers raises Exception itself, templates and configurations
    have errors of their own, and what is of the wrong type in a file fails anywhere.

    Raises:
        Misconfigured: they raised something.
    """
    try:
        yield
    except Exception as error:
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", _LONGEST_REASON)
        raise Misconfigured(f"{what}: {reason}") from error


def _model(folder: Path, dtype: Any, device: str) -> Any:
    """The model, in evaluation mode. Weights that do not fit are an error: transformers itself
    would fill in random ones, or leave some out, and only warn.
    """
    from transformers import Gemma3ForConditionalGeneration
    from transformers.utils import logging as their_logging

    chatter: Any = their_logging  # it has no types
    chatter.disable_progress_bar()
    chatter.set_verbosity_error()  # its table of weights that do not fit: that is refused below
    loader: Any = Gemma3ForConditionalGeneration  # its types know no loading information
    with _one_line(f"{folder}: the weights cannot be loaded"):
        model, loading = loader.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="sdpa",
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are told, and refused, with the others
            output_loading_info=True,
        )
        model.to(device).eval()
    _check_loaded(folder, loading)
    return model


def _check_loaded(folder: Path, loading: dict[str, Any]) -> None:
    """Each weight of the model came from the folder, and each of the folder is in the model."""
    wrong = {
        "are missing": loading["missing_keys"],
        "are of another shape than config.json says": [
            name for name, *_ in loading["mismatched_keys"]
        ],
        "have no place in the model that config.json describes": loading["unexpected_keys"],
    }
    for what, names in wrong.items():
        if names:
            raise Misconfigured(
                f"{folder}: {len(names)} weights {what}, the first is {min(names)}; get the "
                "folder anew"
            )


def _processor(folder: Path) -> Any:
    """Tokenizer, chat template and the PIL image processor: the same on every machine."""
    from transformers import Gemma3Processor

    with _one_line(f"{folder}: the processor cannot be loaded"):
        processor = Gemma3Processor.from_pretrained(folder, backend="pil", local_files_only=True)
    processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
    if not processor.chat_template:
        raise Misconfigured(f"{folder}: holds no chat template (chat_template.jinja)")
    return processor
