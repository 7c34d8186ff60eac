"""All that a text states of what the rules know, by the rules of each subject."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from fhir_bridge.adapters.ehr.notes.current import OPEN, Finding, current
from fhir_bridge.adapters.ehr.notes.ejection_fraction import ejection_fraction
from fhir_bridge.adapters.ehr.notes.facts import Doubt, Fact
from fhir_bridge.adapters.ehr.notes.family import family_history
from fhir_bridge.adapters.ehr.notes.functional_class import functional_class
from fhir_bridge.adapters.ehr.notes.sentences import ASKED, sentences
from fhir_bridge.adapters.ehr.notes.smoking import smoking
from fhir_bridge.adapters.ehr.notes.subjects import EJECTION, FAMILY_HISTORY, NYHA, SMOKING, has

__all__ = ["statements"]

_RISES: Final = re.compile(r"\b(?:to|auf)\s+\d", re.IGNORECASE)
_FIELD_ENDS: Final = re.compile(r":[ \t]*[^\s:]+[ \t]*\n\s*[A-ZÄÖÜ]")
"""A line that ends with the value of a field, and one that begins anew."""


def statements(text: str, day: date | None, place: str) -> Iterator[Fact | Doubt]:
    """What counts of all that the sentences of a text state."""
    yield from (
        one if isinstance(one, Doubt) else one._replace(text=text[one.start : one.end])
        for one in current(_findings(text, day, place))
        if not (isinstance(one, Fact) and _spans_fields(text, one))
    )


def _spans_fields(text: str, fact: Fact) -> bool:
    """Whether smoking was read out of the value of one field and the line below: `Alcohol: never`, `Smoker, 20/day`."""
    if fact.kind != "smoking" or "\n" not in text[fact.start : fact.end]:
        return False
    return _FIELD_ENDS.search(text, text.rfind("\n", 0, fact.start) + 1, fact.end) is not None


def _findings(text: str, day: date | None, place: str) -> list[Finding]:
    """All that the sentences of a text state."""
    results: list[Finding] = []

    def doubt(kind: str, start: int, end: int) -> None:
        results.append((Doubt(kind, start, end), OPEN))

    for sentence in sentences(text, place):
        words = sentence.text
        small = words.lower()
        of_family = sentence.section.kind == "family" or has(small, FAMILY_HISTORY)
        of_ejection = has(small, EJECTION) or (
            sentence.before is not None and _RISES.search(words) is not None
        )
        of_class = has(small, NYHA)
        of_smoking = has(small, SMOKING)
        if not (of_family or of_ejection or of_class or of_smoking) or ASKED.search(words):
            continue
        if of_family:
            results += [(fact, OPEN) for fact in family_history(sentence)]
        if of_ejection:
            results += ejection_fraction(sentence, day, doubt)
        if of_class:
            results += functional_class(sentence, day, doubt)
        if of_smoking:
            results += [(fact, OPEN) for fact in smoking(sentence, day)]
    return results
