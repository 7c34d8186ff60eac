"""Code systems held in memory: FHIR CodeSystem resources, and the definition tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from fhir_bridge.fhir.definitions import CodeSystem as Table
from fhir_bridge.terminology.concepts import PropertyNames, concept_detail, property_value, value_text
from fhir_bridge.terminology.content import ConceptDetail, PropertyDefinition, PropertyValue
from fhir_bridge.terminology.folding import words

__all__ = ["ListedContent", "ResourceContent", "TableContent"]


class ListedContent(ABC):
    """Content whose concepts are listed in memory; a subclass says where they come from."""

    url: str
    version: str | None
    name: str | None
    title: str | None
    content: str
    case_sensitive: bool
    language: str | None
    hierarchy_meaning: str | None

    # --- from the subclass ---

    @abstractmethod
    def get(self, code: str) -> ConceptDetail | None:
        """The concept with everything."""

    @abstractmethod
    def display(self, code: str) -> str | None:
        """The display."""

    @cached_property
    @abstractmethod
    def _order(self) -> Sequence[str]:
        """The codes in the order of the source."""

    @cached_property
    @abstractmethod
    def _parents(self) -> Mapping[str, tuple[str, ...]]:
        """Direct parents by code; codes without parents may be left out."""

    @property
    def properties(self) -> Sequence[PropertyDefinition]:
        """The declared properties."""
        return ()

    # --- codes ---

    @cached_property
    def _folded(self) -> Mapping[str, str]:
        """Codes by their index key: themselves, folded to lower case where the system is not case sensitive."""
        if self.case_sensitive:
            return {code: code for code in self._order}
        # Reversed, so that of codes that fold alike the first counts.
        return {code.casefold(): code for code in reversed(self._order)}

    def find(self, code: str) -> str | None:
        """The code as the system writes it."""
        folded = self._folded
        return folded.get(code) if self.case_sensitive else folded.get(code.casefold())

    def __len__(self) -> int:
        return len(self._order)

    def codes(self) -> Iterator[str]:
        """All codes in the order of the source."""
        return iter(self._order)

    # --- hierarchy ---

    @cached_property
    def _children(self) -> Mapping[str, tuple[str, ...]]:
        results: dict[str, list[str]] = {}
        parents = self._parents
        for code in self._order:
            for parent in parents.get(code, ()):
                results.setdefault(parent, []).append(code)
        return {parent: tuple(codes) for parent, codes in results.items()}

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        return {}

    def roots(self) -> Sequence[str]:
        """Codes without a parent."""
        return [code for code in self._order if not self._parents.get(code)]

    def parents(self, code: str) -> Sequence[str]:
        """Direct parents."""
        return self._parents.get(code, ())

    def children(self, code: str) -> Sequence[str]:
        """Direct children."""
        return self._children.get(code, ())

    def is_a(self, code: str, ancestor: str) -> bool:
        """Whether the code is the ancestor or below it."""
        if code == ancestor:
            return self.find(code) is not None
        if not self._parents.get(code):
            return False  # nothing is kept of codes that a request may invent
        above = self._ancestors.get(code)
        if above is None:
            above = self._ancestors[code] = self._above(code)
        return ancestor in above

    def _above(self, code: str) -> frozenset[str]:
        seen: set[str] = set()
        waiting = [code]
        while waiting:
            for parent in self._parents.get(waiting.pop(), ()):
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return frozenset(seen)

    def descendants(self, code: str) -> Iterator[str]:
        """All codes below this one, each once."""
        seen = {code}
        waiting = list(reversed(self.children(code)))
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                yield current
                waiting.extend(reversed(self.children(current)))

    # --- searching ---

    def with_property(self, name: str, value: str) -> Iterator[str]:
        """Codes that have a property of this name and value."""
        return iter(self._by_property.get((name, value), ()))

    @cached_property
    def _by_property(self) -> Mapping[tuple[str, str], list[str]]:
        results: dict[tuple[str, str], list[str]] = {}
        for code in self._order:
            detail = self.get(code)
            properties = detail.properties if detail is not None else ()
            for key in dict.fromkeys((p[0], value_text(p[1])) for p in properties):
                results.setdefault(key, []).append(code)
        return results

    @cached_property
    def _words(self) -> Sequence[tuple[str, int, tuple[tuple[str, ...], ...]]]:
        """Code, length of the display, and the words of every name."""
        rows = []
        for code in self._order:
            detail = self.get(code)
            if detail is not None:
                names = [name for name in (detail.display, *(d.value for d in detail.designations)) if name]
                rows.append((code, len(detail.display or ""), tuple(tuple(words(name)) for name in names)))
        return rows

    def search(self, text: str, limit: int = 1000, active_only: bool = False) -> list[str]:
        """Codes one of whose names holds every word of the text, best first: whole words, then short displays."""
        wanted = tuple(dict.fromkeys(words(text)))
        if not wanted:
            return []
        hits: list[tuple[int, int, int, str]] = []
        for location, (code, length, names) in enumerate(self._words):
            best = max((_score(wanted, name) for name in names), default=0)
            if best and not (active_only and not self._active(code)):
                hits.append((-best, length, location, code))
        hits.sort()
        return [hit[3] for hit in hits[:limit]]

    def _active(self, code: str) -> bool:
        detail = self.get(code)
        return detail is not None and detail.active


def _score(wanted: tuple[str, ...], name: tuple[str, ...]) -> int:
    """0 where a word is missing; otherwise more for each whole word, and for the words in their place."""
    score = 1
    for word in wanted:
        if word in name:
            score += 2
        elif not any(item.startswith(word) for item in name):
            return 0
    return score + (name[: len(wanted)] == wanted)


class ResourceContent(ListedContent):
    """A FHIR CodeSystem resource. What is not as R4 has it is left out; the reader of the file refuses it earlier."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.resource = resource
        self.url = str(resource.get("url", ""))
        self.version = resource.get("version")
        self.name = resource.get("name")
        self.title = resource.get("title")
        self.content = str(resource.get("content", "complete"))
        self.case_sensitive = resource.get("caseSensitive", True) is not False
        self.language = resource.get("language")
        self.hierarchy_meaning = resource.get("hierarchyMeaning")
        self.supplements: str | None = resource.get("supplements")

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """The resource without its concepts."""
        return {key: value for key, value in self.resource.items() if key != "concept"}

    @cached_property
    def _declared(self) -> Sequence[PropertyDefinition]:
        return tuple(
            PropertyDefinition(
                entry["code"], str(entry.get("type", "string")), entry.get("uri"), entry.get("description")
            )
            for entry in self.resource.get("property", ())
            if isinstance(entry.get("code"), str)
        )

    @cached_property
    def properties(self) -> Sequence[PropertyDefinition]:
        """The declared properties, then those that concepts have without declaration."""
        results = {item.code: item for item in self._declared}
        for _, node, _ in self._walked:
            for entry in node.get("property", ()):
                value = property_value(entry)
                if value is not None and value[0] not in results:
                    results[value[0]] = PropertyDefinition(value[0], value[2])
        return tuple(results.values())

    @cached_property
    def _names(self) -> PropertyNames:
        return PropertyNames(self._declared)

    @cached_property
    def _walked(self) -> Sequence[tuple[str, Mapping[str, Any], str | None]]:
        """Code, node and the code it is nested in, in the order of the resource."""
        results: list[tuple[str, Mapping[str, Any], str | None]] = []
        waiting: list[tuple[Any, str | None]] = [
            (n, None) for n in reversed(self.resource.get("concept", ()))
        ]
        while waiting:
            node, above = waiting.pop()
            code = node.get("code") if isinstance(node, Mapping) else None
            if isinstance(code, str):
                results.append((code, node, above))
                waiting.extend((child, code) for child in reversed(node.get("concept", ())))
        return results

    @cached_property
    def _nodes(self) -> Mapping[str, Mapping[str, Any]]:
        # Reversed, so that of a code that occurs twice the first concept counts.
        return {code: node for code, node, _ in reversed(self._walked)}

    @cached_property
    def _order(self) -> Sequence[str]:
        return list(dict.fromkeys(code for code, _, _ in self._walked))

    @cached_property
    def _parents(self) -> Mapping[str, tuple[str, ...]]:
        names = self._names
        results: dict[str, dict[str, None]] = {}
        for code, node, above in self._walked:
            parents = results.setdefault(code, {})
            if above is not None:
                parents[above] = None
            for entry in node.get("property", ()):
                value = property_value(entry)
                if value is not None and value[0] in names.parent:
                    parents[value_text(value[1])] = None
                elif value is not None and value[0] in names.child:
                    results.setdefault(value_text(value[1]), {})[code] = None
        return {code: tuple(parents) for code, parents in results.items() if parents}

    def node(self, code: str) -> Mapping[str, Any] | None:
        """The CodeSystem.concept of a code."""
        entry = self._nodes.get(code)
        if entry is None and not self.case_sensitive:
            right = self.find(code)
            entry = None if right is None else self._nodes[right]
        return entry

    def get(self, code: str) -> ConceptDetail | None:
        """The concept with everything."""
        node = self.node(code)
        return None if node is None else concept_detail(node, self._names)

    def display(self, code: str) -> str | None:
        """The display."""
        node = self.node(code)
        return None if node is None else node.get("display")


