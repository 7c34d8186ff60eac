"""What an expression gives, from the definitions alone; what a type can't give is refused before it runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.fhir_types import SYSTEM, TYPE_INFO, FhirType, r4_type
from fhir_bridge.fhir.fhirpath.registry import FUNCTIONS
from fhir_bridge.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Node,
    Null,
    Special,
    TypeTest,
    Unary,
    Variable,
)
from fhir_bridge.fhir.fhirpath.types import TypeName, type_argument, type_name

__all__ = ["UNKNOWN", "Shape", "check", "inferred", "shape_of"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a collection before evaluation.

    Attributes:
        kinds: the types its items may have; None where anything may come. No kinds: it is empty.
        many: it may hold more than one item.
        ordered: its order means something (children() and descendants() have none).
    """

    kinds: frozenset[FhirType] | None
    many: bool = False
    ordered: bool = True

    @property
    def item(self) -> Shape:
        """One of the items."""
        return Shape(self.kinds)


def _system(name: str, *, many: bool = False) -> Shape:
    return Shape(frozenset({SYSTEM[name]}), many)


UNKNOWN = Shape(None, many=True)
_BOOLEAN, _INTEGER, _STRING = _system("Boolean"), _system("Integer"), _system("String")
_EMPTY = Shape(frozenset())

_OF_INPUT = frozenset({"where", "tail", "skip", "take", "intersect", "exclude", "distinct", "trace", "sort",
                       "checkModifiers"})  # fmt: skip
_ITEM_OF_INPUT = frozenset({"single", "first", "last", "abs", "getValue"})
_BOUNDARIES = frozenset({"lowBoundary", "highBoundary"})
_ORDERED = frozenset({"first", "last", "tail", "skip", "take"})
_BOOLEANS = frozenset({
    "empty", "exists", "all", "allTrue", "anyTrue", "allFalse", "anyFalse", "subsetOf", "supersetOf", "isDistinct",
    "not", "is", "startsWith", "endsWith", "contains", "matches", "matchesFull", "hasValue", "hasExtension",
    "memberOf", "subsumes", "subsumedBy", "conformsTo", "htmlChecks", "comparable", "toBoolean", "convertsToBoolean",
    "convertsToInteger", "convertsToDecimal", "convertsToString", "convertsToDate", "convertsToDateTime",
    "convertsToTime", "convertsToQuantity",
})  # fmt: skip
_INTEGERS = frozenset({
    "count", "length", "indexOf", "lastIndexOf", "toInteger", "precision", "ceiling", "floor", "truncate",
})  # fmt: skip
_DECIMALS = frozenset({"toDecimal", "sqrt", "exp", "ln", "log", "round"})
_TEXTS = frozenset({
    "upper", "lower", "substring", "replace", "replaceMatches", "toString", "join", "trim", "encode", "decode",
    "escape", "unescape",
})  # fmt: skip
_OF_TEXT = _TEXTS - {"toString"} | frozenset({
    "startsWith", "endsWith", "contains", "matches", "matchesFull", "indexOf", "lastIndexOf", "length", "toChars",
    "split",
})  # fmt: skip
_RESULTS = {
    "today": _system("Date"),
    "now": _system("DateTime"),
    "timeOfDay": _system("Time"),
    "toDate": _system("Date"),
    "toDateTime": _system("DateTime"),
    "toTime": _system("Time"),
    "toQuantity": _system("Quantity"),
    "toChars": _system("String", many=True),
    "split": _system("String", many=True),
    "type": Shape(frozenset({TYPE_INFO}), many=True),
}
_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt", "decimal", "boolean"})
_SYSTEM = {
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), "Integer"),
    **dict.fromkeys(("dateTime", "instant"), "DateTime"),
    "decimal": "Decimal",
    "boolean": "Boolean",
    "date": "Date",
    "time": "Time",
}
"""The System types that primitives stand for; the others stand for String."""
_MOMENTS = frozenset({"Date", "DateTime", "Time"})


def check(node: Node, kind: FhirType) -> Shape:
    """The shape of what the expression gives when it is evaluated on a value of this kind.

    Raises:
        FHIRPathError: an element that the type doesn't have, a function on what it can't take, or an order that is
            none.
    """
    return _Checker(kind).shape(node, Shape(frozenset({kind})))


