"""The built-in extractor: LVEF, NYHA class, smoking and family history, by rules, in English and German."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from fhir_bridge.adapters.ehr.notes.current import OPEN, Finding, current
from fhir_bridge.adapters.ehr.notes.ejection_fraction import EJECTION, ejection_fraction
from fhir_bridge.adapters.ehr.notes.facts import Doubt, Fact
from fhir_bridge.adapters.ehr.notes.family import FAMILY_HISTORY, family_history
from fhir_bridge.adapters.ehr.notes.functional_class import NYHA, functional_class
from fhir_bridge.adapters.ehr.notes.sentences import ASKED, sentences
from fhir_bridge.adapters.ehr.notes.smoking import SMOKING, smoking

__all__ = ["RuleExtractor"]

_RISES: Final = re.compile(r"\b(?:to|auf)\s+\d", re.IGNORECASE)
_SUBJECTS: Final = (*EJECTION, *NYHA, *SMOKING, *FAMILY_HISTORY)
"""Words of what the rules know: a text without any has no fact."""


class RuleExtractor:
    """Facts by rules that give nothing where they are in doubt."""

    name = "rules"
    version = "7"
    """Another one with every change of what the rules find: each fact says by which it was found."""

    def extract(self, text: str) -> Iterable[Fact]:
        """The facts of a text, in its order."""
        return self.extract_as_of(text, None)

    def extract_as_of(self, text: str, day: date | None, place: str = "") -> Iterable[Fact]:
        """The facts of a text that was written on a day: a finding of another time is none of it.

        `place`: the heading of what the text is a part of.
        """
        return (one for one in self.read(text, day, place) if isinstance(one, Fact))

    def read(self, text: str, day: date | None, place: str = "") -> Iterator[Fact | Doubt]:
        """The facts of a text, and the values in it that can be none."""
        if _has(text.lower(), _SUBJECTS) or place:
            yield from (
                one if isinstance(one, Doubt) else one._replace(text=text[one.start : one.end])
                for one in current(_findings(text, day, place))
                if not (isinstance(one, Fact) and _spans_fields(text, one))
            )


_FIELD_ENDS: Final = re.compile(r":[ \t]*[^\s:]+[ \t]*\n\s*[A-ZÄÖÜ]")
"""A line that ends with the value of a field, and one that begins anew."""


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
        of_family = sentence.section.kind == "family" or _has(small, FAMILY_HISTORY)
        of_ejection = _has(small, EJECTION) or (
            sentence.before is not None and _RISES.search(words) is not None
        )
        of_class = _has(small, NYHA)
        of_smoking = _has(small, SMOKING)
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


def _has(small: str, words: Iterable[str]) -> bool:
    """Whether a text in small letters has one of some words."""
    for word in words:  # noqa: SIM110 - the plain loop is twice as fast, and runs for each sentence
        if word in small:
            return True
    return False
