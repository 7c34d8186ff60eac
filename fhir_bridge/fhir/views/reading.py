"""The JSON of a ViewDefinition to its model; everything that is wrong with its form becomes an issue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.json_types import json_type
from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.fhir.views.constants import read_constant
from fhir_bridge.fhir.views.issues import issue
from fhir_bridge.fhir.views.model import (
    ColumnDefinition,
    Condition,
    Constant,
    Iteration,
    Selection,
    ViewDefinition,
)

__all__ = ["MAX_DEPTH", "MAX_SELECTS", "read_definition"]

MAX_DEPTH = 40
"""Selects inside selects; a view is a table, and each level is a join."""

MAX_SELECTS = 20_000
"""Selects in all, so that a definition that holds itself ends."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_ANYWHERE = frozenset({"id", "extension", "modifierExtension"})
_VIEW = frozenset(
    "resourceType meta implicitRules language text contained url identifier version versionAlgorithmString "
    "versionAlgorithmCoding name title status experimental date publisher contact description useContext "
    "jurisdiction purpose copyright copyrightLabel approvalDate lastReviewDate effectivePeriod topic author editor "
    "reviewer endorser relatedArtifact resource profile fhirVersion constant select where".split()
)
_SELECT = frozenset({"column", "select", "unionAll", "forEach", "forEachOrNull", "repeat"})
_COLUMN = frozenset({"name", "path", "description", "collection", "type", "tag"})


def read_definition(view: Mapping[str, Any] | bytes | str) -> tuple[ViewDefinition | None, list[Issue]]:
    """The definition, or None where it can't be used, and what was found; warnings alone leave it usable."""
    if isinstance(view, (bytes, str)):
        try:
            view = loads_exact(view)
        except JsonError as error:
            return None, [issue("FB-VIEW-001", f"the view is {error}", "ViewDefinition")]
    if not isinstance(view, Mapping):
        result = f"the view is {json_type(view)}, not an object"
        return None, [issue("FB-VIEW-001", result, "ViewDefinition")]
    reader = _Reader()
    definition = reader.view(view)
    failed = any(result.severity != "warning" for result in reader.issues)
    return None if failed else definition, reader.issues


