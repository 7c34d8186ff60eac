"""What the statements of a rule depend on: the selectors they read, and what may give another thing each time."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fhir_bridge.mapping.errors import Position
from fhir_bridge.mapping.operators import OPERATORS
from fhir_bridge.mapping.registry import FunctionSpec

__all__ = ["COLUMN", "Depends", "Piece", "RuleHead", "StatementScanner", "UnknownStatement", "start_of"]

_CHAINS = (ast.Call, ast.Attribute, ast.Subscript)

_OURS = re.compile(r"(?:c_\w*_?|[A-Z])\d+")
"""Names that the writer gave: coercers and constants."""

_PLAIN = frozenset(
    {
        *OPERATORS,
        "Decimal",
        "business_time",
        "choose",
        "inside",
        "many",
        "mk",
        "outside",
        "single",
        "unmatched",
        "len",
    }
) - {"references", "references_json", "references_text", "references_where"}
"""Functions of generated code that give the same for the same arguments."""

_CONDITIONS = frozenset(OPERATORS) - {"references", "references_json", "references_text", "references_where"}
"""Functions of conditions: of their arguments alone, and they report nothing."""

COLUMN = frozenset({"column", "spec", "value"})
"""Names of an unpivot's cell."""


@dataclass(slots=True)
class Piece:
    """Statements of a rule: a variable, or a member of the resource.

    Attributes:
        name: the variable's local name, or the member's.
        lines, positions: the statements, indented once, and their places in the mapping.
        type: of a variable, as far as it is known.
        starts: of a list, the numbers of the lines with which its items begin, and of its last line.
        item: it is a part of a list.
    """

    name: str
    lines: list[str]
    positions: list[Position | None]
    type: str | None = None
    starts: tuple[int, ...] = ()
    item: bool = False


@dataclass(slots=True)
class RuleHead:
    """What the sections of a rule have in common.

    Attributes:
        function: name of the function that makes the whole output.
        outer: there is a group of several objects around the rule's.
        columns: parameters of an unpivot.
        early: variables computed before the id.
        locals_: what is passed of them.
        delta: elements that the source deletes are listed.
        reads: name of what the rule reads; empty where the source model has no account.
        document_marks: source of the branches that the document's own variables entered.
        hashed: the id is a hash, so that it is text without escapes.
        part: source of `Output.part`.
    """

    function: str
    type: str
    rule: str
    scope: str
    outer: bool
    position: Position
    columns: list[str]
    early: list[Piece]
    locals_: list[str]
    delta: bool
    passing: bool
    reads: str
    document_marks: str
    profiles: list[str]
    required: list[tuple[str, ...]]
    hashed: bool
    part: str


@dataclass(slots=True)
class Depends:
    """What statements depend on: sources of selectors of the rule's object and of those around it, and the like."""

    own: set[str] = field(default_factory=set)
    around: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    free: bool = False
    """Something is called that may give another thing each time."""
    given: bool = False
    """A variable that is computed before the id may be another thing each time."""
    group: bool = False
    """It refers to outputs of the group around, or of the record."""
    calls: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Places of the calls that may give another thing each time."""
    guards: dict[str, set[str]] = field(default_factory=dict)
    """Of `own`: the conditions on the groups around under which it is read; an empty one where there is none."""

    def add(self, other: Depends) -> None:
        self.own |= other.own
        for source, guards in other.guards.items():
            self.guards.setdefault(source, set()).update(guards)
        self.around |= other.around
        self.free |= other.free
        self.group |= other.group
        self.given |= other.given


@lru_cache(maxsize=1 << 14)
def _normal(source: str) -> tuple[str, str]:
    """An expression's source as `ast.unparse` writes it, and the name that it begins with."""
    node = ast.parse(source, mode="eval").body
    return ast.unparse(node), start_of(node)


def start_of(node: ast.AST) -> str:
    """The name that calls, attributes and subscripts begin with; empty where they begin with no name."""
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        else:
            return node.id if isinstance(node, ast.Name) else ""


