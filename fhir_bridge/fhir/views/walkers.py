"""The common paths as plain walks over JSON: names, `first()`, an index, `ofType(T)`, `where()`, `extension()`, keys.

They give what the FHIRPath engine gives, several times faster. Where a resource has something a walk does not cover (a
primitive that is null beside its extensions, an element of the wrong shape) it raises `Uncovered`, a TypeError or an
AttributeError, and the engine decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.fhirpath import FHIRPathError
from fhir_bridge.fhir.fhirpath.kinds import ANY, SYSTEM, Kind, kind_of
from fhir_bridge.fhir.fhirpath.syntax import Binary, Call, Indexer, Literal, Member, Node, Null, Special
from fhir_bridge.fhir.fhirpath.types import type_argument
from fhir_bridge.fhir.views.keys import reference_key
from fhir_bridge.fhir.views.types import Kind as ColumnKind
from fhir_bridge.fhir.views.types import kind_of as column_kind

__all__ = ["UNCOVERED", "Test", "Uncovered", "Walk", "tested", "walked"]

Many = Callable[[Any], list[Any]]
One = Callable[[Any], Any]
Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Walk:
    """A path as a walk from an element's JSON.

    Attributes:
        many: to its values.
        one: to its value or None, where the definitions allow no more than one; else None.
        kind: the type of the values.
    """

    many: Many
    one: One | None
    kind: Kind


class Uncovered(Exception):
    """This resource needs the engine."""


UNCOVERED = (Uncovered, AttributeError, TypeError)


def walked(node: Node, kind: Kind) -> Walk | None:
    """The walk for a path on elements of this kind, or None where the engine must evaluate it."""
    match node:
        case Special(name="this"):
            return _single(lambda value: value, kind)
        case Literal(kind="String" | "Boolean" | "Integer" as name, value=value):
            return _single(lambda _: value, SYSTEM[name])
        case Null():
            return _single(lambda _: None, SYSTEM["String"])
        case Member():
            return _member(node, kind, None)
        case Indexer(index=Literal(kind="Integer", value=place)) if place >= 0:
            before = walked(node.target, kind)
            return None if before is None else _at(before, place)
        case Call():
            return _call(node, kind)
        case Binary(operator="&", left=Literal(kind="String", value=""), right=Call(name="join") as call):
            return _joined(call, kind)  # how `paths` writes join(), which gives '' of nothing
    return None


def _single(one: One, kind: Kind) -> Walk:
    def many(value: Any) -> list[Any]:
        found = one(value)
        return [] if found is None else [found]

    return Walk(many, one, kind)


def _at(before: Walk, place: int) -> Walk:
    if before.one is not None and place == 0:
        return before
    many = before.many

    def one(value: Any) -> Any:
        found = many(value)
        return found[place] if len(found) > place else None

    return _single(one, before.kind)


def _member(node: Member, kind: Kind, wanted: Node | None) -> Walk | None:
    """A name, with the type that a following `ofType` asks for."""
    if node.target is None and node.name[:1].isupper():
        return _single(lambda value: value, kind) if node.name == kind.name else None
    before = walked(node.target, kind) if node.target is not None else None
    if node.target is not None and before is None:
        return None
    source = before.kind if before is not None else kind
    if source is ANY or source.system or source.primitive or source.open:
        return None
    steps = source.steps.get(node.name, ())
    if wanted is not None:
        try:
            named = type_argument(wanted)
        except FHIRPathError:
            return None
        steps = tuple(step for step in steps if named.selects(step[2]))
    if len(steps) != 1 or steps[0][2] is ANY or steps[0][2].open:
        return None
    key, _, target = steps[0]
    if key in source.lists or (before is not None and before.one is None):
        return Walk(_get_all(before, key), None, target)
    return _single(_get_one(before.one if before is not None else None, key), target)


def _get_one(before: One | None, key: str) -> One:
    if before is None:

        def first(value: Any) -> Any:
            found = value.get(key)
            if type(found) is list:
                raise Uncovered
            return found

        return first

    def later(value: Any) -> Any:
        parent = before(value)
        if parent is None:
            return None
        found = parent.get(key)
        if type(found) is list:
            raise Uncovered
        return found

    return later


def _get_all(before: Walk | None, key: str) -> Many:
    if before is None or before.one is not None:
        parent_of = before.one if before is not None else None

        def first(value: Any) -> list[Any]:
            parent = value if parent_of is None else parent_of(value)
            found = None if parent is None else parent.get(key)
            if found is None:
                return []
            if type(found) is not list:
                return [found]
            if None in found:
                raise Uncovered
            return found

        return first
    parents = before.many

    def later(value: Any) -> list[Any]:
        found: list[Any] = []
        for parent in parents(value):
            child = parent.get(key)
            if child is None:
                continue
            if type(child) is not list:
                found.append(child)
            elif None in child:
                raise Uncovered
            else:
                found += child
        return found

    return later


def _call(node: Call, kind: Kind) -> Walk | None:
    name, arguments = node.name, node.arguments
    if name == "getResourceKey" and node.target is None and not arguments and kind.is_resource:
        return _single(_own_key(kind.name), SYSTEM["String"])
    if name == "ofType" and isinstance(node.target, Member) and len(arguments) == 1:
        return _member(node.target, kind, arguments[0])
    before = _target(node, kind)
    if before is None:
        return None
    if name == "first" and not arguments:
        return _at(before, 0)
    if name == "getReferenceKey" and not before.kind.system and before.kind.name == "Reference":
        return _keys(before, arguments)
    if name == "extension" and len(arguments) == 1 and isinstance(arguments[0], Literal):
        return _extension(before, arguments[0])
    if name == "where" and len(arguments) == 1:
        test = tested(arguments[0], before.kind)
        return None if test is None else Walk(_filtered(before.many, test), None, before.kind)
    return None


def _target(node: Call, kind: Kind) -> Walk | None:
    """What a function stands on: a path, or the element itself."""
    return walked(node.target, kind) if node.target is not None else _single(lambda value: value, kind)


def _own_key(type_name: str) -> One:
    def key(value: Any) -> Any:
        identity = value.get("id")
        if identity is None:
            return None
        if type(identity) is not str:
            raise Uncovered
        return f"{type_name}/{identity}"

    return key


def _keys(before: Walk, arguments: tuple[Node, ...]) -> Walk | None:
    wanted: str | None = None
    if arguments:
        try:
            wanted = type_argument(arguments[0]).fhir
        except FHIRPathError:
            return None
    one, many = before.one, before.many
    if one is not None:

        def key(value: Any) -> Any:
            reference = one(value)
            return None if reference is None else reference_key(reference, wanted)

        return _single(key, SYSTEM["String"])

    def keys(value: Any) -> list[Any]:
        found = (reference_key(reference, wanted) for reference in many(value))
        return [key for key in found if key is not None]

    return Walk(keys, None, SYSTEM["String"])


def _extension(before: Walk, url: Literal) -> Walk | None:
    kind = kind_of("Extension")
    if kind is None or url.kind != "String" or before.kind.primitive or "extension" not in before.kind.steps:
        return None
    wanted, many = url.value, before.many

    def extensions(value: Any) -> list[Any]:
        return [
            extension
            for parent in many(value)
            for extension in parent.get("extension") or ()
            if extension.get("url") == wanted
        ]

    return Walk(extensions, None, kind)


def _joined(node: Call, kind: Kind) -> Walk | None:
    before = _target(node, kind)
    mark = ""
    if node.arguments:
        literal = node.arguments[0]
        if not isinstance(literal, Literal) or literal.kind != "String":
            return None
        mark = literal.value
    if before is None or not _is_text(before.kind):
        return None
    many = before.many
    return _single(lambda value: mark.join(many(value)), SYSTEM["String"])


def _is_text(kind: Kind) -> bool:
    return not kind.system and kind.primitive and column_kind(kind.name) is ColumnKind.STRING


# --- conditions: true or not; what FHIRPath leaves empty is not true ---------------------------------------------


def tested(node: Node, kind: Kind) -> Test | None:
    """Whether `node` is true of an element: `name = 'text'`, `exists()` or not, joined by `and` and `or`."""
    if isinstance(node, Call) and node.name == "exists":
        return _existing(node, kind)
    if isinstance(node, Call) and node.name == "not":
        inner = node.target
        known = tested(inner, kind) if isinstance(inner, Call) and inner.name == "exists" else None
        return None if known is None else (lambda value: not known(value))  # exists() is never left empty
    if not isinstance(node, Binary):
        return None
    if node.operator in ("and", "or"):
        left, right = tested(node.left, kind), tested(node.right, kind)
        if left is None or right is None:
            return None
        if node.operator == "and":
            return lambda value: left(value) and right(value)
        return lambda value: left(value) or right(value)
    if node.operator != "=" or not isinstance(node.right, Literal) or node.right.kind != "String":
        return None
    found = walked(node.left, kind)
    if found is None or found.one is None or not _is_text(found.kind):
        return None
    return _equal(found.one, node.right.value)


def _equal(one: One, wanted: str) -> Test:
    def test(value: Any) -> bool:
        found = one(value)
        if found is not None and type(found) is not str:
            raise Uncovered
        return bool(found == wanted)

    return test


def _existing(node: Call, kind: Kind) -> Test | None:
    """`path.exists()` and `path.exists(criteria)` of elements with children: those are never mere extensions."""
    before = _target(node, kind)
    if before is None or before.kind.primitive:
        return None
    many = before.many
    if not node.arguments:
        return lambda value: bool(many(value))
    inner = tested(node.arguments[0], before.kind)
    if inner is None:
        return None

    def test(value: Any) -> bool:
        return True in [
            inner(found) for found in many(value)
        ]  # each one is judged: the last may be uncovered

    return test


def _filtered(many: Many, test: Test) -> Many:
    return lambda value: [found for found in many(value) if test(found)]