def inferred(
    node: Node, focus: Shape, root: FhirType, variables: Mapping[str, Shape]
) -> tuple[Shape, tuple[str, ...]]:
    """The shape of what the expression gives, refusing nothing, and the elements in it that the definitions don't have.

    Args:
        focus: what it is evaluated on.
        root: the type of %resource.
        variables: what `%name` gives.
    """
    checker = _Checker(root, variables, lenient=True)
    shape = checker.shape(node, focus)
    return shape, tuple(dict.fromkeys(checker.unknown))


def shape_of(node: Node, kind: FhirType) -> Shape | None:
    """The shape, or None where the check would refuse the expression."""
    try:
        return check(node, kind)
    except FHIRPathError:
        return None


class _Checker:
    def __init__(
        self, root: FhirType, variables: Mapping[str, Shape] | None = None, *, lenient: bool = False
    ) -> None:
        self.root = root
        self.variables = variables or {}
        self.lenient = lenient
        self.unknown: list[str] = []

    def refuse(self, problem: str, position: int) -> None:
        if not self.lenient:
            raise FHIRPathError(problem, position)

    def shape(self, node: Node, focus: Shape) -> Shape:
        """Walks the left spine by loop, so that long chains need no stack."""
        # Recursion is by levels of nesting, which the parser bounds; chains may be of any length.
        chain: list[Node] = []
        while True:
            chain.append(node)
            match node:
                case Member(target=inner) | Call(target=inner) if inner is not None:
                    node = inner
                case Indexer(target=inner) | Binary(left=inner) | TypeTest(operand=inner):
                    node = inner
                case _:
                    break
        base = self.base(chain.pop(), focus)
        for outer in reversed(chain):
            base = self.step(outer, base, focus)
        return base

    def base(self, node: Node, focus: Shape) -> Shape:
        match node:
            case Literal(kind=kind):
                return _system(kind)
            case Null():
                return _EMPTY
            case Special(name="this"):
                return focus
            case Special(name="index"):
                return _INTEGER
            case Variable(name=name):
                return self.variable(name)
            case Member(name=name):
                return self.first(node, name, focus)
            case Call():
                return self.call(node, focus, focus)
            case Unary(operand=operand):
                return _of_system(self.shape(operand, focus))
        return UNKNOWN

    def variable(self, name: str) -> Shape:
        if name in self.variables:
            return self.variables[name]
        if name in ("ucum", "sct", "loinc") or name.startswith(("vs-", "ext-")):
            return _STRING
        if name == "context" and not self.lenient:
            return Shape(frozenset({self.root}))
        if name in ("resource", "rootResource") and self.lenient:
            return Shape(frozenset({self.root}))
        if name == "resource" and self.root.is_resource and not self.root.open:
            return Shape(frozenset({self.root}))
        return UNKNOWN

    def first(self, node: Member, name: str, focus: Shape) -> Shape:
        # N1 §3.1: a path may begin with the type of what it is evaluated on.
        if name[:1].isupper() and focus.kinds is not None and r4_type(name) is not None:
            own = frozenset(kind for kind in focus.kinds if kind.is_a(name))
            if own:
                return replace(focus, kinds=own)
            # On an open type (contained, entry.resource) the name narrows to that resource.
            if any(
                kind.open and (result := r4_type(name)) is not None and result.is_resource
                for kind in focus.kinds
            ):
                return replace(focus, kinds=frozenset({result}) if (result := r4_type(name)) else None)
        return self.member(node, name, focus)

    def member(self, node: Node, name: str, target: Shape) -> Shape:
        # After an unknown type anything may come: nothing is refused for want of knowledge.
        if target.kinds is None or any(kind.open or kind.name == "Any" for kind in target.kinds):
            return replace(target, kinds=None, many=True)
        if not target.kinds:
            return target
        types: set[FhirType] = set()
        many = target.many
        for kind in target.kinds:
            for json_name, _, leads_to in kind.steps.get(name, ()):
                types.add(leads_to)
                many = many or json_name in kind.lists
        if not types:
            problem = _no_element(name, target.kinds)
            self.refuse(problem, node.position)
            # Types that the definitions do not have together are one error; a choice may
            # have the element in one of them.
            self.unknown.append(problem)
        return replace(target, kinds=frozenset(types), many=many)

    def step(self, node: Node, target: Shape, focus: Shape) -> Shape:
        match node:
            case Member(name=name):
                return self.member(node, name, target)
            case Call():
                return self.call(node, target, focus)
            case Indexer(index=index):
                self.shape(index, focus)
                self.order(node, target, "an index")
                return replace(target, many=False)
            case TypeTest(operator="is"):
                return _BOOLEAN
            case TypeTest(type_name=name):
                return self.cast(target, type_name(name))
            case Binary():
                return self.binary(node, target, self.shape(node.right, focus))
        return UNKNOWN

    def cast(self, target: Shape, wanted: TypeName) -> Shape:
        own = frozenset(kind for kind in target.kinds or () if wanted.selects(kind))
        # None of the known types is selected: the cast may still be meant for an open one.
        if not own:
            result = r4_type(wanted.fhir) if wanted.fhir else SYSTEM.get(wanted.system or "")
            own = frozenset({result}) if result else frozenset()
        return replace(target, kinds=own)

    def binary(self, node: Binary, left: Shape, right: Shape) -> Shape:
        match node.operator:
            case "|":
                both = None if left.kinds is None or right.kinds is None else left.kinds | right.kinds
                return Shape(both, many=True, ordered=left.ordered and right.ordered)
            case "+" | "-":
                if _only(left, {"Date", "DateTime", "Time", "date", "dateTime", "instant", "time"}) and _only(
                    right,
                    {
                        "Integer",
                        "Decimal",
                        "integer",
                        "decimal",
                        "positiveInt",
                        "unsignedInt",
                        "String",
                        "string",
                    },
                ):
                    self.refuse(
                        f"'{node.operator}' takes a duration such as 7 days beside a date or time",
                        node.position,
                    )
                return _arithmetic(node.operator, left, right)
            case "&":
                return _STRING
            case "div":
                return _INTEGER
            case "*" | "/" | "mod":
                return _arithmetic(node.operator, left, right)
        return _BOOLEAN

    def order(self, node: Node, target: Shape, what: str) -> None:
        if not target.ordered:
            self.refuse(f"{what} needs an order, and children() and descendants() have none", node.position)

    def call(self, node: Call, target: Shape, focus: Shape) -> Shape:
        name = node.name
        known = FUNCTIONS.get(name)
        if name in _ORDERED:
            self.order(node, target, f"{name}()")
        if name in _OF_TEXT and name != "join":
            self.text(node, target)
        if name in ("as", "ofType") and node.arguments:
            return self.cast(target, type_argument(node.arguments[0]))
        inner = replace(target, many=False, ordered=True)
        if name == "iif":
            return self.conditional(node, inner)
        if name == "repeat" and node.arguments:
            return self.repeat(node.arguments[0], target)
        shapes = []
        for index, argument in enumerate(node.arguments):
            if known is not None and known.takes_type and index == 0:
                continue
            # `aggregate`'s initial value is evaluated once, and not for each item; of
            # `trace` only the projection is.
            each = (known is not None and known.iterates and not (name == "aggregate" and index == 1)) or (
                name == "trace" and index == 1
            )
            shapes.append(self.shape(argument, inner if each else focus))
        if name in _BOOLEANS:
            return _BOOLEAN
        if name in _INTEGERS:
            return _INTEGER
        if name in _TEXTS:
            return _STRING
        if name in _OF_INPUT:
            return target
        if name in _ITEM_OF_INPUT:
            return replace(target, many=False)
        if name in _BOUNDARIES:
            return _boundary(target.item)
        if name in _DECIMALS:
            return _system("Decimal")
        if name in ("getResourceKey", "getReferenceKey"):
            return replace(_STRING, many=target.many)
        if name == "select" and shapes:
            return replace(shapes[0], many=shapes[0].many or target.many)
        if name in ("union", "combine") and shapes:
            both = None if target.kinds is None or shapes[0].kinds is None else target.kinds | shapes[0].kinds
            return Shape(both, many=True)
        if name == "extension":
            extension = r4_type("Extension")
            return Shape(frozenset({extension}) if extension else None, many=True)
        # Order of children is not defined (N1 §5.8).
        if name in ("children", "descendants"):
            return Shape(None, many=True, ordered=False)
        return _RESULTS.get(name, UNKNOWN)

    def text(self, node: Call, target: Shape) -> None:
        kinds = target.kinds
        if kinds and all(
            not kind.primitive or kind.name in _NUMBERS or _system_but_text(kind) for kind in kinds
        ):
            self.refuse(f"{node.name}() takes a string, not {_names(kinds)}", node.position)

    def conditional(self, node: Call, inner: Shape) -> Shape:
        criterion, *results = [self.shape(argument, inner) for argument in node.arguments]
        if criterion.kinds and not any(kind.name in ("Boolean", "boolean") for kind in criterion.kinds):
            self.refuse(
                f"the criterion of iif() is a Boolean, not {_names(criterion.kinds)}",
                node.arguments[0].position,
            )
        kinds: frozenset[FhirType] | None = frozenset()
        for result in results:
            kinds = None if kinds is None or result.kinds is None else kinds | result.kinds
        return Shape(kinds, many=any(result.many for result in results))

    def repeat(self, argument: Node, target: Shape) -> Shape:
        """Types that the projection leads to, until no new one comes."""
        reached = replace(target, many=False, ordered=True)
        types: frozenset[FhirType] = frozenset()
        # The set of types grows until it is closed; it is bounded by the definitions.
        while True:
            result = self.shape(argument, reached)
            if result.kinds is None:
                return UNKNOWN
            if result.kinds <= types:
                return Shape(types, many=True)
            types |= result.kinds
            reached = Shape(types if reached.kinds is None else reached.kinds | types)


