"""Expressions become Python source: selectors through the source model, functions checked, null written out."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.call_code import CallCompiler
from fhir_bridge.mapping.environment import Code, Environment, Variable, failure, literal_source
from fhir_bridge.mapping.errors import nearest
from fhir_bridge.mapping.reads import Read, as_text, extended, narrowed

__all__ = ["ExpressionCompiler"]

_COMPARE = {"<": "less", "<=": "less_or_equal", ">": "greater", ">=": "greater_or_equal"}
_ARITHMETIC = {"+": "plus", "-": "minus", "*": "times", "/": "divide"}


class _Renamer(ast.NodeTransformer):
    def __init__(self, name: str) -> None:
        self.name = name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.name, node.ctx) if node.id == "s" else node


@lru_cache(maxsize=1 << 12)
def _renamed(source: str, variable: str) -> str:
    """A source model's expression with the scope object `s` under a name of ours; selectors recur in a mapping.

    Raises:
        SyntaxError: it is no expression.
    """
    tree = ast.parse(source.strip(), mode="eval")
    if variable != "s":
        tree = ast.fix_missing_locations(_Renamer(variable).visit(tree))
    text = ast.unparse(tree)
    simple = isinstance(tree.body, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant)
    return text if simple else f"({text})"


class ExpressionCompiler(CallCompiler):
    """Compiles the expressions of one document.

    Errors are raised as `ExpressionError` with the offset in the expression's text; `code` of the mapping
    error is in `kind`.
    """

    def compile(self, tree: ex.Expression, env: Environment) -> Code:
        """Source of an expression.

        Raises:
            ExpressionError: an unknown name, function or argument.
        """
        if isinstance(tree, ex.Literal):
            return self._literal(tree)
        if isinstance(tree, ex.ListOf):
            return self._list(tree, env)
        if isinstance(tree, ex.Name | ex.Attribute | ex.Selector):
            return self._path(tree, env)
        if isinstance(tree, ex.Index):
            base, location = self.compile(tree.base, env), self.compile(tree.index, env)
            reads = narrowed(base.reads, "first") if location.literal and location.value == 0 else base.reads
            return Code(f"index({base.source}, {location.source})", base.type, repeats=False, reads=reads)
        if isinstance(tree, ex.Call):
            return self.call(tree, env)
        if isinstance(tree, ex.Unary):
            if tree.operator == "not":
                test = self.condition(tree.operand, env)
                return Code(f"(not {test.source})", "boolean", repeats=False, boolean=True, reads=test.reads)
            operand = self.compile(tree.operand, env)
            return Code(f"negative({operand.source})", None, repeats=False, reads=as_text(operand.reads))
        if isinstance(tree, ex.Binary):
            return self._binary(tree, env)
        assert isinstance(tree, ex.Conditional)
        return self._conditional(tree, env)

    def _conditional(self, tree: ex.Conditional, env: Environment) -> Code:
        condition = self.condition(tree.condition, env)
        branches = [self.compile(tree.then, env), self.compile(tree.otherwise, env)]
        sources: list[str] = []
        reads: list[Read] = []
        for branch, part in zip(branches, (tree.then, tree.otherwise), strict=True):
            # What decides between two values shows in either; what decides whether there is one, shows where there is.
            null = branch.literal and branch.value is None
            text = f"{'if' if part is tree.then else 'else of'} {ex.unparse(tree.condition)}"
            source, read = self.arm(branch, () if null else condition.reads, text)
            sources.append(source)
            reads += read
        kinds = {code.type for code in branches if not (code.literal and code.value is None)}
        return Code(
            f"({sources[0]} if {condition.source} else {sources[1]})",
            kinds.pop() if len(kinds) == 1 else None,
            repeats=any(branch.repeats for branch in branches),
            reads=tuple(reads),
        )

    def condition(self, tree: ex.Expression, env: Environment) -> Code:
        """An expression's truth. That a value is there at all is not read from it; what it is compared with, is."""
        code = self.compile(tree, env)
        if code.boolean:
            return code
        return Code(f"truth({code.source})", "boolean", repeats=False, boolean=True)

    def _literal(self, tree: ex.Literal) -> Code:
        value = tree.value
        kinds = {bool: "boolean", int: "integer", Decimal: "decimal", str: "string"}
        kind = kinds.get(type(value))
        return Code(
            literal_source(value),
            kind,
            repeats=False,
            literal=True,
            value=value,
            boolean=isinstance(value, bool),
        )

    def _list(self, tree: ex.ListOf, env: Environment) -> Code:
        items = [self.compile(item, env) for item in tree.items]
        source = f"[{', '.join(item.source for item in items)}]"
        literal = all(item.literal for item in items)
        kinds = {item.type for item in items}
        return Code(
            source,
            kinds.pop() if len(kinds) == 1 else None,
            literal=literal,
            value=[item.value for item in items],
            reads=tuple(read for item in items for read in item.reads),
        )

    def _path(self, tree: ex.Expression, env: Environment) -> Code:
        parts, start = _flat(tree)
        if start is not None:
            base = self.compile(start, env)
            return self._attributes(base, parts)
        head = parts[0]
        name = head.name
        if not head.quoted and not head.selector:
            if name in env.names:
                return self._variable(env.names[name], parts)
            if name == "site":
                return self._site(parts)
            if name == "outer":
                around = env.outer() if env.outer else None
                if around is None:
                    raise failure(
                        "`outer` has no meaning here: nothing is around this scope", tree.start, "005"
                    )
                if len(parts) == 1:
                    raise failure("a field must follow `outer.`", tree.start, "005")
                return self._outer(parts, around)
            if name == "ctx" or name == "where":
                raise failure(f'unknown name "{name}"', tree.start, "005")
        return self._selector(parts, env)

    def _outer(self, parts: list[_Part], around: Environment) -> Code:
        second = parts[1]
        rest = [_Part(second.name, second.quoted, second.start, selector=second.selector), *parts[2:]]
        head = rest[0]
        if not head.quoted and not head.selector and isinstance(head.name, str):
            if head.name in around.names:
                return self._variable(around.names[head.name], rest)
            if head.name == "outer":
                further = around.outer() if around.outer else None
                if further is None or len(rest) == 1:
                    raise failure(
                        "`outer` has no meaning here: nothing is around this scope", head.start, "005"
                    )
                return self._outer(rest, further)
        return self._selector(rest, around)

    def _variable(self, variable: Variable, parts: list[_Part]) -> Code:
        base = Code(variable.source, variable.type, repeats=variable.repeats, reads=variable.reads)
        uses = variable.uses or variable.reads
        for part in parts[1:]:
            uses = extended(uses, part.name)
        self.seen += uses
        if variable.keys is not None and len(parts) > 1:
            wanted = parts[1].name
            if isinstance(wanted, str) and wanted not in variable.keys:
                raise failure(
                    f'no column of the unpivot has "{wanted}"',
                    parts[1].start,
                    "005",
                    nearest(wanted, variable.keys),
                )
        return self._attributes(base, parts[1:])

    def _attributes(self, base: Code, parts: list[_Part]) -> Code:
        source, reads = base.source, base.reads
        for part in parts:
            reads = extended(reads, part.name)
            if isinstance(part.name, int):
                source = f"component({source}, {part.name})"
            else:
                source = f"attribute({source}, {part.name!r})"
        return Code(source, None if parts else base.type, repeats=base.repeats, reads=reads)

    def _site(self, parts: list[_Part]) -> Code:
        if len(parts) == 1:
            raise failure("a setting must follow `site.`", parts[0].start, "005", "such as site.zone")
        base = Code(f"ctx.site_values.get({parts[1].name!r})", None)
        return self._attributes(base, parts[2:])

    def _selector(self, parts: list[_Part], env: Environment) -> Code:
        refused: LookupError | None = None
        for size in range(len(parts), 0, -1):
            if size < len(parts) and not isinstance(parts[size].name, int):
                break
            text = ".".join(f"`{part.name}`" if part.quoted else str(part.name) for part in parts[:size])
            try:
                selector = self.model.selector(text, env.scope)
            except LookupError as error:
                refused = refused or error
                continue
            source = self._bound(selector, env.variable, parts[0].start)
            self.selectors.add(source)
            self.used.add((env.scope, text))
            own = env.variable == "s" or env.variable.startswith(
                "s."
            )  # else a scope of another rule's output
            reads = (Read(env.scope, text),) if own else ()
            code = self._attributes(Code(source, reads=reads), parts[size:])
            self.seen += code.reads
            return code
        text = ".".join(str(part.name) for part in parts)
        statement = str(refused.args[0]) if refused and refused.args else ""
        message = statement or f'unknown name "{text}"'
        known = [*env.names, "site", "outer"]
        suggestion = "" if "mean" in statement else nearest(str(parts[0].name), known)
        if not suggestion and "mean" not in statement and len(parts) == 1 and not parts[0].quoted:
            suggestion = f"a text is written '{text}'"
        raise failure(message, parts[0].start, "005", suggestion)

    def _bound(self, source: str, variable: str, offset: int) -> str:
        """The model's source with its scope object under our name, in parentheses where it needs them."""
        try:
            return _renamed(source, variable)
        except SyntaxError as error:
            raise failure(
                f"the source model gave {source!r}, which is no Python expression", offset, "005"
            ) from error

    def _binary(self, tree: ex.Binary, env: Environment) -> Code:
        operator = tree.operator
        if operator in ("and", "or"):
            left, right = self.condition(tree.left, env), self.condition(tree.right, env)
            return self._test(f"({left.source} {operator} {right.source})", left, right)
        left_code, right_code = self.compile(tree.left, env), self.compile(tree.right, env)
        if operator in ("==", "!="):
            return self._equality(operator, left_code, right_code)
        if operator in ("in", "not in"):
            items = right_code
            source = f"member({left_code.source}, {items.source})"
            if items.literal and isinstance(items.value, list):
                values = tuple(value for value in items.value if value is not None)
                source = f"({left_code.source} in {literal_source(values)})"
            return self._test(source if operator == "in" else f"(not {source})", left_code, items)
        if operator in _COMPARE:
            source = f"{_COMPARE[operator]}({left_code.source}, {right_code.source})"
            return self._test(source, left_code, right_code)
        kind = "string" if operator == "+" and "string" in (left_code.type, right_code.type) else None
        reads = as_text(left_code.reads + right_code.reads)
        source = f"{_ARITHMETIC[operator]}({left_code.source}, {right_code.source})"
        return Code(source, kind, repeats=False, reads=reads)

    def _test(self, source: str, *parts: Code) -> Code:
        reads = as_text(tuple(read for part in parts for read in part.reads))
        return Code(source, "boolean", repeats=False, boolean=True, reads=reads)

    def _equality(self, operator: str, left: Code, right: Code) -> Code:
        if left.literal and not right.literal:
            left, right = right, left
        if right.literal and right.value is None:
            name = self.temporary()
            test = f"(({name} := {left.source}) is None or {name} is CLEARED)"
            return self._test(test if operator == "==" else f"(not {test})")
        if right.literal:
            return self._test(f"({left.source} {operator} {right.source})", left)
        source = f"equal({left.source}, {right.source})"
        return self._test(source if operator == "==" else f"(not {source})", left, right)


@dataclass(frozen=True, slots=True)
class _Part:
    name: str | int
    quoted: bool
    start: int
    selector: bool = False


def _flat(tree: ex.Expression) -> tuple[list[_Part], ex.Expression | None]:
    """A dotted chain as its parts; with the expression it starts from where that is no name."""
    parts: list[_Part] = []
    while isinstance(tree, ex.Attribute):
        selector = isinstance(tree.name, str) and not tree.quoted and not tree.name.isidentifier()
        parts.append(_Part(tree.name, tree.quoted, tree.start, selector))
        tree = tree.base
    parts.reverse()
    if isinstance(tree, ex.Name):
        return [_Part(tree.name, tree.quoted, tree.start), *parts], None
    if isinstance(tree, ex.Selector):
        return [_Part(tree.text, False, tree.start, selector=True), *parts], None
    return parts, tree
