"""JSON of any size, read part by part: what is large is identified by its place, and only what is small is parsed.

The text is mapped from a file, not read into memory, and pages that were passed are given back.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from fhir_bridge.fhir.serialization import MAX_DEPTH, JsonError, loads_exact
from fhir_bridge.terminology.store.errors import ImportProblem

__all__ = ["WHOLE", "JsonText", "Span", "parsed"]

WHOLE = 2 << 20
"""Values of up to so many bytes are parsed as a whole."""

# Possessive, so that nothing is gone back over: a match may be gigabytes long.
_RUN = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,:\[\]{}\"]++")
_SPACE = re.compile(rb"[ \t\r\n]*+")
_LOCATION = re.compile(r":? \(?line \d+,? (?:column|byte) \d+[^;]*")
_OPENING, _CLOSING, _QUOTE = b"{[", b"}]", b'"'
_STEP = 8 << 20
_MAX_OPEN = 4 * MAX_DEPTH
"""Open lists and objects; concepts nested as deep as they may be are as many of both, in a list of resources."""


class Span(NamedTuple):
    """Where a value is: first byte, the byte after its last, and its line from 1."""

    start: int
    end: int
    line: int

    @property
    def is_small(self) -> bool:
        """Whether it is parsed as a whole."""
        return self.end - self.start <= WHOLE


class JsonText:
    """The JSON of a file."""

    def __init__(self, file: IO[bytes], label: str) -> None:
        """Map the file, which isn't empty and doesn't change meanwhile."""
        self.label = label
        self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._passed = 0

    def close(self) -> None:
        """Let go of the file."""
        self._text.close()

    def whole(self) -> Span:
        """The one value of the text.

        Raises:
            ImportProblem: it is cut off, or something follows it.
        """
        start = self._after_space(3 if self._text[:3] == b"\xef\xbb\xbf" else 0)
        value = self._value(start, self._line(0, start, 1))
        rest = self._after_space(value.end)
        if rest < len(self._text):
            raise self._problem(rest, self._line(start, rest, value.line), "goes on after its end")
        return value

    def lines(self) -> Iterator[Span]:
        """Lines that aren't empty, each a value (NDJSON)."""
        start, line = 0, 1
        while start < len(self._text):
            end = self._text.find(b"\n", start)
            end = len(self._text) if end < 0 else end
            first = self._after_space(3 if not start and self._text[:3] == b"\xef\xbb\xbf" else start)
            if first < end:
                value = Span(first, end, line)
                if not value.is_small:
                    value = self._value(first, line)
                    if value.end > end or self._after_space(value.end) < end:
                        raise self._problem(value.end, line, "is no line with one value")
                yield value
            self._pass(end)
            start, line = end + 1, line + 1

    def elements(self, array: Span) -> Iterator[Span]:
        """Elements of an array.

        Raises:
            ImportProblem: it is none, or broken; the line is named.
        """
        at = counted = array.start
        line = array.line
        if self._text[at : at + 1] != b"[":
            raise self._problem(at, line, "is not a list of objects")
        at = self._after_space(at + 1)
        while self._text[at : at + 1] != b"]":
            line, counted = self._line(counted, at, line), at
            value = self._value(at, line)
            yield value
            at = self._separated(value, b"]")
            self._pass(at)

    def outline(self, holder: Span) -> tuple[dict[str, Any], dict[str, Span]]:
        """An object's small members, parsed, and the places of its large ones.

        Raises:
            ImportProblem: it is none, or broken; the line is named.
        """
        small: dict[str, Any] = {}
        large: dict[str, Span] = {}
        counted, line = holder.start, holder.line
        if self._text[counted : counted + 1] != b"{":
            raise self._problem(counted, line, "is no object where one is expected")
        at = self._after_space(counted + 1)
        while self._text[at : at + 1] != b"}":
            line, counted = self._line(counted, at, line), at
            key = _STRING.match(self._text, at)
            if key is None:
                raise self._problem(at, line, "has no name in quotes where one is expected")
            name = self.parsed(Span(key.start(), key.end(), line))
            at = self._after_space(key.end())
            if self._text[at : at + 1] != b":":
                raise self._problem(at, line, f'has no colon after "{name[:64]}"')
            at = self._after_space(at + 1)
            line, counted = self._line(counted, at, line), at
            if name in small or name in large:
                raise self._problem(at, line, f'has the key "{name[:64]}" twice in one object')
            value = self._value(at, line)
            if value.is_small:
                small[name] = self.parsed(value)
            else:
                large[name] = value
            at = self._separated(value, b"}")
        return small, large

    def parsed(self, value: Span) -> Any:
        """A value, with decimals as they are written.

        Raises:
            ImportProblem: it is not JSON; the line is named.
        """
        return parsed(self._text[value.start : value.end], self.label, value.line, value.start)

    def checked(self, value: Span, depth: int = 1) -> bytes:
        """The bytes of a value, after all of it was read part by part.

        Raises:
            ImportProblem: it is not JSON; the line is named.
        """
        self._check(value, depth)
        return self._text[value.start : value.end]

    def _check(self, value: Span, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._problem(value.start, value.line, f"is nested deeper than {MAX_DEPTH} levels")
        if value.is_small or self._text[value.start : value.start + 1] == _QUOTE:
            self.parsed(value)
            return
        inner = (
            self.elements(value)
            if self._text[value.start : value.start + 1] == b"["
            else self.outline(value)[1].values()
        )
        for item in inner:
            self._check(item, depth + 1)

    def _value(self, start: int, line: int) -> Span:
        """The value that begins here; what is within it is only looked over."""
        first = self._text[start : start + 1]
        if first not in (b"{", b"["):
            result = (_STRING if first == _QUOTE else _SCALAR).match(self._text, start)
            if result is None:
                raise self._problem(start, line, "has no value where one is expected")
            return Span(start, result.end(), line)
        at, size = start, len(self._text)
        opened: list[int] = []
        while True:
            run = _RUN.match(self._text, at)
            at = at if run is None else run.end()
            bracket = self._text[at] if at < size else 0
            if bracket in _OPENING:
                opened.append(at)
                if len(opened) > _MAX_OPEN:
                    raise self._at(start, line, at, "is nested too deep")
            elif bracket in _CLOSING:
                if self._text[opened.pop()] != _OPENING[_CLOSING.index(bracket)]:
                    raise self._at(start, line, at, "closes what was not opened so")
            elif bracket:
                raise self._at(start, line, at, "has text without an end")
            else:
                raise self._at(start, line, opened[-1], "is cut off: what begins here has no end")
            at += 1
            if not opened:
                return Span(start, at, line)
            if at - self._passed > 4 * _STEP:
                self._pass(at)

    def _separated(self, value: Span, closing: bytes) -> int:
        """Where what follows a value begins, or the end of what holds it."""
        location = self._after_space(value.end)
        result = self._text[location : location + 1]
        if result == closing:
            return location
        if result == b",":
            following = self._after_space(location + 1)
            if self._text[following : following + 1] != closing:
                return following
        what = f"has no comma or {closing.decode()} where one is expected"
        what = what if result != b"," else "has a comma after the last of a list"
        raise self._at(value.start, value.line, location, what)

    def _after_space(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return at if match is None else match.end()

    def _line(self, start: int, end: int, line: int) -> int:
        """The line of `end`, where `start` is in `line`."""
        # In steps, as a slice of the map is a copy.
        for step in range(start, end, WHOLE):
            line += self._text[step : min(step + WHOLE, end)].count(b"\n")
        return line

    def _pass(self, at: int) -> None:
        """Give back the memory of what was passed."""
        if abs(at - self._passed) > _STEP and hasattr(self._text, "madvise"):
            self._text.madvise(mmap.MADV_DONTNEED)
            self._passed = at

    def _at(self, start: int, line: int, at: int, what: str) -> ImportProblem:
        """A problem within a value that begins elsewhere."""
        return self._problem(at, self._line(start, at, line), what)

    def _problem(self, at: int, line: int, what: str) -> ImportProblem:
        return ImportProblem(self.label, line, f"not JSON: it {what} (byte {at:,} of the file)")


def parsed(text: bytes, label: str, line: int | None, start: int = 0) -> Any:
    """A JSON text that begins in a line, at a byte, of a file.

    Raises:
        ImportProblem: it is not JSON.
    """
    try:
        return loads_exact(text)
    except JsonError as error:
        reason = _LOCATION.sub("", str(error))
        at = f" (column {error.column})" if error.column and not start else ""
        inside = f" (in what begins at byte {start:,} of the file)" if start else ""
        where = (line or 1) + error.line - 1 if error.line else line
        raise ImportProblem(label, where, f"{reason}{at or inside}") from error
