"""What a ViewDefinition says, typed, with the place of each part (SQL on FHIR v2, logical model ViewDefinition)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ColumnDefinition", "Condition", "Constant", "Iteration", "Selection", "ViewDefinition"]

IterationMode = Literal["forEach", "forEachOrNull", "repeat"]


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """A column as written.

    Attributes:
        type: name of an R4 type, or path of an element for its backbone type; None where undeclared.
        tags: name to value.
        location: where it is in the view (`ViewDefinition.select[0].column[2]`).
    """

    name: str
    path: str
    type: str | None
    collection: bool
    description: str
    tags: Mapping[str, str]
    location: str


@dataclass(frozen=True, slots=True)
class Iteration:
    """What a select makes rows of; `repeat` may have several paths, the others have one."""

    kind: IterationMode
    paths: tuple[str, ...]
    location: str


@dataclass(frozen=True, slots=True)
class Selection:
    """A select, or a branch of a unionAll."""

    columns: tuple[ColumnDefinition, ...]
    selections: tuple[Selection, ...]
    union: tuple[Selection, ...]
    iteration: Iteration | None
    location: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that paths name with `%name`; decimals are `Decimal`."""

    name: str
    type: str
    value: Any
    location: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A path that must be true of a resource."""

    path: str
    location: str


@dataclass(frozen=True, slots=True)
class ViewDefinition:
    """A view over one resource type."""

    resource: str
    selections: tuple[Selection, ...]
    conditions: tuple[Condition, ...] = ()
    constants: tuple[Constant, ...] = ()
    name: str = ""
    url: str = ""
    title: str = ""
    description: str = ""

    def columns(self) -> Iterator[ColumnDefinition]:
        """The columns in the order of the output; of a unionAll those of its first branch."""
        for selection in self.selections:
            yield from columns_of(selection)


def columns_of(selection: Selection) -> Iterator[ColumnDefinition]:
    """A select's own columns, then those of nested selects, then those of its unionAll's first branch."""
    yield from selection.columns
    for nested in selection.selections:
        yield from columns_of(nested)
    if selection.union:
        yield from columns_of(selection.union[0])
