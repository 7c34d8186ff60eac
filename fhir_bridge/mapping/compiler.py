"""A document becomes Python: one function a rule, everything resolved beforehand, nothing interpreted at run time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from functools import partial
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.mapping import functions
from fhir_bridge.mapping.compiled import CompiledMapping, Form, Program
from fhir_bridge.mapping.custom_functions import RESERVED, custom_functions
from fhir_bridge.mapping.document import Document, Mapping, Node, Scalar, Sequence, plain
from fhir_bridge.mapping.environment import Code, Environment, RuleTarget, Variable
from fhir_bridge.mapping.errors import MappingErrors, nearest
from fhir_bridge.mapping.expression_code import ExpressionCompiler
from fhir_bridge.mapping.generated_code import Generated, load_program
from fhir_bridge.mapping.joins import joined_spec
from fhir_bridge.mapping.node_code import NodeCompiler
from fhir_bridge.mapping.registry import BUILTINS, FunctionSpec, spec_of
from fhir_bridge.mapping.rule_code import RuleCompiler, RuleSource
from fhir_bridge.mapping.rule_profiles import profiles_of
from fhir_bridge.mapping.shape import Problems
from fhir_bridge.mapping.source_options import source_model
from fhir_bridge.mapping.stored_programs import StoredProgram
from fhir_bridge.mapping.writer import Writer

__all__ = ["compile_document", "restore_document"]

_REF = re.compile(r"""\bref\(\s*["']([^"']+)["']""")

DOCUMENT_KEYS = ("mapping", "version", "title", "doc", "source", "let", "rules")


def compile_document(
    document: Document,
    adapters: MappingOf[str, Any],
    known: definitions.Definitions = definitions.DEFAULT,
    form: Form = "dicts",
) -> CompiledMapping:
    """Compile a document for the adapter that its `source:` names.

    Raises:
        MappingErrors: with all that is wrong.
    """
    return _Compilation(document, adapters, known).run(form)


def restore_document(
    document: Document,
    adapters: MappingOf[str, Any],
    known: definitions.Definitions,
    form: Form,
    stored: StoredProgram,
) -> CompiledMapping | None:
    """The mapping of a document that was compiled before; None where it has to be compiled again."""
    return _Compilation(document, adapters, known).restored(form, stored)


class _Compilation:
    def __init__(
        self, document: Document, adapters: MappingOf[str, Any], known: definitions.Definitions
    ) -> None:
        self.document = document
        self.root = document.root
        self.adapters = adapters
        self.problems = Problems(known)
        self.used: set[tuple[str, str]] = set()

    def run(self, form: Form) -> CompiledMapping:
        adapter = self._adapter()
        if adapter is None:
            raise MappingErrors(self.problems.errors)
        self.model = source_model(adapter, self.root.get("source"), self.problems)
        rules = self._rules()
        specs = self._functions()
        # The first program finds the errors, and which rules others refer to in other ways than by `ref`.
        referenced = self._named(rules)
        program = self._program(rules, specs, referenced, form, errors=True)
        if self.problems.errors:
            raise MappingErrors(self.problems.errors)
        make = partial(self._program, rules, specs, referenced, errors=False)
        return self._mapping(adapter, (rule.name for rule in rules), self.used, {form: program}, make)

    def restored(self, form: Form, stored: StoredProgram) -> CompiledMapping | None:
        """As `run`, from what was stored of it."""
        adapter = self._adapter()
        if adapter is None:
            return None
        self.model = source_model(adapter, self.root.get("source"), self.problems)
        specs = self._functions()
        program = load_program(stored.generated, self.document.file, specs, self.model, form)
        if program is None or self.problems.errors:
            return None
        program.generated = None
        return self._mapping(adapter, stored.rules, stored.selectors, {form: program}, self._remade)

    def _remade(self, form: Form) -> Program:
        """The program in another form than the stored one."""
        rules = self._rules()
        return self._program(rules, self._functions(), self._named(rules), form, errors=False)

    def _mapping(
        self,
        adapter: Any,
        rules: Iterable[str],
        selectors: Iterable[tuple[str, str]],
        programs: dict[Form, Program],
        make: Callable[[Form], Program],
    ) -> CompiledMapping:
        source = plain(self.root.get("source") or Mapping(self.root.position, []))
        return CompiledMapping(
            name=self._text("mapping"),
            version=self._text("version"),
            title=self._text("title"),
            adapter=adapter.name,
            source_options={key: value for key, value in source.items() if key != "adapter"},
            rules=tuple(rules),
            root=self.model.root,
            selectors=frozenset(selectors),
            _programs=programs,
            make=make,
        )

    def _text(self, key: str) -> str:
        node = self.root.get(key)
        return node.text if isinstance(node, Scalar) else ""

    def _adapter(self) -> Any:
        source = self.root.get("source")
        named = source.get("adapter") if isinstance(source, Mapping) else None
        if not isinstance(named, Scalar):
            self.problems.add(
                (source or self.root).position, "`source:` names no adapter", "source: {adapter: csv}", "003"
            )
            return None
        adapter = self.adapters.get(named.text)
        if adapter is None:
            known = ", ".join(sorted(self.adapters)) or "none"
            self.problems.add(
                named.position,
                f'no adapter is named "{named.text}"',
                nearest(named.text, self.adapters) or f"there are {known}",
                "012",
            )
        return adapter

    def _functions(self) -> dict[str, FunctionSpec]:
        assert functions
        specs = {**BUILTINS, **custom_functions(), "joined": joined_spec(self.root.get("source"))}
        for name, call in self.model.functions.items():
            if name in specs or name in RESERVED:
                self.problems.add(
                    self.root.position,
                    f"the adapter's function \"{name}\" has the name of a built-in one, or of a plug-in's",
                    "",
                    "006",
                )
            else:
                specs[name] = spec_of(name, call)
        return specs

    def _rules(self) -> list[RuleSource]:
        node = self.root.get("rules")
        rules: list[RuleSource] = []
        names: set[str] = set()
        for item in node.items if isinstance(node, Sequence) else []:
            if not isinstance(item, Mapping):
                continue
            rule = self._rule(item)
            if rule is None:
                continue
            if rule.name in names:
                self.problems.add(rule.position, f'two rules are named "{rule.name}"', "", "003")
            names.add(rule.name)
            rules.append(rule)
        last = getattr(self.model, "last", None)
        return sorted(rules, key=lambda rule: last is not None and rule.scope == last)

    def _rule(self, node: Mapping) -> RuleSource | None:
        name, kind, scope = node.get("rule"), node.get("as"), node.get("for")
        if not isinstance(name, Scalar) or not isinstance(kind, Scalar):
            return None  # the JSON Schema check has reported it
        if kind.text not in definitions.resource_types():
            self.problems.add(
                kind.position,
                f'"{kind.text}" is no resource type of R4',
                nearest(kind.text, definitions.resource_types()),
                "007",
            )
            return None
        location = self.model.root
        if isinstance(scope, Scalar) and scope.value is not None:
            location = scope.text
            if location not in self.model.scopes and location != self.model.root:
                self.problems.add(
                    scope.position,
                    f'the source has no group "{location}"',
                    nearest(location, self.model.scopes),
                    "012",
                )
                return None
        urls, profiles = profiles_of(node, kind.text, self.problems)
        return RuleSource(node, name.text, kind.text, location, name.position, profiles, urls)

    @staticmethod
    def _named(rules: list[RuleSource]) -> set[str]:
        """Rules that some `ref` names, by the text: a program that knows them beforehand is written once."""
        names = {rule.name for rule in rules}
        waiting: list[Node] = [rule.node for rule in rules]
        named: set[str] = set()
        while waiting:
            node = waiting.pop()
            if isinstance(node, Mapping):
                waiting += (value for _, value in node)
            elif isinstance(node, Sequence):
                waiting += node.items
            elif isinstance(node, Scalar):
                named.update(name for name in _REF.findall(node.text) if name in names)
        return named

    # Programs

    def _program(
        self,
        rules: list[RuleSource],
        specs: dict[str, FunctionSpec],
        referenced: set[str],
        form: Form,
        *,
        errors: bool,
    ) -> Program:
        trace = form == "traced"
        problems = self.problems if errors else Problems(self.problems.definitions)
        targets = {rule.name: RuleTarget(rule.name, rule.type, rule.scope) for rule in rules}
        while True:
            writer = Writer(fragments=form == "bytes")
            expressions = ExpressionCompiler(self.model, specs, targets)
            expressions.marking = bool(getattr(self.model, "accounts", False))
            variables = self._document_lets(writer, expressions, problems)
            expressions.marking = trace or bool(getattr(self.model, "accounts", False))
            expressions.tracing = trace
            plans = []
            for number, rule in enumerate(rules):
                compiler = RuleCompiler(
                    rule, writer, expressions, problems, self._environment(rule.scope, variables, expressions),
                    trace=trace, split=rule.name in referenced, number=number,
                )  # fmt: skip
                plans.append(compiler.compile())
            if expressions.referenced <= referenced or problems.errors:
                break
            referenced |= expressions.referenced
        if problems.errors:
            return Program("", {}, [], False)
        self.used |= expressions.used
        return self._load(writer, specs, plans, bool(variables), form)

    def _environment(
        self, scope: str, variables: dict[str, Variable], expressions: ExpressionCompiler, variable: str = "s"
    ) -> Environment:
        def around() -> Environment | None:
            chain = expressions.chain(scope)
            return (
                self._environment(chain[1], variables, expressions, f"{variable}.outer")
                if len(chain) > 1
                else None
            )

        return Environment(scope, variable, dict(variables), around)

    def _document_lets(
        self, writer: Writer, expressions: ExpressionCompiler, problems: Problems
    ) -> dict[str, Variable]:
        node = self.root.get("let")
        if not isinstance(node, Mapping) or not node.entries:
            return {}
        nodes = NodeCompiler(writer, expressions, problems, "let")
        env = self._environment(self.model.root, {}, expressions)
        env.refers = False
        names: dict[str, Variable] = {}
        locals_: list[str] = []
        with writer.block("def document_lets(ctx, s):", node.position):
            if expressions.marking:
                writer.line("marks = []")
                writer.line("mk = marks.append")
            for key, value in node:
                code: Code | None = nodes.value_of(value, env)
                if not key.text.isidentifier() or key.text in ("site", "outer", "ctx"):
                    problems.add(key.position, f'"{key.text}" can\'t be the name of a variable', "", "003")
                if code is None:
                    continue
                local = f"v_{key.text}"
                writer.line(f"{local} = {code.source}", value.position)
                variable = Variable(local, code.type, code.repeats, reads=code.reads, uses=code.uses)
                env = env.with_names({key.text: variable})
                names[key.text] = replace(variable, source=f"g[{len(locals_)}]")
                locals_.append(local)
            if expressions.arms:  # the branches that it enters are those of every rule
                locals_.append("marks")
                expressions.document_marks = f"g[{len(locals_) - 1}]"
            writer.line(f"return ({''.join(f'{item}, ' for item in locals_)})")
        writer.line("")
        return names

    def _load(
        self, writer: Writer, specs: dict[str, FunctionSpec], plans: list[Any], lets: bool, form: Form
    ) -> Program:
        text, positions = writer.source()
        constants = {name: value for name, value in writer.namespace.items() if name not in writer.json}
        generated = Generated(text, positions, constants, writer.json, plans, lets)
        program = load_program(generated, self.document.file, specs, self.model, form)
        assert program is not None
        return program