class _Reader:
    """Collects the issues of one definition."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self._selects = 0

    def _add(self, code: str, message: str, location: str) -> None:
        self.issues.append(issue(code, message, location))

    def view(self, view: Mapping[str, Any]) -> ViewDefinition | None:
        location = "ViewDefinition"
        kind = view.get("resourceType", "ViewDefinition")
        if kind != "ViewDefinition":
            self._add("FB-VIEW-001", f"resourceType is {_shown(kind)}, not ViewDefinition", location)
            return None
        self._known(view, _VIEW, location)
        resource = self._text(view, "resource", location)
        if resource is not None and resource not in definitions.resource_types():
            self._add("FB-VIEW-005", f"R4 has no resource type {_shown(resource)}", f"{location}.resource")
        name = self._text(view, "name", location, required=False)
        if name:
            self._name(name, f"{location}.name")
        constants = self._constants(view, location)
        conditions = []
        for item, where in self._objects(view, "where", location):
            self._known(item, frozenset({"path", "description"}), where)
            path = self._text(item, "path", where)
            conditions.append(Condition(path or "", f"{where}.path"))
        if "select" not in view:
            self._add("FB-VIEW-002", "`select` is missing", location)
        selections = self._selections(view, "select", location, 1)
        if not self.issues and "select" in view and not selections:
            self._add("FB-VIEW-018", "`select` is empty", f"{location}.select")
        return ViewDefinition(
            resource or "",
            selections,
            tuple(conditions),
            constants,
            name or "",
            *(
                self._text(view, key, location, required=False) or ""
                for key in ("url", "title", "description")
            ),
        )

    def _constants(self, view: Mapping[str, Any], location: str) -> tuple[Constant, ...]:
        constants: dict[str, Constant] = {}
        for item, where in self._objects(view, "constant", location):
            name = self._text(item, "name", where)
            if name is None or not self._name(name, f"{where}.name"):
                continue
            constant = read_constant(name, item, where)
            if isinstance(constant, str):
                self._add("FB-VIEW-009", constant, where)
            elif name in constants:
                self._add("FB-VIEW-009", f"the constant {name} is defined twice", where)
            else:
                constants[name] = constant
        return tuple(constants.values())

    def _selections(
        self, parent: Mapping[str, Any], key: str, location: str, depth: int
    ) -> tuple[Selection, ...]:
        results = []
        for item, where in self._objects(parent, key, location):
            self._selects += 1
            if depth > MAX_DEPTH or self._selects > MAX_SELECTS:
                if self._selects <= MAX_SELECTS:
                    self._add("FB-VIEW-016", f"selects are nested deeper than {MAX_DEPTH} levels", where)
                elif self._selects == MAX_SELECTS + 1:
                    self._add("FB-VIEW-016", f"the view holds more than {MAX_SELECTS:,} selects", where)
                break
            results.append(self._selection(item, where, depth))
        return tuple(results)

    def _selection(self, item: Mapping[str, Any], location: str, depth: int) -> Selection:
        self._known(item, _SELECT, location)
        if not any(item.get(key) for key in ("column", "select", "unionAll")):
            self._add("FB-VIEW-004", "a select without column, select or unionAll gives no column", location)
        columns = tuple(
            self._column(column, where) for column, where in self._objects(item, "column", location)
        )
        return Selection(
            columns,
            self._selections(item, "select", location, depth + 1),
            self._selections(item, "unionAll", location, depth + 1),
            self._iteration(item, location),
            location,
        )

    def _iteration(self, item: Mapping[str, Any], location: str) -> Iteration | None:
        present = [kind for kind in ("forEach", "forEachOrNull", "repeat") if kind in item]
        if len(present) > 1:
            self._add(
                "FB-VIEW-015", f"it has {' and '.join(present)}; one select iterates in one way", location
            )
        if "repeat" in present:
            where, paths = f"{location}.repeat", item["repeat"]
            if not isinstance(paths, list) or not paths or not all(isinstance(p, str) and p for p in paths):
                self._add("FB-VIEW-003", f"repeat is {_shown(paths)}, not a list of paths", where)
                return None
            return Iteration("repeat", tuple(paths), where)
        for kind in ("forEach", "forEachOrNull"):
            if kind in present:
                path = self._text(item, kind, location)
                return Iteration(kind, (path or "",), f"{location}.{kind}")
        return None

    def _column(self, item: Mapping[str, Any], location: str) -> ColumnDefinition:
        self._known(item, _COLUMN, location)
        name, path = self._text(item, "name", location), self._text(item, "path", location)
        if name is not None:
            self._name(name, f"{location}.name")
        collection = item.get("collection", False)
        if not isinstance(collection, bool):
            self._add("FB-VIEW-003", f"collection is {_shown(collection)}, not true or false", location)
        tags: dict[str, str] = {}
        for tag, where in self._objects(item, "tag", location):
            key, value = self._text(tag, "name", where), self._text(tag, "value", where)
            if key is not None and value is not None:
                tags[key] = value
        return ColumnDefinition(
            name or "",
            path or "",
            self._text(item, "type", location, required=False),
            collection is True,
            self._text(item, "description", location, required=False) or "",
            tags,
            location,
        )

    def _objects(
        self, parent: Mapping[str, Any], key: str, location: str
    ) -> Iterator[tuple[Mapping[str, Any], str]]:
        items = parent.get(key, [])
        if not isinstance(items, list):
            self._add("FB-VIEW-003", f"{key} is {json_type(items)}, not an array", f"{location}.{key}")
            return
        for number, item in enumerate(items):
            where = f"{location}.{key}[{number}]"
            if isinstance(item, Mapping):
                yield item, where
            else:
                self._add("FB-VIEW-003", f"it is {json_type(item)}, not an object", where)

    def _text(
        self, parent: Mapping[str, Any], key: str, location: str, *, required: bool = True
    ) -> str | None:
        value = parent.get(key)
        if value is None and key not in parent:
            if required:
                self._add("FB-VIEW-002", f"`{key}` is missing", location)
            return None
        if not isinstance(value, str) or not value.strip():
            result = "an empty string" if isinstance(value, str) else json_type(value)
            self._add("FB-VIEW-003", f"{key} is {result}, not text", f"{location}.{key}")
            return None
        return value

    def _name(self, name: str, location: str) -> bool:
        usable = _NAME.fullmatch(name) is not None
        if not usable:
            self._add(
                "FB-VIEW-006",
                f"the name {_shown(name)} must begin with a letter and go on with letters, digits and underscores",
                location,
            )
        return usable

    def _known(self, item: Mapping[str, Any], known: frozenset[str], location: str) -> None:
        for key in item:
            if not isinstance(key, str) or key.startswith("_") or key in known or key in _ANYWHERE:
                continue
            meant = next((name for name in sorted(known) if _alike(name, key)), None)
            hint = f"; {meant} is meant?" if meant else ""
            self._add(
                "FB-VIEW-004",
                f"{_shown(key)} is not an element here and is left out of account{hint}",
                location,
            )


def _alike(name: str, key: str) -> bool:
    return key.lower().rstrip("s") == name.lower().rstrip("s")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
