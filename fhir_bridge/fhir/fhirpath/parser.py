"""FHIRPath text to its syntax tree: precedence climbing over the operators of N1 §6.9."""

from __future__ import annotations

from decimal import Decimal

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.lexer import Token, tokens
from fhir_bridge.fhir.fhirpath.syntax import (
    POSTFIX,
    PRECEDENCE,
    UNARY,
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Node,
    Null,
    Special,
    TypeTest,
    Unary,
    Variable,
)

__all__ = ["MAX_NESTING", "parse"]

MAX_NESTING = 64
"""Levels of parentheses, arguments and right operands; deeper text is refused before the stack ends."""

UNITS = frozenset(
    f"{unit}{plural}"
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
)
"""Calendar durations that may be behind a number without quotes (N1 §4.1.8)."""

# N1's grammar: these keywords may be names of elements and functions, too.
_NAMES_TOO = frozenset({"as", "contains", "in", "is"})
_MAX_DIGITS = 64


def parse(expression: str) -> Node:
    """The tree of an expression.

    Raises:
        FHIRPathError: the text is no FHIRPath, or nests deeper than `MAX_NESTING`.
    """
    parser = _Parser(expression)
    node = parser.expression(0, 0)
    parser.expect("end", "the end of the expression")
    return node


class _Parser:
    def __init__(self, expression: str) -> None:
        self.text = expression
        self.tokens = tokens(expression)
        self.at = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def error(self, expected: str, token: Token | None = None) -> FHIRPathError:
        token = token or self.next
        result = "the end" if token.kind == "end" else repr(token.text)
        return FHIRPathError(f"found {result}, expected {expected}", token.position, self.text)

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def is_mark(self, text: str) -> bool:
        token = self.tokens[self.at]
        return token.text == text and token.kind == "mark"

    def expect(self, kind: str, expected: str, text: str | None = None) -> Token:
        token = self.next
        if token.kind != kind or (text is not None and token.text != text):
            raise self.error(expected)
        return self.take()

    # --- expressions ----------------------------------------------------------------------------------------------

    def expression(self, binding: int, depth: int) -> Node:
        """An expression whose operators bind at least as strongly as `binding`."""
        if depth > MAX_NESTING:
            raise FHIRPathError(f"nested deeper than {MAX_NESTING} levels", self.next.position, self.text)
        token = self.next
        if token.kind == "mark" and token.text in "+-":
            self.take()
            node: Node = Unary(token.text, self.expression(UNARY, depth + 1), token.position)
        else:
            node = self.term(depth)
        while True:
            token = self.next
            if token.kind == "mark" and token.text in ".[":
                if binding > POSTFIX:
                    return node
                node = self.postfix(node, depth)
                continue
            strength = PRECEDENCE.get(token.text, -1) if token.kind in ("mark", "name") else -1
            # `max(binding, 1)`: words that are no operators have strength -1.
            if strength < max(binding, 1):
                return node
            self.take()
            if token.text in ("is", "as"):
                node = TypeTest(token.text, node, self.type_name(), token.position)
            else:
                # Left-associative: the right side binds more strongly by one.
                right = self.expression(strength + 1, depth + 1)
                node = Binary(token.text, node, right, token.position)

    def postfix(self, target: Node, depth: int) -> Node:
        mark = self.take()
        if mark.text == ".":
            token = self.next
            # `a.$this` is nothing.
            if token.kind == "mark" and token.text.startswith("$"):
                raise self.error("an element or a function behind the point")
            return self.invocation(target, depth, after_point=True)
        index = self.expression(0, depth + 1)
        self.expect("mark", "']' behind the index", "]")
        return Indexer(target, index, mark.position)

    def invocation(self, target: Node | None, depth: int, *, after_point: bool = False) -> Node:
        token = self.next
        named = token.kind == "quoted" or (
            token.kind == "name" and (after_point or token.text not in PRECEDENCE or token.text in _NAMES_TOO)
        )
        if not named:
            raise self.error("an element or a function" if after_point else "an expression")
        self.take()
        if not self.is_mark("("):
            return Member(target, token.text, token.position)
        self.take()
        arguments: list[Node] = []
        if not self.is_mark(")"):
            arguments.append(self.argument(token.text, depth))
            while self.is_mark(","):
                self.take()
                arguments.append(self.argument(token.text, depth))
        self.expect("mark", f"',' or ')' in the arguments of {token.text}()", ")")
        return Call(target, token.text, tuple(arguments), token.position)

    def argument(self, function: str, depth: int) -> Node:
        node = self.expression(0, depth + 1)
        # `asc` or `desc` may be behind a key of sort(); descending is kept as a sign.
        if function == "sort" and self.next.kind == "name" and self.next.text in ("asc", "desc"):
            token = self.take()
            return Unary("-", node, token.position) if token.text == "desc" else node
        return node

    def term(self, depth: int) -> Node:
        token = self.next
        match token.kind:
            case "number":
                self.take()
                return self.number(token)
            case "string":
                self.take()
                return Literal("String", token.text, token.position)
            case "date" | "dateTime" | "time":
                self.take()
                return Literal(token.kind[0].upper() + token.kind[1:], token.text, token.position)
            case "name" if token.text in ("true", "false"):
                self.take()
                return Literal("Boolean", token.text == "true", token.position)
            case "mark":
                return self.marked(token, depth)
        return self.invocation(None, depth)

    def marked(self, token: Token, depth: int) -> Node:
        if token.text == "(":
            self.take()
            node = self.expression(0, depth + 1)
            self.expect("mark", "')'", ")")
            return node
        if token.text == "{":
            self.take()
            self.expect("mark", "'}': the empty collection is written {}", "}")
            return Null(token.position)
        if token.text == "%":
            self.take()
            name = self.next
            if name.kind not in ("name", "quoted", "string"):
                raise self.error("the name of a variable behind '%'")
            self.take()
            return Variable(name.text, token.position)
        if token.text.startswith("$"):
            self.take()
            return Special(token.text[1:], token.position)
        raise self.error("an expression")

    def number(self, token: Token) -> Literal:
        if len(token.text) > _MAX_DIGITS:
            raise FHIRPathError(f"a number of more than {_MAX_DIGITS} digits", token.position, self.text)
        behind = self.next
        if behind.kind == "string":
            self.take()
            return Literal("Quantity", (Decimal(token.text), behind.text, False), token.position)
        if behind.kind == "name" and behind.text in UNITS:
            self.take()
            return Literal("Quantity", (Decimal(token.text), behind.text, True), token.position)
        if "." in token.text:
            return Literal("Decimal", Decimal(token.text), token.position)
        return Literal("Integer", int(token.text), token.position)

    def type_name(self) -> str:
        parts = [self.type_part()]
        # A type has one qualifier; a further point goes on with the path.
        while self.is_mark(".") and len(parts) < 2 and parts[0] in ("FHIR", "System"):
            self.take()
            parts.append(self.type_part())
        return ".".join(parts)

    def type_part(self) -> str:
        token = self.next
        if token.kind not in ("name", "quoted"):
            raise self.error("the name of a type")
        self.take()
        return token.text
