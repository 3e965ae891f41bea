"""The folder of a model: found or fetched, what kind of weights it holds, and its digest."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dicom_node.errors import Misconfigured
from dicom_node.report import Weights

#: In a folder whose weights are not a model for patients: what they are.
NOTE = "dicom-node.json"
#: In ``config.json`` of such weights: what they are, once more. The note is a loose file that a
#: copy may leave behind; without this one no weights are loaded at all.
_MARK = "dicom_node_weights"
_MEDGEMMA = "google/medgemma-1.5-4b-it"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_REVISION = re.compile(r"[0-9a-f]{40}")
#: Everything of a model repository that decides an answer.
_PATTERNS = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model")
#: Without these nothing can be loaded; alternatives stand beside each other.
_NEEDED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json|processor_config.json",
    "*.safetensors",
)
_CHUNK = 1 << 22  # bytes that are hashed at once


class _Note(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Literal[Weights.DEMONSTRATION]
    #: The version of each question that the weights were trained on.
    questions: dict[str, str] = Field(default_factory=dict)


def locate(model: str | None, revision: str | None) -> Path:
    """The folder of a model, fetched into Hugging Face's own cache where it is a hub id.

    Raises:
        Misconfigured: neither a folder nor a hub id with its revision, or the hub does not give
            it; one line that says how to get the weights and under which licence they come.
    """
    return here(model, revision) or _fetch(model or "", revision or "")


def here(model: str | None, revision: str | None) -> Path | None:
    """The folder of a model; None where it is a hub id with its revision.

    Raises:
        Misconfigured: it is neither.
    """
    if not model:
        raise Misconfigured(
            f"engine.model is empty: name a folder that holds the weights, or {_MEDGEMMA} with "
            "engine.revision"
        )
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if _HUB_ID.fullmatch(model) is None:
        raise Misconfigured(f"engine.model: there is no folder {model}; {_how_to_get(_MEDGEMMA)}")
    if _REVISION.fullmatch(revision or "") is None:
        raise Misconfigured(
            f"engine.revision: the weights of {model} must be pinned; write the commit (40 "
            f"hexadecimal digits) that https://huggingface.co/{model}/commits/main shows"
        )
    return None


def kind(folder: Path) -> Weights:
    """What the folder's note says of its weights; without a note they are a trained model.

    Raises:
        Misconfigured: the note cannot be read, or there is none and config.json says that the
            weights are no model for patients.
    """
    note = _note(folder)
    if note is not None:
        return note.weights
    if _MARK in _config(folder):
        raise Misconfigured(
            f"{folder}: config.json says that these weights are no model for patients, and {NOTE}, "
            "which says what they are, is missing; get the folder anew"
        )
    return Weights.MODEL


def mark(folder: Path) -> None:
    """Say in config.json, too, that the weights are the demonstration's.

    Raises:
        Misconfigured: config.json is not one.
    """
    config = _config(folder) | {_MARK: Weights.DEMONSTRATION.value}
    text = json.dumps(config, indent=2, sort_keys=True)  # as transformers writes it
    (folder / "config.json").write_text(f"{text}\n", encoding="utf-8")


def questions(folder: Path) -> dict[str, str]:
    """The versions of the questions that the weights were trained on, as the folder's note says.

    Raises:
        Misconfigured: the note cannot be read.
    """
    note = _note(folder)
    return {} if note is None else note.questions


def _note(folder: Path) -> _Note | None:
    path = folder / NOTE
    if not path.exists():
        return None
    try:
        return _Note.model_validate_json(path.read_bytes())
    except ValidationError:
        raise Misconfigured(
            f'{path}: write {{"weights": "demonstration"}}, or remove it where the weights are a '
            "model for patients"
        ) from None


def check(folder: Path) -> None:
    """The folder holds a Gemma 3 with its weights, its tokenizer and its image processor.

    Raises:
        Misconfigured: one line on what is missing and how to get it.
    """
    if lacks := missing(folder):
        raise Misconfigured(f"{folder}: holds no {lacks}; {_how_to_get(_MEDGEMMA)}")
    config = _config(folder)
    stated = config.get("model_type")
    if stated != "gemma3":
        raise Misconfigured(
            f"{folder / 'config.json'}: model_type is {stated}, this engine runs gemma3 "
            f"(MedGemma 1.5, {_MEDGEMMA})"
        )
    for part in ("text_config", "vision_config"):
        # transformers would take a model of its own liking, and make all of it in memory.
        if not isinstance(config.get(part), dict):
            raise Misconfigured(
                f"{folder / 'config.json'}: holds no {part}, so it does not say what model this "
                "is; get the folder anew"
            )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise Misconfigured(f"{path}: not a JSON object")
    return config


def missing(folder: Path) -> str:
    """The first file that the folder of a model lacks; empty where it lacks none."""
    for names in _NEEDED:
        if not any(path.is_file() for name in names.split("|") for path in folder.glob(name)):
            return names.replace("|", " or ")
    return ""


def digest(folder: Path) -> str:
    """SHA-256 (hexadecimal) over names, lengths and bytes of everything that decides an answer."""
    total = hashlib.sha256()
    names = {path.name: path for pattern in _PATTERNS for path in folder.glob(pattern)}
    for name in sorted(names):
        path = names[name]
        total.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
    return total.hexdigest()


def _fetch(model: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(_PATTERNS)))
    except GatedRepoError:
        why = "its terms are not accepted, or nobody is logged in"
    except RevisionNotFoundError:
        raise Misconfigured(
            f"engine.revision: {model} has no commit {revision}; see "
            f"https://huggingface.co/{model}/commits/main"
        ) from None
    except RepositoryNotFoundError:
        why = "the hub does not show it to this machine"
    except LocalEntryNotFoundError:
        why = "it is not on this machine and the hub cannot be reached"
    except HfHubHTTPError as error:
        why = f"the hub answered {error.response.status_code}"
    raise Misconfigured(f"engine.model: {model}: {why}; {_how_to_get(model)}") from None


def _how_to_get(model: str) -> str:
    return (
        f"to get the weights accept the terms at https://huggingface.co/{model} and run "
        "`hf auth login`, or name a folder that holds them (MedGemma comes under the Health AI "
        "Developer Foundations terms, https://developers.google.com/"
        "health-ai-developer-foundations/terms)"
    )
