"""The demonstration's model: a very small Gemma 3, with every part of the real one.

Sliding and full attention layers, a window shorter than a prompt with two images, a vision tower
with pooling and projection, the special tokens and the turns of Gemma's chat.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dicom_node.report import Weights
from models.demonstration.training import tokenizer as words
from models.engines import weights

#: Pixels of the square that the model looks at, and of the squares that become one patch each.
IMAGE_SIDE = 256
PATCH = 16
#: Of the 16 by 16 patches each 2 by 2 are averaged to one token.
TOKENS_PER_IMAGE = 64
VISION_HIDDEN = 192
VISION_MLP = 768
VISION_LAYERS = 8
VISION_HEADS = 3
HIDDEN = 192
MLP = 384
HEADS = 3
#: One for all heads: the folder must stay below 12 MB, and in the vision tower weights help more.
KEY_VALUE_HEADS = 1
HEAD_WIDTH = 64
LAYERS = ("sliding_attention", "full_attention", "sliding_attention", "full_attention")
#: A prompt with two images has about 155 tokens: at its end a sliding layer no longer sees the
#: whole first image, as in the real model it does not see the beginning of a long prompt. So
#: tests of this model find a mistake in window or cache.
WINDOW = 96
MAX_POSITION = 8192
#: Of the weights before training: Gemma's own. The embedding is multiplied with the root of
#: HIDDEN, so that a word begins at about the size that a projected patch has.
INITIAL_STD = 0.02

#: Turns as Gemma has them: a system text goes before the first words of the user, roles alternate,
#: the model speaks as "model", texts are trimmed.
_CHAT_TEMPLATE = """\
{{ bos_token }}
{%- set start = namespace(text='') -%}
{%- if messages[0]['role'] == 'system' -%}
  {%- if messages[0]['content'] is string -%}
    {%- set start.text = messages[0]['content'] + '\\n\\n' -%}
  {%- else -%}
    {%- set start.text = messages[0]['content'][0]['text'] + '\\n\\n' -%}
  {%- endif -%}
  {%- set turns = messages[1:] -%}
{%- else -%}
  {%- set turns = messages -%}
{%- endif -%}
{%- for turn in turns -%}
  {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) -%}
    {{- raise_exception('user and assistant must take turns') -}}
  {%- endif -%}
  {{- '<start_of_turn>' + ('model' if turn['role'] == 'assistant' else turn['role']) + '\\n' -}}
  {%- if loop.first -%}{{- start.text -}}{%- endif -%}
  {%- if turn['content'] is string -%}
    {{- turn['content'] | trim -}}
  {%- else -%}
    {%- for item in turn['content'] -%}
      {%- if item['type'] == 'image' -%}
        {{- '<start_of_image>' -}}
      {%- elif item['type'] == 'text' -%}
        {{- item['text'] | trim -}}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{- '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}
"""


def build(seed: int) -> tuple[Any, Any]:
    """The untrained model (Gemma3ForConditionalGeneration, fp32) and its Gemma3Processor.

    The global random state is left as it was.
    """
    processor = _processor()
    return _model(processor.tokenizer, seed), processor


def digest() -> str:
    """SHA-256 (hexadecimal) over the sizes of the model and the turns of its chat."""
    sizes = [_text_config(vocabulary=0), _vision_config(), TOKENS_PER_IMAGE]
    return hashlib.sha256(json.dumps([*sizes, _CHAT_TEMPLATE]).encode()).hexdigest()


def write(model: Any, processor: Any, folder: Path, questions: Mapping[str, str]) -> None:
    """Write a trained model as the demonstration's checkpoint, in bf16, with its note.

    The model is left as it is. ``questions`` are the versions, by name, of those that it was
    trained on; the note names them.

    Raises:
        ValueError: no step of training has touched the model.
    """
    if _is_untrained(model):
        raise ValueError("the model is not trained: it is not the demonstration's checkpoint")
    write_plain(model, processor, folder)
    said = {"weights": Weights.DEMONSTRATION.value, "questions": dict(questions)}
    note = json.dumps(said, indent=2)
    (folder / weights.NOTE).write_text(f"{note}\n", encoding="utf-8")
    weights.mark(folder)


def write_plain(model: Any, processor: Any, folder: Path) -> None:
    """Write weights (bf16), configuration, tokenizer, chat template, image processor; no note."""
    import torch
    from transformers.utils import logging

    chatter: Any = logging  # it has no types
    chatter.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    processor.save_pretrained(folder)
    copy.deepcopy(model).to("cpu", torch.bfloat16).save_pretrained(folder)


def _is_untrained(model: Any) -> bool:
    """The norms of Gemma begin at exactly zero, and any step of training moves them."""
    norm = model.model.multi_modal_projector.mm_soft_emb_norm.weight
    return not norm.any().item()


def _processor() -> Any:
    from transformers import Gemma3ImageProcessorPil, Gemma3Processor

    return Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": IMAGE_SIDE, "width": IMAGE_SIDE}),
        tokenizer=words.build(MAX_POSITION),
        chat_template=_CHAT_TEMPLATE,
        image_seq_length=TOKENS_PER_IMAGE,
    )


def _model(tokenizer: Any, seed: int) -> Any:
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    configure: Any = Gemma3Config  # its types forbid what all configurations take
    config = configure(
        text_config=_text_config(len(tokenizer)),
        vision_config=_vision_config(),
        mm_tokens_per_image=TOKENS_PER_IMAGE,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.end_of_turn_token_id],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Gemma3ForConditionalGeneration(config)
        # transformers leaves it zero: then no picture says anything, and at the first step
        # nothing of the picture's loss reaches the vision tower.
        projection: Any = model.model.multi_modal_projector
        torch.nn.init.normal_(projection.mm_input_projection_weight, std=INITIAL_STD)
    return model


def _text_config(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": MLP,
        "num_hidden_layers": len(LAYERS),
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_VALUE_HEADS,
        "head_dim": HEAD_WIDTH,
        "query_pre_attn_scalar": HEAD_WIDTH,
        "sliding_window": WINDOW,
        "layer_types": list(LAYERS),
        "max_position_embeddings": MAX_POSITION,
        "initializer_range": INITIAL_STD,
        "tie_word_embeddings": True,
    }


def _vision_config() -> dict[str, Any]:
    return {
        "model_type": "siglip_vision_model",
        "hidden_size": VISION_HIDDEN,
        "intermediate_size": VISION_MLP,
        "num_hidden_layers": VISION_LAYERS,
        "num_attention_heads": VISION_HEADS,
        "image_size": IMAGE_SIDE,
        "patch_size": PATCH,
        "vision_use_head": False,
    }
