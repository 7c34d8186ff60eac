"""What the narrative of a document states, by the extractors of notes."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters.ehr.ccda.node import Node, plain
from fhir_bridge.adapters.ehr.notes.extracted import ImplausibleValue, StatedFact, stated_facts

__all__ = ["narrative_facts"]


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
                plain(text, "\n"), root, place or f"section {section.key}", implausible=implausible
            )
    return facts
