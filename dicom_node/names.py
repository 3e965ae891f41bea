"""Person names (VR PN, PS3.5 6.2 and 6.2.1): can two of them be of one person?"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

#: What decoding puts in the place of what cannot be decoded.
UNDECODED = "\ufffd"

_GROUPS = 3  # alphabetic, ideographic, phonetic (PS3.5 6.2.1.2)
_COMPONENTS = 5  # family, given, middle, prefix, suffix (PS3.5 6.2.1.1)
#: A name of one word is shared by too many to confirm anything.
_WORDS_THAT_CONFIRM = 2
#: Suffixes that tell father and son apart.
_GENERATIONS = {
    "jr": "jr", "junior": "jr", "jun": "jr", "sr": "sr", "senior": "sr", "sen": "sr",
    "ii": "ii", "2nd": "ii", "iii": "iii", "3rd": "iii", "iv": "iv", "4th": "iv",
}  # fmt: skip
#: Letters without a decomposition, as systems write them that lack them.
_PLAIN = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
        "ħ": "h",
    }
)
#: The same by the national rules (ICAO 9303-3, section 6).
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
#: Scripts whose marks are accents or points that are often left out. In others, such as kana or
#: Devanagari, a mark makes another letter.
_MARKED = frozenset({"latin", "greek", "cyrillic", "arabic", "hebrew"})
_KATAKANA = range(0x30A1, 0x30F7)
_KATAKANA_TO_HIRAGANA = -0x60
_SCRIPTS = {"CJK": "han", "IDEOGRAPHIC": "han", "HIRAGANA": "kana", "KATAKANA": "kana"}
#: Not the names of scripts: letters that stand among those of any.
_NO_SCRIPT = frozenset({"modifier", "combining", "fullwidth", "katakana-hiragana"})


class Likeness(IntEnum):
    """How much alike two names are."""

    DIFFERENT = 0  # they contradict each other
    COMPATIBLE = 1  # they do not, but neither confirms the other
    SAME = 2


def compare(one: str, other: str) -> Likeness:
    """Two names as decoded text. Only what is written in one script can agree or contradict;
    each script that both use has to agree.
    """
    mine, theirs = _by_script(one), _by_script(other)
    likenesses = [
        max(_likeness(a, b) for a in mine[script] for b in theirs[script])
        for script in mine.keys() & theirs.keys()
    ]
    if Likeness.DIFFERENT in likenesses:
        return Likeness.DIFFERENT
    return max(likenesses, default=Likeness.COMPATIBLE)


def words(text: str) -> list[str]:
    """The words of a text without case, width, Unicode form and punctuation."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    # Formatting characters (Cf) join or part letters on a screen only.
    letters = (_letter(char) for char in folded if unicodedata.category(char) != "Cf")
    return "".join(letters).split()


@dataclass(frozen=True, slots=True)
class _Written:
    """One component group: its words in order, its components, and what comes after a name."""

    words: tuple[str, ...]
    family: str
    given: str
    middle: str
    generation: str


def _by_script(name: str) -> dict[str, list[_Written]]:
    """The legible component groups of a name that hold anything, by the script of each."""
    found: dict[str, list[_Written]] = {}
    for group in name.split("=")[:_GROUPS]:
        if not _legible(group):
            continue
        components = [words(component) for component in group.split("^")]
        components += [[]] * (_COMPONENTS - len(components))
        said = [word for component in components[:3] for word in component]
        if not said:
            continue
        script = _script(said)
        family, given, middle = ("".join(component) for component in components[:3])
        after = {_GENERATIONS.get(word, "") for rest in components[3:] for word in rest} - {""}
        # Ideographs are written with and without a border between family and given name.
        whole = tuple("".join(said)) if script == "han" else tuple(said)
        written = _Written(whole, family, given, middle, "".join(sorted(after)))
        found.setdefault(script, []).append(written)
    return found


def _likeness(one: _Written, other: _Written) -> Likeness:
    if one.generation and other.generation and one.generation != other.generation:
        return Likeness.DIFFERENT
    if one.words == other.words:
        whole = len(one.words) >= _WORDS_THAT_CONFIRM and one.generation == other.generation
        return Likeness.SAME if whole else Likeness.COMPATIBLE
    if not _spelled_alike(one.family, other.family):
        return Likeness.DIFFERENT
    all_given = one.given + one.middle, other.given + other.middle
    fits = (
        not all(all_given)
        or _spelled_alike(*all_given)
        or (_spelled_alike(one.given, other.given) and not (one.middle and other.middle))
    )
    return Likeness.COMPATIBLE if fits else Likeness.DIFFERENT


def _spelled_alike(one: str, other: str) -> bool:
    """Whether two words may be spellings of one: with, without, or with rewritten accents."""
    return not {_plain(one), _plain(one.translate(_SPELLED))}.isdisjoint(
        {_plain(other), _plain(other.translate(_SPELLED))}
    )


def _plain(text: str) -> str:
    kept: list[str] = []
    base = ""
    for char in unicodedata.normalize("NFD", text.translate(_PLAIN)):
        if not unicodedata.combining(char):
            base = char
        elif _script_of(base) in _MARKED:
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def _letter(char: str) -> str:
    if ord(char) in _KATAKANA:  # hiragana and katakana write the same sounds
        return chr(ord(char) + _KATAKANA_TO_HIRAGANA)
    return char if unicodedata.category(char)[0] in "LMN" else " "


def _script(said: Iterable[str]) -> str:
    """What a group is written in: of several scripts the one that is not Latin."""
    found = {_script_of(char) for word in said for char in word if char.isalpha()} - _NO_SCRIPT
    if "han" in found:  # with kana, as Japanese names are
        return "han"
    return "+".join(sorted(found - {"latin"})) or "latin"


def _script_of(char: str) -> str:
    first = unicodedata.name(char, "").split(" ")[0] if char else ""
    return _SCRIPTS.get(first, first.lower())


def _legible(group: str) -> bool:
    """Whether all of it was decoded: an escape sequence or a replacement is what was not."""
    return UNDECODED not in group and not any(unicodedata.category(c) == "Cc" for c in group)
