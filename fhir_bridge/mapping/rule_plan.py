"""How a compiled rule runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_bridge.mapping.errors import Position
from fhir_bridge.mapping.reads import RuleReads
from fhir_bridge.mapping.sections import SectionPlan

__all__ = ["RulePlan"]


@dataclass(slots=True)
class RulePlan:
    """How a rule runs.

    Attributes:
        columns: of an `unpivot`: (name, spec, name of the generated function that reads the cell).
        split: others refer to it, so that it has an `identify_…` beside its `build_…`.
        key_parts: texts of the key's parts, for messages.
        required: JSON names of required elements; one of each tuple must be there.
        reads: what the rule reads of its source.
        sections: where it is compiled to bytes in sections.
        identify: name of the function that gives the id, where the rule is split.
        needs: what the shape of a record must have of, of each set one, so that the rule may apply.
        all: the function `identify` takes several objects.
        every: the function makes the outputs of several objects.
        among: name of the function that leaves out objects which have nothing for the rule, where there is one.
    """

    name: str
    type: str
    scope: str
    position: Position
    function: str
    split: bool
    whole: bool
    key_parts: list[tuple[str, Position]]
    columns: list[tuple[str, Any, str]]
    required: list[tuple[str, ...]]
    reads: RuleReads
    sections: SectionPlan | None = None
    identify: str = ""
    among: str = ""
    all: bool = False
    every: bool = False
    needs: tuple[frozenset[str], ...] = ()
