"""The demonstration's tokenizer: of Gemma's kind, with words that keep our prompts short.

The time of a training is the length of its sequences. So each whole number up to 1000, each word
of the vocabulary and each passage that a question always says in the same words is one token.
What is none of these is spelt, letter by letter or byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from itertools import pairwise
from string import ascii_uppercase
from typing import Any

from dicom_node.geometry import MODEL_SCALE
from models.questions import QUESTIONS, location
from models.questions.asked import Asked, letters

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
#: Beginning of a turn, and what stands around an image.
_TURNS = ("user\n", "model\n", "\n\n")
#: The words of findings and sites, and of the shortest answers.
_WORDS = tuple(
    """
yes no atelectasis cardiomegaly consolidation pulmonary edema pleural effusion pneumothorax lung
opacity bone fracture nodule mass pneumomediastinum ground-glass enlarged mediastinum central venous
line implanted port chest tube endotracheal feeding cardiac pacemaker lead prosthetic heart valve
pneumonia right left both upper mid lower zone lungs apical hilar structures space spaces
costophrenic angle hemidiaphragm silhouette trachea superior vena cava abdomen wall ribs clavicle
spine
""".split()  # noqa: SIM905 - a list literal of 60 words is no easier to read
) + tuple(ascii_uppercase)
#: Between the numbers of a list; last of all, or the words after a comma would lose their space.
_COMMA = f",{_SPACE}"
#: Stands for what differs from one prompt to the next; in no prompt.
_MARK = "\0"


def build(longest: int) -> Any:
    """The GemmaTokenizer, the same each time, of a model that takes up to ``longest`` tokens."""
    import transformers

    merges = _merges(_joined())
    make: Any = transformers.GemmaTokenizer  # its types forbid the pairs that it takes
    tokenizer = make(
        vocab={word: number for number, word in enumerate(_vocabulary(merges))},
        merges=merges,
        model_max_length=longest,
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
            "start_of_turn_token": "<start_of_turn>",
            "end_of_turn_token": "<end_of_turn>",
        },
    )
    added = [
        transformers.AddedToken(passage, special=False, normalized=False) for passage in passages()
    ]
    tokenizer.add_tokens(added)
    return tokenizer


def digest() -> str:
    """SHA-256 (hexadecimal) over the words, in their order, and the passages."""
    merges = _merges(_joined())
    told = json.dumps([_vocabulary(merges), merges, passages()])
    return hashlib.sha256(told.encode()).hexdigest()


def number_ids(tokenizer: Any) -> list[int]:
    """The tokens of the numbers 0 to 1000, in this order."""
    numbers = [str(number) for number in range(MODEL_SCALE + 1)]
    ids: list[int] = tokenizer.convert_tokens_to_ids(numbers)
    return ids


def passages() -> list[str]:
    """What the questions, and the answers to them, always say in the same words.

    Without the space before a word that differs: in Gemma's way it belongs to the word.
    """
    asked = Asked(_MARK, (_MARK,) * len(ascii_uppercase))
    prompts = [question.prompt(asked) for question in QUESTIONS.values()]
    chosen = letters([_MARK])[0].removesuffix("A")
    fixed = [part.removesuffix(" ") for text in (*prompts, chosen) for part in text.split(_MARK)]
    return list(dict.fromkeys(filter(None, (*fixed, *_around_box()))))


def _around_box() -> list[str]:
    """What stands before, between and after the numbers and the label of a located finding.

    The first is the lead of the enforced form, as it is: so what the model is trained on begins
    with the very tokens that the enforced form gives it.
    """
    asked = location.EXAMPLE_ASKED
    lead = location.enforced(asked).lead
    _, rest = location.EXAMPLE.split(lead)
    frame = re.sub(r"^\[[\d, ]*\]", "", rest).split(asked.phrase)
    return [lead, *frame]


def _vocabulary(merges: Iterable[tuple[str, str]]) -> list[str]:
    """Every token but the passages, in the order of their numbers."""
    bytes_ = tuple(f"<0x{byte:02X}>" for byte in range(256))
    made = ("".join(pair) for pair in merges)
    return list(dict.fromkeys([*_SPECIAL, *bytes_, *_ORDINARY, *_LETTERS, *made]))


def _joined() -> list[str]:
    """All that is one token, what matters most first."""
    numbers = [str(number) for number in range(MODEL_SCALE + 1)]
    spaced = [f"{_SPACE}{word}" for word in _WORDS]
    # Without the space before it a word stands at the beginning of a label.
    return [*spaced, *_TURNS, *numbers, *(word for word in _WORDS if len(word) > 1), _COMMA]


def _merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """The steps that make each word one token, by what the steps before it leave of the word.

    Later steps are taken only where no earlier one is left to take. So none of them can break a
    word that the earlier ones make, as "10" would break "610" into "6" and "10".
    """
    ranks: dict[tuple[str, str], int] = {}
    for word in words:
        first, *others = _spelt(word, ranks)
        for piece in others:
            ranks[first, piece] = len(ranks)
            first += piece
    return list(ranks)


def _spelt(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    """The pieces that a word is left in, the step of the lowest rank taken first."""
    pieces = list(word)
    while True:
        pairs = list(pairwise(pieces))
        known = [(ranks[pair], place) for place, pair in enumerate(pairs) if pair in ranks]
        if not known:
            return pieces
        _, place = min(known)
        pieces[place : place + 2] = ["".join(pairs[place])]
