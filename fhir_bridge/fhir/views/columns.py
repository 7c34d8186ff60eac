"""The columns of the output: their names, types and order, and whether the branches of a unionAll agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.check import Shape
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.views.issues import issue
from fhir_bridge.fhir.views.model import ColumnDefinition
from fhir_bridge.fhir.views.sql_types import why_not
from fhir_bridge.fhir.views.types import ColumnType, column_type, resolve_type, types_of

__all__ = ["Column", "agreed", "duplicates", "typed_column"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the output.

    Attributes:
        type: an R4 type, or an element's path for a backbone; None where neither declaration nor path states it.
        kind: what a table makes of it.
        collection: its value is a list.
        declared: the view declares the type; otherwise it was inferred from the path.
        tags: name to value (`ansi/type`).
        location: where the view defines it.
    """

    name: str
    type: str | None
    kind: ColumnType
    collection: bool
    declared: bool
    path: str
    description: str
    tags: Mapping[str, str]
    location: str


def typed_column(
    written: ColumnDefinition, shape: Shape, known: definitions.Definitions
) -> tuple[Column, list[Issue]]:
    """The column with its type, and what is wrong with that."""
    problems: list[Issue] = []
    inferred = _common(shape)
    declared = None
    if written.type is not None:
        declared = resolve_type(written.type, known)
        if declared is None:
            problems.append(
                issue("FB-VIEW-012", f"R4 has no type {written.type!r}", f"{written.location}.type")
            )
        else:
            problem = _mismatch(declared, shape)
            if problem is not None:
                problems.append(issue("FB-VIEW-013", problem, f"{written.location}.type"))
    elif shape.kinds and all(column_type(name) is ColumnType.COMPLEX for name in types_of(shape) or ()):
        result = " or ".join(types_of(shape) or ())
        problems.append(
            issue(
                "FB-VIEW-013",
                f"the path gives {result}, which is no primitive: declare that type, or take a part of it",
                written.location,
            )
        )
    name = declared or inferred
    unfit = why_not(written.tags, column_type(name))
    if unfit is not None:
        problems.append(issue("FB-VIEW-017", unfit, f"{written.location}.tag"))
    column = Column(
        written.name,
        name,
        column_type(name),
        written.collection,
        declared is not None,
        written.path,
        written.description,
        written.tags,
        written.location,
    )
    return column, problems


def _common(shape: Shape) -> str | None:
    """The one type that all values have; `string` for several that are text."""
    names = types_of(shape)
    if not names:
        return None
    if len(names) == 1:
        return names[0]
    return "string" if all(column_type(name) is ColumnType.STRING for name in names) else None


_GROUPS = {ColumnType.BOOLEAN: "a boolean", ColumnType.COMPLEX: "no primitive"}
_NUMBERS = (ColumnType.INTEGER, ColumnType.INTEGER64, ColumnType.DECIMAL)


def _group(name: str) -> str:
    kind = column_type(name)
    return "a number" if kind in _NUMBERS else _GROUPS.get(kind, "text")


def _mismatch(declared: str, shape: Shape) -> str | None:
    """Why the values can't be of the declared type; None where they can."""
    names = types_of(shape)
    if not names:
        return None
    group = _group(declared)
    groups = {_group(name) for name in names}
    # JSON writes an integer64 as a string.
    if group not in groups and not (declared == "integer64" and "text" in groups):
        return f"the path gives {' or '.join(names)}, which is {' or '.join(sorted(groups))}; {declared} is {group}"
    if group == _GROUPS[ColumnType.COMPLEX] and not any(_related(declared, name) for name in names):
        return f"the path gives {' or '.join(names)}, not {declared}"
    return None


def _related(name: str, other: str) -> bool:
    return name == other or name in _bases(other) or other in _bases(name)


def _bases(name: str) -> set[str]:
    results: set[str] = set()
    head, dot, _ = name.partition(".")
    if dot:  # an element with children of its own
        return {"BackboneElement", "Element"}
    definition = definitions.find_type(head)
    while definition is not None and definition.base:
        base = definition.base.rpartition("/")[2]
        results.add(base)
        definition = definitions.find_type(base)
    return results


def duplicates(columns: Sequence[Column]) -> list[Issue]:
    """An issue for each column whose name is before."""
    seen: dict[str, str] = {}
    problems = []
    for column in columns:
        first = seen.setdefault(column.name, column.location)
        if first != column.location:
            problems.append(
                issue(
                    "FB-VIEW-007",
                    f"the name {column.name!r} is taken by the column at {first}",
                    column.location,
                )
            )
    return problems


def agreed(branches: Sequence[Sequence[Column]], location: str) -> tuple[list[Column], list[Issue]]:
    """The columns of a unionAll, and where its branches disagree in names, order or types."""
    first, *others = branches
    columns, problems = list(first), []
    for number, other in enumerate(others, start=1):
        where = f"{location}.unionAll[{number}]"
        names, result = [c.name for c in first], [c.name for c in other]
        if names != result:
            problems.append(
                issue(
                    "FB-VIEW-008",
                    f"its columns are {_listed(result)}; the first branch has {_listed(names)}",
                    where,
                )
            )
            continue
        for position, (known, column) in enumerate(zip(columns, other, strict=True)):
            merged = _merged(known, column)
            if merged is None:
                problems.append(
                    issue(
                        "FB-VIEW-008",
                        f"the column {column.name} is {_described(column)}; another branch has {_described(known)}",
                        where,
                    )
                )
            else:
                columns[position] = merged
    return columns, problems


def _merged(column: Column, other: Column) -> Column | None:
    if column.collection != other.collection:
        return None
    if column.type == other.type:
        return column
    if ColumnType.UNKNOWN in (column.kind, other.kind):
        return replace(column, type=None, kind=ColumnType.UNKNOWN)
    if column.kind is not other.kind or column.kind is ColumnType.COMPLEX:
        return None
    return replace(column, type="string" if column.kind is ColumnType.STRING else str(column.kind))


def _described(column: Column) -> str:
    return f"{'a collection of ' if column.collection else ''}{column.type or 'of unknown type'}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8]) or "none"
    return shown if len(names) <= 8 else f"{shown}, … ({len(names)} in all)"
