"""The built-in extractor: LVEF, NYHA class, smoking and family history, by rules, in English and German."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from fhir_bridge.adapters.ehr.notes.facts import Doubt, Fact
from fhir_bridge.adapters.ehr.notes.subjects import SUBJECTS, has

__all__ = ["RuleExtractor"]


class RuleExtractor:
    """Facts by rules that give nothing where they are in doubt."""

    name = "rules"
    version = "8"
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
        if has(text.lower(), SUBJECTS) or place:
            # Their patterns take half a second to compile, and most sources hold no text of these.
            from fhir_bridge.adapters.ehr.notes.statements import statements

            yield from statements(text, day, place)
