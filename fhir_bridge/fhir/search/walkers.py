"""Walkers: one Python function for all places that are wanted in a resource type.

Places that begin alike are walked once, and a value that several parameters lead to is read once. The function is
made as Python source from the steps (`search.paths`) and compiled, which halves the time that closures take. A value
of another shape than the definitions say (a list for an object) is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_bridge.fhir.search.paths import Place, Step
from fhir_bridge.fhir.search.references import refers
from fhir_bridge.fhir.search.values import Append, Converter

__all__ = ["Target", "Walker", "build"]

Walker = Callable[[Any, dict[str, Any], Append], None]
"""Takes the value where the steps begin, the resource it stands in, and where to put the entries."""


@dataclass(frozen=True, slots=True)
class Target:
    """What becomes of the values at a place."""

    place: Place
    parameter: str
    convert: Converter


@dataclass(slots=True)
class _Node:
    """A place of the common tree: where the walk goes on, and what is made of its values."""

    children: dict[Step, _Node] = field(default_factory=dict)
    leaves: dict[Converter, list[str]] = field(default_factory=dict)


def build(targets: Iterable[Target]) -> Walker:
    """The function that walks to all these places."""
    root = _Node()
    for target in targets:
        node = root
        for step in target.place.steps:
            node = node.children.setdefault(step, _Node())
        parameters = node.leaves.setdefault(target.convert, [])
        if target.parameter not in parameters:
            parameters.append(target.parameter)
    source = _Source()
    source.node(root, "node", 1, is_object=False)
    return source.function()


class _Source:
    """The lines of the function, and the objects they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"refers": refers, "has": _has}
        self._count = 0

    def function(self) -> Walker:
        body = self.lines or ["    pass"]
        text = "\n".join(["def walk(node, resource, append):", *body])
        namespace: dict[str, Any] = dict(self.names)
        exec(compile(text, "<search walker>", "exec"), namespace)  # noqa: S102 - made of names from the definitions, texts by repr
        walk: Walker = namespace["walk"]
        return walk

    def name(self, value: Any = None) -> str:
        """A new variable, or a name for an object."""
        self._count += 1
        name = f"v{self._count}"
        if value is not None:
            self.names[name] = value
        return name

    def add(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def node(self, node: _Node, value: str, depth: int, *, is_object: bool) -> None:
        """What is done with a value that is not None; `is_object` where it is known to be one."""
        for convert, parameters in node.leaves.items():
            self.add(depth, f"{self.name(convert)}({self.name(tuple(parameters))}, {value}, append)")
        if not node.children:
            return
        if not is_object:
            self.add(depth, f"if isinstance({value}, dict):")
            depth += 1
        for step, child in node.children.items():
            self.step(step, child, value, depth)

    def step(self, step: Step, child: _Node, value: str, depth: int) -> None:
        kind, argument = step[0], step[1] if len(step) > 1 else ""
        if kind == "get":
            found = self.name()
            self.add(depth, f"{found} = {value}.get({argument!r})")
            self.add(depth, f"if {found} is not None:")
            self.node(child, found, depth + 1, is_object=False)
        elif kind == "each":
            found, item = self.name(), self.name()
            self.add(depth, f"{found} = {value}.get({argument!r})")
            self.add(depth, f"if isinstance({found}, list):")
            self.add(depth + 1, f"for {item} in {found}:")
            self.add(depth + 2, f"if {item} is not None:")
            self.node(child, item, depth + 3, is_object=False)
        elif kind == "at":
            found, item = self.name(), self.name()
            self.add(depth, f"{found} = {value}.get({argument!r})")
            self.add(depth, f"if isinstance({found}, list) and len({found}) > {int(step[2])}:")
            self.add(depth + 1, f"{item} = {found}[{int(step[2])}]")
            self.add(depth + 1, f"if {item} is not None:")
            self.node(child, item, depth + 2, is_object=False)
        elif kind == "resource":
            self.node(child, "resource", depth, is_object=True)
        else:
            self.add(depth, f"if {_condition(kind, step, value)}:")
            self.node(child, value, depth + 1, is_object=True)


def _condition(kind: str, step: Step, value: str) -> str:
    if kind == "where":
        return f"{value}.get({step[1]!r}) == {step[2]!r}"
    return f"{kind}({value}, {step[1]!r}{', resource' if kind == 'refers' else ''})"


def _has(node: Mapping[str, Any], url: str) -> bool:
    """Whether a value has an extension of this url."""
    extensions = node.get("extension")
    return isinstance(extensions, list) and any(
        isinstance(extension, dict) and extension.get("url") == url for extension in extensions
    )
