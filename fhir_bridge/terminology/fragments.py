"""Parts of one code system from several places, asked as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail, PropertyDefinition

__all__ = ["JoinedFragments"]


class JoinedFragments:
    """Fragments of one code system, where all of it is nowhere available. The first that has a code speaks of it."""

    content = "fragment"

    def __init__(self, parts: Sequence[CodeSystemContent]) -> None:
        """Joins the parts; the first indicates what the system is (version, name, whether case counts)."""
        self._parts = tuple(parts)
        first = parts[0]
        self.url: str = first.url
        self.version: str | None = first.version
        self.name: str | None = first.name
        self.title: str | None = first.title
        self.case_sensitive: bool = first.case_sensitive
        self.language: str | None = first.language
        self.hierarchy_meaning: str | None = first.hierarchy_meaning
        self.metadata: Mapping[str, Any] = first.metadata

    @property
    def properties(self) -> Sequence[PropertyDefinition]:
        """The declared properties of all parts."""
        results = {item.code: item for part in reversed(self._parts) for item in part.properties}
        return tuple(results.values())

    def _of(self, code: str) -> CodeSystemContent | None:
        return next((part for part in self._parts if part.find(code) is not None), None)

    def find(self, code: str) -> str | None:
        """The code as the system writes it."""
        for part in self._parts:
            if (result := part.find(code)) is not None:
                return result
        return None

    def get(self, code: str) -> ConceptDetail | None:
        """The concept with everything."""
        part = self._of(code)
        return None if part is None else part.get(code)

    def display(self, code: str) -> str | None:
        """The display."""
        part = self._of(code)
        return None if part is None else part.display(code)

    def __len__(self) -> int:
        return sum(1 for _ in self.codes())

    def codes(self) -> Iterator[str]:
        """All codes, part by part, each once."""
        return _each_once(code for part in self._parts for code in part.codes())

    def roots(self) -> Sequence[str]:
        """Codes without a parent in any part."""
        roots = _each_once(code for part in self._parts for code in part.roots())
        return [code for code in roots if not self.parents(code)]

    def parents(self, code: str) -> Sequence[str]:
        """Direct parents that any part shows."""
        return tuple(_each_once(above for part in self._parts for above in part.parents(code)))

    def children(self, code: str) -> Sequence[str]:
        """Direct children that any part shows."""
        return tuple(_each_once(below for part in self._parts for below in part.children(code)))

    def is_a(self, code: str, ancestor: str) -> bool:
        """Whether any part indicates that the code is the ancestor or below it."""
        return any(part.is_a(code, ancestor) for part in self._parts)

    def descendants(self, code: str) -> Iterator[str]:
        """All codes below this one, each once."""
        return _each_once(below for part in self._parts for below in part.descendants(code))

    def with_property(self, name: str, value: str) -> Iterator[str]:
        """Codes that have a property of this name and value."""
        return _each_once(code for part in self._parts for code in part.with_property(name, value))

    def search(self, text: str, limit: int = 1000, active_only: bool = False) -> list[str]:
        """Codes with the text in their names, the hits of the first part first."""
        hits = _each_once(code for part in self._parts for code in part.search(text, limit, active_only))
        return list(hits)[:limit]


def _each_once(codes: Iterator[str]) -> Iterator[str]:
    return iter(dict.fromkeys(codes))
