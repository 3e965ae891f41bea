"""Configuration files: YAML checked against a pydantic model, faults told by file and line."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dicom_node.errors import Misconfigured

#: What pydantic says in the words of Python.
_EXPECTED = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": "expected a section with keys",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "model_type": "expected a section with keys",
    "path_type": "expected the path of a file or folder",
    "string_type": "expected text",
    "tuple_type": "expected a list",
}
M = TypeVar("M", bound=BaseModel)
Place = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML mapping read from a file, with the line (from 1) of each key and item."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[Place, int] = field(repr=False)

    def where(self, place: Place) -> str:
        """``file:line`` of a place, or of the nearest place above it that is in the file."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                return f"{self.path}:{self.lines[place[:length]]}"
        return str(self.path)

    def __contains__(self, place: Place) -> bool:
        return place in self.lines


class Misplaced(ValueError):
    """What is wrong with several keys together, to be told at the place of one of them: raised by
    a validator of the whole, whose own place pydantic would name.
    """

    def __init__(self, place: Place, why: str) -> None:
        super().__init__(why)
        self.place = place


def load(path: Path, model: type[M]) -> M:
    """The file as an instance of ``model``.

    Raises:
        Misconfigured: no such file, not YAML, or not what the model allows; one line a fault.
    """
    document = read(path)
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise Misconfigured("\n".join(explain(error, model, document))) from None


def read(path: Path) -> Document:
    """The file as it stands, unchecked.

    Raises:
        Misconfigured: no such file, not YAML, not a mapping, or a key that stands twice.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        return _document(root, path)
    except OSError as error:
        raise Misconfigured(
            f"{path}: {error.strerror}; `dicom-node init FOLDER` writes a commented configuration"
        ) from None
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise Misconfigured(f"{path}: not plain text in UTF-8: {error.reason}") from None
    except RecursionError:
        raise Misconfigured(f"{path}: not usable: an alias holds itself") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Misconfigured(f"{path}{line}: not valid YAML: {error.problem}") from None
    except ValueError as error:
        raise Misconfigured(f"{path}: a value cannot be read: {error}") from None


def _document(root: yaml.Node | None, path: Path) -> Document:
    if root is None:
        return Document(path, {}, {})
    if not isinstance(root, yaml.MappingNode):
        raise Misconfigured(f"{path}: expected `key: value` lines at the top")
    lines = dict(_places(root, (), path))
    data: dict[str, Any] = yaml.SafeLoader("").construct_document(root)
    return Document(path, data, lines)


def faults(error: ValidationError) -> list[ErrorDetails]:
    """The faults to tell: a list that is too short only for its faulty items is none."""
    found = error.errors()

    def follows(one: ErrorDetails, other: ErrorDetails) -> bool:
        place = one["loc"]
        return len(other["loc"]) > len(place) and other["loc"][: len(place)] == place

    return [
        one
        for one in found
        if one["type"] != "too_short" or not any(follows(one, other) for other in found)
    ]


def place_of(fault: ErrorDetails) -> Place:
    """Where a fault stands in the file."""
    cause = fault.get("ctx", {}).get("error")
    below = cause.place if isinstance(cause, Misplaced) else ()
    # pydantic names the branch of a union in the place; the file knows nothing of it.
    return (*(one for one in fault["loc"] if not str(one).startswith("function-")), *below)


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> Iterator[str]:
    """One line for each fault: file and line, the key, what is wrong, the nearest valid key."""
    for fault in faults(error):
        place = place_of(fault)
        key = ".".join(str(part) for part in place)
        where = ": ".join(filter(None, (document.where(place), key)))
        yield f"{where}: {_fault_text(fault, place, model)}"


def unknown(name: str, valid: Collection[str]) -> str:
    """What to say of a name that is not among the valid ones."""
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"valid are: {', '.join(sorted(valid))}"
    return f"unknown `{name}`; {hint}"


def _fault_text(fault: Any, place: Place, model: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        return unknown(str(place[-1]), _keys_at(model, place[:-1]))
    if fault["type"] == "missing":
        return "is required"
    if expected := _EXPECTED.get(fault["type"]):
        return f"{expected}{_hint(fault)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _hint(fault: Any) -> str:
    """How to write it; what was given is repeated only where a list is asked for: it may be a
    secret.
    """
    given, kind = fault["input"], fault["type"]
    if given is None:
        return "; nothing stands here"
    if kind == "tuple_type" and isinstance(given, str | int | float):
        return f": [{given}]"
    if kind == "string_type" and isinstance(given, int | float | date):
        return ": put it in quotes"
    return ""


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that the model knows at a place."""
    current: Any = model
    for part in place:
        if isinstance(part, int):  # an item of the list whose model is already in hand
            continue
        if isinstance(current, type) and issubclass(current, BaseModel):
            name = _field_name(current, str(part))
            current = _model_in(current.model_fields[name].annotation) if name else None
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [info.alias or name for name, info in current.model_fields.items()]
    return []


def _field_name(model: type[BaseModel], key: str) -> str | None:
    for name, info in model.model_fields.items():
        if key in (name, info.alias):
            return name
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model in an annotation such as ``tuple[Rule, ...]`` or ``Rule | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if found := _model_in(argument):
            return found
    return None


def _places(node: yaml.Node, place: Place, path: Path) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Misconfigured(f"{path}:{key.start_mark.line + 1}: a key must be one word")
            if key.value in seen:  # YAML itself would silently keep the last one
                line = key.start_mark.line + 1
                raise Misconfigured(f"{path}:{line}: {key.value}: this key stands twice")
            seen.add(key.value)
            yield (*place, key.value), key.start_mark.line + 1
            yield from _places(value, (*place, key.value), path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _places(item, (*place, index), path)
