"""What the free text of a header says: the words, as data, and how they are found.

Free text is typed by people or set by a vendor, in many languages. It is only matched here; nothing
keeps it, and no reason quotes it. A word counts only where it stands alone: "PA" is not found in
"PACS", nor "lat" in "late". Case, accents, punctuation and underscores make no difference.

Each entry is a regular expression over the words in lower case, without accents, one space between.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from dicom_node.study import Bedside, View

_WORD_CHARACTERS = re.compile(r"[\W_]+")
#: ``p.a.``, ``P-A``, ``a/p``: two letters that stand for one word.
_DOTTED = ((re.compile(r"\bp[./-] ?a\b\.?"), "pa "), (re.compile(r"\ba[./-] ?p\b\.?"), "ap "))

#: Characters that are looked at; VR LO has 64. Some patterns take time as the square of them.
_LONGEST = 512

_Words = re.Pattern[str]


def _any(*words: str) -> _Words:
    return re.compile(rf"\b(?:{'|'.join(words)})\b")


_VIEWS: dict[View, _Words] = {
    View.PA: _any(
        r"pa(?! cath| line| press)",  # not the catheter of the pulmonary artery
        r"postero ?anterior\w*",
        r"posterior (?:to )?anterior",
        r"postero ?anterieur\w*",
    ),
    View.AP: _any(
        "ap",
        r"antero ?posterior\w*",
        r"anterior (?:to )?posterior",
        r"antero ?posterieur\w*",
    ),
    View.FRONTAL: _any("frontale?", "de face", "(?:thorax|poumons?) face"),
    # A film of a patient lying on the side is frontal, but what falls with gravity lies elsewhere.
    View.LATERAL: _any(
        "lat",
        "laterale?s?",
        "lateraal",
        "lateralis",
        r"latero ?lateral\w*",
        r"seitl\w*",
        "latl",
        "llat|rlat",
        "latero",
        "side view",
        "profiel",
        "seitaufnahme",
        "seitenaufnahme",
        "profil",
        "perfil",
        r"zijdelings\w*",
        r"boczn\w*",
        r"(?:left|right|lt|rt|l|r) decub\w*",
        r"decub\w* (?:left|right|lt|rt|l|r)",
    ),
}
#: Frontal by its direction, and yet no film on which heart, lungs and mediastinum look as usual.
_OTHER_PROJECTION = _any(
    r"obliqu\w*", r"oblic\w*", r"obliq\w*", "obl", r"schrag\w*", "schraeg", r"lordo\w*",
    "rao", "lao", "rpo", "lpo", "axial",
)  # fmt: skip

_PORTABLE = _any(
    r"(?<!non )(?<!not )portable",
    r"(?<!non )(?<!not )portatil",
    r"port(?! (?:a|placement|check|position|insertion|removal|cath))",  # not the venous port
    r"ptbl|prtbl|portbl",
    r"bed ?side",
    "bed",
    r"mobile?",
    r"mobilett",
    r"bett(?:aufnahmen?|lage)?",
    "au lit",
    "letto",
    "allettato",
    "(?:en|na) cama",
    "no leito",
    "op bed",
    "sangkant",
)
_SUPINE = _any(
    r"supin\w*",
    r"liegend\w*",
    r"liegeaufnahme",
    r"ruckenlage",
    r"rueckenlage",
    r"couche",
    r"decub\w* (?:dors|sup)\w*",
    r"dorsal decub\w*",
    r"recumbent",
    r"lying",
    r"liggend\w*",
    r"acostado",
    r"deitado",
    r"lezac\w*",
)

#: Say of an image that it was made from another one, in whatever attribute they stand.
_COPY = _any(
    r"(?:bone|rib) ?supp\w*",
    r"rippen ?suppress\w*",
    r"dual energ\w*",
    r"des? (?:bone|soft)",
    r"heat ?map\w*",
    r"annotat\w*",
    r"overlay",
    r"screen ?(?:shot|save)\w*",
    r"flipped|mirrored|gespiegelt|(?:horizontal|vertical) flip",
    r"inv|invers\w*(?! recovery)",
    r"bone ?subtract\w*",
    r"bone (?:image|only)",
    r"(?:suppress\w*|subtract\w*) bones?",
    r"knochen ?suppress\w*",
    r"knochen ?unterdruck\w*",
    r"suppression (?:des os|osseuse)",
    r"soft ?tissues?",
    r"weichteil\w*",
    r"dual ?energy",
    r"dual ?energie",
    r"subtract\w*",
    r"subtraktion\w*",
    r"invert(?:ed|iert\w*|ido|ida)?",
    r"inverse[de]?",
    r"inverso",
    r"companion",
    r"clearread",
    r"softview",
    r"(?<!w o )(?<!without )(?<!no )(?<!ohne )cad",
)
#: Say so only where a series or an image is named: elsewhere they tell how every film is processed.
_LABEL = _any(
    r"edge ?enhanc\w*",
    r"kantenanheb\w*",
    r"enhanced",
    r"enhancement",
    r"edges?",
    r"(?<!hiv )(?<!covid )(?<!tb )negatives?(?! (?:for|pressure|test|result))",
    r"negatif",
    r"negativo",
)
#: Single values of Image Type (0008,0008) that name one half of a dual energy pair.
_IMAGE_TYPES = _any("bone", "soft")

_ANIMAL = _any(
    r"canine", r"feline", r"equine", r"bovine", r"dogs?", r"horses?",
    r"cats?(?! (?:scan|[a-z0-9]\b))",
    r"puppy", r"kitten", r"veterinar\w*", r"(?<!dr )hund", r"katze", r"pferd", r"chien", r"perro",
)  # fmt: skip

#: Parts of the body that a film may be of instead of the chest. Ribs, clavicle and sternum are
#: left out: they are of the chest.
_REGIONS: dict[str, _Words] = {
    "chest": _any(
        r"chest", r"cxr", r"thorax\w*", r"rontgenthorax", r"torax", r"torace", r"lungs?",
        r"lunge\w*", r"poumons?", r"pulmon\w*", r"polmon\w*", r"borst(?:kas)?",
        r"klatk\w* piersiow\w*",
    ),
    "pelvis": _any(
        r"pelvi[sc]", r"pelvien", r"becken\w*", r"bassin", r"bacino", r"bacia", r"pelwis",
        r"bekken", r"hips?", r"hufte?", r"hueften?", r"huften", r"huft\w*", r"hanches?",
        r"cadera", r"anca", r"quadril", r"heup", r"hoft\w*", r"sacrum", r"miednic\w*",
    ),
    "abdomen": _any(
        r"abdom[ei]\w*", r"addome", r"kub", r"bauch\w*", r"buik", r"brzuch\w*", r"buk", r"belly",
    ),
    "head": _any(
        r"skull", r"head(?! (?:first|up|end|of|down))", r"crani[ou]\w*", r"crane", r"schadel\w*",
        r"schaedel\w*", r"schedel", r"czaszk\w*", r"skalle", r"sinus(?:es)?", r"facial",
        r"mandible",
    ),
    "neck": _any(r"neck", r"hals", r"cuello", r"collo"),
    "spine": _any(
        r"spine", r"[ctl] ?spine", r"lumbar", r"cervical", r"wirbelsaul\w*", r"wirbelsaeul\w*",
        r"\w*wirbelsaul\w*", r"hws", r"bws", r"lws", r"rachis", r"columna", r"colonna", r"coluna",
    ),
    "upper limb": _any(
        r"shoulder", r"schulter\w*", r"epaule", r"hombro", r"spalla", r"ombro", r"schouder",
        r"hands?", r"wrist", r"elbow", r"forearm", r"humerus", r"fingers?", r"thumb",
        r"handgelenk", r"ellenbogen", r"oberarm", r"unterarm", r"mano", r"muneca", r"codo",
        r"poignet", r"coude", r"polso", r"gomito",
    ),
    "lower limb": _any(
        r"knees?", r"knie\w*", r"genou", r"rodilla", r"ginocchio", r"joelho", r"kolano", r"kna",
        r"legs?", r"foot", r"feet", r"ankle", r"femur", r"tibia", r"fibula", r"calcaneus", r"toes?",
        r"extremity", r"unterschenkel", r"oberschenkel", r"sprunggelenk", r"fuss", r"bein",
        r"cheville", r"tobillo", r"caviglia", r"tornozelo", r"enkel", r"voet", r"piede", r"pied",
    ),
}  # fmt: skip


def plain(text: str) -> str:
    """The words of a text in lower case, without accents and punctuation, one space between."""
    apart = unicodedata.normalize("NFKD", text[:_LONGEST]).casefold().replace("_", " ")
    bare = "".join(one for one in apart if not unicodedata.combining(one))
    for pattern, word in _DOTTED:
        bare = pattern.sub(word, bare)
    return _WORD_CHARACTERS.sub(" ", bare).strip()


def view(text: str) -> View | None:
    """The view that a text names, if it names exactly one; "frontal PA" is PA."""
    words = plain(text)
    named = {one for one, pattern in _VIEWS.items() if pattern.search(words)}
    if len(named) > 1:
        named.discard(View.FRONTAL)
        if View.LATERAL in named or len(named) > 1:
            return None
    return next(iter(named), None)


def names_other_projection(text: str) -> bool:
    """Whether a text names an oblique, lordotic or axial projection."""
    return _OTHER_PROJECTION.search(plain(text)) is not None


def bedside(texts: Iterable[str]) -> Bedside:
    """How a patient in bed was filmed; lying says more than portable."""
    words = " | ".join(plain(text) for text in texts)
    if _SUPINE.search(words):
        return "supine"
    return "portable" if _PORTABLE.search(words) else ""


def names_copy(text: str) -> bool:
    """Whether a text says that the image was made from another one."""
    return _COPY.search(plain(text)) is not None


def labels_copy(text: str) -> bool:
    """The same of a text that names a series or an image, where single words say it already."""
    return names_copy(text) or _LABEL.search(plain(text)) is not None


def types_copy(value: str) -> bool:
    """The same of one value of Image Type."""
    return labels_copy(value) or _IMAGE_TYPES.fullmatch(plain(value)) is not None


def names_animal(text: str) -> bool:
    """Whether a text names an animal or its doctor."""
    return _ANIMAL.search(plain(text)) is not None


def regions(text: str) -> frozenset[str]:
    """The parts of the body that a text names, in our own words."""
    words = plain(text)
    return frozenset(name for name, pattern in _REGIONS.items() if pattern.search(words))
