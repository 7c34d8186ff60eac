"""A ViewDefinition made ready to run: all of it checked, each path compiled once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.fhirpath import FHIRPathError
from fhir_bridge.fhir.fhirpath.check import UNKNOWN, Shape
from fhir_bridge.fhir.fhirpath.compiled import UnexpectedShape
from fhir_bridge.fhir.fhirpath.fhir_types import r4_type
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.ports import ConformancePort, ReferenceResolver, TerminologyPort
from fhir_bridge.fhir.views.cells import blank_cell, cell_of, foci_of
from fhir_bridge.fhir.views.columns import Column, agreed, duplicates, typed_column
from fhir_bridge.fhir.views.issues import RecordError, ViewError, issue
from fhir_bridge.fhir.views.model import Condition, Iteration, Selection, ViewDefinition
from fhir_bridge.fhir.views.paths import Path, Paths, Surroundings, UndefinedConstant
from fhir_bridge.fhir.views.reading import read_definition
from fhir_bridge.fhir.views.rows import Plan, Row
from fhir_bridge.fhir.views.types import ColumnType, types_of

__all__ = ["View", "check_view", "compile_view"]

_WITH_DIGITS = frozenset({ColumnType.DECIMAL, ColumnType.COMPLEX, ColumnType.UNKNOWN})


class View:
    """A compiled ViewDefinition. Safe to share between threads.

    Attributes:
        columns: those of the output, in order (SQL on FHIR v2, Column Ordering).
        warnings: what `compile_view` found that does not keep the view from running.
        asks_terminology: a path asks what value sets or code systems hold (`memberOf()`).
        exact: its rows may show how many digits a decimal has, so resources must be parsed with them.
    """

    def __init__(
        self,
        definition: ViewDefinition,
        columns: tuple[Column, ...],
        plan: Plan,
        conditions: tuple[tuple[Path, str], ...],
        paths: Paths,
        warnings: tuple[Issue, ...],
        known: Definitions = DEFAULT,
    ) -> None:
        self.definition = definition
        self.columns = columns
        self.warnings = warnings
        self._known = known
        self._plan = plan
        self._conditions = conditions
        self._variables = paths.variables
        kind = r4_type(definition.resource)
        assert kind is not None, "the definition was checked"
        self._kind = kind
        self.asks_terminology = paths.asks_terminology
        self.exact = paths.exact or any(column.kind in _WITH_DIGITS for column in columns)

    @property
    def resource(self) -> str:
        """The resource type that the view is over."""
        return self.definition.resource

    def rows(
        self,
        resource: Mapping[str, Any],
        *,
        resolver: ReferenceResolver | None = None,
        terminology: TerminologyPort | None = None,
        conformance: ConformancePort | None = None,
    ) -> Iterator[Row]:
        """The resource's rows, one value a column; none for another type or where a `where` does not hold.

        Values are FHIR JSON's: str, bool, int, Decimal or float, None for null, a list for a collection, a dict for
        a complex type. Rows are made one at a time.

        Args:
            resolver: finds what references name, for `resolve()`.
            terminology: answers `memberOf()`.
            conformance: answers `conformsTo()` and `htmlChecks()`: a `Validator`.

        Raises:
            RecordError: a path can't be evaluated on the resource, a column that is no collection has several values,
                a value is not of its column's type, or a `where` gives no boolean.
        """
        if resource.get("resourceType") != self.definition.resource:
            return
        run = Surroundings(
            resource if isinstance(resource, dict) else dict(resource),
            self._kind,
            self._variables,
            resolver,
            terminology,
            conformance,
            self._known,
        )
        for path, location in self._conditions:
            if not _holds(path, location, run):
                return
        yield from self._plan.rows(run.root, 0, run)

    def dicts(self, resource: Mapping[str, Any], **ports: Any) -> Iterator[dict[str, Any]]:
        """As `rows`, by column name."""
        names = [column.name for column in self.columns]
        for row in self.rows(resource, **ports):
            yield dict(zip(names, row, strict=True))


def _holds(path: Path, location: str, run: Surroundings) -> bool:
    if path.test is not None:
        try:
            return bool(path.test(run.resource, run))
        except UnexpectedShape:
            pass
    try:
        result = path.values(run.root, 0, run)
    except FHIRPathError as error:
        raise RecordError("FB-VIEW-033", f"`where` {path.text!r}: {error}", location) from error
    if not result:
        return False
    if len(result) == 1 and isinstance(result[0], bool):
        return result[0]
    what = "several values" if len(result) > 1 else f"a {type(result[0]).__name__}"
    raise RecordError("FB-VIEW-032", f"`where` {path.text!r} gives {what}, not true or false", location)


def compile_view(view: Mapping[str, Any] | bytes | str, known: Definitions = DEFAULT) -> View:
    """Check a ViewDefinition (JSON text or parsed) and compile it.

    Args:
        known: definitions that its paths and column types may name.

    Raises:
        ViewError: with all that is wrong with it, and where.
    """
    compiled, issues = _compiled(view, known)
    if compiled is None:
        raise ViewError(result for result in issues if result.severity != "warning")
    return compiled


def check_view(view: Mapping[str, Any] | bytes | str, known: Definitions = DEFAULT) -> list[Issue]:
    """All errors and warnings of a ViewDefinition, each with its place; empty where it is in order."""
    return _compiled(view, known)[1]


def _compiled(view: Mapping[str, Any] | bytes | str, known: Definitions) -> tuple[View | None, list[Issue]]:
    definition, issues = read_definition(view)
    if definition is None:
        return None, issues
    kind = r4_type(definition.resource)
    assert kind is not None, "reading refuses unknown resource types"
    compiler = _Compiler(Paths(kind, definition.constants), issues, known)
    focus = Shape(frozenset({kind}))
    conditions = tuple(compiler.condition(condition, focus) for condition in definition.conditions)
    plan, columns = compiler.selection(
        Selection((), definition.selections, (), None, "ViewDefinition"), focus
    )
    issues += duplicates(columns)
    if not columns:
        issues.append(issue("FB-VIEW-018", "no select gives a column", "ViewDefinition.select"))
    if any(result.severity != "warning" for result in issues):
        return None, issues
    usable = tuple(condition for condition in conditions if condition is not None)
    return View(definition, tuple(columns), plan, usable, compiler.paths, tuple(issues), known), issues


class _Compiler:
    def __init__(self, paths: Paths, issues: list[Issue], known: Definitions) -> None:
        self.paths = paths
        self.known = known
        self.issues = issues

    def path(self, text: str, location: str, focus: Shape, *, warn: bool = True) -> Path | None:
        try:
            path = self.paths.compile(text, focus)
        except UndefinedConstant as error:
            self.issues.append(issue("FB-VIEW-010", str(error), location))
            return None
        except FHIRPathError as error:
            self.issues.append(issue("FB-VIEW-011", f"{text!r}: {error}", location))
            return None
        if warn:
            self.warn(path, location)
        return path

    def warn(self, path: Path, location: str) -> None:
        for problem in path.unknown:
            result = f"{path.text!r}: {problem}; it is always empty"
            self.issues.append(issue("FB-VIEW-019", result, location))

    def condition(self, condition: Condition, focus: Shape) -> tuple[Path, str] | None:
        path = self.path(condition.path, condition.location, focus)
        if path is None:
            return None
        types = types_of(path.shape)
        if types and "boolean" not in types:
            result = (
                f"{condition.path!r} gives {' or '.join(types)}, not a boolean; add .exists() or a comparison"
            )
            self.issues.append(issue("FB-VIEW-014", result, condition.location))
        return path, condition.location

    def selection(self, selection: Selection, focus: Shape) -> tuple[Plan, list[Column]]:
        foci, inner = None, focus
        iteration = selection.iteration
        if iteration is not None:
            foci, inner = self.iteration(iteration, focus)
        columns: list[Column] = []
        cells = []
        for written in selection.columns:
            path = self.path(written.path, f"{written.location}.path", inner)
            column, problems = typed_column(written, path.shape if path else UNKNOWN, self.known)
            self.issues += problems
            columns.append(column)
            if path is not None:
                cells.append(cell_of(column, path))
        factors: list[tuple[Plan, ...]] = []
        for nested in selection.selections:
            plan, result = self.selection(nested, inner)
            factors.append((plan,))
            columns += result
        if selection.union:
            compiled = [self.selection(branch, inner) for branch in selection.union]
            factors.append(tuple(plan for plan, _ in compiled))
            result, problems = agreed([branch for _, branch in compiled], selection.location)
            self.issues += problems
            columns += result
        blank = tuple(blank_cell(column.path) for column in columns)
        or_null = iteration is not None and iteration.kind == "forEachOrNull"
        return Plan(tuple(cells), tuple(factors), foci, or_null=or_null, blank=blank), columns

    def iteration(self, iteration: Iteration, focus: Shape) -> tuple[Any, Shape]:
        compiled: list[Path] = []
        for text in iteration.paths:
            path = self.path(text, iteration.location, focus, warn=iteration.kind != "repeat")
            if path is None:
                return None, UNKNOWN
            compiled.append(path)
        if iteration.kind != "repeat":
            return foci_of(compiled[0], iteration.location), compiled[0].shape.item
        return self.repeated(iteration, compiled)

    def repeated(self, iteration: Iteration, first: list[Path]) -> tuple[Any, Shape]:
        """Paths of `repeat` are on the element itself and on what they give; the types settle in few rounds."""
        shape, later = _joined([path.shape for path in first]), first
        for _ in range(8):
            if shape.kinds is None:
                break
            later = [self.paths.compile(path.text, shape.item) for path in first]
            again = _joined([shape, *(path.shape for path in later)])
            if again == shape:
                break
            shape = again
        for path, beneath in zip(first, later, strict=True):
            if path.unknown and beneath.unknown:
                self.warn(path, iteration.location)
        return foci_of(first, iteration.location), shape.item


def _joined(parts: list[Shape]) -> Shape:
    if any(part.kinds is None for part in parts):
        return UNKNOWN
    return Shape(frozenset().union(*(part.kinds or () for part in parts)), many=True)
