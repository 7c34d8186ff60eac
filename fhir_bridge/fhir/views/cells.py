"""From a compiled path to a cell of a row, and to the elements that a select iterates over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fhir_bridge.fhir.fhirpath import FHIRPathError, Item
from fhir_bridge.fhir.fhirpath.compiled import UnexpectedShape
from fhir_bridge.fhir.views.columns import Column
from fhir_bridge.fhir.views.constants import ROW_INDEX
from fhir_bridge.fhir.views.issues import RecordError
from fhir_bridge.fhir.views.paths import Path, Surroundings
from fhir_bridge.fhir.views.rows import Cell, Foci, repeated
from fhir_bridge.fhir.views.types import ColumnType
from fhir_bridge.fhir.views.values import check_of

__all__ = ["blank_cell", "cell_of", "foci_of"]


def blank_cell(path: str) -> int | None:
    """The value in the row of nulls that forEachOrNull gives: 0 for `%rowIndex`, else null (Process, step 3)."""
    return 0 if path.strip() == f"%{ROW_INDEX}" else None


def cell_of(column: Column, path: Path) -> Cell:
    """The column's value for an element."""
    if blank_cell(path.text) == 0 and column.kind is ColumnType.INTEGER and not column.collection:
        return lambda _focus, index, _run: index
    values, check = path.values, check_of(column.kind, column.type)
    named, location = f"column {column.name}", column.location

    def refused(error: Exception) -> RecordError:
        if isinstance(error, RecordError):
            return RecordError(error.issue.code, f"{named}: {error.issue.message}", location)
        return RecordError("FB-VIEW-033", f"{named}: {error}", location)

    if column.collection:

        def collected(focus: Item, index: int, run: Surroundings) -> list[Any]:
            try:
                return [check(value) for value in values(focus, index, run)]
            except (FHIRPathError, RecordError) as error:
                raise refused(error) from error

        return collected

    def cell(focus: Item, index: int, run: Surroundings) -> Any:
        try:
            result = values(focus, index, run)
            if not result:
                return None
            if len(result) == 1:
                return check(result[0])
        except (FHIRPathError, RecordError) as error:
            raise refused(error) from error
        raise RecordError(
            "FB-VIEW-030", f"{named}: {len(result)} values in one row; it is no collection", location
        )

    item = path.single
    if item is None:
        return cell

    def compiled(focus: Item, index: int, run: Surroundings) -> Any:
        try:
            result = item(focus.value, run)
            return None if result is None else check(result)
        except UnexpectedShape:
            return cell(focus, index, run)
        except RecordError as error:
            raise refused(error) from error

    return compiled


Items = Callable[[Item, int, Surroundings], list[Item]]


def foci_of(path: Path | Sequence[Path], location: str) -> Foci:
    """The elements of forEach and forEachOrNull (one path), or of repeat (a list of them)."""
    if isinstance(path, Path):
        return _compiled(path, _guarded(path.items, location))
    several = [item.items for item in path]

    def reached(focus: Item, index: int, run: Surroundings) -> list[Item]:
        def step(element: Item) -> list[Item]:
            return [child for items in several for child in items(element, index, run)]

        return repeated(step, focus, location)

    return _guarded(reached, location)


def _compiled(path: Path, otherwise: Foci) -> Foci:
    """Elements with children, all of one type; primitives have extensions beside them, which items carry along."""
    many, kinds = path.many, path.shape.kinds
    if many is None or kinds is None or len(kinds) != 1:
        return otherwise
    (kind,) = kinds
    if kind.primitive or kind.open:
        return otherwise

    def foci(focus: Item, index: int, run: Surroundings) -> Sequence[Item]:
        try:
            return [Item(value, kind) for value in many(focus.value, run)]
        except UnexpectedShape:
            return otherwise(focus, index, run)

    return foci


def _guarded(items: Items, location: str) -> Foci:
    def foci(focus: Item, index: int, run: Surroundings) -> list[Item]:
        try:
            return items(focus, index, run)
        except FHIRPathError as error:
            raise RecordError("FB-VIEW-033", str(error), location) from error

    return foci
