"""Marks at the start of lines and between the cells of a table.

A dash before an item of a list is no minus, unless its list has a plus too; a bar or semicolon in lines one below the
other separates columns.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["read_marks"]

_BULLET: Final = re.compile(
    r"\s*(?:[*•·▪–](?=\s)|[-+](?=\s)|[-+](?=[^\W\d_])(?!.*[\s,;(][-+][^\W\d_]))(?=\s*\S)"
)
"""What begins an item; a sign right before a word is none where another word of the line has one (`-tob, +EtOH`)."""
_SIGN: Final = re.compile(r"(?P<indent>\s*)(?P<sign>[-+])\s*(?=[^\W\d_])")
_TABLES: Final = (("|", re.compile(r"[ \t]*\|[ \t]*"), 1), (";", re.compile(r";(?!\s)"), 2))
"""What separates columns, and how many of it a line of a table has at least."""


def read_marks(lines: list[str]) -> list[str]:
    """Lines as long as they were: tabs between the columns of tables, blanks for what begins an item, and no more
    than the mark of an item that its list says to be absent."""
    results = list(lines)
    for mark, pattern, least in _TABLES:
        counts = [len(pattern.findall(line.strip(" \t" + mark))) if mark in line else 0 for line in lines]
        for at, count in enumerate(counts):
            if count >= least and count in (counts[at - 1] if at else 0, *counts[at + 1 : at + 2]):
                results[at] = _columns(lines[at], mark, pattern)
    signs = [_SIGN.match(line) for line in results]
    for begin, end in _runs(signs):
        both = len({sign["sign"] for sign in signs[begin:end] if sign}) == 2
        for at in range(begin, end):
            line = results[at]
            if both and line.lstrip()[0] == "-":
                results[at] = line[: line.index("-") + 1] + " " * (len(line) - line.index("-") - 1)
            elif not both:
                results[at] = _without_bullet(line)
    return [
        _without_bullet(line) if sign is None else line for line, sign in zip(results, signs, strict=True)
    ]


def _columns(line: str, mark: str, pattern: re.Pattern[str]) -> str:
    """A row of a table with tabs between its cells, and blanks for the marks at its ends."""
    inner = line.strip(" \t" + mark)
    begin = line.index(inner) if inner else 0
    end = begin + len(inner)
    cells = pattern.sub(lambda gap: "\t" * len(gap[0]), inner)
    return line[:begin].replace(mark, " ") + cells + line[end:].replace(mark, " ")


def _without_bullet(line: str) -> str:
    bullet = _BULLET.match(line)
    return line if bullet is None else " " * bullet.end() + line[bullet.end() :]


def _runs(signs: list[re.Match[str] | None]) -> list[tuple[int, int]]:
    """From where to where lines of one indentation begin with signs."""
    runs: list[tuple[int, int]] = []
    for at, sign in enumerate(signs):
        if sign is None:
            continue
        last = signs[at - 1] if at else None
        if runs and last is not None and last["indent"] == sign["indent"]:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs
