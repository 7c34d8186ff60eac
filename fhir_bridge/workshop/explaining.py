"""What each element of a record's resources came from, and what each value of the record became."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fhir_bridge.mapping import (
    Application,
    CompiledMapping,
    Output,
    Passage,
    Position,
    Read,
    RuleReads,
    Span,
    SpannedRecord,
    Use,
    Write,
    literal_of,
    writes_of,
)
from fhir_bridge.workshop.traced import Traced

__all__ = [
    "Condition",
    "ElementSource",
    "LeafFate",
    "RecordExplanation",
    "Resource",
    "explain_record",
    "report_issues",
    "scalars",
]

Fate = Literal["written", "lost", "condition", "identity", "empty", "other", "idle", "unread"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What decided that an element is there."""

    text: str
    position: Position
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class ElementSource:
    """An element of a resource and where it came from.

    Attributes:
        path: with the indices of lists.
        value: as it is in the resource, in JSON's types.
        text: the expression; `literal`, or words for what the program writes itself.
        position: where the mapping says so; None for what no line of it does.
        spans: values of the source that show in it.
        others: values of the source that were read besides: what made an id, what was only tested.
        conditions: what decided that it is there.
        written: path of the value that a rule wrote, which this is or is part of; empty for literals of objects.
    """

    path: str
    value: Any
    text: str
    position: Position | None
    spans: tuple[Span, ...] = ()
    others: tuple[Span, ...] = ()
    conditions: tuple[Condition, ...] = ()
    written: str = ""


@dataclass(slots=True)
class Resource:
    """A resource that a rule made, element by element."""

    output: Output
    rule: str
    position: Position
    elements: list[ElementSource]

    @property
    def name(self) -> str:
        """`Observation/<id>`."""
        return f"{self.output.type}/{self.output.id}"


@dataclass(slots=True)
class LeafFate:
    """A value of the source and what became of it.

    Attributes:
        elements: resource and path of the elements that it shows in.
        uses: what else read it, in words.
        issues: what was reported of it.
    """

    span: Span
    fate: Fate = "unread"
    elements: list[tuple[str, str]] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)
    issues: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RecordExplanation:
    """A record: its passages, what each value became, its resources."""

    locator: str
    mapping: CompiledMapping
    passages: list[Passage]
    leaves: dict[Span, LeafFate]
    resources: list[Resource]
    issues: list[Any]
    outcome: str


def explain_record(traced: Traced) -> RecordExplanation:
    """Explain a record. Nothing of it is converted again; places in the source are worked out now."""
    record = traced.record
    passages = list(record.passages()) if isinstance(record, SpannedRecord) else []
    leaves = {leaf: LeafFate(leaf) for passage in passages for leaf in passage.leaves}
    conversion = traced.conversion
    outcome = conversion.outcome if conversion is not None else record.outcome
    result = RecordExplanation(record.locator, traced.mapping, passages, leaves, [], traced.issues, outcome)
    if conversion is not None:
        positions = {plan.name: plan.position for plan in traced.mapping.plans}
        for output in conversion.outputs:
            for twin in output.same:
                _resource(twin, positions[twin.rule], record, leaves)
            result.resources.append(_resource(output, positions[output.rule], record, leaves))
        _unapplied(traced, leaves)
    _parts(passages, leaves)
    if outcome in ("rejected", "skipped"):
        reasons = [str(issue.message) for issue in traced.issues if issue.severity != "information"]
        for leaf in leaves.values():
            if leaf.fate in ("unread", "idle"):
                leaf.fate = "lost"
                leaf.uses.append(f"the record is {outcome}{': ' + reasons[0] if reasons else ''}")
    report_issues(leaves, traced.issues)
    return result