class TableContent(ListedContent):
    """A code system of the definition tables: codes, displays and hierarchy, without prose and properties."""

    content = "complete"
    title: str | None = None
    language: str | None = None

    def __init__(self, table: Table) -> None:
        self._table = table
        self.url = table.url
        self.version = table.version or None
        self.name = table.name or None
        self.case_sensitive = table.case_sensitive
        self.hierarchy_meaning = "is-a" if any(c.parents for c in table.concepts.values()) else None

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """What the table shows."""
        fields = {"url": self.url, "version": self.version, "name": self.name, "status": "active"}
        return {key: value for key, value in fields.items() if value is not None}

    @cached_property
    def _order(self) -> Sequence[str]:
        return list(self._table.concepts)

    @cached_property
    def _parents(self) -> Mapping[str, tuple[str, ...]]:
        return {code: concept.parents for code, concept in self._table.concepts.items() if concept.parents}

    def find(self, code: str) -> str | None:
        """The code as the system writes it."""
        if code in self._table.concepts:
            return code
        return None if self.case_sensitive else super().find(code)

    def get(self, code: str) -> ConceptDetail | None:
        """The concept with everything."""
        right = self.find(code)
        if right is None:
            return None
        states = self._table.states
        results = [state for state, codes in states.items() if right in codes] if states else []
        status: tuple[PropertyValue, ...] = ()
        if "deprecated" in results:
            status = (("status", "deprecated", "code"),)
        return ConceptDetail(
            right,
            self._table.concepts[right].display,
            active="inactive" not in results,
            abstract="abstract" in results,
            properties=status,
        )

    def display(self, code: str) -> str | None:
        """The display."""
        concept = self._table.concepts.get(code)
        if concept is None:
            right = self.find(code)
            return None if right is None else self._table.concepts[right].display
        return concept.display
