"""One A4 page as PDF: a banner, a picture and sections of lines, made to fit.

Text that does not fit is first written smaller, then the picture is; at last the longest sections
are shortened, and each says by how many lines. There is never a second page.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from io import BytesIO

from PIL import Image
from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

_Colour = tuple[int, int, int]

# Streams as bytes, not as ASCII: a fifth smaller, and Python's own encoder took half of all the
# time that a page takes.
rl_config.useA85 = 0

_WIDTH, _HEIGHT = float(A4[0]), float(A4[1])
_MARGIN = 36.0  # points, as all lengths here
_TEXT = _WIDTH - 2 * _MARGIN
_GAP = 8.0  # between sections
_PLAIN, _BOLD = "Helvetica", "Helvetica-Bold"
_LEADING = 1.3  # height of a line, in sizes of its letters
_INK: _Colour = (20, 20, 20)
_QUIET: _Colour = (105, 105, 105)
_RULE: _Colour = (200, 200, 200)
_BANNER: _Colour = (176, 28, 28)
_WHITE: _Colour = (255, 255, 255)
#: Sizes of letters, and parts of the width for the picture, in the order in which they are tried.
_SIZES = (9.0, 8.5, 8.0, 7.5, 7.0, 6.5)
_PICTURES = (1.0, 0.9, 0.8)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a section, one text for each column; a quiet one is grey.

    ``colour`` is that of a field behind the text of its first column.
    """

    cells: tuple[str, ...]
    colour: _Colour | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Lines below a heading, in columns: their titles and parts of the width.

    ``worth`` is that of a line: of two sections the one is shortened that has more lines for its
    worth. ``left_out`` counts the lines that there was no room for.
    """

    heading: str
    rows: tuple[Row, ...]
    titles: tuple[str, ...] = ()
    columns: tuple[float, ...] = (1.0,)
    worth: float = 1.0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """All that stands on the page, from top to bottom; ``when`` is the time of the document.

    ``elsewhere`` says where the lines are that there was no room for.
    """

    title: str
    author: str
    when: datetime
    banner: tuple[str, ...]
    above: tuple[Section, ...]
    picture: Image.Image | None
    below: tuple[Section, ...]
    elsewhere: str


def draw(page: Page) -> bytes:
    """The page as PDF; the same page makes the same bytes. No text is of more than Latin 1 (what
    else is in it becomes a question mark), and no font needs to be in the file.
    """
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, lang="en")
    canvas.setTitle(page.title)
    canvas.setAuthor(page.author)
    canvas.setSubject(" ".join(page.banner))
    canvas.setDateFormatter(lambda *_: f"D:{page.when:%Y%m%d%H%M%S}")
    fitted, size, part = _fit(page)
    _Pen(canvas, size, page.elsewhere).page(fitted, part)
    canvas.save()
    return buffer.getvalue()


def _fit(page: Page) -> tuple[Page, float, float]:
    """The page as it fits, the size of its letters, and the part of the width for its picture."""
    for part, size in itertools.product(_PICTURES, _SIZES):
        if _height(page, size, part) <= _HEIGHT - 2 * _MARGIN:
            return page, size, part
    while _height(page, size, part) > _HEIGHT - 2 * _MARGIN:
        shorter = _shortened(page)
        if shorter is None:
            break
        page = shorter
    return page, size, part


def _shortened(page: Page) -> Page | None:
    """Without the last line of the section that is longest for its worth; None if there is none."""
    sections = (*page.above, *page.below)
    longest = max(sections, key=lambda one: len(one.rows) / one.worth)
    if not longest.rows:
        return None
    cut = replace(longest, rows=longest.rows[:-1], left_out=longest.left_out + 1)
    above, below = (
        tuple(cut if one is longest else one for one in part) for part in (page.above, page.below)
    )
    return replace(page, above=above, below=below)


def _height(page: Page, size: float, part: float) -> float:
    """What all of the page needs."""
    ruler = _Pen(None, size, page.elsewhere)
    ruler.page(page, part)
    return _HEIGHT - _MARGIN - ruler.y


@dataclass(frozen=True, slots=True)
class _Type:
    """How a text is written."""

    font: str
    size: float
    colour: _Colour = _INK


class _Pen:
    """Writes from the top of a page down to :attr:`y`; without a canvas it only measures."""

    def __init__(self, canvas: Canvas | None, size: float, elsewhere: str) -> None:
        self._canvas = canvas
        self._size = size
        self._elsewhere = elsewhere
        self.y: float = _HEIGHT - _MARGIN

    def page(self, page: Page, part: float) -> None:
        """All of a page; ``part`` is that of the width for its picture."""
        self._banner(page.banner)
        for section in page.above:
            self._section(section)
        if page.picture is not None:
            self._picture(page.picture, part)
        for section in page.below:
            self._section(section)

    def _banner(self, lines: Sequence[str]) -> None:
        kind = _Type(_BOLD, 11, _WHITE)
        shown = [one for line in lines for one in _split(line, kind, _TEXT - 16)]
        height = 15 * len(shown) + 9
        self._field(_MARGIN, self.y - height, _TEXT, height, _BANNER)
        for number, line in enumerate(shown):
            self._write(line, _MARGIN + 8, self.y - 16 - 15 * number, kind)
        self.y -= height + _GAP

    def _picture(self, picture: Image.Image, part: float) -> None:
        width = _TEXT * part
        height = width * picture.height / picture.width
        self.y -= height
        if self._canvas is not None:
            left = _MARGIN + (_TEXT - width) / 2
            self._canvas.drawImage(ImageReader(picture), left, self.y, width, height)
        self.y -= _GAP

    def _section(self, section: Section) -> None:
        plain, bold = _Type(_PLAIN, self._size), _Type(_BOLD, self._size)
        if section.heading:
            self._line((section.heading,), replace(bold, size=self._size + 1))
        if section.titles:
            small = _Type(_PLAIN, self._size - 0.5, _QUIET)
            self._line(section.titles, small, section.columns)
            self._rule()
        for row in section.rows:
            kind = replace(plain, colour=_QUIET) if row.quiet else plain
            self._line(row.cells, kind, section.columns, row.colour)
        if section.left_out:
            lines = "line" if section.left_out == 1 else "lines"
            self._line((f"\u2026 {section.left_out} more {lines}, {self._elsewhere}",), bold)
        self.y -= _GAP * 0.75

    def _line(
        self,
        cells: Sequence[str],
        kind: _Type,
        columns: Sequence[float] = (1.0,),
        field: _Colour | None = None,
    ) -> None:
        """One line of columns, as high as the cell that needs the most lines."""
        leading, left, most = kind.size * _LEADING, _MARGIN, 1
        if field is not None:
            self._field(_MARGIN, self.y - leading + 1, 14, leading - 1.5, field)
        for cell, part in zip(cells, columns, strict=True):
            lines = _split(cell, kind, _TEXT * part - 4)
            for number, line in enumerate(lines):
                inset = 4 if field is not None and left == _MARGIN else 0
                self._write(line, left + inset, self.y - kind.size - leading * number, kind)
            most = max(most, len(lines))
            left += _TEXT * part
        self.y -= leading * most

    def _rule(self) -> None:
        self._field(_MARGIN, self.y, _TEXT, 0.5, _RULE)
        self.y -= 2

    def _field(self, x: float, y: float, width: float, height: float, colour: _Colour) -> None:
        if self._canvas is not None:
            self._canvas.setFillColorRGB(*(part / 255 for part in colour))
            self._canvas.rect(x, y, width, height, stroke=0, fill=1)

    def _write(self, text: str, x: float, y: float, kind: _Type) -> None:
        if self._canvas is not None:
            self._canvas.setFillColorRGB(*(part / 255 for part in kind.colour))
            self._canvas.setFont(kind.font, kind.size)
            self._canvas.drawString(x, y, text)


@lru_cache(4096)  # a line is measured again for each size of the other lines
def _split(text: str, kind: _Type, width: float) -> tuple[str, ...]:
    """A text as lines of at most a width; a word that is wider is broken."""
    latin = text.encode("cp1252", "replace").decode("cp1252")
    lines = simpleSplit(" ".join(latin.split()), kind.font, kind.size, width)
    return tuple(part for line in lines for part in _broken(line, kind, width)) or ("",)


def _broken(line: str, kind: _Type, width: float) -> Iterator[str]:
    if stringWidth(line, kind.font, kind.size) <= width:
        yield line
        return
    start = 0
    for end in range(1, len(line) + 1):
        if end - start > 1 and stringWidth(line[start:end], kind.font, kind.size) > width:
            yield line[start : end - 1]
            start = end - 1
    yield line[start:]