def _parts(passages: Iterable[Passage], leaves: dict[Span, LeafFate]) -> None:
    """A value of which a rule reads a part (`FORMAT.AD[2]` of `FORMAT.AD`) shares in what became of that."""
    whole = {leaf for passage in passages for leaf in passage.leaves}
    parts = [leaf for span, leaf in leaves.items() if span not in whole and span.start >= 0]
    for span in whole if parts else ():
        leaf = leaves[span]
        for part in parts:
            inner = part.span
            if inner.source == span.source and 0 <= span.start <= inner.start and inner.end <= span.end:
                if _ORDER[part.fate] > _ORDER[leaf.fate]:
                    leaf.fate = part.fate
                leaf.elements += [each for each in part.elements if each not in leaf.elements]
                leaf.uses += [each for each in part.uses if each not in leaf.uses]


# Elements


_HEAD = {"condition": "decides whether there is", "key": "is part of the id of", "time": "is the time of"}


def _resource(output: Output, position: Position, record: Any, leaves: dict[Span, LeafFate]) -> Resource:
    places = _Places(record)
    applied = output.applied
    assert applied is not None
    name = f"{output.type}/{output.id}"
    head: dict[str, tuple[Use, tuple[Span, ...]]] = {}
    for use in applied.reads.uses:
        if not use.element:
            spans = places.of(applied, [*use.reads, *use.others], {})
            head[use.role] = (use, (*head[use.role][1], *spans) if use.role in head else spans)
            kind: Fate = "condition" if use.role == "condition" else "identity"
            _note(leaves, spans, kind, f"{_HEAD[use.role]} {name} (rule {output.rule}, {use.position})")
    writes = writes_of(output)
    sources = {id(write): _source(write, applied, places) for write in writes}
    elements = []
    for path, value in scalars(output.resource, output.type):
        covering = [write for write in writes if write.covers(path)]
        if covering:
            write = max(covering, key=lambda each: len(each.path))
            element = _written(path, value, write, sources[id(write)])
        else:
            element = _own(path, value, output, applied, head, position, writes, places)
        elements.append(element)
    for element in {(each.written, each.spans): each for each in elements if each.written}.values():
        _note(leaves, element.spans, "written", "", (name, element.written))
        words = f"is read for {element.written} of {name}, and does not show in it"
        _note(leaves, element.others, "other", words)
    _without_result(name, applied, {_key(write) for write in writes}, places, leaves)
    return Resource(output, output.rule, position, elements)


def _key(write: Write) -> tuple[str, str, Position]:
    return write.trace.element, write.trace.text, write.trace.position


def _without_result(
    name: str,
    applied: Application,
    written: set[tuple[str, str, Position]],
    places: _Places,
    leaves: dict[Span, LeafFate],
) -> None:
    """What the rule read without writing it: conditions of what is not there, values that gave nothing."""
    marks = frozenset(applied.marks)
    for use in applied.reads.uses:
        if not use.element or not use.arms <= marks:
            continue
        if use.role == "condition":
            spans = places.of(applied, [*use.reads, *use.others], {})
            _note(
                leaves, spans, "condition", f"decides on {use.element} of {name}: {use.text} ({use.position})"
            )
        elif (use.element, use.text, use.position) not in written:
            words = f"is read for {use.element} of {name}, which came out empty ({use.position})"
            _note(leaves, places.of(applied, use.reads, {}), "empty", words)


class _Places:
    """The spans of reads, each found once."""

    def __init__(self, record: Any) -> None:
        self._record = record if isinstance(record, SpannedRecord) else None
        self._known: dict[Any, tuple[Span, ...]] = {}

    def of(self, applied: Application, reads: Iterable[Read], items: Mapping[str, Any]) -> tuple[Span, ...]:
        """Where the values are that the reads take, each once, as far as their branches were entered."""
        if self._record is None:
            return ()
        spans: dict[Span, None] = {}
        for read in applied.entered(reads):
            key = (id(applied.scope), read, tuple(id(items.get(name)) for name, _ in read.loops))
            if key not in self._known:
                self._known[key] = tuple(self._record.spans(applied.scope, read, items))
            spans.update(dict.fromkeys(self._known[key]))
        return tuple(spans)


