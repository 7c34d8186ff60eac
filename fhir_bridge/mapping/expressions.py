"""Expressions as trees: a Pratt parser over the tokens, and the way back to text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from fhir_bridge.mapping.grammar import KEYWORDS, ExpressionError, Token, tokenize

__all__ = [
    "Attribute",
    "Binary",
    "Call",
    "Conditional",
    "Expression",
    "Index",
    "ListOf",
    "Literal",
    "Name",
    "Selector",
    "Unary",
    "parse",
    "parse_loop",
    "unparse",
    "walk",
]

MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Expression:
    """A node; `start` and `end` are character offsets in the expression's text."""

    start: int = field(compare=False)
    end: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """`'text'`, `12`, `1.5`, `true`, `null`."""

    value: str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class ListOf(Expression):
    """`[a, b]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """A name; `quoted` where it stood in backticks."""

    name: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Selector(Expression):
    """A selector token of the source model, as written."""

    text: str


@dataclass(frozen=True, slots=True)
class Attribute(Expression):
    """`base.name`, or `base.1` where `name` is an integer."""

    base: Expression
    name: str | int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Index(Expression):
    """`base[index]`."""

    base: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`name(arguments, key=value)`; a pipe puts its left side first. `at` is the name's offset."""

    name: str
    arguments: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...]
    piped: bool = field(default=False, compare=False)
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """`not x`, `-x`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`left operator right`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """`then if condition else otherwise`."""

    then: Expression
    condition: Expression
    otherwise: Expression


# Binding powers, loosest first. A comparison does not chain.
_POWER = {
    "if": 1,
    "|": 2,
    "or": 3,
    "and": 4,
    "not": 5,
    "==": 6,
    "!=": 6,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "in": 6,
    "not in": 6,
    "+": 7,
    "-": 7,
    "*": 8,
    "/": 8,
    "unary": 9,
    ".": 10,
    "[": 10,
    "(": 10,
}
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "not in"})


class _Parser:
    def __init__(self, text: str, selector: str) -> None:
        self.text = text
        self.tokens = tokenize(text, selector)
        self.index = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def advance(self) -> Token:
        token = self.token
        self.index += 1
        return token

    def at(self, text: str) -> bool:
        return self.token.text == text and self.token.kind in ("operator", "name")

    def expect(self, text: str, what: str) -> Token:
        if not self.at(text):
            raise ExpressionError(f"{what}: {self.describe_token()}", self.token.start)
        return self.advance()

    def describe_token(self) -> str:
        return "the expression ends here" if self.token.kind == "end" else f'found "{self.token.text}"'

    def operator(self) -> str | None:
        token = self.token
        if token.kind == "operator" and token.text in _POWER:
            return token.text
        if token.kind == "name" and token.text in ("and", "or", "in", "if"):
            return token.text
        if token.kind == "name" and token.text == "not" and self.tokens[self.index + 1].text == "in":
            return "not in"
        return None

    def expression(self, power: int = 0) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError("the expression nests too deep", self.token.start)
        left = self.prefix()
        while True:
            operator = self.operator()
            if operator is None or _POWER[operator] <= power:
                break
            left = self.infix(left, operator)
        self.depth -= 1
        return left

    def prefix(self) -> Expression:
        token = self.advance()
        start, end = token.start, token.end
        if token.kind == "text":
            return Literal(start, end, token.text[1:-1].replace("''", "'"))
        if token.kind == "number":
            return Literal(start, end, _number(token.text))
        if token.kind == "selector":
            return Selector(start, end, token.text)
        if token.kind == "quoted":
            return Name(start, end, token.text[1:-1], quoted=True)
        if token.kind == "name":
            return self.name(token)
        if token.text == "(":
            inner = self.expression()
            self.expect(")", "a closing parenthesis is missing")
            return inner
        if token.text == "[":
            items, _ = self.items("]", keywords=False)
            return ListOf(start, self.tokens[self.index - 1].end, tuple(items))
        if token.text == "-":
            operand = self.expression(_POWER["unary"])
            if isinstance(operand, Literal) and type(operand.value) in (int, Decimal):
                return Literal(start, operand.end, -operand.value)  # type: ignore[operator]
            return Unary(start, operand.end, "-", operand)
        self.index -= 1
        if token.kind == "end":
            raise ExpressionError("an expression is missing here", token.start)
        raise ExpressionError(f'an expression can\'t begin with "{token.text}"', token.start)

    def name(self, token: Token) -> Expression:
        constants: dict[str, bool | None] = {"true": True, "false": False, "null": None}
        if token.text in constants:
            return Literal(token.start, token.end, constants[token.text])
        if token.text == "not":
            operand = self.expression(_POWER["not"])
            return Unary(token.start, operand.end, "not", operand)
        if token.text in KEYWORDS:
            self.index -= 1
            raise ExpressionError(f'"{token.text}" can\'t be here', token.start)
        return Name(token.start, token.end, token.text)

    def infix(self, left: Expression, operator: str) -> Expression:
        token = self.advance()
        if operator == ".":
            return self.attribute(left)
        if operator == "[":
            index = self.expression()
            end = self.expect("]", "a closing bracket is missing").end
            return Index(left.start, end, left, index)
        if operator == "(":
            return self.call(left, token)
        if operator == "|":
            return self.pipe(left)
        if operator == "if":
            condition = self.expression(_POWER["if"])
            self.expect("else", "`if` needs an `else`")
            otherwise = self.expression(_POWER["if"] - 1)
            return Conditional(left.start, otherwise.end, left, condition, otherwise)
        if operator == "not in":
            self.advance()
        if operator in ("+", "-", "*", "/"):
            self.spaced(token)
        right = self.expression(_POWER[operator])
        if operator in _COMPARISONS and self.operator() in _COMPARISONS:
            raise ExpressionError("comparisons do not chain", self.token.start, "join two with `and`")
        return Binary(left.start, right.end, operator, left, right)

    def spaced(self, token: Token) -> None:
        before = self.text[token.start - 1 : token.start]
        after = self.text[token.end : token.end + 1]
        if not (before.isspace() and after.isspace()):
            raise ExpressionError(
                f'"{token.text}" needs spaces around it', token.start, "or put an awkward name in backticks"
            )

    def attribute(self, base: Expression) -> Expression:
        token = self.advance()
        if token.kind == "component":
            return Attribute(base.start, token.end, base, int(token.text))
        if token.kind == "quoted":
            return Attribute(base.start, token.end, base, token.text[1:-1], quoted=True)
        if token.kind == "name":
            return Attribute(base.start, token.end, base, token.text)
        if token.kind == "selector":
            # `outer.OBR-3`: the selector belongs to what is before the point.
            return Attribute(base.start, token.end, base, token.text)
        raise ExpressionError("a name must follow the point", token.start)

    def call(self, callee: Expression, token: Token) -> Expression:
        if not isinstance(callee, Name) or callee.quoted:
            raise ExpressionError("only a function's name can be called", token.start)
        arguments, keywords = self.items(")", keywords=True)
        end = self.tokens[self.index - 1].end
        return Call(callee.start, end, callee.name, tuple(arguments), tuple(keywords), at=callee.start)

    def pipe(self, left: Expression) -> Expression:
        token = self.advance()
        if token.kind != "name" or token.text in KEYWORDS:
            raise ExpressionError("a function must follow the pipe", token.start, "x | f(a) means f(x, a)")
        arguments: list[Expression] = []
        keywords: list[tuple[str, Expression]] = []
        end = token.end
        if self.at("("):
            self.advance()
            arguments, keywords = self.items(")", keywords=True)
            end = self.tokens[self.index - 1].end
        return Call(
            left.start, end, token.text, (left, *arguments), tuple(keywords), piped=True, at=token.start
        )

    def items(self, close: str, *, keywords: bool) -> tuple[list[Expression], list[tuple[str, Expression]]]:
        items: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        while not self.at(close):
            token, after = self.token, self.tokens[min(self.index + 1, len(self.tokens) - 1)]
            if keywords and token.kind == "name" and after.kind == "operator" and after.text == "=":
                self.index += 2
                if any(name == token.text for name, _ in named):
                    raise ExpressionError(f'the argument "{token.text}" is given twice', token.start)
                named.append((token.text, self.expression()))
            elif named:
                raise ExpressionError("arguments without name are before named ones", token.start)
            else:
                items.append(self.expression())
            if not self.at(close):
                what = "a comma or closing parenthesis" if close == ")" else "a comma or closing bracket"
                self.expect(",", f"{what} is missing")
        self.advance()
        return items, named


def _number(text: str) -> int | Decimal:
    if text.startswith("0x"):
        return int(text, 16)
    return Decimal(text) if "." in text else int(text)


def parse(text: str, selector: str = "") -> Expression:
    """Parse an expression.

    Raises:
        ExpressionError: with the offset of what can't be read.
    """
    parser = _Parser(text, selector)
    tree = parser.expression()
    if parser.token.kind != "end":
        token = parser.token
        suggestion = "`==` compares" if token.text == "=" else ""
        raise ExpressionError(f'"{token.text}" is not expected here', token.start, suggestion)
    return tree


def parse_loop(text: str, selector: str = "") -> tuple[str, Expression]:
    """Parse `name in expression`, as `for:` in a node writes it.

    Raises:
        ExpressionError: the text is not of this form.
    """
    parser = _Parser(text, selector)
    name, word = parser.tokens[0], parser.tokens[min(1, len(parser.tokens) - 1)]
    if name.kind != "name" or name.text in KEYWORDS or word.text != "in" or word.kind != "name":
        raise ExpressionError("`for` in a node is written `name in expression`", 0, "for: r in OBX-8")
    parser.index = 2
    tree = parser.expression()
    if parser.token.kind != "end":
        raise ExpressionError(f'"{parser.token.text}" is not expected here', parser.token.start)
    return name.text, tree


def walk(tree: Expression) -> Iterator[Expression]:
    """The tree's nodes, outermost first."""
    yield tree
    children: tuple[Expression, ...] = ()
    if isinstance(tree, ListOf):
        children = tree.items
    elif isinstance(tree, Attribute):
        children = (tree.base,)
    elif isinstance(tree, Index):
        children = (tree.base, tree.index)
    elif isinstance(tree, Call):
        children = (*tree.arguments, *(value for _, value in tree.keywords))
    elif isinstance(tree, Unary):
        children = (tree.operand,)
    elif isinstance(tree, Binary):
        children = (tree.left, tree.right)
    elif isinstance(tree, Conditional):
        children = (tree.then, tree.condition, tree.otherwise)
    for child in children:
        yield from walk(child)


