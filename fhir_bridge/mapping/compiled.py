"""A compiled mapping at work: rules over a record, outputs and issues out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from fhir_bridge.fhir.ids import MissingPart
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping.errors import Position
from fhir_bridge.mapping.functions.times import business_time
from fhir_bridge.mapping.identity import Unlinked
from fhir_bridge.mapping.joins import open_tables
from fhir_bridge.mapping.lost_references import remove_references
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.rule_plan import RulePlan
from fhir_bridge.mapping.runtime import (
    GENERATED,
    Context,
    Conversion,
    ElementTarget,
    Instance,
    JsonOutput,
    Output,
    Reject,
)
from fhir_bridge.mapping.sections import Sections

__all__ = ["CompiledMapping", "Form", "Program", "inside", "missing", "outside", "unmatched"]


Form = Literal["dicts", "traced", "bytes"]
"""How outputs are made: as dicts, as dicts with a trace, as JSON."""

_SOURCES = 1000
"""Sources (sending systems, files) for which a context remembers parts of outputs."""

_SHAPES = 2_000
"""Shapes of records whose rules a program remembers."""


@dataclass(slots=True)
class _Rule:
    plan: RulePlan
    build: Callable[..., Any]
    identify: Callable[..., Any] | None
    columns: list[tuple[str, Any, Callable[[Any], Any]]]
    among: Callable[[list[Any]], list[Any]] | None


class Program:
    """Generated source, loaded."""

    def __init__(
        self,
        source: str,
        namespace: dict[str, Any],
        plans: Iterable[RulePlan],
        lets: bool,
        generated: Any = None,
    ) -> None:
        self.source = source
        self.generated = generated
        """What it was loaded from, until that is stored (`stored_programs.py`)."""
        self.lets: Callable[..., tuple[Any, ...]] | None = namespace["document_lets"] if lets else None
        self.rules = [
            _Rule(
                plan,
                namespace[plan.function],
                namespace[plan.identify] if plan.split else None,
                [(name, spec, namespace[cell]) for name, spec, cell in plan.columns],
                namespace[plan.among] if plan.among else None,
            )
            for plan in plans
        ]
        self._scopes = {rule.plan.scope for rule in self.rules}
        self.scopes = {rule.plan.name: rule.plan.scope for rule in self.rules if not rule.columns}
        """The scope of each rule that makes one output of an object of it at most."""
        self._identified = [rule for rule in self.rules if rule.identify is not None]
        self._by_shape: dict[Any, tuple[list[_Rule], list[_Rule]]] = {}

    def rules_of(self, record: Any) -> tuple[list[_Rule], list[_Rule]]:
        """The rules that a record may have objects for: those that others refer to, and all.

        A record with a `shape` lacks the same scopes as all records of that shape (`lacks`).
        """
        shape = getattr(record, "shape", None)
        if shape is None:
            return self._identified, self.rules
        known = self._by_shape.get(shape)
        if known is None:
            if len(self._by_shape) >= _SHAPES:
                self._by_shape.clear()
            lacking = {scope for scope in self._scopes if record.lacks(scope)}
            rules = [
                rule
                for rule in self.rules
                if rule.plan.scope not in lacking
                and not any(names.isdisjoint(shape) for names in rule.plan.needs)
            ]
            known = self._by_shape[shape] = ([rule for rule in rules if rule.identify is not None], rules)
        return known

    def remember(self, ctx: Context) -> None:
        """Give the context what it remembers of outputs for the source and zone of its record."""
        where = (ctx.source, ctx.zone, ctx.bounds, getattr(ctx.record, "notation", None))
        if where != ctx.sections_of:
            known = ctx.section_sets.get(where)
            if known is None:
                if len(ctx.section_sets) >= _SOURCES:
                    ctx.section_sets.clear()
                    ctx.remembered = 0
                known = ctx.section_sets[where] = [
                    None if rule.plan.sections is None else Sections(rule.plan.sections)
                    for rule in self.rules
                ]
            ctx.sections, ctx.sections_of = known, where


class _RecordRejected(Exception):
    """The whole record is rejected."""


@dataclass(slots=True)
class CompiledMapping:
    """A mapping ready to convert.

    Attributes:
        name, version, title: as the document says.
        adapter: the adapter that reads its sources.
        source_options: the `source:` block without the adapter.
        rules: rule ids, in order.
        root: the record's own scope.
        selectors: scope and text of every selector that the document names.
    """

    name: str
    version: str
    title: str
    adapter: str
    source_options: Mapping[str, Any]
    rules: tuple[str, ...]
    root: str
    selectors: frozenset[tuple[str, str]]
    make: Callable[[Form], Program] = field(repr=False)
    _programs: dict[Form, Program] = field(default_factory=dict, repr=False)

    @property
    def source(self) -> str:
        """The generated Python, for reading."""
        return self._program("dicts").source

    @property
    def plans(self) -> tuple[RulePlan, ...]:
        """The rules as they run when tracing: what each reads, its branches."""
        return tuple(rule.plan for rule in self._program("traced").rules)

    @property
    def indispensable(self) -> frozenset[str]:
        """Rules whose failure rejects the whole record (`on_error: record`)."""
        return frozenset(rule.plan.name for rule in self._any().rules if rule.plan.whole)

    @property
    def scopes(self) -> Mapping[str, str]:
        """The scope of each rule that makes one output of an object of it at most."""
        return self._any().scopes

    def converts_together(self, record: Any, context: Context) -> bool:
        """Whether several records can be converted as one: variables of the document are those of one object."""
        lets = self._program(_form(context)).lets
        return lets is None or len(list(record.scope(self.root))) < 2

    def program(self, form: Form) -> Program:
        """The program of a form, compiled where it is not yet."""
        return self._program(form)

    def _any(self) -> Program:
        """A program, in the form that is there."""
        return next(iter(self._programs.values()))

    def _program(self, form: Form) -> Program:
        program = self._programs.get(form)
        if program is None:
            program = self._programs[form] = self.make(form)
        return program

    def source_of(self, form: Form) -> str:
        """The generated Python of a form, for reading."""
        return self._program(form).source

    def begin(self, record: Any, context: Context) -> None:
        """Make a context ready for a record."""
        if context.configured is not self:
            context.configure(self.source_options)
            context.tables = open_tables({**self.source_options, **(context.options or {})})
            context.configured = self
        context.begin(record)

    def convert(self, record: Any, context: Context) -> Conversion:
        """Convert a record: a part that fails loses itself alone, and an issue says so. Never raises for a record."""
        ctx = context
        form = _form(ctx)
        program = self._programs.get(form) or self._program(form)
        self.begin(record, ctx)
        if hasattr(record, "applied"):
            record.applied = ctx.applied
        if form == "bytes":
            program.remember(ctx)
        outputs: list[Output] = []
        try:
            lost = _run(program, record, ctx, outputs, self.root)
            if lost:
                outputs = _without_lost(program, outputs, lost, ctx)
        except _RecordRejected:
            return Conversion([], ctx.issues, "rejected")
        if ctx.trace and form == "bytes":
            origin = _Origin(self, record, ctx)
            for output in outputs:
                if isinstance(output, JsonOutput):
                    output.origin = origin
        issues = ctx.issues
        unread = _unread(record, ctx) if outputs else []
        if not issues and not unread:
            if not outputs:
                ctx.rule = ""
                issues.append(Issue("information", "FB-MAP-110", "no rule produced anything", ctx.locator))
            return Conversion(outputs, issues, "converted")
        failed = any(issue.severity != "information" for issue in unread) or any(
            issue.severity in ("error", "fatal") for issue in issues
        )
        issues += unread
        if failed:
            return Conversion(outputs, issues, "partial" if outputs else "rejected")
        return Conversion(outputs, issues, "converted")


def _form(ctx: Context) -> Form:
    """The form of outputs that a context asks for."""
    return "bytes" if ctx.bytes else "traced" if ctx.trace else "dicts"


class _Origin:
    """A record whose outputs were made as bytes: it is converted again with a trace when one is asked for."""

    def __init__(self, mapping: CompiledMapping, record: Any, ctx: Context) -> None:
        self._mapping = mapping
        self._record = record
        self._ctx = ctx
        self._outputs: dict[tuple[str, str], Output] | None = None

    def __call__(self, output: Output) -> Output:
        if self._outputs is None:
            ctx = self._ctx
            again = Context(ctx.site, ctx.terminology, ctx.identity, ctx.adapter, True, ctx.options)
            conversion = self._mapping.convert(self._record, again)
            self._outputs = {(item.type, item.id): item for item in conversion.outputs}
        return self._outputs[output.type, output.id]


def _unread(record: Any, ctx: Context) -> list[Any]:
    """What the record says that no rule represents, by its own account of what was read."""
    account = getattr(record, "unread", None)
    if account is None:
        return []
    ctx.rule = ""
    try:
        return list(account(ctx.applied))
    except Exception as error:  # noqa: BLE001 - as for rules: a reader's failure is an issue
        _report(error, ctx, None, record)
        return []


def _run(program: Program, record: Any, ctx: Context, outputs: list[Output], root: str) -> set[str]:
    """Run all rules; returns `Type/id` of outputs that others may refer to and that were lost."""
    ctx.rule = ""
    g: tuple[Any, ...] = ()
    objects: dict[str, list[Any]] = {}
    lost: set[str] = set()
    try:
        ctx.record_time = ctx.time_of(record.time, business_time)
        if program.lets is not None:
            roots = list(record.scope(root))
            objects[root] = roots
            g = program.lets(ctx, roots[0] if roots else record)
    except Exception as error:
        _report(error, ctx, None, record)
        raise _RecordRejected from error
    identified, rules = program.rules_of(record)
    for rule in identified:
        scopes = objects.get(rule.plan.scope)
        if scopes is None:
            scopes = _objects(rule.plan.scope, record, objects, ctx, rule)
        if scopes and rule.among is not None:
            scopes = rule.among(scopes)
        if scopes:  # of most records most scopes are empty
            _identify(rule, scopes, ctx, g)
    seen: dict[tuple[str, str], Output] = {}
    for rule in rules:
        plan, build = rule.plan, rule.build
        if rule.identify is not None:
            instances = ctx.instances.get(plan.name)
            if instances is None:
                continue
            ctx.rule = plan.name
            if plan.every:
                of_type = plan.type
                for output in build(ctx, instances, g, partial(_lose_instance, lost, ctx, rule)):
                    if output is not None and seen.setdefault((of_type, output.id), output) is output:
                        outputs.append(output)
                    elif output is not None:
                        _keep_again(output, seen, ctx, plan)
                continue
            for instance in instances:
                try:
                    column = instance.column
                    if column is None:
                        output = build(ctx, instance.scope, g, instance.id, *instance.locals)
                    else:
                        output = build(ctx, instance.scope, g, instance.id, *column, *instance.locals)
                except Exception as error:  # noqa: BLE001 - as above: one output is lost, with an issue
                    _lose_instance(lost, ctx, rule, error, instance)
                    continue
                if output is not None and seen.setdefault((output.type, output.id), output) is output:
                    outputs.append(output)
                elif output is not None:
                    _keep_again(output, seen, ctx, plan)
            continue
        scopes = objects.get(plan.scope)
        if scopes is None:
            scopes = _objects(plan.scope, record, objects, ctx, rule)
        if not scopes:
            continue
        if rule.among is not None:
            scopes = rule.among(scopes)
        ctx.rule = plan.name
        for s in scopes:
            try:
                if rule.columns:
                    for name, spec, cell in rule.columns:
                        value = cell(s)
                        if value is None or value is CLEARED or value == "":
                            continue
                        try:
                            output = build(ctx, s, g, name, spec, value)
                        except Exception as error:  # noqa: BLE001 - as above
                            _lose(error, ctx, rule, s)
                            continue
                        if output is not None:
                            _keep(output, outputs, seen, ctx, plan)
                    continue
                output = build(ctx, s, g)
            except Exception as error:  # noqa: BLE001 - as above
                _lose(error, ctx, rule, s)
                continue
            if output is not None:
                _keep(output, outputs, seen, ctx, plan)
    return lost


def _lose_instance(lost: set[str], ctx: Context, rule: _Rule, error: Exception, instance: Instance) -> None:
    """Lose an output that others may refer to."""
    lost.add(f"{rule.plan.type}/{instance.id}")
    _lose(error, ctx, rule, instance.scope)


def _objects(scope: str, record: Any, objects: dict[str, list[Any]], ctx: Context, rule: _Rule) -> list[Any]:
    """The objects of a scope, read once a record."""
    entry = objects.get(scope)
    if entry is None:
        try:
            entry = list(record.scope(scope))
        except Exception as error:  # noqa: BLE001 - a reader that fails on a group loses the group, with an issue
            ctx.rule = rule.plan.name
            _lose(error, ctx, rule, record)
            entry = []
        objects[scope] = entry
    return entry


def _identify(rule: _Rule, scopes: list[Any], ctx: Context, g: tuple[Any, ...]) -> None:
    """The first half of a rule that others refer to: its ids."""
    assert rule.identify is not None
    instances: list[Instance] = []
    ctx.rule = rule.plan.name
    identify, unpivoted = rule.identify, rule.columns
    if rule.plan.all:
        instances = identify(ctx, scopes, g, lambda error, s: _lose(error, ctx, rule, s))
    elif not unpivoted:
        for s in scopes:
            try:
                result = identify(ctx, s, g)
            except Exception as error:  # noqa: BLE001 - as in `_run`
                _lose(error, ctx, rule, s)
                continue
            if result is not None:
                instances.append(Instance(s, result[0], result[1]))
    for s in scopes if unpivoted else ():
        try:
            for column in _cells(rule, s):
                try:
                    result = identify(ctx, s, g, *column)
                except Exception as error:  # noqa: BLE001 - as in `_run`
                    _lose(error, ctx, rule, s)
                    continue
                if result is not None:
                    instances.append(Instance(s, result[0], result[1], column))
        except _RecordRejected:
            raise
        except Exception as error:  # noqa: BLE001 - as in `_run`: the cells can't be read
            _lose(error, ctx, rule, s)
    if instances:
        ctx.instances[rule.plan.name] = instances


def _cells(rule: _Rule, s: Any) -> list[tuple[str, Any, Any]]:
    """The columns of an unpivot that have a value."""
    return [
        (name, spec, value)
        for name, spec, cell in rule.columns
        if (value := cell(s)) is not None and value is not CLEARED and value != ""
    ]


def _keep(
    output: Output, outputs: list[Output], seen: dict[tuple[str, str], Output], ctx: Context, plan: RulePlan
) -> None:
    """Add an output; the same one again counts once, another content under the same id is refused."""
    if seen.setdefault((output.type, output.id), output) is output:
        outputs.append(output)
    else:
        _keep_again(output, seen, ctx, plan)


def _keep_again(output: Output, seen: dict[tuple[str, str], Output], ctx: Context, plan: RulePlan) -> None:
    """Count the same output once; refuse another content under the same id."""
    first = seen[output.type, output.id]
    if first.resource != output.resource:
        if ctx.applied:
            ctx.applied.pop()  # of this output: what it read is lost with it
        message = (
            f"the rules {first.rule} and {output.rule} give two contents under one id of {output.type}; the first stays"
            if first.rule != output.rule
            else f"the rule {output.rule} gives two contents under one id of {output.type}; the first stays"
        )
        ctx.issues.append(Issue("error", "FB-MAP-109", ctx.with_rule(message, plan.position), ctx.locator))
    elif output.written:
        first.same = (*first.same, output)


def _lose(error: Exception, ctx: Context, rule: _Rule, scope: Any) -> None:
    """Turn what was raised into an issue; raises `_RecordRejected` where the whole record is lost with the part."""
    _report(error, ctx, rule, scope)
    if rule.plan.whole or (isinstance(error, Unlinked) and error.whole):
        raise _RecordRejected from error


def _report(error: Exception, ctx: Context, rule: _Rule | None, scope: Any) -> None:
    own = getattr(scope, "locator", None)
    where = own if isinstance(own, str) and own else ctx.locator
    position = _origin(error)
    if isinstance(error, Reject | Unlinked):
        issue = error.issue
        severity = issue.severity if issue.severity in ("error", "fatal") else "error"
        # Who a record is about is one question, whichever rules ask it: reported without them, so that it counts once.
        message = issue.message if issue.code.startswith("FB-ID-") else ctx.with_rule(issue.message, position)
        ctx.issues.append(Issue(severity, issue.code, message, issue.source or where, issue.expression))
        return
    if isinstance(error, MissingPart) and rule is not None:
        number = error.position - 2
        parts = rule.plan.key_parts
        text, location = parts[number] if 0 <= number < len(parts) else ("?", rule.plan.position)
        message = ctx.with_rule(f"the part {text} of the key is empty", location)
        ctx.issues.append(Issue("error", "FB-MAP-105", message, where))
        return
    if isinstance(error, ValueError):
        message = str(error)
    else:
        # What an adapter's code says may hold values; its kind and place do not.
        message = f"{type(error).__name__} in the adapter's code{_code_location(error)}"
    ctx.issues.append(Issue("error", "FB-MAP-101", ctx.with_rule(message, position), where))


def _origin(error: BaseException) -> Position | None:
    """The mapping position of the generated line that raised."""
    trace = error.__traceback__
    line = None
    while trace is not None:
        lines = GENERATED.get(trace.tb_frame.f_code.co_filename)
        if lines is not None and trace.tb_lineno < len(lines):
            line = lines[trace.tb_lineno] or line
        trace = trace.tb_next
    return line


def _code_location(error: BaseException) -> str:
    trace = error.__traceback__
    last = None
    while trace is not None:
        last = trace
        trace = trace.tb_next
    if last is None:
        return ""
    module = last.tb_frame.f_globals.get("__name__", "?")
    return f" ({module}, line {last.tb_lineno})" if module != "?" else ""


def _without_lost(program: Program, outputs: list[Output], lost: set[str], ctx: Context) -> list[Output]:
    """Outputs without references to lost ones; one that lacks a required element then is lost as well.

    Raises:
        _Held: that one is of a rule whose failure rejects the record.
    """
    required = {rule.plan.name: rule.plan.required for rule in program.rules}
    indispensable = {rule.plan.name for rule in program.rules if rule.plan.whole}
    kept = outputs
    while True:
        present = {f"{output.type}/{output.id}" for output in kept}
        gone = lost - present
        if not gone:
            return kept
        again: list[Output] = []
        for output in kept:
            removed, missing_element = remove_references(output, gone, required[output.rule])
            for path, reference in removed:
                message = f"{path} referred to a {reference.partition('/')[0]} that was lost; it was left out"
                ctx.issues.append(
                    Issue("warning", "FB-MAP-108", f"{message} [rule {output.rule}]", output.locator, path)
                )
            if missing_element:
                message = f"{missing_element} is required and referred to what was lost [rule {output.rule}]"
                ctx.issues.append(Issue("error", "FB-MAP-104", message, output.locator, missing_element))
                if output.rule in indispensable:
                    raise _RecordRejected
                lost.add(f"{output.type}/{output.id}")
                continue
            again.append(output)
        if len(again) == len(kept):
            return again
        kept = again


# Names of generated code.


def missing(target: ElementTarget) -> None:
    """A required element of a resource came out empty.

    Raises:
        Reject: always.
    """
    raise Reject(
        Issue("error", "FB-MAP-104", f"{target.path} is required and came out empty", "", target.path)
    )


def outside(ctx: Context, value: Any, target: ElementTarget) -> None:
    """Report a code outside the required binding; gives None in its place."""
    shown = f' "{value}"' if len(value) <= 32 else ""
    ctx.lost(
        target,
        "FB-MAP-111",
        f"the code{shown} is outside the required binding of {target.path}; it was left out",
    )


def inside(
    ctx: Context, values: list[Any] | None, allowed: frozenset[str], target: ElementTarget
) -> list[Any] | None:
    """Those of the codes that the required binding allows; the others are reported."""
    if not values:
        return values
    kept = [value for value in values if value in allowed]
    if len(kept) < len(values):
        for value in values:
            if value not in allowed:
                outside(ctx, value, target)
    return kept or None


_SHORT = 40
"""Letters of an expression that tell more than its place in the mapping."""


def unmatched(ctx: Context, value: Any, target: ElementTarget, subject: str, *, reject: bool = False) -> None:
    """A value of the expression `subject` that no case of a match takes: flagged, or the output is rejected."""
    known = (
        isinstance(value, str) and len(value) <= 8 and value.isascii() and value.replace("_", "").isalnum()
    )
    shown = f'"{value}"' if known else "null" if not value else "the value"
    if reject:
        raise Reject(
            Issue(
                "error", "FB-MAP-106", f"{target.path} has no case for {shown} of {subject}", "", target.path
            )
        )
    if len(subject) > _SHORT:
        subject = "what the mapping distinguishes"  # whoever reads the issue finds the expression by its line
    ctx.lost(target, "FB-MAP-107", f"{target.path} has no case for {shown} of {subject}; it was left out")
