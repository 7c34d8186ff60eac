"""Value sets and code systems of R4, v2, v3, THO and the guides, as codes without prose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["CodeConcept", "CodeSystem", "OpenInclude", "ValueSet", "code_system", "value_set"]


@dataclass(frozen=True, slots=True)
class OpenInclude:
    """A part of a value set that is not listed here: a whole system (SNOMED CT, LOINC, UCUM) or a filter on one.

    Attributes:
        filters: (property, op, value); empty takes the whole system.
    """

    system: str
    filters: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class ValueSet:
    """A value set's expansion as far as it can be listed here."""

    url: str
    version: str
    codes: Mapping[str, frozenset[str]]
    open: tuple[OpenInclude, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether `codes` is all of it."""
        return not self.open

    @cached_property
    def _any(self) -> frozenset[str]:
        return frozenset[str]().union(*self.codes.values())

    @cached_property
    def _open_systems(self) -> frozenset[str]:
        return frozenset(include.system for include in self.open)

    def member(self, system: str | None, code: str) -> bool | None:
        """Whether the code is in the value set; None where that takes a system that is not available.

        `system` None asks for a bare code, as of a `code` element.
        """
        if system is None:
            return True if code in self._any else (False if self.complete else None)
        if code in self.codes.get(system, ()):
            return True
        return None if system in self._open_systems or "" in self._open_systems else False

    def __len__(self) -> int:
        return sum(len(codes) for codes in self.codes.values())


@dataclass(frozen=True, slots=True)
class CodeConcept:
    """A concept; `parents` are the codes it is subsumed by directly."""

    code: str
    display: str | None
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class CodeSystem:
    """A code system whose whole content is available."""

    url: str
    version: str
    name: str
    case_sensitive: bool
    concepts: Mapping[str, CodeConcept]
    states: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Codes by what is said of their use: `inactive`, `deprecated`, `abstract`."""

    def display(self, code: str) -> str | None:
        """The display of a code, or None."""
        concept = self.concepts.get(code)
        return concept.display if concept else None

    @cached_property
    def _children(self) -> Mapping[str, tuple[str, ...]]:
        children: dict[str, list[str]] = {}
        for concept in self.concepts.values():
            for parent in concept.parents:
                children.setdefault(parent, []).append(concept.code)
        return {parent: tuple(codes) for parent, codes in children.items()}

    def descendants(self, code: str) -> frozenset[str]:
        """The code and all that it subsumes."""
        return self._closure(code, lambda c: self._children.get(c, ()))

    def ancestors(self, code: str) -> frozenset[str]:
        """The code and all that subsumes it."""
        return self._closure(code, lambda c: self.concepts[c].parents if c in self.concepts else ())

    @staticmethod
    def _closure(code: str, step: Any) -> frozenset[str]:
        result, todo = {code}, [code]
        while todo:
            for following in step(todo.pop()):
                if following not in result:
                    result.add(following)
                    todo.append(following)
        return frozenset(result)


def value_set(url: str, row: Mapping[str, Any]) -> ValueSet:
    """A row as the typed model."""
    return ValueSet(
        url=url,
        version=row.get("v", ""),
        codes={system: frozenset(codes) for system, codes in row.get("c", {}).items()},
        open=tuple(
            OpenInclude(system, tuple((f[0], f[1], f[2]) for f in filters))
            for system, filters in row.get("o", ())
        ),
    )


def code_system(url: str, row: Mapping[str, Any]) -> CodeSystem:
    """A row as the typed model: concepts are [code, display, parent, …]."""
    return CodeSystem(
        url=url,
        version=row.get("v", ""),
        name=row.get("n", ""),
        case_sensitive=bool(row.get("s", 1)),
        concepts={
            c[0]: CodeConcept(c[0], c[1] if len(c) > 1 else None, tuple(c[2:])) for c in row.get("c", ())
        },
        states={state: frozenset(codes) for state, codes in row.get("t", {}).items()},
    )
