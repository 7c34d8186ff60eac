"""FHIR content: a package (.tgz), and CodeSystem, ValueSet, ConceptMap or a Bundle of them as JSON or NDJSON.

Other resources of a package are passed over. A CodeSystem without concepts (`not-present`) is not kept: it would hide
one with concepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from fhir_bridge.fhir.serialization import JsonError, loads, loads_exact
from fhir_bridge.terminology.concepts import INACTIVE_STATUS as _GONE
from fhir_bridge.terminology.concepts import PropertyNames, designation, property_value, value_text
from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import (
    ConceptRow,
    DesignationRow,
    MapHeader,
    MapRow,
    Staging,
    SystemHeader,
)

__all__ = ["read", "recognizes"]

_KINDS = ("CodeSystem", "ValueSet", "ConceptMap")
_EXACT = 16 << 20  # up to this size decimals keep their digits
_MAX = 600 << 20
_MAX_DEPTH = 200


def recognizes(source: Source) -> bool:
    """Whether it is a FHIR package, or its first JSON file holds a resource."""
    if source.is_tar:
        return True
    names = [name for name in source.names if name.lower().endswith((".json", ".ndjson"))]
    return bool(names) and any(b'"resourceType"' in source.start(name, 200_000) for name in names[:50])


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read all terminology resources into the staging.

    Raises:
        ImportProblem: a file is not JSON, a resource has no url or is misshapen, or nothing of use is there.
    """
    reader = _Reader(staging, options)
    for name, file in source.entries():
        base = name.rsplit("/", 1)[-1].lower()
        if base in ("package.json", ".index.json") or "/." in name:
            continue
        label = source.label(name)
        if base.endswith(".ndjson"):
            for line, text in enumerate(file, 1):
                if text.strip():
                    reader.resource(_parsed(text, label, line), label, line)
        elif base.endswith(".json"):
            content = file.read(_MAX + 1)
            if len(content) > _MAX:
                raise ImportProblem(label, None, f"is larger than {_MAX >> 20} MB; split it", "FB-TERM-032")
            if b'"CodeSystem"' in content or b'"ValueSet"' in content or b'"ConceptMap"' in content:
                reader.resource(_parsed(content, label, None), label, None)
    reader.finish()
    if not reader.count:
        raise ImportProblem(str(source.path), None, "holds no CodeSystem, ValueSet or ConceptMap")


def _parsed(content: bytes, label: str, line: int | None) -> Any:
    try:
        return loads_exact(content) if len(content) <= _EXACT else loads(content)
    except JsonError as error:
        raise ImportProblem(label, line, str(error)) from error


