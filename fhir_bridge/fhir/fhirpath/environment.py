"""What an evaluation carries: its resources, variables, ports, moment and bounds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, item_of, root_item, string
from fhir_bridge.fhir.fhirpath.temporal import now
from fhir_bridge.fhir.ports import ConformancePort, ReferenceResolver, TerminologyPort

__all__ = ["MAX_ITEMS", "Budget", "Environment", "Frame", "Trace"]

# Bounds what a hostile expression or resource costs.
MAX_ITEMS = 2_000_000
"""Items that the steps of one evaluation may find, make or look at before it is stopped: some seconds of work."""


class Budget:
    """Items that several evaluations for one purpose may look at together.

    Attributes:
        left: those that are left.
    """

    __slots__ = ("left",)

    def __init__(self, items: int = 5 * MAX_ITEMS) -> None:
        self.left = items

    def spend(self, items: int) -> None:
        """Account for work of the caller's own.

        Raises:
            FHIRPathError: nothing is left.
        """
        self.left -= items
        if self.left < 0:
            raise FHIRPathError(
                "too many items to look at in all: the work grows with a power of the resource's size"
            )


Trace = Callable[[str, Sequence[Item]], None]
"""Told of every `trace(name)`: the name and the items."""

_LOG = logging.getLogger(__name__)

_FIXED = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
_PREFIXED = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}


class Environment:
    """The surroundings of one evaluation.

    Attributes:
        context: the item the expression is evaluated on (%context).
        resource: the resource that holds it (%resource).
        root: the resource that contains that one (%rootResource).
        left: how many items may still be made or looked at.
    """

    __slots__ = (
        "_entries",
        "_moment",
        "conformance",
        "context",
        "definitions",
        "left",
        "resolver",
        "resource",
        "root",
        "terminology",
        "trace_to",
        "variables",
    )

    def __init__(
        self,
        context: Item,
        resource: Item,
        root: Item,
        resolver: ReferenceResolver | None = None,
        variables: Mapping[str, Any] | None = None,
        terminology: TerminologyPort | None = None,
        trace: Trace | None = None,
        conformance: ConformancePort | None = None,
        definitions: Definitions = DEFAULT,
    ) -> None:
        self.context = context
        self.resource = resource
        self.root = root
        self.resolver = resolver
        self.variables = variables or {}
        self.terminology = terminology
        self.trace_to = trace
        self.conformance = conformance
        self.definitions = definitions
        self._moment: datetime | None = None
        self._entries: dict[int, tuple[Item, Mapping[str, Item]]] = {}
        self.left = MAX_ITEMS

    @property
    def moment(self) -> datetime:
        """The one moment that now(), today() and timeOfDay() show."""
        # Once: all uses within one evaluation must agree (N1 §5.9).
        if self._moment is None:
            self._moment = now()
        return self._moment

    def spend(self, items: int) -> None:
        """Account for items made or looked at; beyond `MAX_ITEMS` the evaluation ends.

        Raises:
            FHIRPathError: the bound is reached.
        """
        self.left -= items
        if self.left < 0:
            raise FHIRPathError(f"more than {MAX_ITEMS:,} items in one evaluation")

    def spend_text(self, text: str) -> None:
        """Account for a string made: each hundred characters count as an item."""
        self.spend(len(text) // 100)

    def entries(self, bundle: Item, index: Callable[[Item], Mapping[str, Item]]) -> Mapping[str, Item]:
        """The entries of a Bundle by what refers to them, looked through once for all references."""
        # By identity, with the item kept beside it, so that the id can't be reused.
        known = self._entries.get(id(bundle.value))
        if known is None:
            known = self._entries[id(bundle.value)] = (bundle, index(bundle))
        return known[1]

    def variable(self, name: str) -> list[Item]:
        """The value of `%name` (R4 fhirpath.html#variables, then those that were handed over).

        Raises:
            FHIRPathError: there is none of this name.
        """
        if name in self.variables:
            return _items(self.variables[name])
        if name == "resource":
            return [self.resource]
        if name == "rootResource":
            return [self.root]
        if name == "context":
            return [self.context]
        if name in _FIXED:
            return string(_FIXED[name])
        for prefix, base in _PREFIXED.items():
            if name.startswith(prefix):
                return string(base + name[len(prefix) :])
        raise FHIRPathError(f"there is no variable %{name}")

    def trace(self, name: str, items: Sequence[Item]) -> None:
        """Tell of a trace(); without a receiver the log has its name and count, never values."""
        if self.trace_to is not None:
            self.trace_to(name, items)
        else:
            _LOG.debug("trace %s: %d items", name, len(items))


def _items(value: Any) -> list[Item]:
    if value is None:
        return []
    if isinstance(value, Item):
        return [value]
    if isinstance(value, list | tuple):
        return [item for entry in value for item in _items(entry)]
    return [root_item(value) if isinstance(value, dict | float) else item_of(value)]


class Frame:
    """The innermost `$this`, `$index` and `$total`, within an environment."""

    __slots__ = ("env", "index", "this", "total")

    def __init__(
        self, env: Environment, this: list[Item], index: int = 0, total: list[Item] | None = None
    ) -> None:
        self.env = env
        self.this = this
        self.index = index
        self.total = total
