"""Explanations as one HTML page without anything from elsewhere: source left, resources right, linked both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping import Passage, Span
from fhir_bridge.workshop.explaining import ElementSource, LeafFate, RecordExplanation, Resource
from fhir_bridge.workshop.html_document import html_document
from fhir_bridge.workshop.showing import FATES, plain, where

__all__ = ["page"]

_HINT = (
    "Point at a value, or move to it with Tab; Enter keeps it, Escape lets go, arrow keys go to the other side. "
    "Underlined values lead somewhere; red ones are in no resource."
)


def page(explanations: Sequence[RecordExplanation]) -> str:
    """The page. What the source holds is shown as text, whatever it is."""
    folder = files("fhir_bridge.workshop")
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    sections = "".join(_Section(number, each).html() for number, each in enumerate(explanations))
    title = f"Explanation of {explanations[0].locator if len(explanations) == 1 else f'{len(explanations)} records'}"
    body = (
        f"<h1>{escape(title)}</h1><p>{_HINT} This page holds values of patients.</p>{sections}"
        f'<div id="about" role="status" aria-live="polite">{_HINT}</div>'
    )
    return html_document(title, style, body, script)


class _Section:
    """One record."""

    def __init__(self, number: int, explanation: RecordExplanation) -> None:
        self._explanation = explanation
        self._prefix = f"r{number}"
        self._leaves = {span: f"{self._prefix}s{at}" for at, span in enumerate(explanation.leaves)}
        self._elements: dict[Span, list[str]] = {}
        self._conditions: dict[Span, list[str]] = {}

    def html(self) -> str:
        explanation = self._explanation
        right = "".join(self._resource(number, each) for number, each in enumerate(explanation.resources))
        left = "".join(self._passage(each) for each in explanation.passages)
        issues = "".join(
            f"<li>{_text(f'{each.severity} {each.code} {each.message}')}</li>" for each in explanation.issues
        )
        head = f"{explanation.locator}: {explanation.outcome}, {explanation.mapping.name} {explanation.mapping.version}"
        return (
            f'<section><h2>{_text(head)}</h2><div class="pair"><div class="box" role="group" aria-label="Source">'
            f"<h3>Source</h3>{left or '<p>nothing to show</p>'}</div>"
            f'<div class="box" role="group" aria-label="Resources">{right or "<h3>no resource</h3>"}</div></div>'
            + (f'<h3>Issues</h3><ul class="raw">{issues}</ul>' if issues else "")
            + "</section>"
        )

    def _resource(self, number: int, resource: Resource) -> str:
        lines = []
        for at, element in enumerate(resource.elements):
            name = f"{self._prefix}e{number}.{at}"
            spans = [*element.spans, *(span for each in element.conditions for span in each.spans)]
            for span in [*spans, *element.others]:
                self._elements.setdefault(span, []).append(name)
            ids = " ".join(dict.fromkeys(self._leaves[span] for span in [*spans, *element.others]))
            path = element.path.removeprefix(f"{resource.output.type}.")
            value = dumps(element.value).decode()
            lines.append(
                f'<div class="el"><span id="{name}" tabindex="0" role="button" data-o="{ids}" '
                f'data-t="{_attribute(self._about(resource, element))}">{_text(path)} = {_text(value)}</span></div>'
            )
        head = f"{resource.name}"
        return (
            f"<h3>{_text(head)}</h3><p class='off'>rule {_text(resource.rule)}, {_text(str(resource.position))}</p>"
            f"{''.join(lines)}"
        )

    @staticmethod
    def _about(resource: Resource, element: ElementSource) -> str:
        lines = [
            f"{element.path} = {dumps(element.value).decode()}",
            f"rule {resource.rule}, {element.position or 'written by the program'}: {element.text}",
            *(f"from {span.label} ({where(span)})" for span in element.spans),
            *(
                f"because of {each.text} ({each.position})"
                + "".join(f", which reads {span.label}" for span in each.spans)
                for each in element.conditions
            ),
            *(f"also read, without showing: {span.label}" for span in element.others),
        ]
        return "\n".join(lines)

    def _passage(self, passage: Passage) -> str:
        where_ = f" <span class='off'>{passage.start}</span>" if passage.start >= 0 else ""
        body = (
            "".join(self._pieces(passage))
            if passage.raw
            else "".join(f"{self._leaf(leaf, leaf.text)} " for leaf in passage.leaves)
        )
        return f"<p class='raw'><span class='off'>{_text(passage.label)}</span>{where_} {body}</p>"

    def _pieces(self, passage: Passage) -> Iterator[str]:
        """The text of a passage with its values in it."""
        position = passage.start
        for leaf in sorted(passage.leaves, key=lambda each: each.start):
            if leaf.start < position:
                continue
            before = passage.raw[position - passage.start : leaf.start - passage.start]
            yield _text(before.decode(passage.encoding, "replace"))
            raw = passage.raw[leaf.start - passage.start : leaf.end - passage.start]
            yield self._leaf(leaf, raw.decode(passage.encoding, "replace"))
            position = leaf.end
        yield _text(passage.raw[position - passage.start :].decode(passage.encoding, "replace"))

    def _leaf(self, span: Span, shown: str) -> str:
        leaf = self._explanation.leaves[span]
        ids = " ".join(dict.fromkeys(self._elements.get(span, ())))
        return (
            f'<span id="{self._leaves[span]}" class="{leaf.fate}" tabindex="0" role="button" data-o="{ids}" '
            f'data-t="{_attribute(_fate(leaf))}">{_text(shown)}</span>'
        )


def _fate(leaf: LeafFate) -> str:
    lines = [
        f"{leaf.span.label}: {FATES[leaf.fate]}",
        f"at {where(leaf.span)}",
        *(f"shows in {path} of {name}" for name, path in leaf.elements),
        *leaf.uses,
        *(f"reported: {issue}" for issue in leaf.issues),
    ]
    return "\n".join(lines)


def _text(text: str) -> str:
    return escape(plain(text))


_LINES = re.compile(r"\n")


def _attribute(text: str) -> str:
    """For an attribute: line ends stay, other control characters are written out."""
    return "&#10;".join(escape(plain(line), quote=True) for line in _LINES.split(text))
