from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from dicom_node import findings_file
from dicom_node.vocabulary import Vocabulary
from models.demonstration.training import architecture, tokenizer
from models.engines import numbers
from models.questions import QUESTIONS, location
from models.questions.asked import Asked

BOX = "[610, 120, 840, 430]"
ANSWER = f'Final Answer:```json[{{"box_2d": {BOX}, "label": "pleural effusion"}}]```'
#: Tokens of the whole turn with one image, and of its answer.
AT_MOST = {
    "suitability": 80,
    "presence": 85,
    "location": 100,
    "site": 115,
    "change": 92,
    "description": 80,
}
ANOTHER_IMAGE = architecture.TOKENS_PER_IMAGE + 4  # its marks and the lines around it


@pytest.fixture(scope="module")
def processor() -> Any:
    return architecture.build(1)[1]


@pytest.fixture(scope="module")
def words(processor: Any) -> Any:
    return processor.tokenizer


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """Of config/findings.yaml, with all that may be switched on."""
    with resources.as_file(resources.files("config") / "findings.yaml") as path:
        return findings_file.load(path, unasked=True)


def ids(words: Any, text: str) -> list[int]:
    found: list[int] = words(text, add_special_tokens=False)["input_ids"]
    return found


def asked(vocabulary: Vocabulary) -> Iterator[Asked]:
    for term in vocabulary.findings.values():
        yield Asked(term.phrase, tuple(site.phrase for site in vocabulary.sites_of(term.name)))


def answer(name: str, about: Asked) -> str:
    """The shortest that the question's parser reads."""
    match name:
        case "location":
            return ANSWER.replace("pleural effusion", about.phrase)
        case "site" | "change":
            return "Final Answer: B"
        case "description":
            return ""
    return "Final Answer: yes"


def test_each_number_is_one_token_within_a_list(words: Any) -> None:
    known = tokenizer.number_ids(words)
    assert len(set(known)) == 1001
    for number in range(1001):
        found = ids(words, f"[{number}, 120, {number}, 430]")
        assert found.count(known[number]) == (3 if number in (120, 430) else 2), number
        assert len(found) == 9
    assert words.tokenize(BOX) == ["[", "610", ",▁", "120", ",▁", "840", ",▁", "430", "]"]
    pieces = [piece.replace("▁", " ") for piece in words.tokenize(BOX)]
    assert all(numbers.ALPHABET.issuperset(piece) for piece in pieces)


def test_every_word_of_findings_and_sites_is_one_token(words: Any, vocabulary: Vocabulary) -> None:
    phrases = {one for about in asked(vocabulary) for one in (about.phrase, *about.sites)}
    for phrase in phrases:
        for text in (f" {phrase}", phrase):  # within a sentence; as a label
            assert len(ids(words, text)) == len(phrase.split()), words.tokenize(text)


def test_a_prompt_is_passages_and_words_and_nothing_else(
    words: Any, vocabulary: Vocabulary
) -> None:
    """No letter is left over, so each prompt is as short as it can be."""
    passages = set(tokenizer.passages())
    for question in QUESTIONS.values():
        for about in asked(vocabulary):
            for piece in words.tokenize(question.prompt(about)):
                assert piece in passages or len(piece) > 2, (piece, question.__name__)


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_whole_turn_is_short(
    processor: Any, vocabulary: Vocabulary, name: str, images: int
) -> None:
    lengths = {}
    for about in asked(vocabulary):
        content = [{"type": "image"}] * images
        content.append({"type": "text", "text": QUESTIONS[name].prompt(about)})
        text: str = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        text = text.replace(processor.boi_token, processor.full_image_sequence)
        text += answer(name, about) + "<end_of_turn>"
        lengths[about.phrase] = len(ids(processor.tokenizer, text))
    assert max(lengths.values()) <= AT_MOST[name] + (images - 1) * ANOTHER_IMAGE, lengths


def test_a_prompt_with_two_images_is_longer_than_the_window() -> None:
    assert architecture.WINDOW < 2 * architecture.TOKENS_PER_IMAGE


def test_every_prompt_and_answer_can_be_read_back(words: Any, vocabulary: Vocabulary) -> None:
    texts = {
        text
        for name, question in QUESTIONS.items()
        for about in asked(vocabulary)
        for text in (question.prompt(about), question.EXAMPLE, answer(name, about))
    }
    odd = ("Größe: 7 µm, 1234567 x", "心臓は大きくない。", "a\tb\n\n\nc  d ", "don't, but [5 ,6]")
    for text in (*texts, *odd, ANSWER):
        assert words.decode(ids(words, text), skip_special_tokens=True) == text
    assert words.unk_token_id not in ids(words, "".join(odd))


def test_the_second_try_begins_with_the_tokens_of_the_training(words: Any) -> None:
    lead = location.enforced(location.EXAMPLE_ASKED).lead
    begun = ids(words, lead) + ids(words, BOX)
    assert ids(words, ANSWER)[: len(begun)] == begun
    assert len(begun) == 10


def test_lettered_answers_differ_in_their_last_token_only(words: Any) -> None:
    first, second = ids(words, "Final Answer: A"), ids(words, "Final Answer: B")
    assert first[:-1] == second[:-1]
    assert len(first) == 2


def test_the_passages_follow_the_questions() -> None:
    (format_,) = [one for one in tokenizer.passages() if location._FORMAT in one]
    assert format_ == f"{location._FORMAT}\nWhere is the"
