"""The text of generated Python: indented lines that remember which place of the mapping they came from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping.environment import literal_source
from fhir_bridge.mapping.errors import Position

__all__ = ["Writer", "with_marks"]


_READ = re.compile(r"(?<![\w.])s(?:\.\w+)+\([^()]*\)(?!\w)")
"""A read of a group whose arguments call nothing."""

_MARK = re.compile(r"(?<!\w)mk\((\d+)\) or ")
_MARK_LINE = re.compile(r"( *)mk\((\d+)\)")


class Writer:
    """Lines of a module, its constants, and the values that its names stand for.

    Attributes:
        json: by name, those of the values that are literal JSON.
        fragments: literal parts of resources are constant bytes, for output that is written and not looked into.
    """

    def __init__(self, *, fragments: bool = False) -> None:
        self.fragments = fragments
        self.lines: list[str] = []
        self.positions: list[Position | None] = [None]
        self.namespace: dict[str, Any] = {}
        self.json: dict[str, bytes] = {}
        self.constants: list[str] = []
        self._known: dict[str, str] = {}
        self._depth = 0
        self._count = 0

    def line(self, text: str, position: Position | None = None) -> None:
        """One more line at the present depth."""
        self.lines.append("    " * self._depth + text)
        self.positions.append(position)

    @contextmanager
    def block(self, head: str, position: Position | None = None) -> Iterator[None]:
        """A block with a head such as `if x:`; an empty one gets `pass`."""
        self.line(head, position)
        before = len(self.lines)
        self._depth += 1
        yield
        if len(self.lines) == before:
            self.line("pass")
        self._depth -= 1

    def state(self) -> tuple[int, int]:
        """How far the text is written, for `restore`."""
        return len(self.lines), self._depth

    def restore(self, state: tuple[int, int]) -> None:
        """Take back what was written since."""
        length, self._depth = state
        del self.lines[length:]
        del self.positions[length + 1 :]

    def read_once(self, start: int, sources: Iterable[str], position: Position) -> None:
        """Compute each of the sources once that the lines from `start` on hold more than once.

        For expressions without effect that never raise; the lines must be of the present depth or deeper.
        """
        text = "\n".join(self.lines[start:])
        head: list[str] = []
        counts = Counter(match[0] for match in _READ.finditer(text))
        names: dict[str, str] = {}
        for source in sorted(sources, key=lambda item: (-len(item), item)):
            if _READ.fullmatch(source):
                if counts[source] > 1:
                    names[source] = self.name("r")
                    head.append("    " * self._depth + f"{names[source]} = {source}")
                continue
            if text.count(source) < 2:
                continue
            result = re.compile(rf"(?<![\w.]){re.escape(source)}(?!\w)")
            if len(result.findall(text)) > 1:
                name = self.name("r")
                text = result.sub(name, text)
                head.append("    " * self._depth + f"{name} = {source}")
        if names:
            text = _READ.sub(lambda match: names.get(match[0], match[0]), text)
        if head:
            self.lines[start:] = head + text.split("\n")
            self.positions[start + 1 : start + 1] = [position] * len(head)

    def read_together(self, start: int, model: Any, position: Position) -> None:
        """Let the source model read at once what the lines from `start` on read one by one, if it can."""
        together = getattr(model, "together", None)
        if together is None:
            return
        head, text = together("\n".join(self.lines[start:]))
        if head:
            self.lines[start:] = ["    " * self._depth + line for line in head] + text.split("\n")
            self.positions[start + 1 : start + 1] = [position] * len(head)

    def keep_marks(self, start: int, arms: frozenset[int]) -> None:
        """Take the marks of branches (`mk(3)`) out of the lines from `start` on, but those of the arms given."""
        self.lines[start:] = with_marks(self.lines[start:], arms)

    def name(self, stem: str) -> str:
        """A new name."""
        self._count += 1
        return f"{stem}{self._count}"

    def constant(self, value: Any) -> str:
        """Source of a literal: itself where it is short and cannot change, else the name of a constant."""
        source = literal_source(value)
        if isinstance(value, str | int | bool) and len(source) < 60:
            return source
        name = self._known.get(source)
        if name is None:
            name = self.name("K")
            self._known[source] = name
            self.constants.append(f"{name} = {source}")
        return name

    def part(self, value: Any) -> str:
        """Source of a literal part of a resource: its JSON in bytes where the output is to be bytes."""
        if not self.fragments or not isinstance(value, dict | list):
            return self.constant(value)
        content = dumps(value)
        name = self.object("J", orjson.Fragment(content), ("json", literal_source(value)))
        self.json[name] = content
        return name

    def object(self, stem: str, value: Any, key: Any = None) -> str:
        """A name for an object that has no source form."""
        known = f"{stem}\0{key!r}" if key is not None else ""
        if known and known in self._known:
            return self._known[known]
        name = self.name(stem)
        self.namespace[name] = value
        if known:
            self._known[known] = name
        return name

    def source(self) -> tuple[str, list[Position | None]]:
        """The module's text, and the place of each of its lines (from 1)."""
        head = self.constants
        return "\n".join([*head, *self.lines, ""]), [None, *([None] * len(head)), *self.positions[1:]]


def with_marks(lines: list[str], arms: frozenset[int]) -> list[str]:
    """Lines without the marks of branches (`mk(3)`), but with those of the arms given."""

    def kept(result: re.Match[str]) -> str:
        return result[0] if int(result[1]) in arms else ""

    cleaned = []
    for line in lines:
        bare = _MARK_LINE.fullmatch(line) if "mk(" in line else None
        if bare:
            cleaned.append(line if int(bare[2]) in arms else f"{bare[1]}pass")
        else:
            cleaned.append(_MARK.sub(kept, line) if "mk(" in line else line)
    return cleaned
