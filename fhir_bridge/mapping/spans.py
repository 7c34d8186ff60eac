"""Where in its source a value is: what records of adapters report of themselves, when asked."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple, Protocol, runtime_checkable

from fhir_bridge.mapping.reads import Read

__all__ = ["LineOffsets", "Passage", "Span", "SpannedRecord"]


class Span(NamedTuple):
    """The bytes of a value in its source.

    Attributes:
        source: name of the file.
        label: as people name the value: `OBX[2]-5.1`, `row.Wert`, `INFO.AF[1]`, `(0010,0020) PatientID`.
        start, end: bytes from the start of the file (unpacked, where it is packed); -1 where that is not known.
        line: physical line where it is, from 1; 0 in a binary file.
        text: the value as it is read.
    """

    source: str
    label: str
    start: int
    end: int
    line: int
    text: str


class Passage(NamedTuple):
    """A piece of the source for people to see: a segment, a row, a line, an attribute.

    Attributes:
        source: name of the file.
        label: what it is: `OBX[2]`, `row 17`.
        start: bytes from the start of the file; -1 where that is not known.
        line: physical line where it begins; 0 in a binary file.
        leaves: its values that are not empty, in order.
        raw: its bytes, decoded to characters one by one, so that leaves can be shown in them; empty where they are
            no text, and the leaves are what is shown.
        encoding: of the bytes.
    """

    source: str
    label: str
    start: int
    line: int
    leaves: tuple[Span, ...]
    raw: bytes = b""
    encoding: str = "utf-8"


_WINDOW = 1 << 16
"""Lines whose offsets are read and kept at a time."""


class LineOffsets:
    """Where the lines of a file begin: read for many lines at a time, with nothing kept open in between."""

    def __init__(self, lengths: Callable[[int], Generator[int]], begin: int = 0) -> None:
        """Take what gives the lengths of the lines from an offset on, ends included, and where the first begins."""
        self._lengths = lengths
        self._windows = [begin]
        self._number = -1
        self._offsets: list[int] = []

    def of(self, line: int) -> int:
        """The offset of a line, from 1; -1 where the file has fewer."""
        number, place = divmod(line - 1, _WINDOW)
        while len(self._windows) <= number:
            if not self._read(len(self._windows) - 1):
                return -1
        if self._number != number:
            self._read(number)
        return self._offsets[place] if place < len(self._offsets) - 1 else -1

    def _read(self, number: int) -> bool:
        """Read the offsets of a window; whether the file goes on after it."""
        self._number = number
        self._offsets = [self._windows[number]]
        lengths = self._lengths(self._windows[number])
        for length in islice(lengths, _WINDOW):
            self._offsets.append(self._offsets[-1] + length)
        lengths.close()  # and the file with it
        if len(self._offsets) <= _WINDOW:
            return False
        if len(self._windows) == number + 1:
            self._windows.append(self._offsets[-1])
        return True


@runtime_checkable
class SpannedRecord(Protocol):
    """A record that knows where its values are. Nothing is computed before it is asked for."""

    def passages(self) -> Iterable[Passage]:
        """The record's source, in order."""
        ...

    def spans(self, scope: Any, read: Read, items: Mapping[str, Any]) -> Iterable[Span]:
        """The values that a read takes.

        Args:
            scope: the scope object of the rule that read.
            read: what it read.
            items: of the loops that the read goes through: variable and item (`Read.loops`).
        """
        ...