def _source(write: Write, applied: Application, places: _Places) -> ElementSource:
    trace = write.trace
    conditions = tuple(
        Condition(use.text, use.position, places.of(applied, [*use.reads, *use.others], write.items))
        for use in trace.conditions
    )
    return ElementSource(
        write.path,
        None,
        trace.text,
        trace.position,
        places.of(applied, trace.reads, write.items),
        places.of(applied, trace.others, write.items),
        conditions,
    )


_REPETITION = re.compile(r"[A-Z][A-Z0-9]{2}(?:\[\d+\])?-\d+\[(\d+)\]")


def _written(path: str, value: Any, write: Write, source: ElementSource) -> ElementSource:
    """An element that a write put there; of a list that a repeating field became, the repetition of the item."""
    spans = source.spans
    index = _index(path, write)
    written = write.path
    if index is not None and (write.items_written or path.startswith(f"{write.path}[")):
        head = write.path.rpartition("[")[0] if write.items_written else write.path
        written = path[: path.index("]", len(head)) + 1]
    groups: dict[str, list[Span]] = {}
    for span in spans:
        match = _REPETITION.match(span.label)
        groups.setdefault(match[0] if match else "", []).append(span)
    if index is not None and "" not in groups and len(groups) > index:
        spans = tuple(list(groups.values())[index])
    return ElementSource(
        path, value, source.text, source.position, spans, source.others, source.conditions, written
    )


def _index(path: str, write: Write) -> int | None:
    """Which item of what was written the element is in."""
    if write.items_written > 1:
        head, _, start = write.path.removesuffix("]").rpartition("[")
        return int(path[len(head) + 1 :].partition("]")[0]) - int(start)
    rest = path.removeprefix(write.path)
    return int(rest[1:].partition("]")[0]) if rest.startswith("[") and write.items_written == 0 else None


def _own(
    path: str,
    value: Any,
    output: Output,
    applied: Application,
    head: Mapping[str, tuple[Use, tuple[Span, ...]]],
    position: Position,
    writes: list[Write],
    places: _Places,
) -> ElementSource:
    """An element that no write covers: a literal within an object, or what the program writes by itself."""
    kind = output.type
    if path == f"{kind}.id" and "key" in head:
        use, spans = head["key"]
        return ElementSource(path, value, "keyed hash of the key", use.position, (), spans)
    if path.startswith(f"{kind}.meta.extension[0].extension[0].value") and "time" in head:
        use, spans = head["time"]
        return ElementSource(path, value, use.text, use.position, spans)
    if path.startswith(f"{kind}.meta.") or path == f"{kind}.resourceType":
        return ElementSource(path, value, "written for every resource of the rule", position)
    literal = literal_of(output, path, writes)
    if literal is None:
        return ElementSource(path, value, "literal", position)
    conditions = tuple(
        Condition(use.text, use.position, places.of(applied, [*use.reads, *use.others], {}))
        for use in literal.conditions
    )
    return ElementSource(path, value, "literal", literal.position, conditions=conditions)


