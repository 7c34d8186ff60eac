"""FHIRPath's syntax tree (FHIRPath N1 2.0, appendix grammar), and the tree as text again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

__all__ = [
    "Binary",
    "Call",
    "Indexer",
    "Literal",
    "Member",
    "Node",
    "Null",
    "Special",
    "TypeTest",
    "Unary",
    "Variable",
    "quote",
    "unparse",
]


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal. `kind` is the System type's name; `value` is bool, str, int, Decimal, or the text behind `@`.

    A Quantity has (Decimal, unit, calendar) for its value: `calendar` tells `1 day` from `1 'd'`.
    """

    kind: str
    value: Any
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Null:
    """The empty collection, `{}`."""

    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Special:
    """`$this`, `$index` or `$total`."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable, `%resource`."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """An element of the target, or of the focus where there is no target."""

    target: Node | None
    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function call."""

    target: Node | None
    name: str
    arguments: tuple[Node, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Indexer:
    """`target[index]`."""

    target: Node
    index: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`+` or `-` before an expression."""

    operator: str
    operand: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands."""

    operator: str
    left: Node
    right: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`operand is Type` or `operand as Type`; the type's name as written, with its namespace if one is there."""

    operator: str
    operand: Node
    type_name: str
    position: int = field(default=0, compare=False)


Node = Literal | Null | Special | Variable | Member | Call | Indexer | Unary | Binary | TypeTest

PRECEDENCE = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "~": 5,
    "!=": 5,
    "!~": 5,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "|": 7,
    "is": 8,
    "as": 8,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
"""How strongly binary operators bind (N1 §6.9), all left-associative; signs bind with 11, `.` and `[]` with 12."""

UNARY, POSTFIX = 11, 12

KEYWORDS = frozenset(
    {"and", "as", "contains", "div", "in", "implies", "is", "mod", "or", "xor", "true", "false"}
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ESCAPES = {"\\": "\\\\", "'": "\\'", "`": "\\`", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}


def _escaped(text: str, mark: str) -> str:
    return "".join(_ESCAPES.get(c, c) if c not in "'`" or c == mark else c for c in text)


def quote(text: str) -> str:
    """The text as a FHIRPath string literal."""
    return "'" + _escaped(text, "'") + "'"


def identifier(name: str) -> str:
    """The name as FHIRPath writes an identifier, delimited where it must be."""
    if _IDENTIFIER.match(name) and name not in KEYWORDS:
        return name
    return "`" + _escaped(name, "`") + "`"


def unparse(node: Node) -> str:
    """The tree as text that parses to an equal tree, with no more parentheses than it needs."""
    return _text(node, 0)


def _text(node: Node, binding: int) -> str:
    match node:
        case Literal():
            return _literal(node)
        case Null():
            return "{}"
        case Special(name=name):
            return "$" + name
        case Variable(name=name):
            return "%" + identifier(name)
        case Member(target=target, name=name):
            return _prefix(target) + identifier(name)
        case Call(target=target, name=name, arguments=arguments):
            return f"{_prefix(target)}{identifier(name)}({', '.join(_text(a, 0) for a in arguments)})"
        case Indexer(target=target, index=index):
            return f"{_text(target, POSTFIX)}[{_text(index, 0)}]"
        case Unary(operator=operator, operand=operand):
            return _wrapped(operator + _text(operand, UNARY), UNARY, binding)
        case Binary(operator=operator, left=left, right=right):
            own = PRECEDENCE[operator]
            return _wrapped(f"{_text(left, own)} {operator} {_text(right, own + 1)}", own, binding)
        case TypeTest(operator=operator, operand=operand, type_name=type_name):
            own = PRECEDENCE[operator]
            named = ".".join(identifier(part) for part in type_name.split("."))
            return _wrapped(f"{_text(operand, own)} {operator} {named}", own, binding)


def _prefix(target: Node | None) -> str:
    return "" if target is None else _text(target, POSTFIX) + "."


def _wrapped(text: str, own: int, binding: int) -> str:
    return text if own >= binding else f"({text})"


def _literal(node: Literal) -> str:
    if node.kind == "String":
        return quote(node.value)
    if node.kind == "Boolean":
        return "true" if node.value else "false"
    if node.kind == "Quantity":
        value, unit, calendar = node.value
        return f"{value:f} {unit if calendar else quote(unit)}"
    if node.kind in ("Date", "DateTime", "Time"):
        return f"@{node.value}"
    return f"{node.value:f}" if isinstance(node.value, Decimal) else str(node.value)
