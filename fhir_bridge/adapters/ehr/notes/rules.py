"""The built-in extractor: LVEF, NYHA class, smoking and family history, by rules, in English and German."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

from fhir_bridge.adapters.ehr.notes.conditions import WORDS
from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.family import family_history
from fhir_bridge.adapters.ehr.notes.heart import ejection_fraction, functional_class
from fhir_bridge.adapters.ehr.notes.sentences import ASKED, HYPOTHETICAL, sentences
from fhir_bridge.adapters.ehr.notes.smoking import smoking

__all__ = ["RuleExtractor"]

_SUBJECTS: Final = re.compile(
    "|".join(
        (
            r"\b(?:LV)?EF\b|eje[ck]t|auswurf|pumpfunktion|NYHA|New York Heart",
            r"smok|smkr|rauch|nikotin|nicotin|\btob\b|tobacco|tabak|cig|zig|pack|\bpy\b|\bppd\b|\bNR\b",
            r"famil|\bFHx?\b|\bFA\b",
            WORDS,
        )
    ),
    re.IGNORECASE,
)
"""A word of what the rules know: a text without any has no fact, and most texts have none."""


class RuleExtractor:
    """Facts by rules that give nothing where they are in doubt."""

    name = "rules"
    version = "2"
    """Another one with every change of what the rules find: each fact says by which it was found."""

    def extract(self, text: str) -> Iterable[Fact]:
        """The facts of a text, in its order."""
        return self.extract_as_of(text, None)

    def extract_as_of(self, text: str, day: date | None) -> Iterable[Fact]:
        """The facts of a text that was written on a day: a finding of another time is none of it."""
        if _SUBJECTS.search(text) is None:
            return
        for sentence in sentences(text):
            if _SUBJECTS.search(sentence.text) is None:
                continue
            if ASKED.search(sentence.text):
                continue
            yield from family_history(sentence)
            if HYPOTHETICAL.search(sentence.text):
                continue
            yield from ejection_fraction(sentence, day)
            yield from functional_class(sentence, day)
            yield from smoking(sentence)
