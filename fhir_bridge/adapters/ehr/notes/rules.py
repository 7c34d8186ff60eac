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

_HEART: Final = r"\b(?:(?:LV|LV-|3D-LV)?EF\b|eje[ck]t|auswurf|NYHA|New York Heart)"
_SMOKE: Final = r"\b(?:\w*smo?k|nonsm|\w*rauch|nikotin|nicotin|tob\b|tobacco|tabak|(?-i:NR)\b"
_AMOUNT: Final = r"\d+\s*-?\s*p(?:ac)?k|\d+\s*p\.?\s*y)|\bcut (?:down|back)\b|zig\w* (?:\w+ ){0,2}reduziert"
_FAMILY: Final = rf"\b(?:famil|FHx?\b|FA\b|(?:{WORDS})(?:s|n)?\b)"
_OF_THE_PATIENT: Final = re.compile(f"{_HEART}|{_SMOKE}|{_AMOUNT}", re.IGNORECASE)
_OF_RELATIVES: Final = re.compile(_FAMILY, re.IGNORECASE)
_SUBJECTS: Final = re.compile(f"{_HEART}|{_SMOKE}|{_AMOUNT}|{_FAMILY}", re.IGNORECASE)
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
            if _OF_RELATIVES.search(sentence.text) is not None:
                yield from family_history(sentence)
            if _OF_THE_PATIENT.search(sentence.text) is None or HYPOTHETICAL.search(sentence.text):
                continue
            yield from ejection_fraction(sentence, day)
            yield from functional_class(sentence, day)
            yield from smoking(sentence)
