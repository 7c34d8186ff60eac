"""Explanations as text: readable without colour, safe in a terminal whatever the source holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping import Passage, Span, bare
from fhir_bridge.workshop.explaining import ElementSource, LeafFate, RecordExplanation, Resource

__all__ = [
    "FATES",
    "LineNumbers",
    "element_matches",
    "excerpt",
    "grouped",
    "label_matches",
    "overview",
    "plain",
    "show_element",
    "show_leaf",
    "where",
]

FATES = {
    "written": "in the output",
    "lost": "lost: the rule that reads it gave nothing",
    "empty": "read, but what it was read for came out empty",
    "condition": "decides what is written; does not show itself",
    "identity": "used for ids or times alone",
    "other": "read, and does not show",
    "idle": "not represented: the rule that would read it does not apply",
    "unread": "not represented",
}
"""What became of a value, in words."""


def plain(text: str) -> str:
    """Text for a terminal: control characters and marks that change the direction of writing are written as escapes."""
    return "".join(
        character
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class LineNumbers:
    """Physical lines of offsets in files, for records that know offsets alone; files by their names."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = {path.name: path for path in paths}
        self._content: dict[str, bytes] = {}

    def of(self, source: str, offset: int) -> int:
        """The line, from 1; 0 where it is not known."""
        path = self._paths.get(source)
        if path is None or offset < 0:
            return 0
        if source not in self._content:
            self._content = {source: path.read_bytes()}
        before = self._content[source][:offset]
        return 1 + before.count(b"\r") + before.count(b"\n") - before.count(b"\r\n")


def where(span: Span) -> str:
    """Where a value is: file, line, bytes."""
    parts = [span.source]
    if span.line:
        parts.append(f"line {span.line}")
    if span.start >= 0:
        parts.append(f"bytes {span.start}-{span.end}")
    return ", ".join(parts)


