"""What FHIR's rules need from others, and are given: terminology, references, conformance to profiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from fhir_bridge.plugins import get_manager

__all__ = [
    "Concept",
    "ConformancePort",
    "FormerNamesPort",
    "NamingPort",
    "ReferenceResolver",
    "TerminologyPort",
    "Translation",
    "process_terminology",
    "provide_terminology",
]


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept of a code system, as `$lookup` states it."""

    system: str
    code: str
    display: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Translation:
    """A target of a ConceptMap row; `equivalence` as in R4 concept-map-equivalence, seen from the source."""

    system: str
    code: str
    display: str | None
    equivalence: str
    map_url: str


class TerminologyPort(Protocol):
    """The terminology questions that validation, search and mappings ask."""

    def lookup(self, system: str, code: str) -> Concept | None:
        """The concept, or None where the system is known and lacks it, or where the system is unknown."""
        ...

    def knows_system(self, system: str) -> bool:
        """Whether the whole content of this code system is available, so that a missing code is a wrong one."""
        ...

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether the coding is in the value set (url, perhaps `|version`); None where that can't be decided here.

        `system` None asks for a bare code, as in a `code` element with a required binding.
        """
        ...

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        """Targets of the loaded ConceptMaps for this source code in the wanted systems, best first."""
        ...

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        """Targets of one ConceptMap, named by url or by its `name`/`id`.

        Raises:
            KeyError: no such map is loaded.
        """
        ...


@runtime_checkable
class NamingPort(Protocol):
    """A terminology that finds a code by its name."""

    def code_of(self, system: str, display: str) -> str | None:
        """The one active code of this very display; None where there is none, or several, or no such system."""
        ...


@runtime_checkable
class FormerNamesPort(Protocol):
    """A terminology that finds a code by a name that it had, or has beside its display."""

    def code_by_other_name(self, system: str, name: str, uses: Sequence[str]) -> tuple[str, str, str] | None:
        """The one active code that has a designation of these uses with this very value: its code, display and use.

        None where there is none, or several. Uses are tried in order.
        """
        ...


class ConformancePort(Protocol):
    """Answers `conformsTo()` and `htmlChecks()`, which FHIRPath itself can't; a `Validator` is one."""

    def conforms(
        self, resource: dict[str, Any], profiles: Sequence[str], terminology: TerminologyPort | None = None
    ) -> bool:
        """Whether a resource is valid R4 and conforms to these profiles: no issue of severity error or fatal."""
        ...

    def narrative_problem(self, div: Any) -> str | None:
        """What a narrative's `div` has that R4 narrative.html does not allow; None where it is in order."""
        ...


class ReferenceResolver(Protocol):
    """Finds what a reference names."""

    def resolve(self, reference: str) -> dict[str, Any] | None:
        """The resource behind `Type/id`, a contained `#id` or a Bundle's `urn:uuid:`; None where it is not here."""
        ...


_providers: list[Callable[[Any], TerminologyPort]] = []


def provide_terminology(provider: Callable[[Any], TerminologyPort]) -> None:
    """Let this give the process's terminology for some `Definitions`, in place of any before."""
    _providers[:] = [provider]


def process_terminology(definitions: Any) -> TerminologyPort | None:
    """The process's terminology, with what these `Definitions` have; None where no package provides one."""
    get_manager()  # registers the built-in packages, the one that provides it among them
    return _providers[0](definitions) if _providers else None