class UnknownStatement(Exception):
    """The statements hold something that is not understood here."""


class StatementScanner:
    """Knows the selectors and functions of a mapping.

    Args:
        model: the source model.
        selectors: sources of the selectors that were compiled.
    """

    def __init__(self, model: Any, functions: dict[str, FunctionSpec], selectors: set[str]) -> None:
        self.model = model
        self.functions = functions
        self.selectors: set[str] = set()
        self.starts = {"ctx", "g"}
        """Names that selectors begin with: other expressions are none, without writing their source to see."""
        for text in selectors:
            self._add(text)
        self._sources: dict[tuple[str, str], str] = {}

    def selector(self, text: str, scope: str) -> str:
        """Source of a selector that a function declares.

        Raises:
            UnknownStatement: the source model has no such selector there.
        """
        key = (text, scope)
        if key not in self._sources:
            try:
                source = str(self.model.selector(text, scope))
            except LookupError:
                raise UnknownStatement from None
            self._sources[key] = self._add(source)
        return self._sources[key]

    def has_key(self, source: str, scope: str) -> bool:
        """Whether the source model says what decides this."""
        return self.model.key(source, scope) not in (None, source)

    def _add(self, source: str) -> str:
        text, start = _normal(source)
        self.selectors.add(text)
        self.starts.add(start)
        return text

    def scan(self, piece: Piece, head: RuleHead) -> Depends:
        """What a piece depends on. Calls that may give another thing each time note that in its lines from now on.

        Raises:
            UnknownStatement: it holds something that is not understood here.
        """
        scan = _Scan(self, head)
        text = textwrap.dedent("\n".join(piece.lines))
        for node in ast.parse(text).body:
            scan.visit(node)
        depends = scan.depends
        if depends.calls:
            piece.lines = _varying(text, depends.calls, piece.lines)
        depends.names -= {piece.name}
        return depends


