"""Rows of a table with the physical line where each begins, whatever its quoting does."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["RawRow", "rows"]


class RawRow(NamedTuple):
    """A row as parted into cells.

    Attributes:
        line: physical line where it begins, from 1.
        cells: its cells; empty where `error` says why it could not be parted.
        error: what is wrong with its quoting.
    """

    line: int
    cells: list[str]
    error: str | None = None


class _RunOn(Exception):
    """A quoted cell spans more lines than it may."""


class _Lines:
    """Physical lines, with a memory of those that the current row took."""

    def __init__(self, lines: Iterable[str], limit: int) -> None:
        self._lines = iter(lines)
        self._returned: deque[str] = deque()
        self._limit = limit
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.number += 1
        self.taken.append(line)
        if len(self.taken) > self._limit:
            raise _RunOn
        return line

    def give_back_all_but_first(self) -> None:
        """Read on after the first line of a row that can't be parted."""
        rest = self.taken[1:]
        self._returned.extendleft(reversed(rest))
        self.number -= len(rest)


def rows(
    lines: Iterable[str],
    *,
    delimiter: str,
    quote: str | None,
    first_line: int = 1,
    limit: int = 200,
    comment: str | None = None,
) -> Iterator[RawRow]:
    """Part lines into rows. Blank lines are no rows.

    A quote that is never closed, or a quoted cell with text after its closing quote, costs its own line only:
    reading goes on with the next one.
    """
    source = _Lines(lines, limit)
    source.number = first_line - 1
    reader = _reader(source, delimiter, quote)
    while True:
        source.taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _RunOn:
            error = f"a quoted cell is not closed within {limit} lines"
        except csv.Error as problem:
            unclosed = "end of data" in str(problem)
            error = "a quoted cell is not closed" if unclosed else f"its quoting can't be read ({problem})"
        else:
            taken = source.taken
            if (cells and len(cells) > 1) or (cells and cells[0].strip()):
                if comment is None or not taken[0].startswith(comment):
                    yield RawRow(source.number - len(taken) + 1, cells)
                elif len(taken) > 1:  # a quote in a comment opened no cell
                    source.give_back_all_but_first()
                    reader = _reader(source, delimiter, quote)
            continue
        source.give_back_all_but_first()
        yield RawRow(source.number, [], error)
        reader = _reader(source, delimiter, quote)


def _reader(source: _Lines, delimiter: str, quote: str | None) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 24)
    if quote is None:
        return csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader(source, delimiter=delimiter, quotechar=quote, strict=True)
