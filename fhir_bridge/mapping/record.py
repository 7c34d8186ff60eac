"""A plain base for the records that adapters read, and for the scopes of their models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple

from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = ["CLEARED", "CONSTANTS", "Cleared", "Record", "Scope", "Usual"]


class Scope(NamedTuple):
    """A group of the source; satisfies `fhir_bridge.plugins.ScopeSpec`.

    Objects of a scope have `outer`, the object of the scope around them: the very same object each time, because
    references between outputs are found by it.
    """

    name: str
    parent: str | None = None


CONSTANTS: Final = frozenset(("''", "None"))
"""Sources of what is nothing."""


class Usual(NamedTuple):
    """How most objects of a scope are, for which generated code reads less.

    Attributes:
        test: source of the test that an object is so, after the statements of `SourceModel.key_head`.
        head: statements that read the object.
        names: by the source of a text that decides a value (`SourceModel.key`): the variable that has it, or the
            source of nothing.
    """

    test: str
    head: list[str]
    names: dict[str, str]

    @property
    def absent(self) -> frozenset[str]:
        """Sources of texts that these objects do not have."""
        return frozenset(source for source, name in self.names.items() if name in CONSTANTS)


class Cleared(str):
    """Type of `CLEARED`."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __repr__(self) -> str:
        return "CLEARED"

    def __reduce__(self) -> str:
        return "CLEARED"


CLEARED: Final = Cleared()
"""A value that the source deletes explicitly (HL7 v2 `""`). It is null to all expressions; an element that comes
out cleared is left out and, in a rule with `update: delta`, named as cleared."""


class Record:
    """One unit of work with the fields of `fhir_bridge.plugins.SourceRecord`; adapters subclass it.

    A subclass with groups overrides `scope`. As it is, the record is the only object of its own scope.
    """

    root: ClassVar[str] = "record"
    key: str = ""
    sequence: str = ""

    def __init__(
        self,
        locator: str,
        *,
        source: str,
        time: datetime | None = None,
        records: int = 1,
        outcome: RecordOutcome = "read",
        issues: Sequence[IssueLike] = (),
        key: str = "",
        sequence: str = "",
    ) -> None:
        self.locator = locator
        self.source = source
        self.time = time
        self.records = records
        self.outcome: RecordOutcome = outcome
        self.issues = issues
        if key:
            self.key = key
        if sequence:
            self.sequence = sequence

    @property
    def outer(self) -> None:
        """Nothing is around a record."""
        return None

    def scope(self, name: str) -> Iterable[Any]:
        """The objects of a scope, in source order."""
        return (self,) if name == self.root else ()
