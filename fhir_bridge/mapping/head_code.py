"""The head of a rule (condition and key) with what is the same for all objects of a group computed once a group."""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Set
from typing import NamedTuple

from fhir_bridge.mapping.operators import OPERATORS
from fhir_bridge.mapping.statements import StatementScanner, start_of

__all__ = ["HEADS", "Head", "begun_at_constants", "needed", "refusals", "shared_head"]

HEADS = 12
"""Values of an object by which what its condition and key take is remembered."""

_SAFE = frozenset(
    {*OPERATORS, "key_part", "f_coalesce", "f_count", "f_exists", "f_first", "f_keyed", "f_lower", "f_matches",
     "f_patient", "f_string", "f_upper"}
) - {"references", "references_json", "references_text", "references_where"}  # fmt: skip
"""Functions that report nothing and give the same for the same arguments."""


class Head(NamedTuple):
    """Statements of a head.

    Attributes:
        lines: as given, with `h[0]`, … for what is shared.
        shared: the sources of that.
        own: source of what decides values of the object itself, and the sources of these (`y0[0]`, …).
    """

    lines: list[str]
    shared: list[str]
    own: dict[str, list[str]]


class _Finder(ast.NodeVisitor):
    """Finds the largest expressions of selectors that a test takes, which report nothing."""

    def __init__(
        self, text: str, scanner: StatementScanner, takes: Callable[[ast.expr, set[str]], bool]
    ) -> None:
        self.selectors, self.starts = scanner.selectors, scanner.starts
        self.takes = takes
        self.names = Counter(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))
        self.taken: list[ast.expr] = []
        self.parts: dict[ast.AST, _Parts | None] = {}

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr) and not isinstance(node, ast.Constant):
            read = self._read(node)
            if read and self.takes(node, read):
                self.taken.append(node)
                return
        super().visit(node)

    def _read(self, node: ast.expr) -> set[str]:
        """The selectors and variables of the document that an expression consists of; empty where there is more."""
        parts = self._parts(node)
        if parts is None or not parts.used <= parts.given | {"ctx", "CLEARED"}:
            return set()
        if parts.given:
            names = Counter(item.id for item in ast.walk(node) if isinstance(item, ast.Name))
            if any(names[name] != self.names[name] for name in parts.given):  # it is used elsewhere
                return set()
        return set(parts.read)

    def _parts(self, node: ast.AST) -> _Parts | None:
        """What an expression consists of, computed once; None where it calls anything else."""
        if node not in self.parts:
            self.parts[node] = self._take_apart(node)
        return self.parts[node]

    def _take_apart(self, node: ast.AST) -> _Parts | None:
        if isinstance(node, ast.Call | ast.Attribute | ast.Subscript) and start_of(node) in self.starts:
            text = ast.unparse(node)
            if text in self.selectors or (isinstance(node, ast.Subscript) and text.startswith("g[")):
                return _Parts(frozenset((text,)), _NONE, _NONE)
        if isinstance(node, ast.Name):
            return _Parts(_NONE, _NONE, frozenset((node.id,)))
        if isinstance(node, ast.Lambda):
            return None
        given = _NONE
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in _SAFE:
                return None
            children = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.NamedExpr):
            given = frozenset((node.target.id,))
            children = [node.value]
        parts = [self._parts(child) for child in children]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return _Parts(
            _NONE.union(*(part.read for part in known)),
            given.union(*(part.given for part in known)),
            _NONE.union(*(part.used for part in known)),
        )


class _Parts(NamedTuple):
    """What an expression consists of: selectors, names that it assigns, names that it takes."""

    read: frozenset[str]
    given: frozenset[str]
    used: frozenset[str]


_NONE: frozenset[str] = frozenset()


def _replaced(text: str, taken: list[ast.expr], name: Callable[[str], str]) -> str:
    """The text with the names of expressions in their places."""
    raw = [line.encode() for line in text.split("\n")]
    for node in sorted(taken, key=lambda item: (item.lineno, item.col_offset), reverse=True):
        line = raw[node.lineno - 1]
        raw[node.lineno - 1] = (
            line[: node.col_offset] + name(ast.unparse(node)).encode() + line[node.end_col_offset :]
        )
    return "\n".join(line.decode() for line in raw)


