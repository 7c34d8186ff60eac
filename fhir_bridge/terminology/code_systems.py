"""Code systems given as FHIR JSON, indexed for lookup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fhir_bridge.fhir.ports import Concept

__all__ = ["LocalCodeSystem"]


@dataclass(frozen=True)
class LocalCodeSystem:
    """A CodeSystem resource of a folder.

    Attributes:
        complete: whether a code that is not here does not exist (`content: complete`); a `fragment` (the LOINC codes
            that a demo uses) or `supplement` can only say yes.
        supplements: url of the code system whose concepts it adds to.
    """

    url: str
    version: str
    complete: bool
    case_sensitive: bool
    supplements: str | None
    resource: Mapping[str, Any]

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> LocalCodeSystem:
        """From the resource."""
        supplements = resource.get("supplements")
        return cls(
            url=resource["url"],
            version=str(resource.get("version", "")),
            complete=resource.get("content") == "complete",
            case_sensitive=resource.get("caseSensitive", True) is not False,
            supplements=supplements.split("|")[0] if isinstance(supplements, str) else None,
            resource=resource,
        )

    @property
    def system(self) -> str:
        """The system whose codes it tells: its own url, or that of the system it supplements."""
        return self.supplements or self.url

    @cached_property
    def concepts(self) -> Mapping[str, Concept]:
        """Concepts by code, folded to lower case where the system is not case sensitive."""
        return {self.fold(concept.code): concept for concept, _ in self._walk(self.resource, ())}

    @cached_property
    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """Direct parents by folded code (nesting, and `parent`/`subsumedBy` properties)."""
        found = {}
        for concept, above in self._walk(self.resource, ()):
            found[self.fold(concept.code)] = above
        return found

    def lookup(self, code: str) -> Concept | None:
        """The concept."""
        return self.concepts.get(self.fold(code))

    def is_a(self, code: str, ancestor: str) -> bool:
        """Whether the code is the ancestor or below it."""
        seen: set[str] = set()
        waiting = [self.fold(code)]
        target = self.fold(ancestor)
        while waiting:
            current = waiting.pop()
            if current == target:
                return True
            if current not in seen:
                seen.add(current)
                waiting.extend(self.fold(parent) for parent in self.parents.get(current, ()))
        return False

    def fold(self, code: str) -> str:
        """The code as an index key."""
        return code if self.case_sensitive else code.casefold()

    def _walk(
        self, node: Mapping[str, Any], above: tuple[str, ...]
    ) -> Iterator[tuple[Concept, tuple[str, ...]]]:
        for entry in node.get("concept", ()):
            code = entry.get("code")
            if not isinstance(code, str):
                continue
            properties = {p.get("code"): p for p in entry.get("property", ()) if isinstance(p, dict)}
            active = not (
                properties.get("inactive", {}).get("valueBoolean") is True
                or properties.get("status", {}).get("valueCode") in ("retired", "deprecated", "inactive")
            )
            parents = [*above]
            for name in ("parent", "subsumedBy"):
                value = properties.get(name, {}).get("valueCode")
                if isinstance(value, str):
                    parents.append(value)
            yield Concept(self.system, code, entry.get("display"), active), tuple(parents)
            yield from self._walk(entry, (code,))
