"""FHIR CodeSystems on their way into the store, concept by concept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from fhir_bridge.fhir.serialization import MAX_DEPTH, dumps
from fhir_bridge.terminology.concepts import (
    INACTIVE_STATUS,
    PropertyNames,
    designation,
    property_value,
    value_text,
)
from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.imports.json_text import JsonText, Span
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.shapes import Misshapen, objects, text
from fhir_bridge.terminology.store.staging import ConceptRow, DesignationRow, Staging, SystemHeader

__all__ = ["Node", "nodes_of", "read_code_system", "streamed_nodes"]


class Node(NamedTuple):
    """A concept, the code that it is below, how deep it is nested, and its line where that is known."""

    concept: Mapping[str, Any]
    parent: str | None
    depth: int
    line: int


def nodes_of(
    concepts: Iterable[Mapping[str, Any]], line: int = 0, parent: str | None = None, depth: int = 1
) -> Iterator[Node]:
    """Concepts of a list with those nested in them, parents before children, in the order of the resource."""
    waiting = [Node(concept, parent, depth, line) for concept in reversed(list(concepts))]
    while waiting:
        node = waiting.pop()
        yield node
        code = node.concept.get("code")
        below = objects(node.concept, "concept", f'concept of "{code}"')
        waiting.extend(Node(child, code, node.depth + 1, line) for child in reversed(below))


def streamed_nodes(
    json: JsonText, concepts: Span, parent: str | None = None, depth: int = 1
) -> Iterator[Node]:
    """The same of a list that is too large to be parsed as a whole."""
    _bounded(depth)
    for element in json.elements(concepts):
        if element.is_small:
            yield from nodes_of(_concept(json.parsed(element), element.line), element.line, parent, depth)
            continue
        concept, large = json.outline(element)
        below = large.pop("concept", None)
        concept.update((name, json.parsed(value)) for name, value in large.items())
        yield from nodes_of([concept], element.line, parent, depth)
        if below is not None:
            yield from streamed_nodes(json, below, concept.get("code"), depth + 1)


def read_code_system(
    head: Mapping[str, Any], nodes: Iterable[Node], staging: Staging, options: Options
) -> None:
    """Put a code system into the staging.

    Args:
        head: the CodeSystem; its concepts may be left out.
        nodes: its concepts.
        staging: where to.
        options: wishes.

    Raises:
        Misshapen: a part is not what FHIR says it is.
    """
    declared = [
        PropertyDefinition(
            str(item.get("code")),
            str(item.get("type") or "string"),
            text(item, "uri"),
            text(item, "description"),
        )
        for item in objects(head, "property", "property")
    ]
    names = PropertyNames(declared)
    metadata = {key: value for key, value in head.items() if key not in ("concept", "text", "contained")}
    # Through text, so that decimals become what JSON of the description can hold.
    header = SystemHeader(
        options.system or head["url"],
        options.version or text(head, "version"),
        text(head, "name"),
        text(head, "title"),
        str(head.get("content") or "complete"),
        head.get("caseSensitive", True) is not False,
        text(head, "language"),
        text(head, "hierarchyMeaning") or "is-a",
        orjson.loads(dumps(metadata)),
        declared,
    )
    with Batch(staging, staging.system(header)) as batch:
        for node in nodes:
            _bounded(node.depth)
            try:
                _put(batch, node, names)
            except Misshapen as error:
                error.line = node.line or None
                raise


def _concept(value: Any, line: int) -> list[Mapping[str, Any]]:
    if not isinstance(value, Mapping):
        raise Misshapen("concept is not a list of objects", line)
    return [value]


def _bounded(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Misshapen(f"concepts are nested deeper than {MAX_DEPTH} levels")


def _put(batch: Batch, node: Node, names: PropertyNames) -> None:
    concept, parent = node.concept, node.parent
    code = concept.get("code")
    if not isinstance(code, str) or not code:
        raise Misshapen(f'a concept below "{parent}" has no code' if parent else "a concept has no code")
    inactive = abstract = False
    parents = [] if parent is None else [parent]
    for entry in objects(concept, "property", f'property of "{code}"'):
        result = property_value(entry)
        if result is None:
            continue
        name, value, kind = result
        value_as_text = value_text(value)
        if name in names.parent:
            parents.append(value_as_text)
        elif name in names.child:
            batch.edge(value_as_text, code)
        else:
            inactive |= (name in names.inactive and value is True) or (
                name in names.status and value_as_text.casefold() in INACTIVE_STATUS
            )
            abstract |= name in names.not_selectable and value is True
            batch.value(code, name, dumps(value).decode() if kind == "Coding" else value_as_text, kind)
    extensions = concept.get("extension")
    batch.concept(
        ConceptRow(
            code,
            text(concept, "display"),
            text(concept, "definition"),
            not inactive,
            abstract,
            node.line,
            0,
            dumps(extensions) if extensions else None,
        ),
        dict.fromkeys(parents),
    )
    for entry in objects(concept, "designation", f'designation of "{code}"'):
        named = designation(entry)
        if named is not None:
            system, use = named.use or (None, None)
            more = dumps(named.extensions) if named.extensions else None
            batch.name(
                DesignationRow(code, named.value, named.language, system, use, named.use_display, more)
            )
