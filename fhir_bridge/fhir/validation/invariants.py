"""Invariants: every constraint of a definition compiled from its FHIRPath expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fhir_bridge.fhir.definitions import Constraint
from fhir_bridge.fhir.fhirpath import FHIRPathError, compiled_condition
from fhir_bridge.fhir.fhirpath.fhir_types import r4_type_at
from fhir_bridge.fhir.validation.invariants_contained import EXPRESSION, contained_are_used
from fhir_bridge.fhir.validation.invariants_published import ANSWERED_ELSEWHERE, BEST_PRACTICE, CORRECTIONS
from fhir_bridge.fhir.validation.resolution import resolve
from fhir_bridge.fhir.validation.run import Run

__all__ = ["InvariantEngine", "Invariants", "Predicate"]

Predicate = Callable[[Any, Run], bool]
"""Whether the rule holds for a value; `run.resource` is %resource, `run.root` %rootResource."""


class InvariantEngine(Protocol):
    """Turns a constraint into a predicate."""

    def compile(self, constraint: Constraint, type_name: str, code: str | None = None) -> Predicate | None:
        """The predicate of this constraint on values of a type or element; None where nothing is to check.

        Args:
            type_name: a type (`Period`), or the path of an element (`Observation.component.value[x]`).
            code: the type of the values, where the element has several.
        """
        ...


class Invariants:
    """Every invariant by its expression: base types, resources, profiles and registered packages alike.

    A constraint without expression has nothing to check; one whose expression is no FHIRPath, or fails on a value, is
    reported as FB-FHIR-062 and breaks nothing.

    Args:
        best_practice: check recommendations too that R4 marks as best practice (dom-6: a narrative is there).
    """

    def __init__(self, *, best_practice: bool = False) -> None:
        self._best_practice = best_practice
        self._compiled: dict[tuple[str, str, str, str | None], Predicate | None] = {}

    def compile(self, constraint: Constraint, type_name: str, code: str | None = None) -> Predicate | None:
        """The predicate of this constraint; None where it has no expression or another check keeps its rule."""
        # None is kept as well; an expression is compiled once for each type that it is for.
        key = (constraint.key, constraint.expression, type_name, code)
        if key not in self._compiled:
            self._compiled[key] = self._make(constraint, type_name, code)
        return self._compiled[key]

    def _make(self, constraint: Constraint, type_name: str, code: str | None) -> Predicate | None:
        # Best practice is no rule (elementdefinition-bestpractice): a warning for each
        # resource would hide the others.
        if constraint.key in ANSWERED_ELSEWHERE or (
            constraint.key in BEST_PRACTICE and not self._best_practice
        ):
            return None
        expression: str | None = constraint.expression
        correction = CORRECTIONS.get((constraint.key, constraint.expression)) or CORRECTIONS.get(
            ("*", constraint.expression)
        )
        if correction is not None:
            expression = correction.expression
        if not expression:
            return None
        # By the whole text: a corrected expression of a later package is evaluated as it is.
        if expression == EXPRESSION:
            return contained_are_used
        try:
            holds = compiled_condition(expression, r4_type_at(type_name, code), _surroundings)
        except FHIRPathError as error:
            return _unreadable(constraint, type_name, error)

        def predicate(value: Any, run: Run) -> bool:
            try:
                return holds(value, run)
            except FHIRPathError as error:
                _not_evaluated(constraint, type_name, error, run)
                # An expression that fails says nothing of the value: reported once, and not held to be broken.
                return True

        return predicate


def _surroundings(run: Run) -> dict[str, Any]:
    """What the general evaluator needs to know of a run."""
    return {
        "resource": run.resource or None,
        "root": run.root or None,
        "resolver": _WithinRun(run),
        "terminology": run.terminology,
        "conformance": run.conformance,
        "definitions": run.definitions,
    }


class _WithinRun:
    """Resolves what is contained or in the Bundle around."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    def resolve(self, reference: str) -> dict[str, Any] | None:
        """The resource behind a reference, as far as it is being validated together."""
        return resolve(reference, self._run)


def _unreadable(constraint: Constraint, type_name: str, error: FHIRPathError) -> Predicate:
    def predicate(_: Any, run: Run) -> bool:
        _not_evaluated(constraint, type_name, error, run)
        return True

    return predicate


def _not_evaluated(constraint: Constraint, type_name: str, error: FHIRPathError, run: Run) -> None:
    message = f"{constraint.key} of {type_name} could not be evaluated: {error} ({constraint.expression})"
    # Once for each constraint: a list of a thousand items would fail it a thousand times.
    if all(issue.message != message for issue in run.issues):
        run.add("FB-FHIR-062", message, run.here or (None, type_name.partition(".")[0], -1))
