"""`ValueSet/$expand` (R4 valueset-operation-expand.html)."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from itertools import islice
from typing import Any

from fhir_bridge.terminology.operations.contains import Entry, PropertyTable, contains
from fhir_bridge.terminology.operations.entries import Entries, several_versions
from fhir_bridge.terminology.operations.notes import Notes
from fhir_bridge.terminology.operations.scope import Scope
from fhir_bridge.terminology.operations.tree import nested, several_parents
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = ["Expander", "expand"]

_DEFINITION = ("compose", "description", "purpose", "copyright", "publisher", "contact", "extension", "text")
"""What `includeDefinition` asks for; left out without it."""


def expand(scope: Scope, value_set: ValueSetDefinition) -> dict[str, Any]:
    """The expanded value set, in its R5 form.

    Raises:
        OperationError: a code system, value set or supplement is missing, a filter can't be used, value sets import
            each other in a circle, or it would be too costly.
    """
    scope.see(value_set)
    return Expander(scope).run(value_set)


class Expander:
    """One expansion."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._options = scope.options
        self._notes = Notes()
        self._entries = Entries(scope, self._notes)
        self._table = PropertyTable()

    # --- the answer ---

    def run(self, value_set: ValueSetDefinition) -> dict[str, Any]:
        """The value set with its expansion."""
        options = self._options
        self._notes.echo(options)
        self._notes.state(value_set, value_set.resource, value_set.canonical)
        with_version = several_versions(value_set)
        total, page, tree = self._selected(value_set, with_version)
        expansion: dict[str, Any] = {
            "identifier": f"urn:uuid:{uuid.uuid4()}",
            "timestamp": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        }
        tree = tree and not several_parents(page)
        listed = self._tree(page, with_version) if tree else self._flat(page, with_version)
        if extensions := self._notes.extensions():
            expansion["extension"] = extensions
        if total is not None and not self._notes.endless:
            expansion["total"] = total
        if options.offset is not None:
            expansion["offset"] = options.offset
        if self._notes.across_versions or options.versions_match:
            self._notes.parameter("versionsMatch", "valueBoolean", True)
        for rule in self._scope.used_rules:
            self._notes.parameter(rule.name, "valueUri", f"{rule.url}|{rule.version}")
        if parameters := self._notes.parameters():
            expansion["parameter"] = parameters
        if self._table.uris:
            expansion["property"] = self._table.json()
        if listed:
            expansion["contains"] = listed
        return {**self._head(value_set), "expansion": expansion}

    def _head(self, value_set: ValueSetDefinition) -> dict[str, Any]:
        left_out = {"expansion", "text", "contained", "meta"}
        if not self._options.include_definition:
            left_out.update(_DEFINITION)
        results = {key: value for key, value in value_set.resource.items() if key not in left_out}
        results.setdefault("resourceType", "ValueSet")
        results.setdefault("status", "unknown")
        return results

    # --- selecting ---

    def _selected(
        self, value_set: ValueSetDefinition, with_version: bool
    ) -> tuple[int | None, Sequence[Entry], bool]:
        """The total, the entries of the page, and whether they may be shown as a tree."""
        options = self._options
        limit = options.limits.codes
        if options.limit:
            limit = min(limit, options.limit)
        # Refused, not cut: a page that is shorter than was asked for looks like the last.
        if options.count is not None and options.count > options.limits.page:
            raise self._entries.too_costly(value_set, options.limits.page)
        offset = options.offset or 0
        if options.count is not None and self._entries.come_once(value_set):
            total, page = self._page(value_set, offset, options.count)
            # A tree takes all entries: an ancestor may be on another page.
            tree = not offset and total is not None and options.count > total
            return total, page, tree and self._may_nest(value_set)
        entries = self._entries.of(value_set, (), None if options.count is not None else limit, with_version)
        total = None if self._notes.cut else len(entries)
        if options.count is not None or offset:
            end = None if options.count is None else offset + options.count
            page = entries[offset:end]
            tree = not offset and options.count is not None and options.count > len(entries)
        else:
            page, tree = entries, True
        return total, page, tree and not self._notes.endless and self._may_nest(value_set)

    def _page(self, value_set: ValueSetDefinition, offset: int, count: int) -> tuple[int | None, list[Entry]]:
        """The total, and the entries of the page; the others are not kept.

        Where the total is not known without counting, so many as the largest page holds are counted beyond the page;
        of more there is no total. A page of no codes asks for nothing but the total, and gets it.
        """
        entries = self._entries.walk(value_set)
        passed = sum(1 for _ in islice(entries, offset))
        page = list(islice(entries, count))
        total = self._entries.number(value_set)
        if total is None:
            most = self._options.limits.page if count else None
            further = sum(1 for _ in islice(entries, most))
            if further != most:
                total = passed + len(page) + further
        return total, page

    def _may_nest(self, value_set: ValueSetDefinition) -> bool:
        if self._options.exclude_nested or self._options.offset:
            return False
        return all(
            not part.value_sets
            and part.concepts is None
            and len(part.filters) < 2
            and not (part.whole and self._options.filter)
            for part in (*value_set.includes, *value_set.excludes)
        )

    # --- shapes ---

    def _json(self, entry: Entry, with_version: bool) -> dict[str, Any] | None:
        detail = entry.content.get(entry.code)
        if detail is None:
            return None
        return contains(entry, detail, self._options, self._table, with_version=with_version)

    def _flat(self, page: Sequence[Entry], with_version: bool) -> list[dict[str, Any]]:
        results = (self._json(entry, with_version) for entry in page)
        return [item for item in results if item is not None]

    def _tree(self, page: Sequence[Entry], with_version: bool) -> list[dict[str, Any]]:
        """Each entry below the nearest of its ancestors that is there too."""
        results = {entry.key: self._json(entry, with_version) for entry in page}
        nodes = {key: node for key, node in results.items() if node is not None}
        return nested(page, nodes) or list(nodes.values())
