"""Forms with boxes to tick: what is not ticked is not said."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["answered"]

_BOX: Final = re.compile(
    r"\[\s*(?P<square>[xX✓✔]?)\s*\]|\(\s*(?P<round>[xX✓✔]?)\s*\)|[☐□○◯]|(?P<sign>[☒☑⊠])|(?P<solid>[■●◉])"
)
_NEXT_LABEL: Final = re.compile(
    r"(?:[.,;]|\s{2,}|\t)\s*\S.*\Z|\s(?:[^\W\d][\w-]*\s){0,2}[^\W\d][\w-]*:\s*\Z", re.DOTALL
)
"""At the end of the words of a box: those of the next question."""
_LABEL: Final = re.compile(r"(?:.*:)?\s*(?P<option>\S+|(?<=:\s)\S.*)\s*\Z", re.DOTALL)


def answered(line: str) -> str:
    """A line as long as it was, with blanks for boxes and for the options whose box is empty."""
    boxes = list(_BOX.finditer(line))
    if not boxes or all(box["solid"] for box in boxes):  # bullets
        return line
    follows = not line[boxes[-1].end() :].strip() and bool(line[: boxes[0].start()].strip())
    pieces = list(line)
    ticked = 0
    for number, box in enumerate(boxes):
        if follows:
            begin, end = boxes[number - 1].end() if number else 0, box.start()
            if not number:
                begin = _first_option(line[:end])
        else:
            begin, end = box.end(), boxes[number + 1].start() if number + 1 < len(boxes) else len(line)
            label = _NEXT_LABEL.search(line, begin, end)
            end = label.start() if label else end
        pieces[box.start() : box.end()] = " " * (box.end() - box.start())
        if any(box.groupdict().values()):
            if ticked:
                pieces[begin if follows else box.start()] = ";"
            ticked += 1
        else:
            pieces[begin:end] = " " * (end - begin)
    return "".join(pieces)


def _first_option(before: str) -> int:
    """Where the words of the first box begin, after those of the question."""
    colon = before.rfind(":")
    if colon >= 0:
        return colon + 1
    return max(before.rstrip().rfind(" "), 0)
