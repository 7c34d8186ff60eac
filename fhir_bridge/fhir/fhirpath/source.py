"""Python source, written line by line: what the typed compiler writes into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["NEVER", "Source", "Unsupported"]

MAX_NAMES = 2_000
"""Variables of one function; the largest of R4's invariants has 120."""

NEVER = "odd()"
"""A condition that leaves the compiled form: the general evaluator answers then."""


class Unsupported(Exception):
    """A form that has no compiled shape; the general evaluator has it."""


class Source:
    """The body of a function: lines, names and constants.

    Attributes:
        constants: values that the code refers to by name.
    """

    def __init__(self, constants: dict[str, Any]) -> None:
        self.constants = constants
        self.lines: list[str] = []
        self._level = 2
        self._names = 0

    def add(self, line: str) -> None:
        """A line at the current level."""
        self.lines.append("    " * self._level + line)

    def name(self, stem: str = "v") -> str:
        """A name that nothing else has.

        Raises:
            Unsupported: the code has grown beyond use.
        """
        self._names += 1
        if self._names > MAX_NAMES:
            raise Unsupported("too large")
        return f"{stem}{self._names}"

    def constant(self, value: Any) -> str:
        """A name for a value that has no literal of its own."""
        for name, known in self.constants.items():
            if known is value:
                return name
        name = f"K{len(self.constants)}"
        self.constants[name] = value
        return name

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A line that ends in a colon, and what is written inside it."""
        self.add(head)
        self._level += 1
        before = len(self.lines)
        try:
            yield
            if len(self.lines) == before:
                self.add("pass")
        finally:
            self._level -= 1

    @contextmanager
    def aside(self) -> Iterator[list[str]]:
        """Lines written to one side, to see whether there are any; `take` brings them back."""
        kept, self.lines = self.lines, []
        try:
            yield self.lines
        finally:
            self.lines = kept

    def take(self, lines: list[str], deeper: int = 0) -> None:
        """Lines that were written aside, so many levels deeper."""
        self.lines += ["    " * deeper + line for line in lines]