def scalars(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values of a resource that are neither objects nor lists, each with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from scalars(item, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from scalars(item, f"{path}[{number}]")
    else:
        yield path, value


# Leaves

_ORDER: dict[Fate, int] = {
    "written": 7, "lost": 6, "condition": 5, "identity": 4, "empty": 3, "other": 2, "idle": 1, "unread": 0,
}  # fmt: skip


def _note(
    leaves: dict[Span, LeafFate],
    spans: Iterable[Span],
    fate: Fate,
    words: str,
    element: tuple[str, str] | None = None,
) -> None:
    for span in spans:
        leaf = leaves.setdefault(span, LeafFate(span))
        if _ORDER[fate] > _ORDER[leaf.fate]:
            leaf.fate = fate
        if element is not None and element not in leaf.elements:
            leaf.elements.append(element)
        if words and words not in leaf.uses:
            leaf.uses.append(words)


def _unapplied(traced: Traced, leaves: dict[Span, LeafFate]) -> None:
    """Rules that gave nothing for an object: their condition was false, or they failed."""
    conversion, record = traced.conversion, traced.record
    assert conversion is not None
    places = _Places(record)
    for applied in map(Application._make, traced.refused):
        conditions = [use for use in applied.reads.uses if use.role == "condition" and not use.element]
        why = " and ".join(f"{use.text} is false ({use.position})" for use in conditions)
        for use in conditions:
            spans = places.of(applied, [*use.reads, *use.others], {})
            _note(leaves, spans, "condition", f"rule {applied.reads.rule} does not apply: {why}")
        _would_read(applied.reads, applied.scope, places, leaves, "idle", f"does not apply here: {why}")
    every = [each for output in conversion.outputs for each in (output, *output.same)]
    gave = {(output.rule, id(output.applied.scope)) for output in every if output.applied}
    gave |= {(reads.rule, id(scope)) for reads, scope, _ in traced.refused}
    for plan in traced.mapping.plans:
        issues = [
            str(issue.message) for issue in traced.issues if f"[rule {plan.name}," in str(issue.message)
        ]
        if not issues:
            continue
        for scope in record.scope(plan.scope):
            if (plan.name, id(scope)) not in gave:
                _would_read(plan.reads, scope, places, leaves, "lost", f"gave nothing here: {issues[0]}")


def _would_read(
    reads: RuleReads, scope: Any, places: _Places, leaves: dict[Span, LeafFate], fate: Fate, why: str
) -> None:
    """All that a rule reads of an object, as if it had entered every branch."""
    every = frozenset().union(*(read.arms for use in reads.uses for read in use.reads))
    applied = Application(reads, scope, list(every))
    for use in reads.uses:
        if use.role != "condition":
            everything = [read._replace(unless=frozenset()) for read in (*use.reads, *use.others)]
            _note(
                leaves,
                places.of(applied, everything, {}),
                fate,
                f"rule {reads.rule} would read it, and {why}",
            )


_PLACE = re.compile(r"[A-Z][A-Z0-9]{2}-\d+(?:\[\d+\])?(?:\.\d+){0,2}")
_SEGMENT = re.compile(r"(?:segment |comment \()([A-Z][A-Z0-9]{2})\b")


def report_issues(leaves: dict[Span, LeafFate], issues: Iterable[Any]) -> None:
    """Add to each leaf that nothing shows the issues that name it."""
    texts = [f"{issue.code} {issue.message}" for issue in issues]
    for leaf in leaves.values():
        if leaf.fate != "written":
            leaf.issues += [
                text for text in texts if text not in leaf.issues and _names(text, leaf.span.label)
            ]


def _names(text: str, label: str) -> bool:
    """Whether an issue's text names a value: as a selector, as a column in quotes, or by its whole segment."""
    segment, dash, rest = label.partition("-")
    name = segment.partition("[")[0]
    if dash and len(name) == 3 and name.isupper():
        own = f"{name}-{rest}".replace("[1]", "")
        named = {place.replace("[1]", "") for place in _PLACE.findall(text)}
        if own in named or any(own.startswith((f"{place}.", f"{place}[")) for place in named):
            return True
        return own.removesuffix(".1") in named or name in _SEGMENT.findall(text)
    bare_label = label.partition(" (")[0].partition("[")[0]
    names = {bare_label, bare_label.replace(".", "/"), label.rpartition(" ")[2]}
    if label.startswith("row."):
        names = {label, f'"{label.removeprefix("row.").strip("`")}"'}
    return any(re.search(rf"(?<![\w.]){re.escape(each)}(?![\w.])", text) for each in names if len(each) > 2)
