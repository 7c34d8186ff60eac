"""Operators of the expression language as generated code calls them; null goes through all of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from fhir_bridge.fhir.datatypes import Reference
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.runtime import Context, Instance

__all__ = [
    "OPERATORS",
    "attribute",
    "component",
    "equal",
    "index",
    "iterate",
    "member",
    "plus",
    "references",
    "references_where",
    "truth",
]

Number = (int, Decimal)


def truth(x: Any) -> bool:
    """Null, false, empty text and the empty list are false; all else, 0 too, is true."""
    return bool(x) or (x is not False and isinstance(x, Number) and x == 0)


def equal(left: Any, right: Any) -> bool:
    """`==` of two values; null equals nothing (`x == null` is compiled as a test)."""
    return left is not None and right is not None and bool(left == right)


def _ordered(left: Any, right: Any) -> bool:
    """Whether two values can be put in order; false for nulls.

    Raises:
        ValueError: text against number.
    """
    if left is None or right is None or left is CLEARED or right is CLEARED:
        return False
    if isinstance(left, str) == isinstance(right, str):
        return True
    raise ValueError("text and number can't be compared; decimal(x) creates a number")


def less(left: Any, right: Any) -> bool:
    """`<`."""
    return _ordered(left, right) and bool(left < right)


def less_or_equal(left: Any, right: Any) -> bool:
    """`<=`."""
    return _ordered(left, right) and bool(left <= right)


def greater(left: Any, right: Any) -> bool:
    """`>`."""
    return _ordered(left, right) and bool(left > right)


def greater_or_equal(left: Any, right: Any) -> bool:
    """`>=`."""
    return _ordered(left, right) and bool(left >= right)


def member(item: Any, items: Any) -> bool:
    """`in`: of a list, or the keys of an object."""
    if item is None or item is CLEARED or items is None:
        return False
    if isinstance(items, str):
        raise ValueError("`in` needs a list; contains(text, part) looks into text")
    return item in items


def _text(x: Any) -> str:
    if isinstance(x, str):
        return x
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, Decimal):
        return format(x, "f")
    text = getattr(x, "text", None)
    return text if isinstance(text, str) else str(x)


def plus(left: Any, right: Any) -> Any:
    """`+`: the sum of numbers, or texts joined; null with anything is null."""
    if left.__class__ is str and right.__class__ is str:
        return left + right
    if left is None or right is None or left is CLEARED or right is CLEARED:
        return None
    if isinstance(left, Number) and isinstance(right, Number):
        return left + right
    return _text(left) + _text(right)


def _arithmetic(sign: str, act: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operate(left: Any, right: Any) -> Any:
        if left is None or right is None or left is CLEARED or right is CLEARED:
            return None
        if isinstance(left, Number) and isinstance(right, Number):
            return act(left, right)
        raise ValueError(f"{sign} needs numbers; decimal(x) makes one")

    return operate


def _divide(left: Any, right: Any) -> Any:
    if right == 0:
        raise ValueError("division by zero")
    return Decimal(left) / Decimal(right)


def negative(x: Any) -> Any:
    """`-x`."""
    if x is None or x is CLEARED:
        return None
    if isinstance(x, Number):
        return -x
    raise ValueError("- needs a number; decimal(x) makes one")


def index(x: Any, location: Any) -> Any:
    """`x[0]`: the item of a list, from 0; a single value is a list of one; null beyond the end."""
    if x is None or location is None:
        return None
    if isinstance(x, dict):
        return x.get(location)
    if not isinstance(location, int):
        raise ValueError("an index is a whole number")
    items = x if x.__class__ is list or x.__class__ is tuple else [x]
    return items[location] if -len(items) <= location < len(items) else None


def attribute(x: Any, name: str) -> Any:
    """`x.name`: a key of an object, or an attribute; of a list, that of each item.

    Raises:
        ValueError: the value has no such attribute.
    """
    if x is None or x is CLEARED:
        return None
    if isinstance(x, dict):
        return x.get(name)
    if x.__class__ is list or x.__class__ is tuple:
        return [result for result in (attribute(item, name) for item in x) if result is not None] or None
    if name.startswith("_"):
        raise ValueError(f'"{name}" is private')
    try:
        return getattr(x, name)
    except AttributeError:
        raise ValueError(f'a {type(x).__name__} has no "{name}"') from None


def component(x: Any, number: int) -> Any:
    """`x.1`: a component, from 1; text has only its first."""
    if x is None or x is CLEARED:
        return None
    if x.__class__ is list or x.__class__ is tuple:
        return [result for result in (component(item, number) for item in x) if result is not None] or None
    get = getattr(x, "component", None)
    if get is not None:
        return get(number)
    if isinstance(x, str):
        return x if number == 1 else None
    raise ValueError(f"a {type(x).__name__} has no components")


def iterate(x: Any) -> list[Any]:
    """What `for: name in x` runs over."""
    if x.__class__ is list and not x:
        return []
    values = x if x.__class__ is list or x.__class__ is tuple else [x]
    return [item for item in values if item is not None and item is not CLEARED and item != ""]


def _anchor(scope: Any, hops: int) -> Any:
    for _ in range(hops):
        scope = scope.outer
    return scope


def _near(ctx: Context, rule: str, scope: Any, hops: int, their_hops: int) -> list[Instance]:
    """Instances of a rule in the nearest group that holds both rules' scopes; all where the record holds them."""
    instances = ctx.instances.get(rule)
    if not instances:
        return []
    if hops < 0:
        return instances
    entry = ctx.reference_index.get((rule, their_hops))
    if entry is None:
        entry = {}
        for instance in instances:
            anchor = instance.scope.outer if their_hops == 1 else _anchor(instance.scope, their_hops)
            near = entry.get(id(anchor))
            if near is None:
                near = entry[id(anchor)] = []
            near.append(instance)
        ctx.reference_index[(rule, their_hops)] = entry
    return entry.get(id(_anchor(scope, hops)), [])


