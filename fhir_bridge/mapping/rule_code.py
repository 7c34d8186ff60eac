"""A rule becomes a function: variables, condition, key, then the resource."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.definitions import Profile
from fhir_bridge.fhir.record import elements_of_owners
from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.byte_code import ByteRuleWriter, RuleStatements
from fhir_bridge.mapping.document import Mapping, Node, Scalar, Sequence, plain
from fhir_bridge.mapping.environment import Code, Environment, Variable
from fhir_bridge.mapping.errors import Position
from fhir_bridge.mapping.expression_code import ExpressionCompiler
from fhir_bridge.mapping.grammar import ExpressionError
from fhir_bridge.mapping.node_code import NodeCompiler
from fhir_bridge.mapping.reads import Read, Use, others_of, shown_of
from fhir_bridge.mapping.rule_plan import RulePlan
from fhir_bridge.mapping.runtime import DELTA, ElementTarget
from fhir_bridge.mapping.sections import SectionPlan
from fhir_bridge.mapping.shape import RULE_KEYS, Problems, Spot, required_names, rooted
from fhir_bridge.mapping.statements import Piece, RuleHead
from fhir_bridge.mapping.writer import Writer

__all__ = ["RuleCompiler", "RuleSource"]


@dataclass(slots=True)
class RuleSource:
    """A rule of the document, read but not compiled."""

    node: Mapping
    name: str
    type: str
    scope: str
    position: Position
    profiles: list[Profile] = field(default_factory=list)
    profile_urls: list[str] = field(default_factory=list)


class RuleCompiler:
    """Compiles one rule into a writer."""

    def __init__(
        self,
        rule: RuleSource,
        writer: Writer,
        expressions: ExpressionCompiler,
        problems: Problems,
        base: Environment,
        *,
        trace: bool,
        split: bool,
        number: int = 0,
    ) -> None:
        self.number = number
        self.rule = rule
        self.writer = writer
        self.expressions = expressions
        self.problems = problems
        self.split = split
        self.trace = trace
        update = rule.node.get("update")
        stated = update.value if isinstance(update, Scalar) else None
        self.passing = stated == "passing"
        self.delta = self.passing or stated == "delta"
        self.nodes = NodeCompiler(
            writer, expressions, problems, rule.name, scope=rule.scope, trace=trace, delta=self.delta,
            looked_into=elements_of_owners(rule.type) | {"status"},
        )  # fmt: skip
        self.env = base
        self.key_parts: list[tuple[str, Position]] = []
        self.sections: SectionPlan | None = None
        self.identify = ""
        self.among = ""
        self.all = self.every = False
        self.needs: tuple[frozenset[str], ...] = ()
        self.columns: list[tuple[str, Any, str]] = []
        self.early: list[Piece] = []
        self.late: list[Piece] = []
        self.members: list[Piece] = []
        self.moment = Piece("bt", [], [])
        self.head = Piece("", [], [])
        self.column_arms: dict[str, int] = {}

    def compile(self) -> RulePlan:
        """Write the rule's functions."""
        rule, writer = self.rule, self.writer
        name = "".join(character if character.isalnum() else "_" for character in rule.name)
        function = writer.name(f"rule_{name}_")
        extra = self._unpivot()
        parameters = "".join(f", {item}" for item in extra)
        early, late = self._split_lets()
        expressions_mark = self.expressions.marking
        start = len(writer.lines)
        whole = rule.node.get("on_error")
        if self.split or writer.fragments:
            with writer.block(f"def {function}_identify(ctx, s, g{parameters}):", rule.position):
                self._marks()
                env = self._preamble(self.env, early)
                self._key(env)
                sources = [
                    variable.source
                    for key, variable in env.names.items()
                    if self.env.names.get(key) is not variable
                ]
                sources += ["marks"] if expressions_mark else []
                writer.line(f"return uid, ({''.join(f'{item}, ' for item in sources)})")
                self.head = self._piece("", start + 1)
            passed = "".join(f", {item}" for item in sources)
            with writer.block(f"def {function}(ctx, s, g, uid{parameters}{passed}):", rule.position):
                if expressions_mark:
                    writer.line("mk = marks.append")
                self._resource(env, late)
            if writer.fragments:
                function = self._in_bytes(function, extra, early_locals=sources)
        else:
            with writer.block(f"def {function}(ctx, s, g{parameters}):", rule.position):
                self._marks()
                env = self._preamble(self.env, early)
                self._key(env)
                self._resource(env, late)
        marks = self.nodes.reads.arms()
        writer.keep_marks(start, marks | self.nodes.reads.branches.keys() if self.trace else marks)
        writer.line("")
        return RulePlan(
            rule.name,
            rule.type,
            rule.scope,
            rule.position,
            function,
            self.split,
            isinstance(whole, Scalar) and whole.value == "record",
            self.key_parts,
            self.columns,
            [
                names
                for names in required_names(rooted(rule.type, rule.profiles))
                if names[0] not in ("id", "meta")
            ],
            self.nodes.reads,
            self.sections,
            self.identify or f"{function}_identify",
            self.among,
            self.all,
            self.every,
            self.needs,
        )

    def _in_bytes(self, function: str, extra: list[str], early_locals: list[str]) -> str:
        """Write the functions that give the output in bytes; returns the name of what is called."""
        rule, nodes = self.rule, self.nodes
        named = [
            names
            for names in required_names(rooted(rule.type, rule.profiles))
            if names[0] not in ("id", "meta")
        ]
        model = self.expressions.model
        head = RuleHead(
            function=function,
            type=rule.type,
            rule=rule.name,
            scope=rule.scope,
            outer=len(self.expressions.chain(rule.scope)) > 1 and not getattr(model, "single", False),
            position=rule.position,
            columns=extra,
            early=self.early,
            locals_=early_locals,
            delta=self.delta,
            passing=self.passing,
            reads=self.writer.object("A", nodes.reads, "reads of " + rule.name)
            if self.expressions.marking
            else "",
            document_marks=self.expressions.document_marks,
            profiles=rule.profile_urls,
            required=named,
            hashed=isinstance(rule.node.get("key"), Sequence),
            part=getattr(model, "parts", {}).get(rule.scope, ""),
        )
        statements = RuleStatements(self.late, self.moment, self.members, self.head)
        writer = ByteRuleWriter(self.writer, self.expressions, head, statements, nodes.reads, self.number)
        called = writer.write(split=self.split)
        self.sections, self.identify, self.among = writer.plan, writer.identify, writer.among
        self.all, self.every, self.needs = writer.all, bool(writer.every), writer.needs
        return called

    def _piece(self, name: str, start: int, kind: str | None = None) -> Piece:
        """The lines since `start`."""
        writer = self.writer
        return Piece(name, writer.lines[start:], writer.positions[start + 1 :], kind)

    def _marks(self) -> None:
        """The list of the branches entered, by number."""
        if self.expressions.marking:
            arms = self.writer.object("C", self.column_arms) if self.column_arms else ""
            self.writer.line(f"marks = [{arms}[column]]" if arms else "marks = []")
            self.writer.line("mk = marks.append")

    def _uses(self, role: str, node: Node, code: Code) -> None:
        """Note what the head of the rule reads."""
        text = node.text.removeprefix("=") if isinstance(node, Scalar) else ""
        others = others_of(code.reads, code.uses)
        self.nodes.reads.uses.append(Use(role, "", text, node.position, shown_of(code.reads), others))

    # Head

    def _unpivot(self) -> list[str]:
        node = self.rule.node.get("unpivot")
        if node is None:
            return []
        assert isinstance(node, Mapping)
        keys: set[str] = set()
        reads: list[Read] = []
        for column, spec in node:
            name = column.text
            if not isinstance(spec, Mapping | Scalar):
                self.problems.add(spec.position, "a column's entry is an object", "", "003")
                continue
            content = plain(spec) or {}
            if not isinstance(content, dict):
                self.problems.add(spec.position, "a column's entry is an object", "{code: …, unit: …}", "003")
                continue
            keys |= set(content)
            quoted = name if name.isidentifier() else f"`{name}`"
            text = f"{self.rule.scope}.{quoted}" if "." not in self.rule.scope else quoted
            try:
                selector = self.expressions.model.selector(text, self.rule.scope)
                self.expressions.used.add((self.rule.scope, text))
            except LookupError as error:
                self.problems.add(
                    column.position, str(error.args[0]) if error.args else f'no column "{name}"', "", "005"
                )
                continue
            cell = self.writer.name("cell")
            with self.writer.block(f"def {cell}(s):", column.position):
                self.writer.line(f"return {selector}", column.position)
            self.columns.append((name, content, cell))
            if self.expressions.marking:  # a column is a branch: the rule is applied to each by itself
                self.column_arms[name] = self.expressions.new_arm()
                reads.append(Read(self.rule.scope, text, arms=frozenset((self.column_arms[name],))))
        self.env = self.env.with_names(
            {
                "column": Variable("column", "string", repeats=False),
                "value": Variable("value", None, repeats=False, reads=tuple(reads)),
                "spec": Variable("spec", None, repeats=False, keys=frozenset(keys)),
            }
        )
        return ["column", "spec", "value"]

    def _split_lets(self) -> tuple[list[tuple[Scalar, Node]], list[tuple[Scalar, Node]]]:
        """The variables that condition and key need, and the others."""
        node = self.rule.node.get("let")
        if not isinstance(node, Mapping):
            if node is not None:
                self.problems.add(node.position, "`let` is an object of names and expressions", "", "003")
            return [], []
        needed = self._names_in(self.rule.node.get("when")) | self._names_in(self.rule.node.get("key"))
        entries = list(node)
        for key, value in reversed(entries):
            if key.text in needed:
                needed |= self._names_in(value)
        early = [entry for entry in entries if entry[0].text in needed]
        return early, [entry for entry in entries if entry[0].text not in needed]

    def _names_in(self, node: Node | None) -> set[str]:
        if isinstance(node, Sequence):
            return set().union(*(self._names_in(item) for item in node.items)) if node.items else set()
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return set()
        text = node.expression if node.expression is not None else node.value
        try:
            tree = ex.parse(text.removesuffix("?"), self.expressions.model.token)
        except ExpressionError:
            return set()  # told where it is compiled
        return {item.name for item in ex.walk(tree) if isinstance(item, ex.Name)}

    def _preamble(self, env: Environment, early: list[tuple[Scalar, Node]]) -> Environment:
        """Variables and condition; leaves the function where the rule does not apply."""
        closed = Environment(env.scope, env.variable, env.names, env.outer, refers=False)
        when = self.rule.node.get("when")
        before = self._names_in(when)
        first = [entry for entry in early if entry[0].text in before or self._feeds(entry, early, before)]
        closed = self._lets(closed, first)
        if when is not None:
            condition = self.nodes.condition(when, closed)
            test = f"if not {condition.source if condition else 'False'}:"
            if self.trace:
                with self.writer.block(test, when.position):
                    reads = self.writer.object("A", self.nodes.reads, "reads of " + self.rule.name)
                    self.writer.line(f"ctx.refused.append(({reads}, s, marks))")
                    self.writer.line("return None", when.position)
            else:
                self.writer.line(f"{test} return None", when.position)
            if condition:
                self.nodes.read(condition.reads)
                self._uses("condition", when, condition)
        closed = self._lets(closed, [entry for entry in early if entry not in first])
        return Environment(env.scope, env.variable, closed.names, env.outer, refers=True)

    def _feeds(
        self, entry: tuple[Scalar, Node], entries: list[tuple[Scalar, Node]], wanted: set[str]
    ) -> bool:
        """Whether a wanted variable is computed from this one."""
        return any(
            entry[0].text in self._names_in(value)
            and (key.text in wanted or self._feeds((key, value), entries, wanted))
            for key, value in entries
            if key is not entry[0]
        )

    def _lets(
        self, env: Environment, entries: list[tuple[Scalar, Node]], *, early: bool = True
    ) -> Environment:
        for entry in entries:
            start = len(self.writer.lines)
            env = self.nodes.variables(Mapping(entry[0].position, [entry]), env)
            variable = env.names.get(entry[0].text)
            if variable is not None:
                piece = self._piece(variable.source, start, variable.type)
                (self.early if early else self.late).append(piece)
        return env

    # Identity

    def _key(self, env: Environment) -> None:
        node = self.rule.node.get("key")
        closed = Environment(env.scope, env.variable, env.names, env.outer, refers=False)
        rule = self.rule
        if isinstance(node, Sequence):
            parts: list[str] = []
            optional: list[int] = []
            for number, item in enumerate(node.items):
                source = self._key_part(item, closed, number, optional)
                if source:
                    parts.append(source)
            if not node.items:
                self.problems.add(node.position, "a key needs a part", "", "003")
            passed = "".join(f", {part}" for part in parts)
            extra = (
                f", optional={self.writer.object('O', frozenset(optional), tuple(optional))}"
                if optional
                else ""
            )
            self.writer.line(f"uid = ctx.key.id({rule.type!r}, {rule.name!r}{passed}{extra})", node.position)
        elif isinstance(node, Scalar) and node.value is not None:
            code = self.nodes.code(node, closed, bare=True)
            if code is None:
                return
            self.key_parts.append((node.text, node.position))
            if code[1].type not in (None, "Reference"):
                self.problems.add(
                    node.position, f"a key that is one expression gives a Reference, and this gives {code[1].type}",
                    "a list of parts creates an id: key: [a, b]", "008",
                )  # fmt: skip
            elif code[1].target not in (None, rule.type):
                self.problems.add(
                    node.position,
                    f"the key refers to a {code[1].target}, and the rule creates a {rule.type}",
                    "",
                    "008",
                )
            self._uses("key", node, code[1])
            self.writer.line(f"uid = id_of({code[1].source}, {rule.type!r})", node.position)

    def _key_part(self, item: Node, env: Environment, number: int, optional: list[int]) -> str | None:
        if not isinstance(item, Scalar) or item.value is None:
            self.problems.add(item.position, "a part of a key is an expression", "", "003")
            return None
        text = item.text
        may_be_empty = text.endswith("?")
        if may_be_empty:
            optional.append(number + 2)
            kept = text[:-1].rstrip()
            item = Scalar(item.position, kept, kept, item.raw)
        if not isinstance(item.value, str):
            return repr(item.text)
        self.key_parts.append((item.text.removeprefix("="), item.position))
        result = self.nodes.code(item, env, bare=True)
        if result is None:
            return None
        code = result[1]
        self._uses("key", item, code)
        if code.literal and isinstance(code.value, str):
            return code.source
        return f"key_part({code.source})"

    # The resource

    def _resource(self, env: Environment, late: list[tuple[Scalar, Node]]) -> None:
        rule, writer = self.rule, self.writer
        start = len(writer.lines)
        if self.trace:
            constant = writer.object("A", self.nodes.reads, "reads of " + rule.name)
            writer.line(f"tr = [({constant}, s, marks)]")
        env = self._lets(env, late, early=False)
        before = len(writer.lines)
        self._time(env)
        self.moment = self._piece("bt", before)
        if self.delta:
            writer.line("cl = []")
        update = "ctx.update" if self.passing else writer.constant(DELTA) if self.delta else ""
        entries, without = (f"[bt[1], {update}]", f"[{update}]") if update else ("[bt[1]]", "()")
        writer.line(f"ext = {entries} if bt[1] else {without}")
        writer.line("if ctx.sequence is not None: ext = [*ext, ctx.sequence]")
        writer.line("m = {}")
        writer.line(f"if ext: m['extension'] = [{{'url': {SOURCE_EXTENSION!r}, 'extension': ext}}]")
        writer.line("m['source'] = ctx.source_uri")
        if rule.profile_urls:
            writer.line(f"m['profile'] = {writer.constant(rule.profile_urls)}")
        writer.line(f"o = {{'resourceType': {rule.type!r}, 'id': uid, 'meta': m}}")
        root = rooted(rule.type, rule.profiles)
        kept = []
        for key, value in rule.node:
            name = key.text.strip("`")
            if key.text in RULE_KEYS:
                continue
            if name in ("id", "resourceType"):
                self.problems.add(
                    key.position,
                    f"`{name}` is not written by hand",
                    "`key:` makes the id, `as:` names the type",
                    "003",
                )
            elif name == "meta":
                before = len(writer.lines)
                self._meta(value, env)
                self.members.append(self._piece("meta", before))
            else:
                kept.append((key, value))
        written: set[str] = set()
        for entry in sorted(kept, key=lambda item: root.order(item[0].text.strip("`"))):
            before = len(writer.lines)
            self.nodes.items = ()
            written |= self.nodes.members([entry], root, env, "o")
            piece = self._piece(entry[0].text.strip("`").removesuffix("[x]"), before)
            piece.starts = self._starts(entry[1], before)
            self.members.append(piece)
        self.nodes.shape.required(rule.node, root, written | {"id", "meta"})
        for names in required_names(root):
            if names[0] in ("id", "meta"):
                continue
            location = ElementTarget(rule.name, f"{rule.type}.{names[0]}", rule.position)
            constant = writer.object("P", location, location)
            test = " and ".join(f"{name!r} not in o" for name in names)
            writer.line(f"if {test}: missing({constant})", rule.position)
        if self.delta:
            writer.line("for name in dict.fromkeys(cl):")
            writer.line("    if is_cleared(o, name): ext.append({'url': 'cleared', 'valueString': name})")
        if self.expressions.marking:
            constant = writer.object("A", self.nodes.reads, "reads of " + rule.name)
            around = f"{self.expressions.document_marks} + " if self.expressions.document_marks else ""
            writer.line(f"ctx.applied.append(({constant}, s, {around}marks))")
        trace = ", tr" if self.trace else ""
        part = getattr(self.expressions.model, "parts", {}).get(rule.scope, "")
        part = f", part={part}" if part else ""
        make = "written" if writer.fragments else "Output"
        writer.line(f"return {make}({rule.type!r}, uid, o, {rule.name!r}, bt[0], ctx.locator{trace}{part})")
        if getattr(self.expressions.model, "pure", False):
            own = f"{self.env.variable}."
            # Reads by position alone: what else a scope derives may cost more than the branch that wants it.
            reads = (
                text for text in self.expressions.selectors if text.startswith(own) and text.endswith(")")
            )
            writer.read_once(start, reads, rule.position)

    def _starts(self, node: Node, before: int) -> tuple[int, ...]:
        """Where the items of an element that is a list begin among its lines, and the last line."""
        starts = self.nodes.items
        ends = bool(starts) and starts[-1] == len(self.writer.lines) - 1
        return tuple(line - before for line in starts) if ends and isinstance(node, Sequence) else ()

    def _meta(self, node: Node, env: Environment) -> None:
        if not isinstance(node, Mapping):
            self.problems.add(node.position, "meta is an object", "", "008")
            return
        for key, _ in node:
            if key.text not in ("tag", "security"):
                hint = (
                    "write `profile:` in the rule"
                    if key.text == "profile"
                    else "only tag and security are written"
                )
                self.problems.add(key.position, f"meta.{key.text} is not written by hand", hint, "003")
        spot = Spot(definitions.type_definition("Meta"), "Meta", f"{self.rule.type}.meta")
        kept = [(key, value) for key, value in node if key.text in ("tag", "security")]
        self.nodes.members(kept, spot, env, "m")

    def _time(self, env: Environment) -> None:
        node = self.rule.node.get("time")
        if node is None:
            self.writer.line("bt = ctx.record_time")
            return
        if not isinstance(node, Scalar):
            self.problems.add(node.position, "`time` is an expression", "", "003")
            return
        code = self.nodes.code(node, env, bare=True)
        if code is None:
            return
        if code[1].type not in (None, "string", "date", "dateTime", "instant"):
            self.problems.add(
                node.position, f"`time` is a date or time, and this gives {code[1].type}", "", "008"
            )
        self._uses("time", node, code[1])
        self.writer.line(f"bt = business_time(ctx, {code[1].source})", node.position)
        self.writer.line("if bt[1] is None: bt = ctx.record_time")
