"""Lists, and the choice among values."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.datatypes import Coding
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import builtin
from fhir_bridge.mapping.runtime import Context, Reject

__all__ = ["items_of"]


def items_of(x: Any) -> list[Any]:
    """The items of a list, or the value alone; nulls and empty texts are not items."""
    values = x if x.__class__ is list or x.__class__ is tuple else [x]
    return [item for item in values if item is not None and item is not CLEARED and item != ""]


@builtin("distinct", reads=("same",))
def distinct(x: Any) -> Any:
    """The list without repeats, in order. Codings of one system, version and code are one, whatever they display."""
    kept: list[Any] = []
    seen: list[Any] = []
    for item in items_of(x):
        what = {**item, "display": None} if isinstance(item, Coding) else item
        if what not in seen:
            seen.append(what)
            kept.append(item)
    return kept or None


@builtin("one", context=True, repeats=False, reads=("same",))
def one(ctx: Context, x: Any, *, else_: str = "flag") -> Any:
    """The only value of a list; values that agree count as one.

    Args:
        ctx: the run.
        x: a list or a value.
        else_: several different values: `flag` (none is taken, reported), `first`, `reject` the output.
    """
    result = distinct(x)
    if not result:
        return x if x is CLEARED else None
    if len(result) == 1 or else_ == "first":
        return result[0]
    if else_ == "reject":
        raise Reject(Issue("error", "FB-MAP-103", f"{len(result)} different values where one is expected"))
    ctx.flag("FB-MAP-112", f"{len(result)} different values where one is expected; none was taken")
    return None


@builtin("first", repeats=False, reads=("first",))
def first(x: Any) -> Any:
    """The first value of a list."""
    if x is CLEARED:
        return x
    result = items_of(x)
    return result[0] if result else None


@builtin("last", repeats=False, reads=("last",))
def last(x: Any) -> Any:
    """The last value of a list."""
    result = items_of(x)
    return result[-1] if result else None


@builtin("count", returns="integer", repeats=False, reads=("none",))
def count(x: Any) -> int:
    """How many values there are; null has none."""
    return len(items_of(x))


@builtin("exists", returns="boolean", repeats=False, reads=("none",))
def exists(x: Any) -> bool:
    """Whether there is a value."""
    return bool(items_of(x))


@builtin("coalesce")
def coalesce(*values: Any) -> Any:
    """The first that is not null or empty. (The compiler writes this out, so later ones are not computed.)"""
    for value in values:
        if value or value == 0:
            return value
    return values[-1] if values else None


@builtin("lookup")
def lookup(table: Any, key: Any) -> Any:
    """The entry of a table (a site parameter, or an object of the source) under a key."""
    if table is None or key is None or key is CLEARED:
        return None
    if isinstance(table, dict):
        return table.get(key)
    get = getattr(table, "get", None)
    if get is None:
        raise ValueError(f"{type(table).__name__} is no table")
    return get(key)
