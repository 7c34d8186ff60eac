"""The issue codes of views, and the two errors that carry them: of a definition, and of one record."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.fhir.issues import Issue, IssueCode, declare

__all__ = ["CODES", "RecordError", "ViewError", "issue"]

CODES = declare(
    IssueCode(
        "FB-VIEW-001",
        "error",
        "not a ViewDefinition",
        "Give the JSON of one ViewDefinition: an object whose resourceType, where it has one, is ViewDefinition.",
        "structure",
    ),
    IssueCode(
        "FB-VIEW-002", "error", "a required element of the view is missing", "Add the element.", "required"
    ),
    IssueCode(
        "FB-VIEW-003",
        "error",
        "an element of the view has the wrong kind of value",
        "Write the JSON kind that the message names; lists are lists even with one item.",
        "structure",
    ),
    IssueCode(
        "FB-VIEW-004",
        "warning",
        "an unknown element of the view is left out of account",
        "Correct the name or remove the element (docs/views.md lists what a view holds).",
        "structure",
    ),
    IssueCode(
        "FB-VIEW-005",
        "error",
        "the view is over an unknown resource type",
        "Name one of R4's resource types.",
        "not-found",
    ),
    IssueCode(
        "FB-VIEW-006",
        "error",
        "a name that a database can't use",
        "Begin with a letter; go on with letters, digits and underscores (invariant sql-name).",
        "invariant",
    ),
    IssueCode(
        "FB-VIEW-007", "error", "two columns have one name", "Give one of them another name.", "duplicate"
    ),
    IssueCode(
        "FB-VIEW-008",
        "error",
        "the branches of a unionAll have different columns",
        "Give each branch the same column names and types, in the same order.",
        "invariant",
    ),
    IssueCode(
        "FB-VIEW-009",
        "error",
        "a constant is not usable",
        "Give it a name of its own and exactly one value[x] of a primitive type.",
        "value",
    ),
    IssueCode(
        "FB-VIEW-010",
        "error",
        "a path uses a constant that the view does not define",
        "Add it to ViewDefinition.constant, or correct the name after %.",
        "not-found",
    ),
    IssueCode(
        "FB-VIEW-011",
        "error",
        "a path is not FHIRPath that fits the resource",
        "Correct the path at the place the message names.",
        "invalid",
    ),
    IssueCode(
        "FB-VIEW-012",
        "error",
        "a column has an unknown type",
        "Name an R4 type (`string`, `dateTime`, `Quantity`), its canonical, or an element (`Observation.component`).",
        "not-found",
    ),
    IssueCode(
        "FB-VIEW-013",
        "error",
        "a column's type does not fit its path",
        "Declare the type that the path gives, or choose the part that has the declared type.",
        "invariant",
    ),
    IssueCode(
        "FB-VIEW-014",
        "error",
        "a where path is not a condition",
        "Write a path that gives true or false, such as `… .exists()` or a comparison.",
        "invariant",
    ),
    IssueCode(
        "FB-VIEW-015",
        "error",
        "a select iterates in two ways",
        "Keep one of forEach, forEachOrNull and repeat; nest selects for more (invariant sql-expressions).",
        "invariant",
    ),
    IssueCode(
        "FB-VIEW-016",
        "error",
        "the view is nested too deep or holds too many selects",
        "Flatten the selects.",
        "too-costly",
    ),
    IssueCode(
        "FB-VIEW-017",
        "warning",
        "a type hint is not understood",
        "Use an ansi/type that docs/views.md lists and that the column's values fit.",
        "not-supported",
    ),
    IssueCode("FB-VIEW-018", "error", "the view has no column", "Add a column to a select.", "required"),
    IssueCode(
        "FB-VIEW-019",
        "warning",
        "a path names an element that the resource does not have",
        "Correct the name; as it is, the path gives nothing.",
        "not-found",
    ),
    IssueCode(
        "FB-VIEW-030",
        "error",
        "a column has several values in one row",
        "Set `collection` on the column, choose one value (`first()`), or make rows of them with forEach.",
        "multiple-matches",
    ),
    IssueCode(
        "FB-VIEW-031",
        "error",
        "a value does not fit its column's type",
        "Correct the resource, or the type or path of the column.",
        "value",
    ),
    IssueCode(
        "FB-VIEW-032",
        "error",
        "a where path gives something else than true or false",
        "Write a condition: `… .exists()` or a comparison.",
        "value",
    ),
    IssueCode(
        "FB-VIEW-033",
        "error",
        "a path can't be evaluated on this resource",
        "The message says why; choose among several values with first() or where().",
        "exception",
    ),
    IssueCode(
        "FB-VIEW-034",
        "error",
        "a record is not the JSON of a resource",
        "Correct the record; the message says where it breaks.",
        "structure",
    ),
    IssueCode(
        "FB-VIEW-035",
        "error",
        "a resource gives too many rows",
        "Selects beside each other are joined, each row with each: nest them, or make views of their own of them.",
        "too-costly",
    ),
    IssueCode(
        "FB-VIEW-040",
        "warning",
        "a value has no exact native form and is null",
        "Keep what was written with `--types both` or `--types text`.",
        "value",
    ),
)


def issue(code: str, message: str, expression: str = "", source: str = "") -> Issue:
    """An issue of this code with its declared severity."""
    return Issue(CODES[code].severity, code, message, source, expression)


class ViewError(ValueError):
    """A ViewDefinition that can't be run; `issues` says all that is wrong with it and where."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(issues)
        super().__init__("; ".join(f"{result.expression}: {result.message}" for result in self.issues))


class RecordError(ValueError):
    """A resource that the view can't turn into rows; `issue` names the column and the cause."""

    def __init__(self, code: str, message: str, expression: str = "") -> None:
        self.issue = issue(code, message, expression)
        super().__init__(f"{expression}: {message}" if expression else message)
