"""What the narrative of a document states, by the extractors of notes."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters.ehr.ccda.node import Node
from fhir_bridge.adapters.ehr.notes.extracted import ImplausibleValue, StatedFact, stated_facts

__all__ = ["narrative_facts"]

_LINES = frozenset(("paragraph", "item", "tr", "br", "caption"))


def narrative_facts(
    sections: Iterable[Node], root: Node, implausible: list[ImplausibleValue]
) -> list[StatedFact]:
    """The facts of the narrative of all sections; spans are of a section's plain text. What can be none is added
    to `implausible`."""
    facts: list[StatedFact] = []
    for section in sections:
        for text in section.named.get("text", ()):
            title = section.path("title")
            place = title.text if title.__class__ is Node else None
            facts += stated_facts(
                _plain(text), root, place or f"section {section.key}", implausible=implausible
            )
    return facts


def _plain(node: Node) -> str:
    pieces = [node.content] if node.content else []
    pieces += (_plain(child) + ("\n" if child.tag in _LINES else "") for child in node.children)
    return " ".join(piece for piece in pieces if piece)
