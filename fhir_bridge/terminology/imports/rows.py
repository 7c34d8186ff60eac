"""Puts concepts that an importer makes one by one into the staging, many at a time."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from fhir_bridge.terminology.store.staging import ConceptRow, DesignationRow, PropertyRow, Staging

__all__ = ["Batch"]

_SIZE = 20_000


class Batch:
    """Collects rows of one code system; at the end of the block all are in the staging."""

    def __init__(self, staging: Staging, system: int) -> None:
        self._staging, self._system = staging, system
        self._concepts: list[ConceptRow] = []
        self._designations: list[DesignationRow] = []
        self._properties: list[PropertyRow] = []
        self._edges: list[tuple[str, str]] = []

    def concept(self, row: ConceptRow, parents: Iterable[str] = ()) -> None:
        """Add a concept and what it is below."""
        self._concepts.append(row)
        self._edges.extend((row.code, parent) for parent in parents)
        if len(self._concepts) + len(self._designations) + len(self._properties) > _SIZE:
            self.flush()

    def edge(self, code: str, parent: str) -> None:
        """Say that a concept is below another."""
        self._edges.append((code, parent))

    def name(self, row: DesignationRow) -> None:
        """Add a designation."""
        self._designations.append(row)

    def value(self, code: str, name: str, value: str, kind: str = "string") -> None:
        """Add a property that has a value."""
        if value:
            self._properties.append(PropertyRow(code, name, value, kind))

    def flush(self) -> None:
        """Put what is collected into the staging."""
        self._staging.concepts(self._system, self._concepts)
        self._staging.designations(self._system, self._designations)
        self._staging.properties(self._system, self._properties)
        self._staging.edges(self._system, self._edges)
        for rows in (self._concepts, self._designations, self._properties, self._edges):
            rows.clear()

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
