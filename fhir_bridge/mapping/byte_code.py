"""A rule compiled to bytes: its id, and its output put together of sections where the source model allows that."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fhir_bridge.mapping.expression_code import ExpressionCompiler
from fhir_bridge.mapping.head_code import Head, begun_at_constants, needed, refusals, shared_head
from fhir_bridge.mapping.reads import RuleReads
from fhir_bridge.mapping.section_code import Layout, SectionCompiler
from fhir_bridge.mapping.section_writer import SectionWriter
from fhir_bridge.mapping.sections import SectionPlan
from fhir_bridge.mapping.statements import Piece, RuleHead, StatementScanner, UnknownStatement
from fhir_bridge.mapping.writer import Writer, with_marks

__all__ = ["ByteRuleWriter", "RuleStatements"]


@dataclass(frozen=True, slots=True)
class RuleStatements:
    """The statements of a rule as it is otherwise compiled.

    Attributes:
        lets: variables that condition and key do not need.
        time: the business time.
        members: the elements.
        head: variables that condition and key need, condition and key.
    """

    lets: list[Piece]
    time: Piece
    members: list[Piece]
    head: Piece


_LENGTH = re.compile(r"if len\(s\.segments\[0\]\.fields\) <= (\d+): return None")


class ByteRuleWriter:
    """Writes the functions of one rule in bytes, beside the one that makes the output as a dict and then bytes of it.

    Attributes:
        plan: of the rule's sections; None where the output is made as a whole.
        identify: name of the function that gives the id.
        every: name of the function that makes the outputs of several objects; none where each is made by itself.
        needs: what a record must have of, of each set one, so that the rule may apply.
        all: the function `identify` takes several objects.
        among: name of the function that leaves out objects which the rule refuses for want of a field; none at first.
    """

    def __init__(
        self,
        writer: Writer,
        expressions: ExpressionCompiler,
        head: RuleHead,
        statements: RuleStatements,
        reads: RuleReads,
        number: int,
    ) -> None:
        self.writer = writer
        self.model = expressions.model
        self.head = head
        self.statements = statements
        self.number = number
        self.plan: SectionPlan | None = None
        self.identify = f"{head.function}_identify"
        self.among = ""
        self.every = ""
        self.all = False
        arms = reads.arms()
        reads.bits = {arm: bit for bit, arm in enumerate(sorted(arms))}
        self.bits = reads.bits
        given = statements
        for piece in (*head.early, *given.lets, *given.members, given.time, given.head):
            piece.lines = with_marks(piece.lines, arms)
        self.scanner = StatementScanner(self.model, dict(expressions.functions), expressions.selectors)
        present = getattr(self.model, "present", None)
        self.needs: tuple[frozenset[str], ...] = ()
        if present is not None:
            self.needs = needed(statements.head.lines, self.scanner.selectors, present)

    def write(self, *, split: bool) -> str:
        """Write them; returns the name of the function that a record's objects are given to.

        Args:
            split: others refer to the rule, so that its id is asked for before.
        """
        function, line = self.head.function, self.writer.line
        if hasattr(self.model, "key"):
            self._sections(split)
        called = self.every or (f"{function}_bytes" if self.plan else function)
        shared = self._shared(split) if self.plan and self.head.outer else False
        if split:
            return called
        columns = "".join(f", {item}" for item in self.head.columns)
        with self.writer.block(f"def {function}_run(ctx, s, g{columns}):", self.head.position):
            if shared:
                line(f"r = {self.identify}(ctx, s, g{columns})")
                line(f"return None if r is None else {called}(ctx, s, g, r[0]{columns}, *r[1])")
                return f"{function}_run"
            lines, positions = self.statements.head.lines, self.statements.head.positions
            if self.plan:
                line(f"st = ctx.sections[{self.number}]")
                lines = begun_at_constants(lines)
            for text, position in zip(lines[:-1], positions[:-1], strict=True):  # without its `return`
                line(text[4:], position)
            passed = "".join(f", {item}" for item in [*self.head.columns, *self.head.locals_])
            line(f"return {called}(ctx, s, g, uid{passed})")
        return f"{function}_run"

    def _sections(self, split: bool) -> None:
        given = self.statements
        layout = Layout(self.head, self.model, self.number, given.lets, given.time)
        compiler = SectionCompiler(self.scanner, layout, given.head)
        before = self.writer.state()
        try:
            if compiler.divide(given.members):
                sections = SectionWriter(self.writer, layout, self.scanner.selectors, split=split)
                sections.write()
                self.plan, self.every = compiler.plan(self.bits), sections.every
        except UnknownStatement:
            self.writer.restore(before)

    def _shared(self, split: bool) -> bool:
        """Write the function that identifies an output with what its group shares computed once, if there is such."""
        shared = shared_head(
            self.statements.head.lines,
            self.scanner,
            lambda source: self.model.key(source, self.head.scope),
        )
        if shared is not None:
            self._with_shared(shared, split and not self.head.columns)
        return shared is not None

    def _with_shared(self, shared: Head, several: bool) -> None:
        function, line, position = self.head.function, self.writer.line, self.head.position
        with self.writer.block(f"def {function}_shared(ctx, st, s, g):", position):
            line("st.head = st.head_record = st.begun = None")
            with self.writer.block("try:"):
                line(f"h = ({', '.join(shared.shared)}, )")
                line("st.head = h")
            with self.writer.block("except Exception:"):  # the whole function raises it again, for its object
                line("pass")
            line("st.head_anchor, st.head_record = s.outer, ctx.record")
        columns = "".join(f", {item}" for item in self.head.columns)
        plain = f"{self.identify}(ctx, s, g{columns})"
        key = self.model.key
        refused = refusals(
            self.statements.head.lines, self.scanner.selectors, lambda source: key(source, self.head.scope)
        )
        if refused and (asked := _LENGTH.fullmatch(refused[0])) and not columns:
            with self.writer.block(f"def {function}_among(scopes):", position):
                line(f"return [s for s in scopes if len(s.segments[0].fields) > {asked[1]}]")
            self.among = f"{function}_among"
            del refused[0]
        if several:
            self.identify, self.all = f"{function}_identified", True
            self._identify_all(shared, refused, plain)
            return
        self.identify = f"{function}_identified"
        with self.writer.block(f"def {self.identify}(ctx, s, g{columns}):", position):
            for text in refused:
                line(text)
            line(f"st = ctx.sections[{self.number}]")
            line(_RENEW.format(function=function))
            line("h = st.head")
            line(f"if h is None: return {plain}")
            self._of_object(shared, lambda: line(f"return {plain}"))

    def _identify_all(self, shared: Head, refused: list[str], plain: str) -> None:
        """The function that identifies the outputs of several objects; what is shared is read once a group."""
        function, line = self.head.function, self.writer.line

        def whole() -> None:
            line(f"r = {plain}")
            line("if r is not None: found.append(Instance(s, *r))")
            line("continue")

        with self.writer.block(f"def {self.identify}(ctx, scopes, g, lose):", self.head.position):
            line(f"st = ctx.sections[{self.number}]")
            line("anchor = st")
            line("found = []")
            for number in range(len(shared.own)):
                line(f"known{number} = st.heads[{number}].get")
            with self.writer.block("for s in scopes:"):
                with self.writer.block("try:"):
                    for text in refused:
                        line(text.replace("return None", "continue"))
                    with self.writer.block("if s.outer is not anchor:"):
                        line(_RENEW.format(function=function))
                        line("h = st.head")
                        line("anchor = s.outer")
                    with self.writer.block("if h is None:"):
                        whole()
                    start = len(self.writer.lines)
                    self._of_object(shared, whole)
                    lines = self.writer.lines
                    for place in range(start, len(lines)):
                        text = _KNOWN.sub(r"known\1(", lines[place]).replace(": return None", ": continue")
                        lines[place] = _RESULT.sub(r"\1found.append(Instance(s, \2))", text)
                with self.writer.block("except Exception as error:"):
                    line("lose(error, s)")
            line("return found")

    def _of_object(self, shared: Head, whole: Callable[[], None]) -> None:
        """Statements that identify the output of an object; `whole` writes those for one that they can't."""
        line = self.writer.line
        for text in self.model.key_head(self.head.scope) if shared.own else ():
            line(text)
        for number, (key, sources) in enumerate(shared.own.items()):
            line(f"x = {key}")
            line(f"y{number} = st.heads[{number}].get(x)")
            with self.writer.block(f"if y{number} is None:"):
                with self.writer.block("try:"):
                    line(f"y{number} = st.keep(st.heads[{number}], x, ({', '.join(sources)}, ))")
                with self.writer.block("except Exception:"):
                    whole()
        start = len(self.writer.lines)
        for text, place in zip(shared.lines, self.statements.head.positions, strict=True):
            line(text[4:], place)
        self.writer.read_together(start, self.model, self.head.position)


_RENEW = (
    "if st.head_record is not ctx.record or st.head_anchor is not s.outer: {function}_shared(ctx, st, s, g)"
)
_KNOWN = re.compile(r"\bst\.heads\[(\d+)\]\.get\(")
_RESULT = re.compile(r"^(\s+)return (uid, .*)$")
