"""A loaded Gemma 3: each picture encoded once, then one greedy answer for each question."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import BadAnswer
from models.engines import numbers
from models.engines.base import Answer, Choices, FreeText, Identity, Numbers, Request

if TYPE_CHECKING:
    from torch import Tensor

_THINKING, _SPOKEN = "<unused94>", "<unused95>"
_END_OF_TURN = "<end_of_turn>"
#: Pixels of the side of the picture that a model is tried with.
_TRIED = 64
#: SentencePiece writes a space so.
_SPACE = "\u2581"


class Gemma:
    """An engine of :class:`~models.engines.base.Engine`'s shape. One thread at a time."""

    def __init__(
        self, *, identity: Identity, model: Any, processor: Any, max_new_tokens: int
    ) -> None:
        """Take a model in evaluation mode and its processor."""
        self.identity = identity
        self._model = model
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._features: dict[int, tuple[weakref.ref[Any], Tensor]] = {}
        self._list_pieces = _list_pieces(self._tokenizer)
        model.generation_config = self._greedy(max_new_tokens)

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """One answer for each request, in their order."""
        import torch

        with torch.inference_mode():
            return [self._timed(request) for request in requests]

    def try_out(self) -> None:
        """Ask one small question about a small grey picture, as every question is asked.

        What was put together may still not fit: the picture's size, its number of tokens, the
        window of attention, the template of the chat.

        Raises:
            BadAnswer: what the model computes is no number.
            Exception: of any type, from the libraries, where the parts do not fit each other.
        """
        import torch

        grey = np.full((_TRIED, _TRIED), 128, np.uint8)
        with torch.inference_mode():
            tried = self._model.generate(
                **self.inputs(Request((grey,), "Is there a fracture?")),
                min_new_tokens=2,  # only the second uses what was kept of the first
                max_new_tokens=2,
                output_logits=True,
                return_dict_in_generate=True,
            )
        if not all(step.isfinite().all() for step in tried.logits):
            raise BadAnswer("what the model computes is no number")

    def spoken(self, ids: Sequence[int]) -> str:
        """The text of newly generated ids, without the thinking trace before it.

        The marks of the trace are ordinary words of the vocabulary: nothing else removes them.

        Raises:
            BadAnswer: the trace is not closed, so nothing was said.
        """
        opened, closed = (
            self._tokenizer.convert_tokens_to_ids(mark) for mark in (_THINKING, _SPOKEN)
        )
        said = list(ids)
        if closed in said:
            said = said[len(said) - said[::-1].index(closed) :]
        if opened in said:
            raise BadAnswer("the model was still thinking when its tokens ran out")
        text: str = self._tokenizer.decode(said, skip_special_tokens=True)
        return text.strip()

    def inputs(self, request: Request, turn: str = "") -> dict[str, Any]:
        """What the model is given: images first, question last, then the model's ``turn`` so far.

        Returns:
            ``input_ids``, ``attention_mask`` and ``token_type_ids`` (1 on image tokens), each
            int64 (1, tokens), and ``mm_encoder_outputs`` with the features of the images.
        """
        import torch
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        content: list[dict[str, str]] = [{"type": "image"} for _ in request.images]
        content.append({"type": "text", "text": request.prompt})
        text: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        mark = self._processor.boi_token
        if text.count(mark) != len(request.images):
            raise ValueError(
                "the prompt holds a mark that stands for an image, or the template none"
            )
        # As Gemma3Processor does it, but without preparing the same picture for every question.
        text = text.replace(mark, self._processor.full_image_sequence)
        ids = self._ids(text) + self._ids(turn)
        input_ids = torch.tensor([ids], device=self._model.device)
        given = {
            "input_ids": input_ids,
            "attention_mask": torch.ones_like(input_ids),
            "token_type_ids": (input_ids == self._model.config.image_token_id).long(),
        }
        if request.images:
            features = torch.cat([self._encoded(image) for image in request.images])
            encoded = BaseModelOutputWithPooling(pooler_output=features)
            given["mm_encoder_outputs"] = {"image": encoded}
        return given

    def _timed(self, request: Request) -> Answer:
        began = time.perf_counter()
        answer = self._answer(request)
        return replace(answer, seconds=time.perf_counter() - began)

    def _answer(self, request: Request) -> Answer:
        match request.form:
            case FreeText():
                return self._free(request)
            case Choices():
                return self._choose(request, request.form)
            case Numbers():
                return self._write_numbers(request, request.form)

    def _free(self, request: Request) -> Answer:
        try:
            return Answer(self.spoken(self._generated(self.inputs(request))))
        except BadAnswer as error:
            return Answer("", broken=str(error))

    def _choose(self, request: Request, form: Choices) -> Answer:
        """Score each option by the log-likelihood of its tokens as the whole turn so far.

        Options that differ in the last token only, as lettered ones do, share one pass.
        """
        import torch

        options = [self._ids(option) for option in form.options]
        known: dict[tuple[int, ...], Tensor] = {}
        likelihoods = []
        for option in options:
            head = tuple(option[:-1])
            if head not in known:
                known[head] = self._log_probabilities(request, list(head))
            row = known[head]
            steps = torch.arange(len(option), device=row.device)
            likelihoods.append(row[steps, torch.tensor(option, device=row.device)].sum())
        scores = torch.softmax(torch.stack(likelihoods), dim=0).tolist()
        return Answer(form.options[int(np.argmax(scores))], tuple(scores))

    def _log_probabilities(self, request: Request, head: list[int]) -> Tensor:
        """Of every token after the prompt and each token of ``head``: float32 (head + 1, words)."""
        import torch

        given = self.inputs(request)
        more = torch.tensor([head], dtype=torch.long, device=self._model.device)
        given["input_ids"] = torch.cat([given["input_ids"], more], dim=1)
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        plain = torch.zeros_like(more)
        given["token_type_ids"] = torch.cat([given["token_type_ids"], plain], dim=1)
        logits = self._model(**given, use_cache=False, logits_to_keep=len(head) + 1).logits[0]
        return torch.log_softmax(logits.float(), dim=-1)

    def _write_numbers(self, request: Request, form: Numbers) -> Answer:
        given = self.inputs(request, form.lead)
        start = given["input_ids"].shape[1]

        def allowed(_: int, ids: Tensor) -> list[int]:
            text = "".join(self._list_pieces[number] for number in ids[start:].tolist())
            if numbers.is_complete(text, form):
                return [self._tokenizer.eos_token_id]
            return numbers.next_pieces(text, self._list_pieces.items(), form)

        ids = self._generated(
            given, prefix_allowed_tokens_fn=allowed, max_new_tokens=numbers.longest(form) + 1
        )
        return Answer("".join(self._list_pieces.get(number, "") for number in ids))

    def _generated(self, given: dict[str, Any], **how: Any) -> list[int]:
        """The new ids only."""
        ids = self._model.generate(**given, **how)[0, given["input_ids"].shape[1] :]
        new: list[int] = ids.tolist()
        return new

    def _encoded(self, image: NDArray[np.uint8]) -> Tensor:
        """The features of a picture, (1, tokens, hidden), kept as long as the picture lives."""
        known = self._features.get(id(image))
        if known is not None and known[0]() is image:
            return known[1]
        grey = np.repeat(image[:, :, None], 3, axis=2)
        pixels = self._processor.image_processor(grey, return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self._model.device, self._model.dtype)
        features: Tensor = self._model.get_image_features(pixels, return_dict=True).pooler_output
        key = id(image)
        forget = weakref.ref(image, lambda _: self._features.pop(key, None))
        self._features[key] = forget, features
        return features

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _greedy(self, max_new_tokens: int) -> Any:
        """Greedy whatever the folder says: early downloads of MedGemma 1.5 sample."""
        import transformers

        build: Any = transformers.GenerationConfig  # it has no types

        token = self._tokenizer
        ends = {token.eos_token_id, token.convert_tokens_to_ids(_END_OF_TURN)}
        return build(
            do_sample=False,
            max_new_tokens=max_new_tokens,
            bos_token_id=token.bos_token_id,
            eos_token_id=sorted(ends),
            pad_token_id=token.pad_token_id,
        )


def _list_pieces(tokenizer: Any) -> dict[int, str]:
    """The words of the vocabulary that a list of numbers may be written with: id to text."""
    pieces = {number: word.replace(_SPACE, " ") for word, number in tokenizer.get_vocab().items()}
    return {
        number: piece
        for number, piece in pieces.items()
        if piece and numbers.ALPHABET.issuperset(piece)
    }
