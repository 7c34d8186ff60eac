"""Calls in expressions: functions with their arguments checked, `coalesce`, `ref`."""

from __future__ import annotations

import keyword
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.call_literals import problem_of
from fhir_bridge.mapping.environment import Code, Environment, RuleTarget, failure, literal_source
from fhir_bridge.mapping.errors import nearest
from fhir_bridge.mapping.reads import Read, Reads, as_text, in_arm, taken_by
from fhir_bridge.mapping.registry import BUILTINS, FunctionSpec

__all__ = ["CallCompiler"]

_WEAK = {"patient": "identifier"}
"""How a function reads what does not show in its result, where that is more than text."""

_VARIANTS = {"coded": "text"}
"""Readers that take less of a value where the call gives this argument itself."""


class CallCompiler(ABC):
    """The part of the expression compiler that compiles calls.

    Attributes:
        referenced: rules that some `ref` names.
        selectors: source of the selectors compiled so far.
        used: scope and text of all selectors compiled.
        marking: generated code notes which branches it enters, for the account of what was read.
        document_marks: source of the branches that the document's own `let` entered; empty where it has none.
        tracing: all branches are noted, whether they read something or not.
        seen: values of the source that what is compiled touches, in order; a slice of it is those of one expression.
        branches: branches within expressions, by number, with their text.
    """

    def __init__(
        self, model: Any, functions: Mapping[str, FunctionSpec], rules: Mapping[str, RuleTarget]
    ) -> None:
        self.model = model
        self.functions = functions
        self.rules = rules
        self.referenced: set[str] = set()
        self.selectors: set[str] = set()
        self.used: set[tuple[str, str]] = set()
        self.marking = False
        self.document_marks = ""
        self.tracing = False
        self.seen: list[Read] = []
        self.branches: dict[int, str] = {}
        self._counter = 0
        self._arms = 0

    @abstractmethod
    def compile(self, tree: ex.Expression, env: Environment) -> Code:
        """Source of an expression."""

    @abstractmethod
    def condition(self, tree: ex.Expression, env: Environment) -> Code:
        """Source of an expression's truth."""

    @property
    def arms(self) -> int:
        """How many branches there are so far."""
        return self._arms

    def new_arm(self) -> int:
        """The number of a branch."""
        self._arms += 1
        return self._arms

    def arm(self, code: Code, others: Reads = (), text: str = "") -> tuple[str, Reads]:
        """Source and reads of a branch within an expression; `others`: read besides where it is entered."""
        reads = code.reads + as_text(others)
        if not self.marking or not (reads or (self.tracing and text)):
            return code.source, reads
        number = self.new_arm()
        if text:
            self.branches[number] = text
        return f"(mk({number}) or {code.source})", in_arm(reads, number)

    def temporary(self) -> str:
        """A new local name."""
        self._counter += 1
        return f"w{self._counter}"

    def call(self, tree: ex.Call, env: Environment) -> Code:
        if tree.name == "coalesce":
            return self._coalesce(tree, env)
        if tree.name == "ref":
            return self._reference(tree, env)
        if tree.name == "where":
            raise failure("where(…) is only in ref('rule', where(…))", tree.at, "006")
        spec = self.functions.get(tree.name)
        if spec is None:
            known = [*self.functions, "ref"]
            raise failure(f'unknown function "{tree.name}"', tree.at, "006", nearest(tree.name, known))
        self._check_arguments(tree, spec)
        input_value = []
        for number, argument in enumerate(tree.arguments):
            start = len(self.seen)
            input_value.append(self.compile(argument, env))
            word = spec.reads[number] if number < len(spec.reads) else "text"
            if word not in ("same", "first", "last"):
                word = _WEAK.get(spec.name, "text") if word == "none" else word.partition("=")[2] or word
                self.seen[start:] = (r if r.reader else r._replace(reader=word) for r in self.seen[start:])
        named = [(name, self.compile(value, env)) for name, value in tree.keywords]
        self._check_literals(tree, spec, input_value, named)
        if tree.name == "exists" and input_value and input_value[0].source.isidentifier():
            name = input_value[0].source
            some = f"{name} is not None and {name} is not CLEARED and {name} != ''"
            test = f"(f_exists({name}) if {name}.__class__ is list else {some})"
            return Code(test, "boolean", repeats=False, boolean=True)
        reads = self._reads(spec, input_value, named, env)
        head = ([env.variable] if spec.scope else []) + (["ctx"] if spec.context else [])
        passed = [code.source for code in input_value]
        if spec.refers is not None and spec.refers < len(passed):
            passed[spec.refers] = self._named_rules(tree, spec.refers, input_value[spec.refers], env)
        passed += [f"{_python_name(name)}={self._argument(code)}" for name, code in named]
        prefix = "f_" if BUILTINS.get(spec.name) is spec else "a_"
        around = ""
        if spec.nulls and input_value and not input_value[0].literal:
            name = passed[0] if passed[0].isidentifier() else self.temporary()
            test = name if passed[0] == name else f"({name} := {passed[0]})"
            around = f"None if {test} is None else "
            passed[0] = name
        source = f"{prefix}{spec.name}({', '.join(head + passed)})"
        return Code(
            f"({around}{source})" if around else source,
            spec.returns,
            repeats=spec.repeats,
            boolean=spec.returns == "boolean" and not spec.repeats,
            target=_target(tree),
            reads=reads,
        )

    def _reads(
        self,
        spec: FunctionSpec,
        codes: list[Code],
        named: list[tuple[str, Code]],
        env: Environment,
    ) -> Reads:
        """What a call reads, by the words that its function declares."""
        names = {name for name, _ in named}
        literals = {name: code.value for name, code in named if code.literal}
        reads: list[Read] = []
        for location, code in enumerate(codes):
            if code.reads:
                word = spec.reads[location] if location < len(spec.reads) else "text"
                reads += taken_by(code.reads, _word(word, names, literals))
        for _, code in named:
            reads += as_text(code.reads)
        if spec.scope and (env.variable == "s" or env.variable.startswith("s.")):
            selected = [Read(env.scope, selector, (), word) for selector, word in spec.selects]
            self.seen += selected
            reads += selected
        return tuple(reads)

    def _argument(self, code: Code) -> str:
        return (
            literal_source(tuple(code.value))
            if code.literal and isinstance(code.value, list)
            else code.source
        )

    def _check_arguments(self, tree: ex.Call, spec: FunctionSpec) -> None:
        names = [name for name in spec.arguments if name not in spec.keyword_only]
        if len(tree.arguments) > len(names) and not spec.rest:
            raise failure(
                f"{tree.name} takes {len(names)} argument{'s' * (len(names) != 1)} without name, "
                f"{len(tree.arguments)} are given",
                tree.arguments[len(names)].start,
                "006",
                spec.signature,
            )
        for name, value in tree.keywords:
            if name in names[: len(tree.arguments)]:
                raise failure(f'the argument "{name}" is given twice', value.start, "006", spec.signature)
            if name not in spec.arguments and not spec.keywords:
                raise failure(
                    f'{tree.name} has no argument "{name}"', value.start, "006",
                    nearest(name, spec.arguments) or spec.signature,
                )  # fmt: skip
        input_value = set(names[: len(tree.arguments)]) | {name for name, _ in tree.keywords}
        for name in spec.arguments[: spec.required]:
            if name not in input_value:
                raise failure(f'{tree.name} needs the argument "{name}"', tree.at, "006", spec.signature)

    def _check_literals(
        self, tree: ex.Call, spec: FunctionSpec, codes: list[Code], named: list[tuple[str, Code]]
    ) -> None:
        if BUILTINS.get(spec.name) is not spec and spec.check is None:
            return
        positional = zip(spec.arguments, codes, tree.arguments, strict=False)  # `rest` takes more
        keywords = (
            (name, code, value) for (name, code), (_, value) in zip(named, tree.keywords, strict=True)
        )
        arguments = [*positional, *keywords]
        given = {name: code.value for name, code, _ in arguments if code.literal}
        for name, code, value in arguments:
            if not code.literal:
                continue
            problem = (
                problem_of(spec.name, name, code.value)
                if spec.check is None
                else spec.check(name, code.value, given)
            )
            if problem is not None:
                raise failure(problem.message, value.start, "006", problem.advice)

    def _coalesce(self, tree: ex.Call, env: Environment) -> Code:
        if tree.keywords or not tree.arguments:
            raise failure("coalesce takes values, one at least", tree.at, "006", "coalesce(a, b, …)")
        codes = [self.compile(argument, env) for argument in tree.arguments]
        arms = [(codes[0].source, codes[0].reads), *(self.arm(code) for code in codes[1:])]
        source = arms[-1][0]
        for arm, _ in reversed(arms[:-1]):
            name, rest = self.temporary(), self.temporary()
            # What one field deletes and no other states is deleted.
            after = f"({rest} if ({rest} := {source}) is not None or {name} is not CLEARED else {name})"
            source = f"({name} if ({name} := {arm}) or {name} == 0 else {after})"
        kinds = {code.type for code in codes if not (code.literal and code.value is None)}
        return Code(
            source,
            kinds.pop() if len(kinds) == 1 else None,
            repeats=any(code.repeats for code in codes),
            reads=tuple(read for _, reads in arms for read in reads),
        )

    def _named_rules(self, tree: ex.Call, location: int, code: Code, env: Environment) -> str:
        """Source of the types and names of the rules that an argument names."""
        at = tree.arguments[location].start
        if not env.refers:
            raise failure(
                f"{tree.name} can't be in a key, in a condition, or in what they use", tree.at, "006"
            )
        if not code.literal:
            raise failure(f"{tree.name} takes names of rules as text", at, "006")
        named = []
        for name in code.value if isinstance(code.value, list | tuple) else [code.value]:
            target = self.rules.get(str(name))
            if target is None:
                raise failure(f'no rule is named "{name}"', at, "012", nearest(str(name), self.rules))
            self.referenced.add(target.name)
            named.append((target.type, target.name))
        return repr(tuple(named))

    def _reference(self, tree: ex.Call, env: Environment) -> Code:
        usage = "ref('rule') or ref('rule', where(condition))"
        if not env.refers:
            raise failure("ref can't be in a key, in a condition, or in what they use", tree.at, "006")
        arguments = tree.arguments
        if tree.keywords or not 1 <= len(arguments) <= 2 or not isinstance(arguments[0], ex.Literal):
            raise failure("ref takes a rule's name as text", tree.at, "006", usage)
        target = self.rules.get(str(arguments[0].value))
        if target is None:
            name = str(arguments[0].value)
            raise failure(f'no rule is named "{name}"', arguments[0].start, "012", nearest(name, self.rules))
        self.referenced.add(target.name)
        hops, theirs = self._hops(env.scope, target.scope)
        common = f"ctx, {target.name!r}, {target.type!r}, {env.variable}, {hops}, {theirs}, uid"
        if len(arguments) == 1:
            return Code(f"references({common})", "Reference", target=target.type)
        where = arguments[1]
        if (
            not isinstance(where, ex.Call)
            or where.name != "where"
            or len(where.arguments) != 1
            or where.keywords
        ):
            raise failure("the second argument of ref is where(condition)", arguments[1].start, "006", usage)
        inner = Environment(target.scope, "t", env.names, lambda: env, refers=False)
        condition = self.condition(where.arguments[0], inner)
        source = f"references_where({common}, lambda t: {condition.source})"
        return Code(source, "Reference", target=target.type, reads=condition.reads)

    def chain(self, scope: str) -> list[str]:
        """A scope and those around it, innermost first."""
        chain = [scope]
        while True:
            scopes = self.model.scopes
            spec = scopes[chain[-1]] if chain[-1] in scopes else None  # noqa: SIM401 - `in` may say more than `get`
            parent = spec.parent if spec is not None else None
            if parent is None or parent in chain:
                return chain
            chain.append(parent)

    def _hops(self, ours: str, theirs: str) -> tuple[int, int]:
        """How far the nearest common scope is from each; (-1, 0) where only the record holds both."""
        mine, other = self.chain(ours), self.chain(theirs)
        for hops, name in enumerate(mine):
            if name in other:
                return (-1, 0) if name == self.model.root else (hops, other.index(name))
        return -1, 0


def _word(word: str, names: set[str], literals: Mapping[str, Any]) -> str:
    """The reader of an argument: `kind=XPN` is named by the argument `kind`, else `XPN`; some differ by an argument."""
    name, value, default = word.partition("=")
    if value:
        return str(literals.get(name, default))
    variant = _VARIANTS.get(word)
    return f"{word}/{variant}" if variant in names else word


def _target(tree: ex.Call) -> str | None:
    """The type that a call's Reference refers to."""
    if tree.name in ("patient", "sample"):
        return "Patient"
    first = tree.arguments[0] if tree.arguments else None
    if tree.name in ("reference", "keyed") and isinstance(first, ex.Literal):
        return str(first.value)
    return None


def _python_name(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name
