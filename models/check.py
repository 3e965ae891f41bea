"""What an answer that parses may still get wrong. Each check raises BadAnswer with what broke."""

from __future__ import annotations

from dicom_node.errors import BadAnswer
from dicom_node.geometry import MODEL_SCALE
from dicom_node.report import ChangeKind, Finding, Presence
from dicom_node.vocabulary import Laterality

#: A box must be at least so wide and high: about 4 mm on a film of 40 cm.
SMALLEST = 10
#: A box of more than this part of the square says no more than "on this film".
_LARGEST_PART = 0.9
_MIDDLE = MODEL_SCALE // 2
#: How far the centre of a box may lie beyond the middle: a patient may stand a little turned.
_BESIDE = 50
#: Marks of Gemma's chat that no answer holds unless it runs on into another turn.
_CHAT_MARKS = (
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
    "<unused94>",
    "<unused95>",
)
#: A line of the prompt at least so long that stands in the answer was copied, not thought.
_COPIED = 40
#: What may have become of a finding that is not there now.
_CHANGES_OF_ABSENT = (None, ChangeKind.RESOLVED)
#: What may only be said of a finding that the prior shows.
_CHANGES_OF_LASTING = (
    ChangeKind.IMPROVED,
    ChangeKind.STABLE,
    ChangeKind.WORSENED,
    ChangeKind.RESOLVED,
)


def check_text(text: str, prompt: str) -> None:
    """The answer repeats neither chat marks nor a line of its prompt.

    Raises:
        BadAnswer: it does.
    """
    for mark in _CHAT_MARKS:
        if mark in text:
            raise BadAnswer(f"the answer holds the chat mark {mark}")
    plain = " ".join(text.split())
    for line in prompt.splitlines():
        if len(line) >= _COPIED and " ".join(line.split()) in plain:
            raise BadAnswer("the answer repeats its prompt")


def check_box(box_2d: tuple[int, int, int, int]) -> None:
    """A box [y0, x0, y1, x1] in thousandths is a place: not inside out, tiny or everything.

    Raises:
        BadAnswer: it is none.
    """
    y0, x0, y1, x1 = box_2d
    if not (y0 < y1 and x0 < x1):
        raise BadAnswer(f"box_2d {list(box_2d)} is inside out or has no area")
    if min(y1 - y0, x1 - x0) < SMALLEST:
        raise BadAnswer(f"box_2d {list(box_2d)} is too thin to show anything")
    if (y1 - y0) * (x1 - x0) > _LARGEST_PART * MODEL_SCALE**2:
        raise BadAnswer(f"box_2d {list(box_2d)} is nearly the whole picture")


def check_side(box_2d: tuple[int, int, int, int], laterality: Laterality | None) -> None:
    """A box [y0, x0, y1, x1] of the standing picture lies on the side that its site names.

    On a standing frontal film the patient's right is on the picture's left. A box on both sides
    is of the side that its centre is on, give or take 5 % of the picture.

    Raises:
        BadAnswer: the box lies on the other side.
    """
    _, x0, _, x1 = box_2d
    centre = (x0 + x1) / 2
    if laterality is Laterality.RIGHT and (x0 >= _MIDDLE or centre > _MIDDLE + _BESIDE):
        raise BadAnswer("the site is on the patient's right, the box on the left")
    if laterality is Laterality.LEFT and (x1 <= _MIDDLE or centre < _MIDDLE - _BESIDE):
        raise BadAnswer("the site is on the patient's left, the box on the right")


def check_change(finding: Finding, earlier: Presence | None) -> None:
    """Presence now, presence on the prior and change do not contradict each other.

    ``earlier`` is None where the finding was not judged on the prior.

    Raises:
        BadAnswer: something absent has worsened, is new or stable, something present is resolved,
            something is new that the prior shows, or has changed that the prior does not show.
    """
    absent = finding.presence is Presence.ABSENT
    if absent and finding.change not in _CHANGES_OF_ABSENT:
        raise BadAnswer(f"the finding is absent and yet {finding.change}")
    if not absent and finding.change is ChangeKind.RESOLVED:
        raise BadAnswer("the finding is present and yet resolved")
    if earlier is Presence.PRESENT and finding.change is ChangeKind.NEW:
        raise BadAnswer("the finding is called new, and the prior shows it")
    if earlier is Presence.ABSENT and finding.change in _CHANGES_OF_LASTING:
        raise BadAnswer(f"the finding is called {finding.change}, and the prior does not show it")
