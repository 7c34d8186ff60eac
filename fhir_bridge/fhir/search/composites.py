"""Composite search parameters: which values of their components stand together (R4 search.html#composite)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.search.entries import CompositeEntry, IndexEntry
from fhir_bridge.fhir.search.paths import Place, Unsupported, compile_expression, compile_relative
from fhir_bridge.fhir.search.systems import implied_system
from fhir_bridge.fhir.search.values import Append, converter
from fhir_bridge.fhir.search.walkers import Target, Walker, build

__all__ = ["Composite", "composite"]


@dataclass(frozen=True, slots=True)
class _Base:
    """One place where the components stand together, and what walks to them from there."""

    walk: Walker
    components: tuple[Walker, ...]


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite parameter of one resource type."""

    parameter: str
    bases: tuple[_Base, ...]

    def extract(self, resource: dict[str, Any]) -> list[CompositeEntry]:
        """An entry for each value of the base that has something of every component."""
        found = []
        for base in self.bases:
            nodes: list[Any] = []
            base.walk(resource, resource, nodes.append)
            for node in nodes:
                parts = []
                for walk in base.components:
                    entries: list[IndexEntry] = []
                    walk(node, resource, entries.append)
                    if not entries:
                        break
                    parts.append(tuple(dict.fromkeys(entries)))
                else:
                    found.append(CompositeEntry(self.parameter, tuple(parts)))
        return found


def _itself(_: tuple[str, ...], value: Any, append: Append) -> None:
    append(value)


def composite(resource_type: str, parameter: definitions.SearchParameter) -> Composite:
    """Compile a composite parameter.

    Raises:
        Unsupported: an expression is outside the subset of `search.paths`, or a component finds nothing that its
            type has a form for.
    """
    bases = []
    for place in compile_expression(parameter.expression, resource_type):
        components = tuple(
            _component(resource_type, place, code, expression) for code, expression in parameter.components
        )
        bases.append(_Base(build([Target(place, parameter.code, _itself)]), components))
    if not bases or not parameter.components:
        raise Unsupported(f"leads nowhere in {resource_type}")
    return Composite(parameter.code, tuple(bases))


def _component(resource_type: str, base: Place, code: str, expression: str) -> Walker:
    known = definitions.search_parameters(resource_type).get(code)
    if known is None:
        raise Unsupported(f"its component {code} is no search parameter of {resource_type}")
    targets = []
    for place in compile_relative(expression, base, resource_type):
        convert = converter(known.type, place.type, implied_system(place.binding), known.targets)
        if convert is not None:
            targets.append(Target(place, code, convert))
    if not targets:
        raise Unsupported(f"its component {code} finds nothing that has a form as {known.type}")
    return build(targets)
