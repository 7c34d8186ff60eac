"""Dates of a YAML file that no calendar has: YAML reads them as dates, and its reader says nothing of where."""

from __future__ import annotations

from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["impossible_date"]

_DATE = "tag:yaml.org,2002:timestamp"


def impossible_date(text: str, error: ValueError) -> tuple[int, str]:
    """Line and message of what a reader could not make a value of.

    Args:
        error: what it raised.
    """
    for node in _scalars(YAML(typ="safe", pure=True).compose(text), set()):
        if node.tag != _DATE:
            continue
        try:
            SafeConstructor().construct_yaml_timestamp(node)
        except ValueError:
            return node.start_mark.line + 1, f"{node.value} is no date: no calendar has it"
    return 1, f"not YAML: {error}"


def _scalars(node: Node | None, seen: set[int]) -> Iterator[ScalarNode]:
    """Each once: an alias may lead back to what it is in."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode | MappingNode):
        for item in node.value:
            for part in item if isinstance(item, tuple) else (item,):
                yield from _scalars(part, seen)
