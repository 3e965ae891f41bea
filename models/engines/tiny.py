"""The recipe of a tiny Gemma 3 with seeded random weights and a tokenizer of its own.

Of the real model it has every part, only smaller: sliding and full attention layers, a window
shorter than a prompt with two images, a vision tower with pooling and projection, the special
tokens and the turns of Gemma's chat. Nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

#: Part of the folder's name: raise it whenever anything here changes.
_VERSION = 1
NAME = f"random-gemma3-v{_VERSION}"
#: Chosen among some, so that a film of the demonstration gets findings, sites and boxes.
_SEED = 52

_SPECIAL = (
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
)
#: In Gemma these are ordinary words of the vocabulary, which is why nothing strips them.
_ORDINARY = ("<unused94>", "<unused95>")
_SPACE = "\u2581"
_LETTERS = "".join(chr(code) for code in range(33, 127)) + "\n" + _SPACE
#: Words that are one token, as they are in Gemma's vocabulary; all others are spelt.
_WORDS = tuple(
    """
yes no A B C D E F Final Answer Is there in this image You may explain your reasoning but you must
end with or Where is the left right patient side heart upper lower mid lung zone zones letter of
one choice where X
""".split()  # noqa: SIM905 - a list literal of 50 words is no easier to read
)

_IMAGE_SIDE = 224
_PATCH = 14
_TOKENS_PER_IMAGE = 16
_WINDOW = 32
_LAYERS = ["sliding_attention", "full_attention"] * 2

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


def write(folder: Path) -> None:
    """Write weights, configuration, tokenizer, chat template and image processor into a folder."""
    from transformers.utils import logging

    chatter: Any = logging  # it has no types
    chatter.disable_progress_bar()
    processor = _processor()
    processor.save_pretrained(folder)
    _model(processor.tokenizer).save_pretrained(folder)


def _processor() -> Any:
    from transformers import Gemma3ImageProcessorPil, Gemma3Processor

    return Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": _IMAGE_SIDE, "width": _IMAGE_SIDE}),
        tokenizer=_tokenizer(),
        chat_template=_CHAT_TEMPLATE,
        image_seq_length=_TOKENS_PER_IMAGE,
    )


def _tokenizer() -> Any:
    """Gemma's kind of tokenizer (BPE, spaces as U+2581, bytes for what it cannot spell)."""
    import transformers

    bytes_ = tuple(f"<0x{byte:02X}>" for byte in range(256))
    merges, merged = _merges()
    words = [*_SPECIAL, *bytes_, *_ORDINARY, *_LETTERS, *merged]
    build: Any = transformers.GemmaTokenizer  # its types forbid the pairs that it takes
    return build(
        vocab={word: number for number, word in enumerate(words)},
        merges=merges,
        model_max_length=8192,
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
            "start_of_turn_token": "<start_of_turn>",
            "end_of_turn_token": "<end_of_turn>",
        },
    )


def _merges() -> tuple[list[tuple[str, str]], list[str]]:
    """The steps that spell each word letter by letter from its beginning, and what they make."""
    merges: dict[tuple[str, str], str] = {}
    for word in _WORDS:
        spelt = f"{_SPACE}{word}"
        for end in range(1, len(spelt)):
            merges[spelt[:end], spelt[end]] = spelt[: end + 1]
    return list(merges), list(merges.values())


def _model(tokenizer: Any) -> Any:
    """The model with its seeded weights, fp32; the global random state is left as it was."""
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    configure: Any = Gemma3Config  # its types forbid what all configurations take
    config = configure(
        text_config=_text_config(len(tokenizer)),
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": _IMAGE_SIDE,
            "patch_size": _PATCH,
            "vision_use_head": False,
        },
        mm_tokens_per_image=_TOKENS_PER_IMAGE,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.end_of_turn_token_id],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = Gemma3ForConditionalGeneration(config)
        _spread(model)
    return model


def _text_config(words: int) -> dict[str, Any]:
    return {
        "vocab_size": words,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": len(_LAYERS),
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "query_pre_attn_scalar": 1,
        "sliding_window": _WINDOW,
        "layer_types": _LAYERS,
        "max_position_embeddings": 8192,
    }


def _spread(model: Any) -> None:
    """Weights much larger than a training would begin with, so that answers differ."""
    import torch

    with torch.no_grad():
        for _, weight in sorted(model.named_parameters()):
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=weight.shape[-1] ** -0.5)