def shared_head(lines: list[str], scanner: StatementScanner, key: Callable[[str], str | None]) -> Head | None:
    """The lines of a head, indented once, with what is shared taken out; None where nothing is.

    Args:
        key: source of the text that decides what a selector gives (`SourceModel.key`).
    """
    text = textwrap.dedent("\n".join(lines))
    finder = _Finder(
        text, scanner, lambda _, read: all(item[:8] == "s.outer." or item[0] == "g" for item in read)
    )
    finder.visit(ast.parse(text))
    if not finder.taken:
        return None
    shared = list(dict.fromkeys(map(ast.unparse, finder.taken)))
    text = _replaced(text, finder.taken, lambda source: f"h[{shared.index(source)}]")
    statements = text.split("\n")
    _begin(statements)
    text = "\n".join(statements)
    own: dict[str, list[str]] = {}

    def decided(node: ast.expr, read: set[str]) -> bool:
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        compared = isinstance(node, ast.Compare)
        keys = {key(item) for item in read if item.startswith("s.")}
        only = keys.pop() if len(keys) == 1 else None
        if (
            (called not in ("truth", "key_part") and not compared)
            or only is None
            # It would be read before it is known that it is asked for, and what it is remembered by costs as much.
            or (called != "key_part" and ".raws(" in only)
            or only in read
            or (only not in own and len(own) >= HEADS)
            or not all(item.startswith("s.") for item in read)
        ):
            return False
        own.setdefault(only, []).append(ast.unparse(node))
        return True

    finder = _Finder(text, scanner, decided)
    finder.visit(ast.parse(text))
    places = {
        source: f"y{number}[{place}]"
        for number, sources in enumerate(own.values())
        for place, source in enumerate(sources)
    }
    text = _replaced(text, finder.taken, places.__getitem__)
    statements = text.split("\n")
    own = _end(statements, own, key) or own
    return Head(["    " + line for line in statements], shared, own)


_OWN_FIELD = re.compile(r"f\[(\d+)\] if n > \1 else ''")


def refusals(lines: list[str], selectors: Set[str], key: Callable[[str], str | None]) -> list[str]:
    """Statements that leave what a head refuses for want of a value of its object, before anything else is computed.

    These are the first conditions of the head that only ask whether selectors have a value.
    """
    text = textwrap.dedent("\n".join(lines))
    test = next((node for node in ast.parse(text).body if isinstance(node, ast.If)), None)
    if test is None or not isinstance(test.test, ast.UnaryOp) or not isinstance(test.test.op, ast.Not):
        return []
    refused: list[str] = []
    for node in _conditions(test.test.operand):
        source = ast.unparse(node)
        asked = _asked(node, selectors)
        if not 0 < len(asked) <= _FEW:
            break
        own = _OWN_FIELD.fullmatch(key(asked[0]) or "") if source == f"truth({asked[0]})" else None
        refused.append(
            f"if len(s.segments[0].fields) <= {own[1]}: return None"
            if own
            else f"if not ({source}): return None"
        )
    return refused


def needed(
    lines: list[str], selectors: Set[str], present: Callable[[str], str | None]
) -> tuple[frozenset[str], ...]:
    """What a record must have of, of each set one, so that the condition of a head may hold (`SourceModel.present`)."""
    test = next(
        (node for node in ast.parse(textwrap.dedent("\n".join(lines))).body if isinstance(node, ast.If)), None
    )
    if test is None or not isinstance(test.test, ast.UnaryOp) or not isinstance(test.test.op, ast.Not):
        return ()
    return tuple(dict.fromkeys(_needs(test.test.operand, selectors, present)))


def _needs(node: ast.expr, selectors: Set[str], present: Callable[[str], str | None]) -> list[frozenset[str]]:
    if isinstance(node, ast.BoolOp):
        parts = [_needs(value, selectors, present) for value in node.values]
        if isinstance(node.op, ast.And):
            return [names for part in parts for names in part]
        either: list[frozenset[str]] = [frozenset()]
        for part in parts:  # the fewest names that one of all parts needs
            either = sorted({names | more for names in either for more in part}, key=_by_size)[:_FEW]
        return either[:1]
    read: ast.expr | None = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "truth":
        read = node.args[0]
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.In):
        with_ = node.comparators[0]
        values = with_.elts if isinstance(with_, ast.Tuple) else [with_]
        if all(isinstance(value, ast.Constant) and value.value is not None for value in values):
            read = node.left
    source = ast.unparse(read) if read is not None else ""
    name = present(source) if source in selectors else None
    return [frozenset((name,))] if name else []


def _by_size(names: frozenset[str]) -> tuple[int, list[str]]:
    return len(names), sorted(names)


_FEW = 4
"""Values that are asked for sooner than what a group shares is computed."""


