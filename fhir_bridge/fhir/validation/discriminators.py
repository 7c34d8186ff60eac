"""Discriminator paths: `$this`, names, `extension('url')`, `resolve()`, `ofType(T)` (R4 profiling.html#discriminator).

A path is followed twice: through a profile to the elements that say what a slice asks for, and through a resource to
the values that are checked against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Definitions, Element, TypeDefinition
from fhir_bridge.fhir.fhirpath import FHIRPathError, parse, syntax, unparse
from fhir_bridge.fhir.validation.resolution import resolve
from fhir_bridge.fhir.validation.run import Run

__all__ = ["Located", "Node", "Step", "Unsupported", "locate", "nodes_at", "steps_of"]

Step = tuple[str, str]
"""(kind, argument): kinds are `name`, `extension`, `resolve`, `type`."""

Node = tuple[Any, Any, str]
"""A value, the extensions beside it where it is a primitive (`_name`), and its type as far as its place shows."""

# Type profiles and targets may refer to each other in circles.
MAX_BRANCHES = 64
"""Places a path may lead to in profiles, through type profiles and targets."""


class Unsupported(ValueError):
    """A discriminator path outside what R4 allows there."""


# The same paths come with every profile; parsing each anew would dominate compilation.
@lru_cache(4096)
def steps_of(path: str) -> tuple[Step, ...]:
    """A discriminator's path as steps; `$this` is none.

    Raises:
        Unsupported: the path has something that a discriminator can't have.
    """
    steps: list[Step] = []
    try:
        node: syntax.Node | None = parse(path) if path.strip() else None
    except FHIRPathError as error:
        raise Unsupported(f"the discriminator '{path[:80]}' can't be followed: {error}") from error
    while node is not None:
        match node:
            case syntax.Special(name="this"):
                break
            case syntax.Member(name=name):
                steps.append(("name", name))
            # `value[x]` parses as an index.
            case syntax.Indexer(index=syntax.Member(target=None, name="x")):
                pass  # `value[x]`
            case syntax.Call(name="resolve", arguments=()):
                steps.append(("resolve", ""))
            case syntax.Call(name="extension", arguments=(syntax.Literal(kind="String", value=url),)):
                steps.append(("extension", url))
            case syntax.Call(name="ofType" | "as", arguments=(kind,)):
                steps.append(("type", unparse(kind).removeprefix("FHIR.")))
            case _:
                raise Unsupported(
                    f"the discriminator '{path[:80]}' can't be followed at '{unparse(node)[:20]}'"
                )
        # Walked from the outside in, so the steps come last first.
        node = node.target
    return tuple(reversed(steps))


# --- in profiles --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Located:
    """An element that a discriminator leads to, in the structure that has it.

    Attributes:
        way: elements passed in the same structure, each with the number of steps still to go behind it.
        reached: whether this is the end of the path, and not the last element that the structure has on the way there.
    """

    structure: TypeDefinition
    element: Element
    way: tuple[tuple[Element, int], ...] = ()
    reached: bool = True


def locate(
    structure: TypeDefinition, element: Element, steps: tuple[Step, ...], known: Definitions
) -> list[Located]:
    """The elements at the end of a path from a slice: in its own profile, then in the profiles of its type.

    Where a fixed or pattern value says what is at the end, the structure needs no element there.
    """
    results: list[Located] = []
    _walk(structure, element, steps, (), results, known)
    return results


def _walk(
    structure: TypeDefinition,
    element: Element,
    steps: tuple[Step, ...],
    way: tuple[tuple[Element, int], ...],
    results: list[Located],
    known: Definitions,
) -> None:
    if len(results) >= MAX_BRANCHES:
        return
    way = (*way, (element, len(steps)))
    if not steps:
        results.append(Located(structure, element, way))
    else:
        (kind, argument), rest = steps[0], steps[1:]
        if kind == "resolve":
            for target in (t for k in element.types for t in k.targets):
                into = known.structure(target)
                if into is not None:
                    _walk(into, into.root, rest, (), results, known)
            return
        inner = _child(structure, element, kind, argument)
        if inner is not None:
            _walk(structure, inner, rest, way, results, known)
        elif kind == "type" and argument in element.type_codes:
            _walk(structure, element, rest, way, results, known)
        elif any(passed.fixed or passed.pattern for passed, _ in way):
            # R4 profiling.html#discriminator: a pattern may say what is at the end without any element for it.
            results.append(Located(structure, element, way, reached=False))
        for part in _required_parts(structure, element, argument) if kind == "name" else ():
            _walk(structure, part, rest, way, results, known)
    for canonical in (p for k in element.types for p in k.profiles):
        of_type = known.structure(canonical)
        if of_type is not None and of_type is not structure:
            # A type profile may be the structure itself: following it would not end.
            start = of_type.element(canonical.partition("#")[2]) or of_type.root
            _walk(of_type, start, steps, (), results, known)


def _required_parts(structure: TypeDefinition, element: Element, name: str) -> list[Element]:
    """Slices of a child that every item has: their values identify the outer slice too (bp: `code.coding:SBPCode`)."""
    children = structure.children(element.id)
    return [c for c in children if c.name == name and c.slice_name is not None and c.min > 0]


def _child(structure: TypeDefinition, element: Element, kind: str, argument: str) -> Element | None:
    children = structure.children(element.id)
    if kind == "name":
        plain = [e for e in children if e.slice_name is None]
        for child in plain:
            if child.name in (argument, argument + "[x]"):
                return child
        return next((e for e in plain if argument in e.json_names), None)
    if kind == "extension":
        for child in children:
            if child.name in ("extension", "modifierExtension") and child.slice_name is not None:
                url = structure.element(f"{child.id}.url")
                # A slice of extensions is named by the url that it fixes, by its profile, or, in old
                # guides, by its slice name alone.
                fixed = url.fixed.value if url is not None and url.fixed is not None else None
                named = {p.partition("|")[0] for k in child.types for p in k.profiles} | {
                    fixed,
                    child.slice_name,
                }
                if argument in named:
                    return child
        return None
    # `ofType()` is answered by the slice of a choice that leaves this type alone.
    siblings = structure.children(element.id.rpartition(".")[0])
    return next(
        (e for e in siblings if e.path == element.path and e.slice_name and e.type_codes == (argument,)), None
    )


# --- in resources -------------------------------------------------------------------------------------------------


def nodes_at(node: Node, steps: tuple[Step, ...], run: Run) -> list[Node]:
    """The values at the end of a path from an item of a list; behind a reference, only where it resolves."""
    nodes = [node]
    for kind, argument in steps:
        following: list[Node] = []
        for value, beside, code in nodes:
            if kind == "name":
                following += _named(value, argument)
            elif kind == "extension":
                following += _extensions(value, beside, argument)
            elif kind == "resolve":
                reference = value.get("reference") if isinstance(value, dict) else value
                target = resolve(reference, run)
                if target is not None:
                    following.append((target, None, str(target.get("resourceType"))))
            elif code in ("", argument) or _is(value, argument):
                following.append((value, beside, code))
        nodes = following
    return nodes


def _is(value: Any, name: str) -> bool:
    return isinstance(value, dict) and value.get("resourceType") == name


def _named(value: Any, name: str) -> Iterator[Node]:
    if not isinstance(value, dict):
        return
    # The plain name first: `value` itself may be an element's name, of which no choice is meant.
    if name in value or "_" + name in value:
        yield from _each(value.get(name), value.get("_" + name), "")
        return
    for key in value:  # a choice is written with its type
        plain = key.removeprefix("_")
        if plain.startswith(name) and (code := _type_name(plain[len(name) :])):
            yield from _each(value.get(plain), value.get("_" + plain), code)
            return


@lru_cache(1024)
def _type_name(suffix: str) -> str:
    """The type that a choice's name ends with (`Quantity`, `String`), or an empty text."""
    if not suffix[:1].isupper():
        return ""
    for name in (suffix, suffix[0].lower() + suffix[1:]):
        if definitions.find_type(name) is not None:
            return name
    return ""


def _each(value: Any, beside: Any, code: str) -> Iterator[Node]:
    if isinstance(value, list) or isinstance(beside, list):
        values = value if isinstance(value, list) else []
        shadows = beside if isinstance(beside, list) else []
        for index in range(max(len(values), len(shadows))):
            item = values[index] if index < len(values) else None
            shadow = shadows[index] if index < len(shadows) else None
            if item is not None or shadow is not None:
                yield item, shadow, _code(item, code)
    elif value is not None or beside is not None:
        yield value, beside, _code(value, code)


def _code(value: Any, code: str) -> str:
    kind = value.get("resourceType") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else code


def _extensions(value: Any, beside: Any, url: str) -> Iterator[Node]:
    for holder in (value, beside):
        items = holder.get("extension") if isinstance(holder, dict) else None
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and item.get("url") == url:
                yield item, None, "Extension"
