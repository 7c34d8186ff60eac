"""A rule compiled to bytes: its id, and its output put together of sections where the source model allows that."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_bridge.mapping.expression_code import ExpressionCompiler
from fhir_bridge.mapping.head_code import Head, begun_at_constants, refusals, shared_head
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


class ByteRuleWriter:
    """Writes the functions of one rule in bytes, beside the one that makes the output as a dict and then bytes of it.

    Attributes:
        plan: of the rule's sections; None where the output is made as a whole.
        identify: name of the function that gives the id.
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
        arms = reads.arms()
        reads.bits = {arm: bit for bit, arm in enumerate(sorted(arms))}
        self.bits = reads.bits
        given = statements
        for piece in (*head.early, *given.lets, *given.members, given.time, given.head):
            piece.lines = with_marks(piece.lines, arms)
        self.scanner = StatementScanner(self.model, dict(expressions.functions), expressions.selectors)

    def write(self, *, split: bool) -> str:
        """Write them; returns the name of the function that a record's objects are given to.

        Args:
            split: others refer to the rule, so that its id is asked for before.
        """
        function, line = self.head.function, self.writer.line
        if hasattr(self.model, "key"):
            self._sections()
        called = f"{function}_bytes" if self.plan else function
        shared = self._shared() if self.plan and self.head.outer else False
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

    def _sections(self) -> None:
        given = self.statements
        layout = Layout(self.head, self.model, self.number, given.lets, given.time)
        compiler = SectionCompiler(self.scanner, layout, given.head)
        before = self.writer.state()
        try:
            if compiler.divide(given.members):
                SectionWriter(self.writer, layout, self.scanner.selectors).write()
                self.plan = compiler.plan(self.bits)
        except UnknownStatement:
            self.writer.restore(before)

    def _shared(self) -> bool:
        """Write the function that identifies an output with what its group shares computed once, if there is such."""
        shared = shared_head(
            self.statements.head.lines,
            self.scanner,
            lambda source: self.model.key(source, self.head.scope),
        )
        if shared is not None:
            self._with_shared(shared)
        return shared is not None

    def _with_shared(self, shared: Head) -> None:
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
        plain, self.identify = f"{self.identify}(ctx, s, g{columns})", f"{function}_identified"
        key = self.model.key
        refused = refusals(
            self.statements.head.lines, self.scanner.selectors, lambda source: key(source, self.head.scope)
        )
        with self.writer.block(f"def {self.identify}(ctx, s, g{columns}):", position):
            for text in refused:
                line(text)
            line(f"st = ctx.sections[{self.number}]")
            line(
                "if st.head_record is not ctx.record or st.head_anchor is not s.outer: "
                f"{function}_shared(ctx, st, s, g)"
            )
            line("h = st.head")
            line(f"if h is None: return {plain}")
            for text in self.model.key_head(self.head.scope) if shared.own else ():
                line(text)
            for number, (key, sources) in enumerate(shared.own.items()):
                line(f"x = {key}")
                line(f"y{number} = st.heads[{number}].get(x)")
                with self.writer.block(f"if y{number} is None:"):
                    with self.writer.block("try:"):
                        line(f"y{number} = st.keep(st.heads[{number}], x, ({', '.join(sources)}, ))")
                    with self.writer.block("except Exception:"):
                        line(f"return {plain}")
            for text, place in zip(shared.lines, self.statements.head.positions, strict=True):
                line(text[4:], place)