def _conditions(node: ast.expr) -> list[ast.expr]:
    """What must all hold, in order."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [item for value in node.values for item in _conditions(value)]
    return [node]


def _asked(node: ast.expr, selectors: Set[str]) -> list[str]:
    """The selectors of the object itself whose truth a condition consists of; none where there is more to it."""
    if isinstance(node, ast.BoolOp):
        parts = [_asked(value, selectors) for value in node.values]
        return [name for part in parts for name in part] if all(parts) else []
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _asked(node.operand, selectors)
    source = ast.unparse(node)
    selector = source.removeprefix("truth(").removesuffix(")")
    known = source == f"truth({selector})" and selector in selectors and not selector.startswith("s.outer.")
    return [selector] if known else []


_CONSTANT_START = re.compile(r"ctx\.key\.id\(((?:'[\w-]+', )+)")


def begun_at_constants(lines: list[str]) -> list[str]:
    """The lines of a head that hashes the constant first parts of ids once."""
    return [
        _CONSTANT_START.sub(lambda m: f"ctx.key.id_after(st.begun or st.begin(ctx, {m[1][:-2]}), ", line)
        for line in lines
    ]


_ID_AFTER = re.compile(
    r"uid = ctx\.key\.id_after\((?P<begun>st\.begun or st\.begin\(.*?\)), (?P<parts>.*?)(?P<optional>, optional=\w+)?\)"
)
_KNOWN_PART = re.compile(r"y\d+\[\d+\]|key_part\(s\.\w+\)")


def _end(
    lines: list[str], own: dict[str, list[str]], key: Callable[[str], str | None]
) -> dict[str, list[str]] | None:
    """Let what the last parts of ids add to the hash be remembered with what else the head takes of an object.

    Returns what decides it all, as one, with the sources; None where a part is decided by anything else.
    """
    for number, line in enumerate(lines):
        match = _ID_AFTER.fullmatch(line)
        if match is None or not all(map(_KNOWN_PART.fullmatch, match["parts"].split(", "))):
            continue
        sources = {
            f"y{n}[{place}]": (decides, source)
            for n, (decides, several) in enumerate(own.items())
            for place, source in enumerate(several)
        }
        keys: dict[str, None] = {}
        parts: list[str] = []
        for part in match["parts"].split(", "):
            decides, source = sources.get(part) or (key(part[len("key_part(") : -1]), part)
            if decides is None:
                return None
            keys[decides] = None
            parts.append(source)
        taken: list[str] = []
        names: dict[str, str] = {}
        asked = {name for other in (*lines[:number], *lines[number + 1 :]) for name in _TAKEN.findall(other)}
        for name, (decides, source) in sources.items():
            if decides not in keys and source.startswith("truth("):
                names[name] = source  # a value, of which there are many: it is rather looked at each time
                continue
            if name not in asked:
                continue
            keys[decides] = None
            names[name] = f"y0[{len(taken)}]"
            taken.append(source)
        begun, optional = match["begun"], match["optional"] or ""
        lines[number] = ""
        for other, text in enumerate(lines):
            lines[other] = _TAKEN.sub(lambda item, known=names: known[item[0]], text)  # type: ignore[misc]
        lines[number] = f"d = ({begun})[0].copy(); d.update(y0[{len(taken)}]); uid = d.hexdigest()"
        taken.append(f"ctx.key.content({begun}, {', '.join(parts)}{optional})")
        return {f"({', '.join(keys)}, )": taken}
    return None


_TAKEN = re.compile(r"\by\d+\[\d+\]")


def _begin(lines: list[str]) -> None:
    """Let the statement that makes the id hash the first parts that are shared once a group, when it is first asked."""
    for number, line in enumerate(lines):
        if not line.startswith("uid = ctx.key.id("):
            continue
        statement = ast.parse(line).body[0]
        assert isinstance(statement, ast.Assign)
        call = statement.value
        assert isinstance(call, ast.Call)
        begun = []
        for argument in call.args:
            source = ast.unparse(argument)
            if not isinstance(argument, ast.Constant) and not source.startswith("h["):
                break
            begun.append(source)
        if len(begun) < 3 or (call.keywords and len(begun) >= len(call.args)):
            return
        rest = [ast.unparse(argument) for argument in call.args[len(begun) :]]
        keywords = [ast.unparse(keyword) for keyword in call.keywords]
        rest += keywords
        begun += keywords
        lines[number] = (
            f"uid = ctx.key.id_after(st.begun or st.begin(ctx, {', '.join(begun)}), {', '.join(rest)})"
        )
        return