def _of_system(shape: Shape) -> Shape:
    """The System types that values of these types stand for, where all of them stand for one."""
    if shape.kinds is None or not all(kind.primitive for kind in shape.kinds):
        return Shape(None, shape.many)
    names = {kind.name if kind.system else _SYSTEM.get(kind.name, "String") for kind in shape.kinds}
    return Shape(frozenset(SYSTEM[name] for name in names if name in SYSTEM), shape.many)


def _arithmetic(operator: str, left: Shape, right: Shape) -> Shape:
    """The type of a sum, difference, product, quotient or remainder, as far as that of one pair is known."""
    lefts, rights = _of_system(left).kinds, _of_system(right).kinds
    if lefts is None or rights is None or len(lefts) != 1 or len(rights) != 1:
        return Shape(None)
    (first,), (second,) = lefts, rights
    names = {first.name, second.name}
    if names <= {"Integer", "Decimal"}:
        return _system("Integer" if names == {"Integer"} and operator != "/" else "Decimal")
    if operator in ("+", "-") and (first.name in _MOMENTS or names == {"String"}):
        return Shape(lefts)
    return Shape(None)


def _boundary(shape: Shape) -> Shape:
    """Half of the last digit away: what was whole is a decimal."""
    if shape.kinds is None:
        return shape
    # Half a unit is added, so an Integer's boundary is a Decimal.
    whole = ("Integer", "integer", "positiveInt", "unsignedInt")
    return Shape(frozenset(SYSTEM["Decimal"] if kind.name in whole else kind for kind in shape.kinds))


def _system_but_text(kind: FhirType) -> bool:
    return kind.system and kind.name != "String"


def _only(shape: Shape, names: set[str]) -> bool:
    return bool(shape.kinds) and all(kind.name in names for kind in shape.kinds or ())


def _names(kinds: frozenset[FhirType]) -> str:
    return " or ".join(sorted({kind.qualified for kind in kinds}))


def _no_element(name: str, kinds: frozenset[FhirType]) -> str:
    locations = sorted({kind.defined_at[1] if kind.defined_at else kind.qualified for kind in kinds})
    elements = sorted({element for kind in kinds for element in kind.steps})
    near = difflib.get_close_matches(name, elements, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    shown = ", ".join(locations[:3]) + (" …" if len(locations) > 3 else "")
    return f"{shown} has no element '{name}'{hint}"