def _as_references(resource_type: str, instances: list[Instance], own: str | None) -> list[Reference] | None:
    if not instances:
        return None
    if len(instances) == 1:
        result = instances[0].id
        return None if result == own else [Reference(reference=f"{resource_type}/{result}")]
    ids = dict.fromkeys(instance.id for instance in instances if instance.id != own)
    return [Reference(reference=f"{resource_type}/{result}") for result in ids] or None


def references(
    ctx: Context, rule: str, resource_type: str, scope: Any, hops: int, their_hops: int, own: str | None
) -> list[Reference] | None:
    """`ref('rule')`: to what the rule makes of the same or an enclosing scope object, or within the nearest group."""
    return _as_references(resource_type, _near(ctx, rule, scope, hops, their_hops), own)


def references_where(
    ctx: Context,
    rule: str,
    resource_type: str,
    scope: Any,
    hops: int,
    their_hops: int,
    own: str | None,
    holds: Callable[[Any], bool],
) -> list[Reference] | None:
    """`ref('rule', where(condition))`: the same group's that meet it; where none does, the whole record's."""
    near = [i for i in _near(ctx, rule, scope, hops, their_hops) if holds(i.scope)]
    results = _as_references(resource_type, near, own)
    if results or hops < 0 or getattr(ctx.record, "block", None) is not None:
        return results  # of several records that are converted as one the others are no part of this one
    return _as_references(resource_type, [i for i in ctx.instances.get(rule, ()) if holds(i.scope)], own)


def references_json(*arguments: Any) -> orjson.Fragment | None:
    """As `references`, written at once: a result list has one for each result."""
    text = references_text(*arguments)
    return None if text is None else orjson.Fragment(f"[{text}]")


def references_text(*arguments: Any) -> str | None:
    """As `references`, as the JSON of the items of a list."""
    resource_type, own = arguments[2], arguments[6]
    instances = _near(arguments[0], arguments[1], *arguments[3:6])
    if not instances:
        return None
    ids = [instance.id for instance in instances]
    if own in ids or len(set(ids)) < len(ids):
        ids = [identity for identity in dict.fromkeys(ids) if identity != own]
        if not ids:
            return None
    if "".join(ids).encode().translate(None, _PLAIN):  # ids that a rule does not make may need escapes
        return dumps([{"reference": f"{resource_type}/{identity}"} for identity in ids])[1:-1].decode()
    between = f'"}},{{"reference":"{resource_type}/'
    return f'{{"reference":"{resource_type}/{between.join(ids)}"}}'


_PLAIN = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def joined_json(items: list[str]) -> orjson.Fragment:
    """A list, of the JSON of its items."""
    return orjson.Fragment(f"[{','.join(items)}]")


OPERATORS: dict[str, Callable[..., Any]] = {
    "truth": truth,
    "equal": equal,
    "less": less,
    "less_or_equal": less_or_equal,
    "greater": greater,
    "greater_or_equal": greater_or_equal,
    "member": member,
    "plus": plus,
    "minus": _arithmetic("-", lambda left, right: left - right),
    "times": _arithmetic("*", lambda left, right: left * right),
    "divide": _arithmetic("/", _divide),
    "negative": negative,
    "index": index,
    "attribute": attribute,
    "component": component,
    "iterate": iterate,
    "references": references,
    "references_json": references_json,
    "references_text": references_text,
    "joined_json": joined_json,
    "references_where": references_where,
}
"""By the names that generated source uses."""