def unparse(tree: Expression) -> str:
    """Text that parses to the same tree (all parentheses written)."""
    if isinstance(tree, Literal):
        return _literal_text(tree.value)
    if isinstance(tree, ListOf):
        return f"[{', '.join(map(unparse, tree.items))}]"
    if isinstance(tree, Name):
        return f"`{tree.name}`" if tree.quoted else tree.name
    if isinstance(tree, Selector):
        return tree.text
    if isinstance(tree, Attribute):
        name = f"`{tree.name}`" if tree.quoted else str(tree.name)
        base = f"({tree.base.text})" if isinstance(tree.base, Selector) else _grouped(tree.base)
        return f"{base}.{name}"
    if isinstance(tree, Index):
        # `OBX-5[1]` is one selector, the first repetition; an index of what a selector gives stands outside.
        base = f"({tree.base.text})" if isinstance(tree.base, Selector) else _grouped(tree.base)
        return f"{base}[{unparse(tree.index)}]"
    if isinstance(tree, Call):
        parts = [
            *map(unparse, tree.arguments),
            *(f"{name}={unparse(value)}" for name, value in tree.keywords),
        ]
        return f"{tree.name}({', '.join(parts)})"
    if isinstance(tree, Unary):
        return (
            f"{tree.operator} {_grouped(tree.operand)}"
            if tree.operator == "not"
            else f"-{_grouped(tree.operand)}"
        )
    if isinstance(tree, Binary):
        return f"{_grouped(tree.left)} {tree.operator} {_grouped(tree.right)}"
    assert isinstance(tree, Conditional)
    return f"{_grouped(tree.then)} if {_grouped(tree.condition)} else {_grouped(tree.otherwise)}"


def _grouped(tree: Expression) -> str:
    text = unparse(tree)
    simple = isinstance(tree, Name | Selector | Attribute | Index | Call | ListOf)
    plain = isinstance(tree, Literal) and not text.startswith("-") and isinstance(tree.value, str)
    return text if simple or plain else f"({text})"


def _literal_text(value: str | int | Decimal | bool | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
