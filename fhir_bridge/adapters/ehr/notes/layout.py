"""A text in passages: its logical lines, each with the section that it is in.

Lines that a writer's program broke for their width are joined; headings, list items and rows of a table stay
lines. A passage knows where
each of its characters is in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.notes.columns import Columns, cells
from fhir_bridge.adapters.ehr.notes.conditions import relative_alone
from fhir_bridge.adapters.ehr.notes.forms import answered
from fhir_bridge.adapters.ehr.notes.marks import read_marks
from fhir_bridge.adapters.ehr.notes.sections import Section, section_of_heading

__all__ = ["Passage", "passages"]

_WIDEST: Final = 120
_NARROWEST: Final = 45
_LISTED: Final = re.compile(r"\s*(?:[-+*•·▪–>]|\d{1,2}[.)]|[a-z]\)|\(\d\))\s+(?=\S)")
"""What begins an item of a list."""
_NAME_AND_VALUE: Final = 2
"""Cells of a line that may be a heading."""
_NOT_A_NAME: Final = re.compile(r"[\d:=%]")
_IN_BRACKETS: Final = re.compile(r"\([^()]{0,40}\)|\b[23]D\b")
_LABEL: Final = re.compile(r"\s*[A-ZÄÖÜ][\w./&-]{0,24}(?:[ /][\w./&()-]{1,20}){0,3}\s*:(?=\s|$)")
_OPEN: Final = re.compile(
    r"""(?:[,(/&+<>=≤≥–-]|\b(?:the|an?|of|in|on|at|to|for|with|without|and|or|nor|neither|but|if|when|is|are|was
    |were|has|have|had|be
    |been|by|from|as|than|that|which|who|whose|his|her|their|not|no|never|should|would|could|may|will|since|until
    |being|aged?|about
    |der|die|das|des|dem|den|ein|eine[rmns]?|kein|keine[rmns]?|und|oder|mit|ohne|bei|von|vom|zu|zur|zum|im|ins|am
    |an|auf|aus|für|seit
    |vor|nach|bis|ist|war|hat|hatte|wurde|wird|nicht|weder|noch|sowie|als|wie|unter|über|dass|ob|wenn|falls
    |sollte|sich|NYHA|LVEF|class|Klasse|Stadium|seine?|ihre?
    |bzgl\.|ca\.|Z\.\ ?n\.|art\.|approx\.|vs\.?))\Z""",
    re.VERBOSE | re.IGNORECASE,
)
"""What ends a line whose sentence goes on."""
_ENDED: Final = re.compile(r"(?:\w{5,}|\d|[)%])[.!?]\Z")
"""What ends a line with its sentence."""
_SPLIT_WORD: Final = re.compile(r"[^\W\d_]{2,}-\Z")
_NOT_JOINED: Final = re.compile(r"(?:und|oder|bzw|sowie|and|or)\b")


class Passage:
    """A logical line.

    Attributes:
        text: its characters; a column that separates values is a line feed in it.
        section: what it is a part of.
        follows: whether it goes on with what the passage before it speaks of.
    """

    __slots__ = ("_offsets", "_starts", "follows", "section", "text")

    def __init__(self, lines: list[tuple[int, str]], section: Section, *, follows: bool) -> None:
        pieces: list[str] = []
        self._starts: list[int] = []
        self._offsets: list[int] = []
        length = 0
        for number, (offset, line) in enumerate(lines):
            if number:
                lower = line[:1].islower()
                if _SPLIT_WORD.search(pieces[-1]) and not _NOT_JOINED.match(line):
                    if lower:
                        pieces[-1] = pieces[-1][:-1]
                        length -= 1
                else:
                    self._starts.append(length)
                    self._offsets.append(offset - 1)
                    pieces.append(" ")
                    length += 1
            self._starts.append(length)
            self._offsets.append(offset)
            pieces.append(line)
            length += len(line)
        self.text = "".join(pieces)
        self.section = section
        self.follows = follows

    def place(self, position: int) -> int:
        """Where a character of the passage is in the text."""
        at = bisect_right(self._starts, position) - 1
        return self._offsets[at] + position - self._starts[at]


class _Line(NamedTuple):
    start: int
    text: str
    indent: int
    value: int
    """The column where the last value of a row begins; 0 of a line that is no row."""
    cells: int = 1
    is_item: bool = False
    """Whether it begins an item of a list."""

    @property
    def width(self) -> int:
        return self.indent + len(self.text)


def _line(start: int, raw: str) -> _Line:
    text = raw.strip()
    indent = len(raw) - len(raw.lstrip())
    first, *others = cells(raw)
    if not others:
        return _Line(start + indent, text, indent, 0)
    pieces: list[str] = []
    before = first
    for cell in others:
        named = len(before.text) < 40 and not _NOT_A_NAME.search(_IN_BRACKETS.sub("", before.text))
        mark = ":" if named else "\n"
        if before.text.endswith((".", ":", ";", ",")):
            mark = " "
        pieces += (before.text, mark, " " * (cell.start - before.start - len(before.text) - 1))
        before = cell
    return _Line(start + indent, "".join(pieces) + before.text, indent, others[0].start, len(others) + 1)


def _goes_on(before: _Line, line: _Line, first: _Line, width: int) -> bool:
    """Whether a line goes on with the sentence of the line before it."""
    if line.is_item or line.value:
        return False
    if before.value and "\n" not in before.text:
        return line.indent >= before.value - 1 and line.indent > before.indent + 4
    if before.value:
        return False
    if _LABEL.match(line.text) and not _OPEN.search(before.text):
        return False
    if before.text.endswith(":") or section_of_heading(before.text) is not None:
        return False
    if _OPEN.search(before.text):
        return True
    if _ENDED.search(before.text) and line.text[0].isupper():
        return False
    full = width >= _NARROWEST and before.width + 1 + len(line.text.split(None, 1)[0]) >= width - 1
    if line.text[0].islower():
        return full or len(before.text) > 40 or first.is_item or not first.text[0].islower()
    return full


def passages(text: str, section: Section) -> Iterator[Passage]:
    """The passages of a text; `section` is what the text as a whole is a part of."""
    outermost = section
    lines: list[_Line] = []
    at = 0
    width = 0
    columns = Columns()
    raws = text.split("\n")
    for raw, marked in zip(raws, read_marks(raws), strict=True):
        read = columns.read(answered(marked))
        line = _line(at, read) if read.strip() else _Line(at, "", 0, 0)
        lines.append(line._replace(is_item=_LISTED.match(raw) is not None))
        if lines[-1].width <= _WIDEST:
            width = max(width, lines[-1].width)
        at += len(raw) + 1
    number, follows, headed = 0, False, False
    while number < len(lines):
        first = lines[number]
        number += 1
        if not first.text:
            if not headed:
                section, follows = outermost, False
            continue
        joined = [first]
        while (
            number < len(lines) and lines[number].text and _goes_on(joined[-1], lines[number], first, width)
        ):
            joined.append(lines[number])
            number += 1
        alone = len(joined) == 1 and first.cells <= _NAME_AND_VALUE
        heading = section_of_heading(first.text) if alone and not relative_alone(first.text) else None
        if heading is not None:
            section = heading
        headed = heading is not None
        yield Passage([(line.start, line.text) for line in joined], section, follows=follows)
        follows = not headed
