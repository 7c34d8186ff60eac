"""Tables of values at several times: which column is of now."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.notes.times import day_order

__all__ = ["Cell", "Columns", "cells"]

_GAP: Final = re.compile(r"(?<=\S)(?:\t[\t ]*|(?<![.:;,!?]) {2,}|(?<=[.:;,!?]) {3,})(?=\S)")
"""Between two columns."""
_BEFORE: Final = re.compile(
    r"""(?:at\ |on\ |bei\ |vor\ |zu\ )?(?:entry|admission|aufnahme\w*|before|vorher|vorwerte?|vorbefunde?|vor
    |baseline|initial\w*|prior
    |previous\w*|past|last(?:\ \w+)?|letzte\w*(?:\ \w+)?|pr(?:e|ä)(?:[- ]?\w+)?|ausgangs\w*|start|beginn|eintritt
    |anfang|old|alt|earlier|früher\w*|arrival
    |first\ visit|erst\w+|referral|enrol\w+|intake|(?:vor|before|pre)[- ]\w+)""",
    re.IGNORECASE | re.VERBOSE,
)
_NOW: Final = re.compile(
    r"""(?:at\ |on\ |bei\ |nach\ |am\ )?(?:exit|discharge|entlassung\w*|after|nachher|nach|aktuelle?\w*|current\w*
    |now|jetzt|heute|today|post(?:[- ]?\w+)?|ende?
    |abschluss\w*|austritt|final|latest|new|neu|this\ visit|present|completion|entlass\w*|(?:nach|after
    |post)[- ]\w+)""",
    re.IGNORECASE | re.VERBOSE,
)
_IN_SERIES: Final = re.compile(
    r"[<>≤≥~]?\s*\d{1,2}(?:[.,]\d)?(?:\s*[-–]\s*\d{1,2})?\s*%|(?:NYHA\s*)?I{1,3}V?(?:\s*[-–/]\s*I{0,3}V?)?",
    re.IGNORECASE,
)
"""A value as a row of a table has several."""


class Cell(NamedTuple):
    text: str
    start: int


def cells(line: str) -> list[Cell]:
    """The cells of a row; one where the line is none."""
    row: list[Cell] = []
    at = len(line) - len(line.lstrip())
    if "  " not in line[at:] and "\t" not in line[at:]:
        return [Cell(line[at:].rstrip(), at)]
    for gap in _GAP.finditer(line):
        row.append(Cell(line[at : gap.start()], at))
        at = gap.end()
    return [*row, Cell(line[at:].rstrip(), at)]


class Columns:
    """The columns of the table that a line is in, by the headings over it."""

    def __init__(self) -> None:
        self._heads: list[Cell] = []
        self._now = 0
        """The heading of the column of now."""

    def read(self, line: str) -> str:
        """A line as long as it was, with blanks for the values of a row that are of another time than now, and for
        those of several times where no heading says which is of now."""
        row = cells(line)
        if len(row) < 2:
            if line.strip(" -=_|"):
                self._heads = []
            return line
        now = _column_of_now(row)
        if now is not None:
            self._heads, self._now = row, now
            return line
        if self._heads:
            others = [cell for cell in row[1:] if self._head_of(cell, row, line) != self._now]
        else:
            others = [cell for cell in row[1:] if _IN_SERIES.fullmatch(cell.text)]
            if len(others) < 2:
                return line
        for cell in others:
            end = cell.start + len(cell.text)
            line = line[: cell.start] + " " * len(cell.text) + line[end:]
        return line

    def _head_of(self, cell: Cell, row: list[Cell], line: str) -> int:
        """The heading over a cell: counted from the last where tabs separate them, else the nearest."""
        if "\t" in line:
            return len(self._heads) - len(row) + row.index(cell)
        return min(range(len(self._heads)), key=lambda number: abs(self._heads[number].start - cell.start))


def _column_of_now(row: list[Cell]) -> int | None:
    """Which cell of a row is the heading of now; None where the row is none of headings of times."""
    days = {number: day for number, cell in enumerate(row) if (day := day_order(cell.text)) is not None}
    if len(days) > 1 and len(days) >= len(row) - 1:
        return max(days, key=lambda number: days[number])
    now = [number for number, cell in enumerate(row) if _NOW.fullmatch(cell.text)]
    before = [number for number, cell in enumerate(row) if _BEFORE.fullmatch(cell.text) or number in days]
    return now[-1] if now and before and now[-1] not in before else None
