"""What the narrative of a document states, or the file that it holds, by the extractors of notes."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters.ehr.ccda.files import file_of, suffix_of
from fhir_bridge.adapters.ehr.ccda.node import Node, plain
from fhir_bridge.adapters.ehr.notes.extracted import ImplausibleValue, StatedFact, stated_facts
from fhir_bridge.adapters.ehr.notes.reading import UnreadableText, text_of
from fhir_bridge.plugins.extras import MissingExtra

__all__ = ["file_facts", "narrative_facts"]


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


def file_facts(root: Node, implausible: list[ImplausibleValue]) -> tuple[list[StatedFact], str]:
    """The facts of a document without structure, whose spans are of the text of its file; and why it has none, where
    its text can't be read."""
    held = root.path("component", "nonXMLBody", "text")
    file = file_of(held) if held.__class__ is Node else None
    suffix = suffix_of(file.media_type) if file is not None else None
    if file is None or file.content is None or suffix is None:
        return [], "" if suffix is not None or file is None else f"no text is read from {file.media_type}"
    try:
        text = text_of(file.content, suffix)
    except (UnreadableText, MissingExtra) as error:
        return [], str(error)
    return list(stated_facts(text, root, implausible=implausible)), ""