def excerpt(passage: Passage, spans: Sequence[Span], width: int | None) -> list[str]:
    """The passage with its values marked in a line below; around the first of them where it is wider than `width`."""
    marked = [span for span in spans if span.start >= 0]
    if not passage.raw or passage.start < 0 or not marked:
        return [f"{passage.label}: {plain(span.text)}" for span in spans]
    text, marks = "", ""
    position = passage.start
    bounds = sorted({(span.start, span.end) for span in marked})
    pieces: list[tuple[bytes, str]] = []
    for start, end in bounds:
        if start < position:
            continue
        pieces += [(passage.raw[position - passage.start : start - passage.start], " "),
                   (passage.raw[start - passage.start : end - passage.start], "^")]  # fmt: skip
        position = end
    pieces.append((passage.raw[position - passage.start :], " "))
    for raw, mark in pieces:
        shown = plain(raw.decode(passage.encoding, "replace"))
        text += shown
        marks += mark * _columns(shown)
    if width is not None and len(text) > width:
        first = marks.index("^")
        start = max(0, first - width // 3)
        head = "…" if start else ""
        tail = "…" if start + width < len(text) else ""
        text, marks = (
            head + text[start : start + width] + tail,
            " " * len(head) + marks[start : start + width],
        )
    return [text, marks.rstrip()]


def _columns(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def element_matches(wanted: str, path: str) -> bool:
    """Whether an element is the one that a person names: `Observation.value[x]` takes `Observation.valueQuantity.code`.

    Indices may be left out, and elements within the one named are taken.
    """
    pattern = re.escape(wanted).replace(re.escape("[x]"), r"[A-Z]\w*")
    if not re.search(r"\[\d+\]", wanted):
        path = bare(path)
    return re.match(rf"{pattern}(?:$|[.\[])", path) is not None


_SELECTOR = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?)?\Z")


def label_matches(wanted: str, label: str) -> bool:
    """Whether a value is the one that a person names: `OBX-5.1` takes `OBX[2]-5`, `Wert` takes `row.Wert`."""
    ours, theirs = _SELECTOR.match(wanted), _SELECTOR.match(label)
    if ours is not None and theirs is not None:
        if ours[1] != theirs[1] or (ours[2] and ours[2] != (theirs[2] or "1")):
            return False
        return all(one is None or one == (other or "1") for one, other in zip(ours.groups()[2:], theirs.groups()[2:],
                                                                            strict=True))  # fmt: skip
    bare_label = label.partition(" (")[0]
    names = {label, bare_label, bare_label.partition("[")[0], label.removeprefix("row.").strip("`")}
    names |= set(label.split(" "))
    return wanted in names or wanted.removeprefix("row.").strip("`") in names


def overview(explanation: RecordExplanation) -> Iterator[str]:
    """Every resource with its elements, and the values that no element shows."""
    for resource in explanation.resources:
        yield f"{resource.name}  rule {resource.rule}, {resource.position}"
        for path, elements in grouped(resource).items():
            first = elements[0]
            if re.search(r"^\w+\.(meta|resourceType)\b", path):
                continue
            value = _value(first.value) if len(elements) == 1 else f"{len(elements)} values"
            labels = ", ".join(span.label for span in first.spans)
            decided = ", ".join(dict.fromkeys(s.label for c in first.conditions for s in c.spans))
            source = labels or (f"decided by {decided}" if decided else first.text)
            yield f"  {path} = {value}  <- {plain(source)}  ({first.position or 'the program'})"
    rest = [leaf for leaf in explanation.leaves.values() if leaf.fate != "written"]
    if rest:
        yield "values of the source that show in no element"
    for leaf in rest:
        reported = f"  [{'; '.join(map(plain, leaf.issues))}]" if leaf.issues else ""
        yield f"  {leaf.span.label} {_value(leaf.span.text)}: {FATES[leaf.fate]}{reported}"


def grouped(resource: Resource) -> dict[str, list[ElementSource]]:
    """The elements by what a rule wrote: all that came from one expression is one line."""
    groups: dict[str, list[ElementSource]] = {}
    for element in resource.elements:
        groups.setdefault(element.written or element.path, []).append(element)
    return groups


def _value(value: Any) -> str:
    text = plain(dumps(value).decode())
    return text if len(text) <= 80 else f"{text[:80]}…"


def show_element(
    resource: Resource, elements: Sequence[ElementSource], explanation: RecordExplanation, width: int | None
) -> Iterator[str]:
    """Elements that came from one expression: values, rule, line of the mapping, and the bytes they came from."""
    element = elements[0]
    yield from (f"{each.path} = {_value(each.value)}" for each in elements)
    yield f"  {resource.name}, rule {resource.rule}"
    yield f"  {element.position or 'written by the program'}: {plain(element.text)}"
    yield from _spans("from", element.spans, explanation, width)
    for condition in element.conditions:
        yield f"  because of {plain(condition.text)} ({condition.position})"
        yield from (f"    read {_located(span)}" for span in condition.spans)
    for span in element.others:
        yield f"  also read, without showing: {_located(span)}"
    if not element.spans and not element.others and not any(c.spans for c in element.conditions):
        yield "  no value of the source: the mapping says it"


def _located(span: Span) -> str:
    return f"{span.label} {_value(span.text)}  {where(span)}"


def _spans(
    head: str, spans: Sequence[Span], explanation: RecordExplanation, width: int | None
) -> Iterator[str]:
    by_passage: dict[int, list[Span]] = {}
    loose: list[Span] = []
    for span in spans:
        number = next((n for n, p in enumerate(explanation.passages) if _within(span, p)), None)
        (loose if number is None else by_passage.setdefault(number, [])).append(span)
    for span in spans:
        yield f"  {head} {_located(span)}"
    for number, within in by_passage.items():
        passage = explanation.passages[number]
        if passage.raw:
            yield from (f"      {line}" for line in excerpt(passage, within, width))


def _within(span: Span, passage: Passage) -> bool:
    if span in passage.leaves:
        return True
    return (
        bool(passage.raw) and 0 <= passage.start <= span.start
        and span.end <= passage.start + len(passage.raw) and span.source == passage.source
    )  # fmt: skip


def show_leaf(leaf: LeafFate, explanation: RecordExplanation, width: int | None) -> Iterator[str]:
    """A value of the source: where it is, and what became of it."""
    yield f"{leaf.span.label} {_value(leaf.span.text)}: {FATES[leaf.fate]}"
    yield from _spans("at", [leaf.span], explanation, width)
    for name, path in leaf.elements:
        yield f"  shows in {path} of {name}"
    yield from (f"  {plain(use)}" for use in leaf.uses)
    yield from (f"  reported: {plain(issue)}" for issue in leaf.issues)
    if leaf.fate == "unread" and not leaf.issues:
        yield "  no rule reads it, and nothing is reported of it (docs/adapters: what says nothing of a patient)"
