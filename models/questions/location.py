"""Where is a finding? MedGemma's own format of localisation (fact sheet 2.2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from dicom_node.errors import BadAnswer
from dicom_node.geometry import MODEL_SCALE
from models.check import SMALLEST, check_box
from models.engines.base import Numbers
from models.questions.asked import Asked, final_answer

VERSION = "1"
EXAMPLE_ASKED = Asked("pleural effusion")
EXAMPLE = (
    "The density at the right base has a meniscus.\n\n"
    'Final Answer:```json[{"box_2d": [610, 120, 840, 430], "label": "pleural effusion"}]```'
)

#: y0, x0, y1, x1 in thousandths of the padded square, as the model states them.
Box2d = tuple[int, int, int, int]
_Thousandth = Annotated[StrictInt, Field(ge=0, le=MODEL_SCALE)]


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    box_2d: tuple[_Thousandth, _Thousandth, _Thousandth, _Thousandth]
    label: StrictStr


_OBJECTS = TypeAdapter(tuple[_Object, ...])
_NUMBERS = TypeAdapter(tuple[_Thousandth, _Thousandth, _Thousandth, _Thousandth])

_FORMAT = """\
Instructions:
Answer with bounding boxes in the format [y0, x0, y1, x1], where (y0, x0) is the top-left corner \
and (y1, x1) the bottom-right corner. The numbers are whole and normalized to 0-1000: the top-left \
corner of the image is [0, 0], its bottom-right corner [1000, 1000]. For example, an object that \
covers the upper right quarter of the image has the box [0, 500, 500, 1000].
Give the final answer as one JSON list in a json code block that can be parsed. Each object of the \
list has the keys "box_2d" and "label", for example:
Final Answer:```json[{"box_2d": [0, 500, 500, 1000], "label": "object"}]```

Remember that "left" is the patient's left, where the heart is and where an L mark would stand; \
on the image it is usually on the right.
"""


def prompt(asked: Asked) -> str:
    """Format rule, reminder of the sides, question."""
    return (
        f"{_FORMAT}\n"
        f"Where is the {asked.phrase}? Use the label {asked.phrase}. "
        'Reason first, then end with "Final Answer: X", where X is the JSON list.'
    )


def parse(text: str, asked: Asked) -> Box2d:
    """The box of exactly one object that bears the label asked.

    More than one object is refused: which of them is meant, nobody said.

    Raises:
        BadAnswer: no JSON list after the last "Final Answer:", unknown keys, not one object,
            another label, or a box out of 0 to 1000, inside out, degenerate or nearly everything.
    """
    answer = final_answer(text)
    begin, end = answer.find("["), answer.rfind("]")
    if begin < 0 or end < begin:
        raise BadAnswer("the final answer holds no JSON list")
    try:
        objects = _OBJECTS.validate_json(answer[begin : end + 1])
    except ValidationError as error:
        raise BadAnswer(f"the JSON of the answer does not fit: {_first(error)}") from None
    if len(objects) != 1:
        raise BadAnswer(f"the answer names {len(objects)} objects; one was asked for")
    (found,) = objects
    if found.label.strip().casefold() != asked.phrase.casefold():
        raise BadAnswer(f"the label of the answer is not `{asked.phrase}`")
    check_box(found.box_2d)
    return found.box_2d


def told(value: Box2d, asked: Asked) -> str:  # noqa: ARG001 - every question tells so
    """[y0, x0, y1, x1] in thousandths of the padded square."""
    return str(list(value))


def enforced(asked: Asked) -> Numbers:  # noqa: ARG001 - every question has this form
    """Only the four numbers are left to the model; the rest is written for it."""
    return Numbers(4, 0, MODEL_SCALE, lead='Final Answer:```json[{"box_2d": ', apart=SMALLEST)


def parse_enforced(text: str, asked: Asked) -> Box2d:  # noqa: ARG001 - every question parses so
    """The box of the four numbers alone.

    Raises:
        BadAnswer: not four numbers from 0 to 1000, or a box that :func:`parse` would refuse.
    """
    try:
        box = _NUMBERS.validate_json(text)
    except ValidationError as error:
        raise BadAnswer(f"the numbers of the answer do not fit: {_first(error)}") from None
    check_box(box)
    return box


def _first(error: ValidationError) -> str:
    """The first fault, without anything that the model wrote: an unknown key is such a thing."""
    fault = error.errors(include_url=False, include_input=False)[0]
    if fault["type"] == "extra_forbidden":
        return "an object has a key other than box_2d and label"
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else fault["msg"]
