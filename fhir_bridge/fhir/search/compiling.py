"""All search parameters of a resource type, compiled once, and again when a package adds to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from fhir_bridge.fhir import definitions, fhirpath
from fhir_bridge.fhir.search.composites import Composite, composite
from fhir_bridge.fhir.search.entries import TokenEntry
from fhir_bridge.fhir.search.fallback import CompositeFallback, Fallback, composite_fallback, fallback
from fhir_bridge.fhir.search.paths import Place, Unsupported, compile_expression
from fhir_bridge.fhir.search.systems import implied_system
from fhir_bridge.fhir.search.values import SPECIAL_VALUES, Append, Converter, converter
from fhir_bridge.fhir.search.walkers import Target, Walker, build

__all__ = ["STORED", "Compiled", "Presence", "Uncompiled", "Unindexed", "compiled"]

STORED = frozenset({"_id", "_lastUpdated"})
"""Parameters that the server answers from its own columns, without an index."""

_PRESENT_AND_TRUE = re.compile(r"(?P<path>\w+\.\w+)\.exists\(\) and (?P=path) != false")


@dataclass(frozen=True, slots=True)
class Uncompiled:
    """A search parameter that finds nothing here."""

    type: str
    code: str
    expression: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unindexed:
    """Values that a parameter leads to and that its search type has no form for: a text where dates are searched."""

    type: str
    code: str
    search_type: str
    value_type: str


@dataclass(frozen=True, slots=True)
class Presence:
    """`X.exists() and X != false` (Patient.deceased): always one token, true or false."""

    parameter: str
    names: tuple[str, ...]
    """The JSON names of the element."""

    def value(self, resource: dict[str, Any]) -> bool:
        """Whether something is there that is not false."""
        return any(resource.get(name) not in (None, False) for name in self.names)

    def extract(self, resource: dict[str, Any], append: Append) -> None:
        """Append the index entry."""
        text = "true" if self.value(resource) else "false"
        append(TokenEntry(self.parameter, SPECIAL_VALUES, text))


@cache
def _collector(type_name: str) -> Converter:
    """Keeps a value as (parameter, FHIR type, value)."""

    def collect(parameters: tuple[str, ...], value: Any, append: Append) -> None:
        for parameter in parameters:
            append((parameter, type_name, value))  # type: ignore[arg-type]

    return collect


@dataclass(frozen=True)
class Compiled:
    """The parameters of a resource type.

    Attributes:
        walk: makes the entries of all that `search.paths` can read.
        others: those that need something of their own.
        codes: all that find something, composites included.
    """

    walk: Walker
    others: tuple[Presence | Fallback, ...]
    composites: tuple[Composite | CompositeFallback, ...]
    codes: frozenset[str]
    places: tuple[tuple[str, Place], ...]
    uncompiled: tuple[Uncompiled, ...]
    unindexed: tuple[Unindexed, ...]

    @cached_property
    def collect(self) -> Walker:
        """A walker that gives (parameter, FHIR type, value) for what is found, whether it can be indexed or not."""
        return build(Target(place, code, _collector(place.type)) for code, place in self.places)


_known: dict[tuple[str, frozenset[str] | None], tuple[Mapping[str, Any], Compiled]] = {}


def compiled(resource_type: str, only: frozenset[str] | None = None) -> Compiled:
    """The compiled parameters of a type; those of `only`, or all.

    Raises:
        KeyError: R4 has no such resource type.
    """
    parameters = definitions.search_parameters(resource_type)
    known = _known.get((resource_type, only))
    if known is not None and known[0] is parameters:
        return known[1]
    same = known is not None and known[0] == parameters  # another object after something else was registered
    found = known[1] if known is not None and same else _compile(resource_type, parameters, only)
    _known[resource_type, only] = (parameters, found)
    return found


def _compile(
    resource_type: str,
    parameters: Mapping[str, definitions.SearchParameter],
    only: frozenset[str] | None,
) -> Compiled:
    building = _Building(resource_type)
    for code, parameter in parameters.items():
        if code not in STORED and (only is None or code in only):
            building.add(parameter)
    return building.done()


class _Building:
    """What has been compiled so far of one type."""

    def __init__(self, resource_type: str) -> None:
        self.type = resource_type
        self.targets: list[Target] = []
        self.others: list[Presence | Fallback] = []
        self.composites: list[Composite | CompositeFallback] = []
        self.codes: set[str] = set(STORED)
        self.places: list[tuple[str, Place]] = []
        self.uncompiled: list[Uncompiled] = []
        self.unindexed: dict[Unindexed, None] = {}

    def add(self, parameter: definitions.SearchParameter) -> None:
        """Compile one parameter, by the walker if it can be, else for the engine."""
        if not parameter.expression:
            self.leave(parameter, "has no expression")
        elif parameter.type == "special":
            self.leave(parameter, "is special: its values are not compared by any search type")
        else:
            try:
                self.walked(parameter)
            except Unsupported:
                self.evaluated(parameter)

    def leave(self, parameter: definitions.SearchParameter, reason: str) -> None:
        self.uncompiled.append(Uncompiled(self.type, parameter.code, parameter.expression, reason))

    def walked(self, parameter: definitions.SearchParameter) -> None:
        """Compile to places.

        Raises:
            Unsupported: the expression is outside the subset.
        """
        code = parameter.code
        if parameter.type == "composite":
            self.composites.append(composite(self.type, parameter))
            self.codes.add(code)
            return
        presence = _PRESENT_AND_TRUE.fullmatch(parameter.expression)
        if presence:
            places = compile_expression(presence["path"], self.type)
            self.others.append(Presence(code, tuple(place.steps[0][1] for place in places)))
            self.codes.add(code)
            return
        places = compile_expression(parameter.expression, self.type)
        if not places:
            self.leave(parameter, f"leads nowhere in {self.type}")
        for place in places:
            self.places.append((code, place))
            convert = converter(parameter.type, place.type, implied_system(place.binding), parameter.targets)
            if convert is not None:
                self.targets.append(Target(place, code, convert))
                self.codes.add(code)
            elif place.before is None or place.before.type != "Extension":  # which may hold any type
                self.unindexed[Unindexed(self.type, code, parameter.type, place.type)] = None
        if places and code not in self.codes:
            self.leave(parameter, f"finds nothing that has a form as {parameter.type}")

    def evaluated(self, parameter: definitions.SearchParameter) -> None:
        """Leave the parameter to the engine."""
        try:
            if parameter.type == "composite":
                self.composites.append(composite_fallback(self.type, parameter))
            else:
                self.others.append(fallback(self.type, parameter))
        except Unsupported as wrong:
            self.leave(parameter, str(wrong))
        except fhirpath.FHIRPathError as wrong:
            self.leave(parameter, f"is no FHIRPath for {self.type}: {wrong}")
        else:
            self.codes.add(parameter.code)

    def done(self) -> Compiled:
        order = {
            name: number
            for number, element in enumerate(definitions.type_definition(self.type).children())
            for name in element.json_names
        }
        self.targets.sort(key=lambda target: order.get(target.place.steps[0][1], 0))
        return Compiled(
            build(self.targets),
            tuple(self.others),
            tuple(self.composites),
            frozenset(self.codes),
            tuple(self.places),
            tuple(self.uncompiled),
            tuple(self.unindexed),
        )
