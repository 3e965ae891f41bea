"""MedGemma by the transformers library, from a folder or from the hub, on a GPU or the CPU."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.errors import Misconfigured
from models.engines import weights
from models.engines.base import Device, EngineOptions, Identity

if TYPE_CHECKING:
    from models.engines.gemma import Gemma

log = logging.getLogger(__name__)


def open_engine(options: EngineOptions) -> Gemma:
    """Load the model that the options name: bf16 on a GPU, fp32 on the CPU, never fp16.

    Gemma 3 overflows in fp16 and then answers nothing (huggingface/transformers 36822, 39972).

    Raises:
        Misconfigured: the weights are not there, do not fit, or there is no such device.
    """
    return open_folder("transformers", weights.locate(options.model, options.revision), options)


def open_folder(name: str, folder: Path, options: EngineOptions, model: str = "") -> Gemma:
    """Load the model that a folder holds, for the engine of this name.

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
    return Gemma(
        identity=identity,
        model=_model(folder, dtype).to(device),
        processor=_processor(folder),
        max_new_tokens=options.max_new_tokens,
    )


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


def _model(folder: Path, dtype: Any) -> Any:
    """The model, in evaluation mode. Weights that do not fit are an error: transformers itself
    would fill in random ones and only warn.
    """
    from safetensors import SafetensorError
    from transformers import Gemma3ForConditionalGeneration
    from transformers.utils import logging as their_logging

    chatter: Any = their_logging  # it has no types
    chatter.disable_progress_bar()
    loader: Any = Gemma3ForConditionalGeneration  # its types know no loading information
    try:
        model, loading = loader.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="sdpa",
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise Misconfigured(f"{folder}: the weights cannot be loaded: {reason}") from error
    missing = sorted(loading["missing_keys"]) + sorted(map(str, loading["mismatched_keys"]))
    if missing:
        raise Misconfigured(
            f"{folder}: {len(missing)} weights are missing or of another shape, the first is "
            f"{missing[0]}; get the folder anew"
        )
    return model.eval()


def _processor(folder: Path) -> Any:
    """Tokenizer, chat template and the PIL image processor: the same on every machine."""
    from transformers import Gemma3Processor

    try:
        processor = Gemma3Processor.from_pretrained(folder, backend="pil", local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise Misconfigured(f"{folder}: the processor cannot be loaded: {reason}") from error
    processor.chat_template = processor.chat_template or processor.tokenizer.chat_template
    if not processor.chat_template:
        raise Misconfigured(f"{folder}: holds no chat template (chat_template.jinja)")
    return processor
