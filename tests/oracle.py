"""An engine that knows the truth about the phantoms it is asked about, and can be made to err."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from string import ascii_uppercase

from dicom_node.report import Weights
from models.demonstration.evaluation.asks import YES, AskedCase, Put, put
from models.engines.base import Answer, Choices, FreeText, Identity, Numbers, Request
from models.questions.change import KINDS

#: The text of an answer, and what is said instead.
Spoilt = Callable[[Put, str], str]


class Oracle:
    """Answers what was put of these cases; ``spoil`` changes the model's own words."""

    identity = Identity("oracle", "oracle", Weights.DEMONSTRATION, "00" * 32)

    def __init__(
        self, cases: Sequence[AskedCase], spoil: Spoilt = lambda _, text: text, sure: float = 0.9
    ) -> None:
        self._put = {
            (one.ask.question.prompt(one.ask.asked), *map(bytes, one.ask.images)): one
            for case in cases
            for one in put(case)
        }
        self._spoil, self._sure = spoil, sure

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Answer:
        one = self._put[request.prompt, *map(bytes, request.images)]
        text = _text(one)
        match request.form:
            case FreeText():
                return Answer(self._spoil(one, text))
            case Choices():
                yes = self._sure if one.truth == YES else 1 - self._sure
                return Answer(text, (yes, 1 - yes))
            case Numbers():
                return Answer(json.dumps(one.truth))


def _text(one: Put) -> str:
    match one.ask.name:
        case "presence" | "suitability":
            return f"Final Answer: {'yes' if one.truth == YES else 'no'}"
        case "location":
            found = [{"box_2d": one.truth, "label": one.ask.asked.phrase}]
            return f"Final Answer:```json{json.dumps(found)}```"
    options = KINDS if one.ask.name == "change" else one.ask.asked.sites
    return f"Final Answer: {ascii_uppercase[options.index(one.truth)]}"  # type: ignore[arg-type]
