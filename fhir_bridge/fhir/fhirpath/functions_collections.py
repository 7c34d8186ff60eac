"""Existence, filtering, projection, subsetting, combining, tree navigation, aggregates (N1 §5.1-5.4, §5.8, §7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any

from fhir_bridge.fhir.fhirpath.environment import Frame
from fhir_bridge.fhir.fhirpath.equality import compare, distinct, key
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, boolean, children, integer, single, truth
from fhir_bridge.fhir.fhirpath.registry import Compiled, function, integer_of, text_of, type_of

__all__: list[str] = []

Items = list[Item]

MAX_TREE_ROUNDS = 10_000


def each(items: Items, criteria: Compiled, frame: Frame, what: str) -> list[bool | None]:
    """The criteria's truth for each item."""
    frame.env.spend(len(items))
    # One frame for all items: frames are created millions of times.
    inner = Frame(frame.env, [], 0, frame.total)
    results = []
    for index, item in enumerate(items):
        inner.this, inner.index = [item], index
        results.append(truth(criteria(inner), what))
    return results


@function("empty")
def _empty(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return boolean(not items)


@function("exists", 0, 1, iterates=True)
def _exists(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    if not arguments:
        return boolean(bool(items))
    return boolean(any(verdict is True for verdict in each(items, arguments[0], frame, "exists()")))


@function("all", 1, iterates=True)
def _all(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return boolean(all(verdict is True for verdict in each(items, arguments[0], frame, "all()")))


def _booleans(items: Items, what: str) -> list[bool]:
    for item in items:
        if not isinstance(item.value, bool):
            raise FHIRPathError(f"{what} takes Booleans, found {item.type}")
    return [item.value for item in items]


@function("allTrue")
def _all_true(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return boolean(all(_booleans(items, "allTrue()")))


@function("anyTrue")
def _any_true(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return boolean(any(_booleans(items, "anyTrue()")))


@function("allFalse")
def _all_false(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return boolean(not any(_booleans(items, "allFalse()")))


@function("anyFalse")
def _any_false(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return boolean(not all(_booleans(items, "anyFalse()")))


def _keys(items: Items) -> set[Any]:
    return {key(item) for item in items}


@function("subsetOf", 1)
def _subset(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return boolean(_keys(items) <= _keys(arguments[0](frame)))


@function("supersetOf", 1)
def _superset(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return boolean(_keys(items) >= _keys(arguments[0](frame)))


@function("count")
def _count(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return integer(len(items))


@function("distinct")
def _distinct(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return distinct(items)


@function("isDistinct")
def _is_distinct(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return boolean(len(_keys(items)) == len(items))


# --- filtering and projection -----------------------------------------------------------------------------------------


@function("where", 1, iterates=True)
def _where(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    verdicts = each(items, arguments[0], frame, "where()")
    return [item for item, verdict in zip(items, verdicts, strict=True) if verdict is True]


@function("select", 1, iterates=True)
def _select(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    inner = Frame(frame.env, [], 0, frame.total)
    result: Items = []
    for index, item in enumerate(items):
        inner.this, inner.index = [item], index
        result += arguments[0](inner)
    frame.env.spend(len(result) + len(items))
    return result


@function("repeat", 1, iterates=True)
def _repeat(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    """What projection finds, over and over, without what was found before: so it ends."""
    inner = Frame(frame.env, [], 0, frame.total)
    outcome: Items = []
    seen: set[Any] = set()
    kept: set[int] = set()
    # By identity of the JSON: cheaper than a key of a whole object.
    todo = items
    for _ in range(MAX_TREE_ROUNDS):
        following: Items = []
        for index, item in enumerate(todo):
            inner.this, inner.index = [item], index
            results = arguments[0](inner)
            frame.env.spend(len(results))
            for result in results:
                # Primitives are not kept by id: small integers and texts share theirs.
                if id(result.value) in kept:  # the same JSON again: no need to compare it
                    continue
                own = key(result)
                if own not in seen:
                    seen.add(own)
                    following.append(result)
                    if isinstance(result.value, dict):
                        kept.add(id(result.value))
        if not following:
            return outcome
        frame.env.spend(len(following))
        outcome += following
        todo = following
    raise FHIRPathError(f"repeat() found something new for {MAX_TREE_ROUNDS} rounds")


@function("ofType", 1, takes_type=True)
def _of_type(items: Items, arguments: Sequence[Any], _: Frame) -> Items:
    return type_of(arguments[0]).filter(items)


@function("sort", 0, None, iterates=True)
def _sort(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    """By each key in turn; a key is (expression, descending). What has no key comes first, either way."""
    frame.env.spend(len(items))
    inner = Frame(frame.env, [], 0, frame.total)
    rows = []
    for index, item in enumerate(items):
        inner.this, inner.index = [item], index
        rows.append(
            ([single(expression(inner), "a key of sort()") for expression, _ in arguments] or [item], item)
        )
    directions = [descending for _, descending in arguments] or [False]

    def order(a: tuple[list[Item | None], Item], b: tuple[list[Item | None], Item]) -> int:
        for x, y, descending in zip(a[0], b[0], directions, strict=True):
            if x is None or y is None:
                verdict = (x is not None) - (y is not None)
                descends = False
            else:
                verdict, descends = compare(x, y) or 0, descending
            if verdict:
                return -verdict if descends else verdict
        return 0

    return [item for _, item in sorted(rows, key=cmp_to_key(order))]


# --- subsetting ---------------------------------------------------------------------------------------------------


@function("single")
def _single(items: Items, _: Sequence[Any], __: Frame) -> Items:
    item = single(items, "single()")
    return [] if item is None else [item]


@function("first")
def _first(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return items[:1]


@function("last")
def _last(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return items[-1:]


@function("tail")
def _tail(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return items[1:]


@function("skip", 1)
def _skip(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    count = integer_of(arguments[0](frame), "skip()")
    return [] if count is None else items[max(count, 0) :]


@function("take", 1)
def _take(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    count = integer_of(arguments[0](frame), "take()")
    return [] if count is None else items[: max(count, 0)]


@function("intersect", 1)
def _intersect(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    others = _keys(arguments[0](frame))
    return [item for item in distinct(items) if key(item) in others]


@function("exclude", 1)
def _exclude(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    others = _keys(arguments[0](frame))
    return [item for item in items if key(item) not in others]


@function("union", 1)
def _union(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return distinct([*items, *arguments[0](frame)])


@function("combine", 1, 2)
def _combine(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    others = arguments[0](frame)
    frame.env.spend(len(items) + len(others))
    return [*items, *others]


# --- the tree -----------------------------------------------------------------------------------------------------


@function("children")
def _children(items: Items, _: Sequence[Any], frame: Frame) -> Items:
    result: Items = []
    for item in items:
        children(item, result)
    frame.env.spend(len(result))
    return result


@function("descendants")
def _descendants(items: Items, _: Sequence[Any], frame: Frame) -> Items:
    result: Items = []
    level = items
    while level:
        following: Items = []
        for item in level:
            children(item, following)
        frame.env.spend(len(following))
        result += following
        level = following
    return result


# --- aggregates and utilities ---------------------------------------------------------------------------------------


@function("aggregate", 1, 2, iterates=True)
def _aggregate(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    total = arguments[1](frame) if len(arguments) > 1 else []
    inner = Frame(frame.env, [], 0, total)
    for index, item in enumerate(items):
        inner.this, inner.index = [item], index
        inner.total = arguments[0](inner)
        frame.env.spend(len(inner.total) + 1)
    return inner.total or []


@function("iif", 2, 3)
def _iif(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    if len(items) > 1:
        raise FHIRPathError(f"iif() takes one item, found {len(items)}")
    # iif()'s arguments see the input as $this (N1 §5.5.1).
    inner = Frame(frame.env, items, frame.index, frame.total)
    criterion = arguments[0](inner)
    verdict = truth(criterion, "the criterion of iif()")
    # Singleton evaluation would make any item true; the criterion has to be a Boolean.
    if verdict and not isinstance(criterion[0].value, bool):
        raise FHIRPathError(f"the criterion of iif() is a Boolean, found {criterion[0].type}")
    if verdict:
        return list(arguments[1](inner))
    return list(arguments[2](inner)) if len(arguments) > 2 else []


@function("not")
def _not(items: Items, _: Sequence[Any], __: Frame) -> Items:
    verdict = truth(items, "not()")
    return boolean(None if verdict is None else not verdict)


@function("trace", 1, 2)
def _trace(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    name = text_of(arguments[0](frame), "the name of trace()") or ""
    statements = items
    if len(arguments) > 1:
        statements = []
        inner = Frame(frame.env, [], 0, frame.total)
        for index, item in enumerate(items):
            inner.this, inner.index = [item], index
            statements += arguments[1](inner)
    frame.env.trace(name, statements)
    return items
