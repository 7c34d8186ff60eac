"""The general evaluator: a syntax tree as closures over collections of items. Every expression compiles here."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from fhir_bridge.fhir.fhirpath.environment import Frame
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, boolean, item_of, member, single, truth
from fhir_bridge.fhir.fhirpath.operators import OPERATORS, Operator, negated
from fhir_bridge.fhir.fhirpath.quantities import literal as quantity_literal
from fhir_bridge.fhir.fhirpath.registry import FUNCTIONS, Compiled, Function
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
from fhir_bridge.fhir.fhirpath.temporal import parse_date, parse_date_time, parse_time
from fhir_bridge.fhir.fhirpath.types import TypeName, type_argument, type_name

__all__ = ["build"]

Items = list[Item]
_Step = Callable[[Items, Frame], Items]


def build(node: Node, *, published: bool = False) -> Compiled:
    """The expression as a function of a frame.

    Args:
        published: evaluate as R4's own invariants and search expressions were written: `as` filters a collection, and
            types are named loosely (`DateTime` for `dateTime`).

    Raises:
        FHIRPathError: an unknown function, type or literal, or a wrong number of arguments.
    """
    return _Builder(published).build(node)


class _Builder:
    def __init__(self, published: bool) -> None:
        self.published = published

    def build(self, node: Node) -> Compiled:
        """A base and the steps that follow it: chains of any length need no stack."""
        steps: list[tuple[_Step, int]] = []
        while True:
            at = node.position
            match node:
                # Base expressions that are targets themselves are steps as well; only a name
                # without target begins a chain.
                case Member(target=Member() | Call() | Indexer() | Binary() | TypeTest() | Unary() as target):
                    steps.append((_member_step(node.name), at))
                case Member(target=None) | Call(target=None):
                    break
                case Member(target=target) if target is not None:
                    steps.append((_member_step(node.name), at))
                case Call(target=target) if target is not None:
                    steps.append((self.call(node), at))
                case Indexer(target=target):
                    steps.append((_index_step(self.build(node.index)), at))
                case Binary(left=target):
                    steps.append((self.binary(node), at))
                case TypeTest(operand=target):
                    steps.append((self.type_test(node), at))
                case _:
                    break
            node = target
        base = self.base(node)
        if not steps:
            return base
        steps.reverse()
        return _chain(base, tuple(steps))

    def base(self, node: Node) -> Compiled:
        match node:
            case Literal():
                # One list for all evaluations: nothing changes a collection in place.
                items = [self.literal(node)]
                return lambda _: items
            case Null():
                return lambda _: []
            case Special(name="this"):
                return lambda frame: frame.this
            case Special(name="index"):
                return lambda frame: [item_of(frame.index)]
            case Special():
                return lambda frame: frame.total or []
            case Variable(name=name):
                return _located(lambda frame: frame.env.variable(name), node.position)
            case Member(name=name):
                return _first_member(name)
            case Call():
                step = self.call(node)
                return _located(lambda frame: step(frame.this, frame), node.position)
            case Unary(operator=operator, operand=operand):
                inner = self.build(operand)
                if operator == "-":
                    return _located(lambda frame: negated(inner(frame)), node.position)
                # Twice negated, so that `+` refuses what is no number, as `-` does.
                return _located(lambda frame: negated(negated(inner(frame))), node.position)
        raise AssertionError(node)

    def literal(self, node: Literal) -> Item:
        value: Any = node.value
        if node.kind == "Quantity":
            value = quantity_literal(*node.value)
        elif node.kind in _TEMPORAL:
            value = _TEMPORAL[node.kind](node.value)
            if value is None:
                raise FHIRPathError(f"@{node.value} is no {node.kind}", node.position)
        return item_of(value)

    def binary(self, node: Binary) -> _Step:
        right = self.build(node.right)
        if node.operator in _LOGIC:
            return _LOGIC[node.operator](right)
        operator = OPERATORS[node.operator]
        if node.operator in ("+", "&"):
            return _growing(operator, right)
        if node.operator in _OF_COLLECTIONS:
            return _comparing(operator, right, pairwise=node.operator in ("~", "!~"))
        return lambda items, frame: operator(items, right(frame))

    def type_test(self, node: TypeTest) -> _Step:
        wanted = _placed(lambda: type_name(node.type_name, self.published), node.position)
        return _is(wanted) if node.operator == "is" else self.cast(wanted)

    def cast(self, wanted: TypeName) -> _Step:
        # R4's published expressions write `as` where `ofType` is meant.
        if self.published:
            return lambda items, _: wanted.filter(items)

        def step(items: Items, _: Frame) -> Items:
            single(items, "'as'")
            return wanted.filter(items)

        return step

    def call(self, node: Call) -> _Step:
        known = _function(node)
        if node.name in ("is", "as"):
            wanted = _placed(lambda: type_argument(node.arguments[0], self.published), node.position)
            return _is(wanted) if node.name == "is" else self.cast(wanted)
        arguments: list[Any] = []
        for index, argument in enumerate(node.arguments):
            if known.takes_type and index == 0:
                # Bound now: the lambda is called before the loop goes on.
                arguments.append(_placed(lambda: type_argument(argument, self.published), node.position))  # noqa: B023
            elif known.name == "sort":
                descending = isinstance(argument, Unary) and argument.operator == "-"
                arguments.append((self.build(argument.operand if descending else argument), descending))  # type: ignore[union-attr]
            else:
                arguments.append(self.build(argument))
        apply, fixed = known.apply, tuple(arguments)
        return lambda items, frame: apply(items, fixed, frame)


_TEMPORAL: dict[str, Callable[[str], Any]] = {
    "Date": parse_date,
    "DateTime": parse_date_time,
    "Time": parse_time,
}


def _function(node: Call) -> Function:
    known = FUNCTIONS.get(node.name)
    if known is None:
        near = difflib.get_close_matches(node.name, FUNCTIONS, n=1)
        hint = f"; did you mean {near[0]}()?" if near else ""
        raise FHIRPathError(f"there is no function {node.name}(){hint}", node.position)
    count = len(node.arguments)
    if count < known.least or (known.most is not None and count > known.most):
        wanted = str(known.least) if known.least == known.most else f"{known.least} to {known.most}"
        raise FHIRPathError(f"{node.name}() takes {wanted} arguments, found {count}", node.position)
    return known


def _placed(make: Callable[[], TypeName], position: int) -> TypeName:
    try:
        return make()
    except FHIRPathError as error:
        raise error.placed(position) from None


def _located(compiled: Compiled, position: int) -> Compiled:
    def run(frame: Frame) -> Items:
        try:
            return compiled(frame)
        except FHIRPathError as error:
            # The error gets the innermost place; `from None`, since the traceback of closures says nothing.
            raise error.placed(position) from None

    return run


def _chain(base: Compiled, steps: tuple[tuple[_Step, int], ...]) -> Compiled:
    if len(steps) == 1:
        only, at = steps[0]
        return _located(lambda frame: only(base(frame), frame), at)

    def run(frame: Frame) -> Items:
        items = base(frame)
        at = 0
        try:
            for step, at in steps:  # noqa: B007 -- the place of the step that fails
                items = step(items, frame)
        except FHIRPathError as error:
            raise error.placed(at) from None
        return items

    return run


def _growing(operator: Operator, right: Compiled) -> _Step:
    """An operator that may make a long string, which is accounted for."""

    def step(items: Items, frame: Frame) -> Items:
        result = operator(items, right(frame))
        if result and isinstance(result[0].value, str):
            frame.env.spend_text(result[0].value)
        return result

    return step


_OF_COLLECTIONS = frozenset({"=", "!=", "~", "!~", "in", "contains", "|"})


def _comparing(operator: Operator, right: Compiled, *, pairwise: bool) -> _Step:
    """An operator that looks at all items of both sides, or (`pairwise`) at each beside each."""

    def step(items: Items, frame: Frame) -> Items:
        others = right(frame)
        frame.env.spend(len(items) * len(others) if pairwise else len(items) + len(others))
        return operator(items, others)

    return step


def _member_step(name: str) -> _Step:
    def step(items: Items, frame: Frame) -> Items:
        result: Items = []
        for item in items:
            member(item, name, result)
        frame.env.spend(len(result))
        return result

    return step


def _first_member(name: str) -> Compiled:
    """A name at the start of a path: an element of the focus, or the focus itself by its type (N1 §3.1)."""
    if not name[:1].isupper():

        def plain(frame: Frame) -> Items:
            compiled: Items = []
            for item in frame.this:
                member(item, name, compiled)
            frame.env.spend(len(compiled))
            return compiled

        return plain

    def named(frame: Frame) -> Items:
        compiled: Items = []
        for item in frame.this:
            if item.kind.is_a(name):
                compiled.append(item)
            else:
                member(item, name, compiled)
        frame.env.spend(len(compiled))
        return compiled

    return named


def _index_step(index: Compiled) -> _Step:
    def step(items: Items, frame: Frame) -> Items:
        location = single(index(frame), "an index")
        if location is None:
            return []
        if not isinstance(location.value, int) or isinstance(location.value, bool):
            # bool is an int in Python.
            raise FHIRPathError(f"an index is an integer, found {location.type}")
        return [items[location.value]] if 0 <= location.value < len(items) else []

    return step


def _is(wanted: TypeName) -> _Step:
    def step(items: Items, _: Frame) -> Items:
        item = single(items, "'is'")
        return [] if item is None else boolean(wanted.covers(item.kind))

    return step


# --- logic: the right side is evaluated only where the left one leaves it open --------------------------------------


def _decided_by(decisive: bool, name: str) -> Callable[[Compiled], _Step]:
    """`and`, which one false decides, or `or`, which one true decides; otherwise an empty side leaves it empty."""

    def operator(right: Compiled) -> _Step:
        def step(items: Items, frame: Frame) -> Items:
            # What is decided needs no right side, which may be an error there.
            left = truth(items, name)
            if left is decisive:
                return boolean(decisive)
            other = truth(right(frame), name)
            if other is decisive:
                return boolean(decisive)
            return boolean(None if left is None or other is None else not decisive)

        return step

    return operator


def _xor(right: Compiled) -> _Step:
    def step(items: Items, frame: Frame) -> Items:
        left, other = truth(items, "'xor'"), truth(right(frame), "'xor'")
        return boolean(None if left is None or other is None else left is not other)

    return step


def _implies(right: Compiled) -> _Step:
    def step(items: Items, frame: Frame) -> Items:
        left = truth(items, "'implies'")
        if left is False:
            return boolean(True)
        other = truth(right(frame), "'implies'")
        if other is True:
            return boolean(True)
        return boolean(None if left is None or other is None else False)

    return step


_LOGIC: dict[str, Callable[[Compiled], _Step]] = {
    "and": _decided_by(False, "'and'"),
    "or": _decided_by(True, "'or'"),
    "xor": _xor,
    "implies": _implies,
}