class _Scan(ast.NodeVisitor):
    """Finds what statements depend on."""

    def __init__(self, compiler: StatementScanner, head: RuleHead) -> None:
        self.compiler = compiler
        self.head = head
        self.depends = Depends()
        self.guard = ""

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.For | ast.If) and not self.guard and (guard := self._guard(node)):
            self.guard = guard
            try:
                return super().visit(node)
            finally:
                self.guard = ""
        if isinstance(node, _CHAINS) and start_of(node) in self.compiler.starts:
            text = ast.unparse(node)
            if text == "ctx.record_time" or self._selector(text):
                return None
        return super().visit(node)

    def _selector(self, text: str) -> bool:
        if text not in self.compiler.selectors:
            return False
        self._reads(text, text)
        return True

    def _reads(self, text: str, source: str) -> None:
        if source.startswith("s.outer."):
            self.depends.around.add(text)
            return
        self.depends.own.add(text)
        self.depends.guards.setdefault(text, set()).add(self.guard)

    def _guard(self, node: ast.For | ast.If) -> str:
        """The condition on the groups around without which the statement does nothing; empty where there is none."""
        if isinstance(node, ast.For):
            if (
                node.orelse
                or len(node.body) != 1
                or not isinstance(node.body[0], ast.If)
                or not self._is_simple(node.iter, ("iterate",))
            ):
                return ""
            node = node.body[0]
        around = not node.orelse and self._is_simple(node.test, _CONDITIONS, within="s.outer.")
        return ast.unparse(node.test) if around else ""

    def _is_simple(self, node: ast.AST, functions: Collection[str], within: str = "s.") -> bool:
        """Whether an expression is made of selectors, constants and these functions alone."""
        if isinstance(node, _CHAINS) and start_of(node) in self.compiler.starts:
            text = ast.unparse(node)
            return text in self.compiler.selectors and text.startswith(within)
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in functions or node.keywords:
                return False
            return all(self._is_simple(item, functions, within) for item in node.args)
        if isinstance(node, ast.Name):
            return _OURS.fullmatch(node.id) is not None
        plain = (
            ast.Constant,
            ast.BoolOp,
            ast.UnaryOp,
            ast.Compare,
            ast.Tuple,
            ast.boolop,
            ast.unaryop,
            ast.cmpop,
        )
        if not isinstance(node, (*plain, ast.expr_context)):
            return False
        return all(self._is_simple(item, functions, within) for item in ast.iter_child_nodes(node))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            name = node.func.id
            if name == "truth" and self._presence(node):
                return
            if name in ("references", "references_where"):
                self._reference(node, name)
                return
            if name.startswith("f_") or name in _PLAIN or _OURS.fullmatch(name):
                self._arguments(node.args, node.keywords)
                return
            spec = self.compiler.functions.get(name.removeprefix("a_")) if name.startswith("a_") else None
            if spec is None or not spec.pure:
                self._opaque(node)
                return
            self._arguments(node.args[1:] if spec.scope else node.args, node.keywords)
            if spec.scope:
                if ast.unparse(node.args[0]) != "s":
                    raise UnknownStatement
                further = spec.pure if isinstance(spec.pure, tuple) else ()
                for selector in (*(name for name, _ in spec.selects), *further):
                    if not self._selector(self.compiler.selector(selector, self.head.scope)):
                        raise UnknownStatement
            return
        text = ast.unparse(node.func)
        if text in ("ctx.lost", "ctx.site_values.get") or (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in ("append", "extend", "keys")
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id not in ("s", "g", "ctx")
        ):
            self._arguments(node.args, node.keywords)
            return
        raise UnknownStatement

    def _presence(self, node: ast.Call) -> bool:
        """Whether it only asks for something whose presence the source model can tell without what it holds."""
        argument = node.args[0]
        if not isinstance(argument, _CHAINS) or start_of(argument) != "s":
            return False
        text = ast.unparse(node)
        if ast.unparse(argument) not in self.compiler.selectors or not self.compiler.has_key(
            text, self.head.scope
        ):
            return False
        self._reads(text, ast.unparse(argument))
        return True

    def _arguments(self, arguments: Iterable[ast.AST], keywords: Iterable[ast.keyword]) -> None:
        for argument in arguments:
            if not (isinstance(argument, ast.Name) and argument.id == "ctx"):
                self.visit(argument)
        for keyword in keywords:
            self.visit(keyword.value)

    def _reference(self, node: ast.Call, name: str) -> None:
        rule, kind, hops = node.args[1], node.args[2], node.args[4]
        try:
            values = [ast.literal_eval(item) for item in (rule, kind, hops)]
        except ValueError:
            raise UnknownStatement from None
        if (
            name == "references"
            and values[0] != self.head.rule
            and values[1] != self.head.type
            and values[2] != 0
        ):
            self.depends.group = True
            return
        self._opaque(node)

    def _opaque(self, node: ast.Call) -> None:
        self.depends.free = True
        end = node.end_lineno or node.lineno, node.end_col_offset or 0
        self.depends.calls.append((node.lineno, node.col_offset, *end))

    def visit_Name(self, node: ast.Name) -> None:
        name = node.id
        if name in ("s", "ctx", "t"):
            raise UnknownStatement
        if name == "uid":
            self.depends.free = True
        if isinstance(node.ctx, ast.Load):
            self.depends.names.add(name)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name) and node.value.id == "g":
            self.depends.around.add(ast.unparse(node))
            return
        self.generic_visit(node)


def _varying(text: str, calls: list[tuple[int, int, int, int]], lines: list[str]) -> list[str]:
    """The lines with a note at each of the calls that what it gives may be another thing the next time."""
    indent = len(lines[0]) - len(lines[0].lstrip())
    raw = [line.encode() for line in text.split("\n")]
    for first, start, last, end in sorted(calls, reverse=True):
        raw[last - 1] = raw[last - 1][:end] + b")" + raw[last - 1][end:]
        raw[first - 1] = raw[first - 1][:start] + b"(ctx.vary() or " + raw[first - 1][start:]
    return [" " * indent + line.decode() for line in raw]
