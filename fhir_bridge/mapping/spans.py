"""Where in its source a value is: what records of adapters report of themselves, when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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


class LineOffsets:
    """Where the lines of a file begin. The file is read on as later lines are asked for, and again for earlier ones."""

    def __init__(self, lengths: Callable[[], Iterator[int]], begin: int = 0) -> None:
        """Take what gives the lengths of the lines in bytes, ends included, and the bytes before the first."""
        self._lengths = lengths
        self._begin = begin
        self._restart()

    def _restart(self) -> None:
        self._rest = self._lengths()
        self._line, self._offset = 1, self._begin

    def of(self, line: int) -> int:
        """The offset of a line, from 1; -1 where the file has fewer."""
        if line < self._line:
            self._restart()
        while self._line < line:
            length = next(self._rest, None)
            if length is None:
                self._restart()
                return -1
            self._line, self._offset = self._line + 1, self._offset + length
        return self._offset


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
