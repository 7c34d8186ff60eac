"""The entries of an expansion as a tree, as their code systems' hierarchies have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_bridge.terminology.operations.contains import Entry

__all__ = ["MAX_NESTING", "nested", "several_parents"]

MAX_NESTING = 50
"""An expansion nested more deeply than this is given as a list: readers of JSON have limits of their own."""

_Key = tuple[str, str, str]


def nested(page: Sequence[Entry], nodes: Mapping[_Key, dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The uppermost nodes, with the others below the nearest of their ancestors; None where that is too deep.

    Args:
        nodes: the entries' JSON by key; those that are below others are put there.
    """
    roots = []
    parent_of: dict[_Key, _Key] = {}
    for entry in page:
        if entry.key not in nodes:
            continue
        above = _above(entry, nodes)
        if above is None or _circular(entry.key, above, parent_of):
            roots.append(entry.key)
        else:
            parent_of[entry.key] = above
    if _depth(parent_of) > MAX_NESTING:
        return None
    for key, above in parent_of.items():
        nodes[above].setdefault("contains", []).append(nodes[key])
    return [nodes[key] for key in roots]


def _circular(key: _Key, above: _Key, parent_of: Mapping[_Key, _Key]) -> bool:
    """Whether a place below `above` would put the entry below itself."""
    current: _Key | None = above
    while current is not None:
        if current == key:
            return True
        current = parent_of.get(current)
    return False


def _above(entry: Entry, nodes: Mapping[_Key, dict[str, Any]]) -> _Key | None:
    """The nearest ancestor that is there."""
    system, version, _ = entry.key
    seen = {entry.code}
    waiting = list(entry.content.parents(entry.code))
    for code in waiting:
        if code in seen:
            continue
        seen.add(code)
        if (system, version, code) in nodes:
            return system, version, code
        waiting.extend(entry.content.parents(code))
    return None


def _depth(parent_of: Mapping[_Key, _Key]) -> int:
    """How deeply entries are nested, the uppermost counted."""
    depths: dict[_Key, int] = {}
    for key in parent_of:
        path = []
        current: _Key | None = key
        # Without recursion: hierarchies may be deeper than Python's stack.
        while current is not None and current not in depths:
            path.append(current)
            current = parent_of.get(current)
        depth = 0 if current is None else depths[current]
        for item in reversed(path):
            depth += 1
            depths[item] = depth
    return max(depths.values(), default=0)


def several_parents(page: Sequence[Entry]) -> bool:
    """Whether a concept has more than one parent here, which a tree can't show."""
    there = {entry.key for entry in page}
    for entry in page:
        system, version, _ = entry.key
        parents = entry.content.parents(entry.code)
        if len(parents) > 1 and sum((system, version, code) in there for code in parents) > 1:
            return True
    return False
