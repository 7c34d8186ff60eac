"""Walks over all of a resource, where neither types nor places matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["objects_of"]


def objects_of(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The resource and every JSON object in it, in no order that means anything."""
    todo: list[Any] = [resource]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
