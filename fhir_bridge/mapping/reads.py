"""What a rule reads of its source: computed by the compiler, so that what no rule represents can be reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from fhir_bridge.mapping.errors import Position

__all__ = [
    "Application",
    "Applied",
    "Branch",
    "Read",
    "Reads",
    "RuleReads",
    "Use",
    "as_text",
    "extended",
    "in_arm",
    "looped",
    "naming",
    "narrowed",
    "others_of",
    "shown_of",
    "taken_by",
]


class Read(NamedTuple):
    """A value of the source that a rule writes, compares or passes to a function.

    Attributes:
        scope: the group that the selector was written for.
        selector: as written: `OBX-5`, `NK1[*]`, `row.Wert`.
        path: components and attributes after it (`k.2` of `for: k in NK1[*]`).
        reader: how the value is read: `text`, or a word of the source model (`coded`, `XPN`); None: not yet known.
        which: `first` or `last` where one item of a list is taken, else `all`.
        arms: branches of the rule all of which must have been entered for the value to be read.
        unless: branches none of which may have been entered: those that write the same whatever the value is.
        loops: of the loops (`for: k in NK1[*]`) whose items the path goes through: the generated variable that
            holds the item, and how much of the path is before it.
    """

    scope: str
    selector: str
    path: tuple[int | str, ...] = ()
    reader: str | None = None
    which: str = "all"
    arms: frozenset[int] = frozenset()
    unless: frozenset[int] = frozenset()
    loops: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return "".join([self.selector, *(f".{part}" for part in self.path)])


Reads = tuple[Read, ...]

_NONE: frozenset[int] = frozenset()
_MANY = 500
"""Sets of branches whose reads a rule remembers; loops make them many."""


class Use(NamedTuple):
    """A place of a rule that reads the source.

    Attributes:
        role: `value` of an element, `condition`, `key`, `time`.
        element: the element's path as the rule writes it (`Observation.code`); empty for what is of the whole rule.
        text: the expression.
        reads: values that show in the element, or decide what is written.
        others: values that are read besides: what creates an id, or is only tested for being there.
        arms: branches that must have been entered.
        holder: generated variable of the object that a literal is written to.
        conditions: what decided that a literal is written.
    """

    role: str
    element: str
    text: str
    position: Position
    reads: Reads = ()
    others: Reads = ()
    arms: frozenset[int] = frozenset()
    holder: str = ""
    conditions: tuple[Use, ...] = ()


class Branch(NamedTuple):
    """A way that a rule may take: a case of a `match`, an outcome of a `when` or of `if … else`."""

    text: str
    position: Position


def naming(position: Position, reads: Iterable[Read]) -> Position:
    """The position with the names of what is read there."""
    return replace(position, reads=tuple(dict.fromkeys(map(str, reads))))


def extended(reads: Reads, name: int | str) -> Reads:
    """The reads of a part of a value."""
    return tuple(read._replace(path=(*read.path, name)) for read in reads)


def narrowed(reads: Reads, which: str) -> Reads:
    """The reads of one item of a list."""
    return tuple(read if read.which != "all" else read._replace(which=which) for read in reads)


def looped(reads: Reads, variable: str) -> Reads:
    """The reads of an item of a loop."""
    return tuple(read._replace(loops=(*read.loops, (variable, len(read.path)))) for read in reads)


def shown_of(reads: Reads) -> Reads:
    """Those reads whose content shows in what is written; what only links resources does not."""
    return tuple(read for read in as_text(reads) if read.reader != "link")


def others_of(reads: Reads, uses: Reads) -> Reads:
    """Those of all values that an expression touches whose content does not show in its value."""
    shown = {(read.scope, read.selector, read.path) for read in shown_of(reads)}
    return tuple(read for read in uses if (read.scope, read.selector, read.path) not in shown)


def as_text(reads: Reads) -> Reads:
    """The reads of a value that is compared or written as it is."""
    return tuple(read if read.reader else read._replace(reader="text") for read in reads)


def taken_by(reads: Reads, word: str) -> Reads:
    """The reads of a function's argument, by the word of `FunctionSpec.reads`.

    `same`, `first`, `last`: the function gives the value, or an item of it; `none`: nothing of the value shows in the
    result (it is counted, or creates an id); `link`: it says which resource another one refers to.
    """
    if word == "same":
        return reads
    if word in ("first", "last"):
        return narrowed(reads, word)
    if word == "none":
        return ()
    return tuple(read if read.reader else read._replace(reader=word) for read in reads)


def in_arm(reads: Reads, arm: int) -> Reads:
    """The reads of a branch."""
    return tuple(read._replace(arms=read.arms | {arm}) for read in reads)


class RuleReads:
    """The reads of one rule.

    Attributes:
        rule, scope: the rule, and the group that it runs for.
        uses: every place that reads the source.
        literals: elements that are written as they are, by path.
        branches: by number.
        cache: for the source model, by the branches entered.
        bits: of the branches, by number, where they are noted in one number.
    """

    __slots__ = ("bits", "branches", "cache", "literals", "reads", "rule", "scope", "uses")

    def __init__(self, rule: str, scope: str) -> None:
        self.rule = rule
        self.scope = scope
        self.reads: set[Read] = set()
        self.uses: list[Use] = []
        self.literals: list[Use] = []
        self.branches: dict[int, Branch] = {}
        self.cache: dict[Any, Any] = {}
        self.bits: dict[int, int] = {}

    def add(self, reads: Iterable[Read], arms: frozenset[int], unless: frozenset[int] = frozenset()) -> None:
        """Note values that the rule writes within some branches."""
        for read in as_text(tuple(reads)):
            self.reads.add(read._replace(arms=read.arms | arms, unless=read.unless | unless))

    def arms(self) -> frozenset[int]:
        """The branches that decide whether a value is read.

        To be asked for when all reads are noted: those that say no more than another one are dropped.
        """
        always = {
            read._replace(arms=_NONE, unless=_NONE) for read in self.reads if not (read.arms or read.unless)
        }
        self.reads = {
            read
            for read in self.reads
            if not (read.arms or read.unless) or read._replace(arms=_NONE, unless=_NONE) not in always
        }
        return frozenset().union(*(read.arms | read.unless for read in self.reads))

    def mask(self, marks: Iterable[int]) -> int:
        """Branches in one number."""
        return sum(1 << self.bits[mark] for mark in set(marks) if mark in self.bits)

    def branches_of(self, marks: list[int] | int) -> frozenset[int]:
        """Branches by their numbers."""
        if isinstance(marks, int):
            return frozenset(mark for mark, bit in self.bits.items() if marks >> bit & 1)
        return frozenset(marks)

    def entered(self, marks: list[int] | int, make: Callable[[str, list[Read]], Any]) -> Any:
        """What a source model makes of the reads that the entered branches hold; made once for each set of them."""
        key = marks if isinstance(marks, int) else tuple(marks)
        entry = self.cache.get(key)
        if entry is None:
            entered = self.branches_of(marks)
            reads = [read for read in self.reads if read.arms <= entered and read.unless.isdisjoint(entered)]
            if len(self.cache) >= _MANY:
                self.cache.clear()
            entry = self.cache[key] = make(self.scope, reads)
        return entry


Applied = tuple[RuleReads, Any, Any]
"""One application of a rule that gave an output: its reads, its scope object, the branches it entered (a list of their
numbers, or one number that `RuleReads.branches_of` reads)."""


class Application(NamedTuple):
    """An `Applied` to look into."""

    reads: RuleReads
    scope: Any
    marks: Any

    def entered(self, reads: Iterable[Read]) -> list[Read]:
        """Those of the rule's reads that the branches entered hold."""
        marks = self.reads.branches_of(self.marks)
        return [read for read in reads if read.arms <= marks and read.unless.isdisjoint(marks)]
