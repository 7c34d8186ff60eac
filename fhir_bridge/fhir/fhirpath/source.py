"""Python source, written block by block: what the compiler writes into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["LEAVE", "Block", "Source", "Unsupported"]

MAX_NAMES = 2_000
"""Variables of one expression's function; the largest of R4's invariants has 120."""

# Below CPython's own limits, so that a function either compiles or is never written.
MAX_LEVELS, MAX_LOOPS = 80, 16
"""Blocks and loops inside each other; Python takes 100 and 20."""

LEAVE = "unexpected()"
"""Leaves the compiled function; the general evaluator answers then. It is a statement, or part of a condition."""


class Unsupported(Exception):
    """A form that has no compiled shape; the general evaluator has it."""


class Block:
    """A line that opens it, and what is written inside.

    Attributes:
        lines: text, blocks, and functions that give their text when everything is written.
        known: what the lines hold already (variables by their value, blocks by their head), for paths that share them.
    """

    __slots__ = ("head", "known", "lines")

    def __init__(self, head: str = "") -> None:
        self.head = head
        self.lines: list[str | Block | Callable[[], str]] = []
        self.known: dict[Any, Any] = {}

    def text(self, level: int) -> Iterator[str]:
        """The lines inside, indented."""
        for line in self.lines:
            if isinstance(line, Block):
                yield "    " * level + line.head
                yield from line.text(level + 1)
            else:
                yield "    " * level + (line if isinstance(line, str) else line())
        if not self.lines:
            yield "    " * level + "pass"


class Source:
    """The body of a function: blocks, names and constants.

    Attributes:
        constants: values that the code refers to by name.
        shared: several paths are written into the same blocks: what one of them reads, or loops over, is not read
            again for another that begins alike.
    """

    def __init__(self, constants: dict[str, Any], *, shared: bool = False) -> None:
        self.constants = constants
        self.shared = shared
        self.body = Block()
        self._open = [self.body]
        self._names = 0
        # A shared function holds all paths of a type.
        self._most = 0 if shared else MAX_NAMES
        self._constants: dict[Any, str] = {}

    @property
    def lines(self) -> list[str | Block | Callable[[], str]]:
        """What is in the block that is open."""
        return self._open[-1].lines

    @property
    def known(self) -> dict[Any, Any]:
        """What the open block is known to hold, where it is shared."""
        return self._open[-1].known

    def add(self, line: str | Callable[[], str]) -> None:
        """A line in the open block."""
        self.lines.append(line)

    def check(self, line: str) -> None:
        """A line that may leave the function; a second one like it in a shared block says nothing new."""
        if not self.shared or line not in self.known:
            self.known[line] = line
            self.add(line)

    def name(self, stem: str = "v") -> str:
        """A name that nothing else has.

        Raises:
            Unsupported: the code has grown beyond use.
        """
        self._names += 1
        if self._most and self._names > self._most:
            raise Unsupported("too large")
        return f"{stem}{self._names}"

    def fetched(self, value: str, stem: str = "v", *, loop: bool = False) -> str:
        """A variable with this value, or for the items of this value: in a shared block the one that has it already."""
        key = (value, loop)
        name: str | None = self.known.get(key) if self.shared else None
        if name is None:
            name = self.name(stem)
            if self.shared:
                self.known[key] = name
            if not loop:
                self.add(f"{name} = {value}")
        return name

    def constant(self, value: Any) -> str:
        """A name for a value that has no literal of its own."""
        # By value where equal values are interchangeable, else by identity.
        key = (type(value), value) if isinstance(value, frozenset | tuple) else id(value)
        name = self._constants.get(key)
        if name is None:
            name = self._constants[key] = f"K{len(self._constants)}"
            self.constants[name] = value
        return name

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A line that ends in a colon, and what is written inside it.

        Raises:
            Unsupported: more blocks inside each other than Python takes.
        """
        # In a shared block a second path that begins alike goes on in the first one's block.
        entry = self.known.get((head,)) if self.shared else None
        if entry is None:
            entry = Block(head)
            self.add_block(entry)
            if self.shared:
                self.known[head,] = entry
        self._open.append(entry)
        try:
            if len(self._open) > MAX_LEVELS or sum(b.head.startswith("for ") for b in self._open) > MAX_LOOPS:
                raise Unsupported("too deep")
            yield
        finally:
            self._open.pop()

    def add_block(self, block: Block) -> None:
        """A block that is written already."""
        self.lines.append(block)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What is written here shares nothing with other paths: its lines count or end loops."""
        shared, self.shared = self.shared, False
        try:
            yield
        finally:
            self.shared = shared

    @contextmanager
    def aside(self) -> Iterator[Block]:
        """Lines written to one side, to see whether there are any; `take` brings them back."""
        block = Block()
        self._open.append(block)
        try:
            yield block
        finally:
            self._open.pop()

    def take(self, block: Block) -> None:
        """Lines that were written aside."""
        self.lines.extend(block.lines)
