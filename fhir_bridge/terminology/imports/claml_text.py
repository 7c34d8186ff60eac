"""The text of ClaML's labels (EN 14463): fragments, paragraphs and list items apart, references as they are printed."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.terminology.imports.xml import Element

__all__ = ["label_text"]

_APART = frozenset({"Fragment", "Para", "List", "ListItem", "Table", "Row", "Cell", "Caption"})
_MARKS = {"dagger": "†", "aster": "*"}


def label_text(label: Element, *, references: bool = True) -> str:
    """What a label says, white space made single.

    Args:
        label: the Label.
        references: whether codes that it refers to, and the marks of dagger and asterisk, are part of it.
    """
    return " ".join("".join(_parts(label, references)).split())


def _parts(element: Element, references: bool) -> Iterator[str]:
    for part in element.parts:
        if isinstance(part, str):
            yield part
        elif part.name == "Reference":
            if references:
                yield _reference(part)
        else:
            apart = " " if part.name in _APART or part.get("class") == "tab" else ""
            yield apart
            yield from _parts(part, references)
            if references:
                yield _MARKS.get(part.get("usage"), "")
            yield apart


def _reference(element: Element) -> str:
    code = "".join(_parts(element, references=True)).strip() or element.get("code")
    marked = code + _MARKS.get(element.get("usage"), "")
    return f" ({marked}) " if element.get("class") == "in brackets" else marked
