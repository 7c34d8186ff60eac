"""A mapping document as YAML 1.2 nodes that know their place (file, line, column)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode

from fhir_bridge.mapping.errors import MappingError, MappingErrors, Position

__all__ = ["Document", "Mapping", "Node", "Scalar", "Sequence", "parse", "plain"]

MAX_NODES = 100_000
"""A document that expands (by aliases) beyond this is refused."""
MAX_DEPTH = 60
_TOO_LARGE = "the document is too large or too deep"


_ESCAPES = {"x": 4, "u": 6, "U": 10}
"""Length of escapes in double quotes; all others have two characters (YAML 1.2 §5.7)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the document."""

    position: Position


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    """A value: `str`, `int`, `Decimal`, `bool` or None. `text` is as written, without quotes."""

    value: str | int | Decimal | bool | None
    text: str
    raw: str = field(default="", repr=False)

    @property
    def expression(self) -> str | None:
        """The expression text of `=…`, or None for a literal."""
        value = self.value
        if isinstance(value, str) and value.startswith("=") and not value.startswith("=="):
            return value[1:]
        return None

    @property
    def literal(self) -> str | int | Decimal | bool | None:
        """The literal; `==x` stands for the text `=x`."""
        return self.value[1:] if isinstance(self.value, str) and self.value.startswith("==") else self.value

    def at(self, offset: int) -> Position:
        """The place of a character of `value` (offset from 0), through quotes, escapes and folded lines."""
        if offset >= len(self.text) and self.text:  # beyond its end
            last = self.at(len(self.text) - 1)
            return Position(last.file, last.line, last.column + 1)
        line, column = self.position.line, self.position.column
        raw = self.raw
        location = before = 0
        for character in self.text[: offset + 1]:
            before = location
            if raw[location : location + 1] == "\\" and raw[:1] == '"':
                location += _ESCAPES.get(raw[location + 1 : location + 2], 2)
                continue
            while (
                before < len(raw)
                and raw[before] != character
                and not (character == " " and raw[before] == "\n")
            ):
                before += 1
            if before >= len(raw):
                before = location
                break
            location = before + 1
        head = raw[:before]
        if "\n" in head:
            return Position(self.position.file, line + head.count("\n"), before - head.rfind("\n"))
        return Position(self.position.file, line, column + before)


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """A list."""

    items: list[Node]


@dataclass(frozen=True, slots=True)
class Mapping(Node):
    """An object; `entries` in the order written, keys as scalars."""

    entries: list[tuple[Scalar, Node]]

    def get(self, key: str) -> Node | None:
        """The value under a key."""
        return next((node for name, node in self.entries if name.text == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key's own node, for its place."""
        return next((name for name, _ in self.entries if name.text == key), None)

    def __iter__(self) -> Iterator[tuple[Scalar, Node]]:
        return iter(self.entries)


@dataclass(frozen=True, slots=True)
class Document:
    """A document's root, with its path as given and its text.

    Attributes:
        files: the file and what it includes, without what it extends.
    """

    file: str
    text: str
    root: Mapping
    files: frozenset[str] = frozenset()


class _Reader:
    """Turns ruamel's node graph into ours, and finds doubled keys."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.errors: list[MappingError] = []
        self.count = 0

    def position(self, node: YamlNode) -> Position:
        return Position(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def error(self, position: Position, message: str, suggestion: str = "") -> None:
        self.errors.append(MappingError(position, message, suggestion, "FB-MAP-002"))

    def node(self, node: YamlNode, depth: int = 0) -> Node:
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise MappingErrors([MappingError(self.position(node), _TOO_LARGE, "", "FB-MAP-002")])
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        if isinstance(node, SequenceNode):
            return Sequence(self.position(node), [self.node(item, depth + 1) for item in node.value])
        if not isinstance(node, MappingNode):
            raise TypeError(type(node).__name__)
        entries: list[tuple[Scalar, Node]] = []
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.error(self.position(key), "a key must be a name")
                continue
            name = self.scalar(key)
            if name.text == "<<":
                self.error(
                    name.position, "YAML 1.2 has no merge keys", "write the entries out, or use an alias"
                )
            elif name.text in seen:
                self.error(name.position, f'the key "{name.text}" occurs twice')
            seen.add(name.text)
            entries.append((name, self.node(value, depth + 1)))
        return Mapping(self.position(node), entries)

    def scalar(self, node: ScalarNode) -> Scalar:
        raw = self.text[node.start_mark.index : node.end_mark.index]
        position = self.position(node)
        text = str(node.value).replace("\a", "")  # ruamel marks folds so
        tag = str(node.tag).rpartition(":")[2]
        value: str | int | Decimal | bool | None = text
        if tag == "null":
            value = None
        elif tag == "bool":
            value = text.lower() == "true"
        elif tag == "int":
            try:
                value = (
                    int(text.replace("_", ""), 0) if text[:2] in ("0x", "0o") else int(text.replace("_", ""))
                )
            except ValueError:
                value = text
        elif tag == "float":
            number = (
                Decimal(text.replace("_", "")) if text.strip("+-").lstrip("0123456789._eE") == "" else None
            )
            if number is None or not number.is_finite():
                self.error(position, f"{text} is not a decimal number")
            else:
                value = number
        elif tag not in ("str", "timestamp", "merge", "value"):
            self.error(position, f"the tag {node.tag} has no meaning in a mapping")
        return Scalar(position, value, text, raw)


@lru_cache(maxsize=128)
def parse(text: str, file: str | Path) -> Document:
    """Parse a document; remembered, since a mapping's files are read for its options, its hash and its rules.

    Raises:
        MappingErrors: the text is not YAML 1.2, doubles a key, or its root is not an object.
    """
    name = str(file)
    yaml = YAML(typ="rt")
    yaml.version = (1, 2)
    yaml.max_depth = MAX_DEPTH + 2
    text = text.removeprefix("\ufeff")
    try:
        graph = yaml.compose(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = Position(name, mark.line + 1, mark.column + 1) if mark else Position(name, 1, 1)
        problem = error.problem or error.context or "not YAML"
        message = _TOO_LARGE if isinstance(error, MaxDepthExceededError) else f"not YAML 1.2: {problem}"
        hint = "put a name in backticks into quotes as well" if "'`'" in problem else ""
        raise MappingErrors([MappingError(position, message, hint, "FB-MAP-002")]) from error
    except YAMLError as error:
        raise MappingErrors(
            [MappingError(Position(name, 1, 1), f"not YAML 1.2: {error}", "", "FB-MAP-002")]
        ) from error
    reader = _Reader(name, text)
    if graph is None:
        raise MappingErrors([MappingError(Position(name, 1, 1), "the document is empty", "", "FB-MAP-003")])
    root = reader.node(graph)
    if not isinstance(root, Mapping):
        reader.errors.append(
            MappingError(
                root.position,
                "a mapping document is an object with `mapping:` and `rules:`",
                "",
                "FB-MAP-003",
            )
        )
    if reader.errors:
        raise MappingErrors(reader.errors)
    assert isinstance(root, Mapping)
    return Document(name, text, root, frozenset((name,)))


def plain(node: Node) -> Any:
    """The node as plain Python values, for the JSON Schema check and for reader options."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    assert isinstance(node, Mapping)
    return {key.text: plain(value) for key, value in node.entries}
