"""A code system with supplements: the concepts stay, names, properties and extensions are added
(R4 codesystem.html#supplements)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail, Designation, PropertyDefinition
from fhir_bridge.terminology.memory import ResourceContent

__all__ = ["SupplementedContent", "canonical"]


def canonical(content: CodeSystemContent | ResourceContent) -> str:
    """`url|version`."""
    return f"{content.url}|{content.version}" if content.version else content.url


class SupplementedContent:
    """The base with the supplements on top. Everything that they don't touch is the base's."""

    def __init__(self, base: CodeSystemContent, supplements: Sequence[ResourceContent]) -> None:
        self.base = base
        self.supplements = tuple(supplements)

    @property
    def url(self) -> str:
        return self.base.url

    @property
    def version(self) -> str | None:
        return self.base.version

    @property
    def name(self) -> str | None:
        return self.base.name

    @property
    def title(self) -> str | None:
        return self.base.title

    @property
    def content(self) -> str:
        return self.base.content

    @property
    def case_sensitive(self) -> bool:
        return self.base.case_sensitive

    @property
    def language(self) -> str | None:
        return self.base.language

    @property
    def hierarchy_meaning(self) -> str | None:
        return self.base.hierarchy_meaning

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.base.metadata

    @cached_property
    def properties(self) -> Sequence[PropertyDefinition]:
        """The properties of the base, then those that the supplements add."""
        results = {item.code: item for item in self.base.properties}
        for supplement in self.supplements:
            for item in supplement.properties:
                results.setdefault(item.code, item)
        return tuple(results.values())

    def get(self, code: str) -> ConceptDetail | None:
        """The concept with what the supplements add to it."""
        detail = self.base.get(code)
        if detail is None:
            return None
        for supplement in self.supplements:
            more = supplement.get(detail.code)
            if more is None:
                continue
            source = canonical(supplement)
            names = [replace(designation, source=source) for designation in more.designations]
            if more.display:
                names.insert(0, Designation(more.display, supplement.language, source=source))
            detail = replace(
                detail,
                definition=detail.definition or more.definition,
                designations=(*detail.designations, *names),
                properties=(*detail.properties, *more.properties),
                extensions=(*detail.extensions, *more.extensions),
            )
        return detail

    def find(self, code: str) -> str | None:
        return self.base.find(code)

    def display(self, code: str) -> str | None:
        return self.base.display(code)

    def __len__(self) -> int:
        return len(self.base)

    def codes(self) -> Iterator[str]:
        return self.base.codes()

    def roots(self) -> Sequence[str]:
        return self.base.roots()

    def parents(self, code: str) -> Sequence[str]:
        return self.base.parents(code)

    def children(self, code: str) -> Sequence[str]:
        return self.base.children(code)

    def is_a(self, code: str, ancestor: str) -> bool:
        return self.base.is_a(code, ancestor)

    def descendants(self, code: str) -> Iterator[str]:
        return self.base.descendants(code)

    def with_property(self, name: str, value: str) -> Iterator[str]:
        """Codes that have the property in the base or in a supplement, each once."""
        result = dict.fromkeys(self.base.with_property(name, value))
        for supplement in self.supplements:
            for code in supplement.with_property(name, value):
                right = self.base.find(code)
                if right is not None:
                    result[right] = None
        return iter(result)

    def search(self, text: str, limit: int = 1000, active_only: bool = False) -> list[str]:
        """The base's hits, then those of the supplements' names."""
        result = dict.fromkeys(self.base.search(text, limit, active_only))
        for supplement in self.supplements:
            for code in supplement.search(text, limit):
                detail = self.base.get(code)
                if detail is not None and not (active_only and not detail.active):
                    result[detail.code] = None
        return list(result)[:limit]