class _Reader:
    def __init__(self, staging: Staging, options: Options) -> None:
        self.staging, self.options = staging, options
        self.count = 0
        self._seen: dict[tuple[str, str, str], str] = {}
        self._urls: set[str] = set()

    def resource(self, resource: Any, label: str, line: int | None) -> None:
        if not isinstance(resource, dict):
            raise ImportProblem(label, line, "holds no FHIR resource")
        kind = resource.get("resourceType")
        if kind == "Bundle":
            for entry in _list(resource, "entry", label, line):
                inner = entry.get("resource")
                if isinstance(inner, dict) and inner.get("resourceType") in _KINDS:
                    self.resource(inner, label, line)
            return
        if kind not in _KINDS:
            return
        url = resource.get("url")
        if not isinstance(url, str) or not url:
            raise ImportProblem(label, line, f"holds a {kind} without url, so that nothing can name it")
        if len(url) > 400:
            raise ImportProblem(label, line, f"holds a {kind} whose url is longer than 400 characters")
        key = (str(kind), url, str(resource.get("version") or ""))
        if key in self._seen:
            raise ImportProblem(
                label, line, f"holds {kind} {url} again, which stands in {self._seen[key]} already"
            )
        self._seen[key] = label
        try:
            if kind == "CodeSystem":
                self._code_system(resource, label, line)
            elif kind == "ValueSet":
                self.staging.value_set(orjson.loads(orjson.dumps(resource, default=str)))
                self.count += 1
            else:
                self._concept_map(resource, label, line)
        except _Misshapen as error:
            raise ImportProblem(label, line, f"holds {kind} {url}, where {error}") from error

    def finish(self) -> None:
        """Nothing is left over: resources are put into the staging as they come."""

    # --- CodeSystem ---

    def _code_system(self, resource: dict[str, Any], label: str, line: int | None) -> None:
        del label
        content = str(resource.get("content") or "complete")
        concepts = _objects(resource, "concept", "concept")
        if not concepts and content != "supplement":
            self.staging.note("code systems without concepts, left out")
            return
        self.count += 1
        declared = [
            PropertyDefinition(
                str(one.get("code")),
                str(one.get("type") or "string"),
                _text(one, "uri"),
                _text(one, "description"),
            )
            for one in _objects(resource, "property", "property")
        ]
        names = PropertyNames(declared)
        metadata = {
            key: value for key, value in resource.items() if key not in ("concept", "text", "contained")
        }
        header = SystemHeader(
            self.options.system or resource["url"],
            self.options.version or _text(resource, "version"),
            _text(resource, "name"),
            _text(resource, "title"),
            content,
            resource.get("caseSensitive", True) is not False,
            _text(resource, "language"),
            _text(resource, "hierarchyMeaning") or "is-a",
            orjson.loads(orjson.dumps(metadata, default=str)),
            declared,
        )
        system = self.staging.system(header)
        with Batch(self.staging, system) as batch:
            for node, parent, depth in _walk(concepts):
                if depth > _MAX_DEPTH:
                    raise _Misshapen(f"concepts are nested deeper than {_MAX_DEPTH} levels")
                self._concept(batch, node, parent, names, line or 0)

    @staticmethod
    def _concept(
        batch: Batch, node: Mapping[str, Any], parent: str | None, names: PropertyNames, line: int
    ) -> None:
        code = node.get("code")
        if not isinstance(code, str) or not code:
            raise _Misshapen(f'a concept below "{parent}" has no code' if parent else "a concept has no code")
        inactive = abstract = False
        parents = [] if parent is None else [parent]
        for entry in _objects(node, "property", f'property of "{code}"'):
            found = property_value(entry)
            if found is None:
                continue
            name, value, kind = found
            text = value_text(value)
            if name in names.parent:
                parents.append(text)
            elif name in names.child:
                batch.edge(text, code)
            else:
                inactive |= (name in names.inactive and value is True) or (
                    name in names.status and text.casefold() in _GONE
                )
                abstract |= name in names.not_selectable and value is True
                stored = orjson.dumps(value, default=str).decode() if kind == "Coding" else text
                batch.value(code, name, stored, kind)
        extensions = node.get("extension")
        batch.concept(
            ConceptRow(
                code,
                _text(node, "display"),
                _text(node, "definition"),
                not inactive,
                abstract,
                line,
                0,
                orjson.dumps(extensions, default=str) if extensions else None,
            ),
            dict.fromkeys(parents),
        )
        for entry in _objects(node, "designation", f'designation of "{code}"'):
            told = designation(entry)
            if told is not None:
                system, use = told.use or (None, None)
                more = orjson.dumps(told.extensions, default=str) if told.extensions else None
                batch.name(
                    DesignationRow(code, told.value, told.language, system, use, told.use_display, more)
                )

    # --- ConceptMap ---

    def _concept_map(self, resource: dict[str, Any], label: str, line: int | None) -> None:
        del label, line
        self.count += 1
        groups = _objects(resource, "group", "group")
        bare = {key: value for key, value in resource.items() if key not in ("group", "text", "contained")}
        bare["group"] = [{key: value for key, value in group.items() if key != "element"} for group in groups]
        header = MapHeader(
            str(resource["url"]),
            self.options.version or _text(resource, "version"),
            _text(resource, "name"),
            orjson.loads(orjson.dumps(bare, default=str)),
        )
        number = self.staging.concept_map(header)
        self.staging.map_rows(number, _rows(groups, self.staging))


def _rows(groups: list[dict[str, Any]], staging: Staging) -> Iterator[MapRow]:
    for place, group in enumerate(groups):
        source, target_system = _text(group, "source"), _text(group, "target")
        for element in _objects(group, "element", f"group[{place}].element"):
            code = element.get("code")
            if not isinstance(code, str):  # R4 allows it; there is nothing to look up
                staging.note("elements of concept maps without code, left out")
                continue
            targets = _objects(element, "target", f'target of "{code}"')
            if not targets:
                yield MapRow(
                    source, code, _text(element, "display"), None, None, None, "unmatched", None, None, place
                )
            for target in targets:
                more = {key: target[key] for key in ("dependsOn", "product", "extension") if key in target}
                equivalence = target.get("equivalence") or _R5.get(
                    str(target.get("relationship")), "equivalent"
                )
                to = _text(target, "code")
                yield MapRow(
                    source,
                    code,
                    _text(element, "display"),
                    target_system if to else None,
                    to,
                    _text(target, "display"),
                    str(equivalence),
                    _text(target, "comment"),
                    orjson.dumps(more, default=str) if more else None,
                    place,
                )


_R5 = {
    "related-to": "relatedto",
    "equivalent": "equivalent",
    "source-is-narrower-than-target": "wider",
    "source-is-broader-than-target": "narrower",
    "not-related-to": "disjoint",
}
"""R5's relationships as R4's equivalences."""


class _Misshapen(ValueError):
    """A part of a resource is not what FHIR says it is."""


def _walk(concepts: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str | None, int]]:
    """Concepts, parents before children, in the order of the resource."""
    waiting: list[tuple[dict[str, Any], str | None, int]] = [(node, None, 1) for node in reversed(concepts)]
    while waiting:
        node, parent, depth = waiting.pop()
        yield node, parent, depth
        below = _objects(node, "concept", f'concept of "{node.get("code")}"')
        waiting.extend((child, node.get("code"), depth + 1) for child in reversed(below))


def _objects(node: Mapping[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    value = node.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _Misshapen(f"{where} is not a list of objects")
    return value


def _list(node: Mapping[str, Any], name: str, label: str, line: int | None) -> list[dict[str, Any]]:
    try:
        return _objects(node, name, name)
    except _Misshapen as error:
        raise ImportProblem(label, line, str(error)) from error


def _text(node: Mapping[str, Any], name: str) -> str | None:
    value = node.get(name)
    return value if isinstance(value, str) and value else None
