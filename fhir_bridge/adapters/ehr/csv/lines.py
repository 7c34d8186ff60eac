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
        unread: places of cells, from 0, whose value the file does not state, with the code of the issue that says why.
    """

    line: int
    cells: list[str]
    error: str | None = None
    unread: tuple[tuple[int, str], ...] = ()


class _RunOn(Exception):
    """A quoted cell spans more lines than it may."""


def _limited(returned: deque[str], lines: Iterator[str], taken: list[str], limit: int) -> Iterator[str]:
    """The lines, those given back before all, noted in `taken` as they are read.

    Raises:
        _RunOn: there are more in it than the limit allows.
    """
    while True:
        line = returned.popleft() if returned else next(lines, None)
        if line is None:
            return
        taken.append(line)
        if len(taken) > limit:
            raise _RunOn
        yield line


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
    source = iter(lines)
    returned: deque[str] = deque()
    taken: list[str] = []  # the physical lines of the present row
    reader = _reader(_limited(returned, source, taken, limit), delimiter, quote)
    number = first_line
    while True:
        taken.clear()
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
            if not (len(cells) > 1 or (cells and cells[0].strip())):
                number += len(taken)
                continue
            if comment is None or not taken[0].startswith(comment):
                yield RawRow(number, cells)
                number += len(taken)
                continue
            if len(taken) == 1:
                number += 1
                continue
            error = ""  # a quote in a comment opened no cell
        if error:
            yield RawRow(number, [], error)
        # Reading goes on after the first line of what can't be parted.
        returned.extendleft(reversed(taken[1:]))
        reader = _reader(_limited(returned, source, taken, limit), delimiter, quote)
        number += 1


def _reader(source: Iterable[str], delimiter: str, quote: str | None) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 24)
    if quote is None:
        return csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader(source, delimiter=delimiter, quotechar=quote, strict=True)
