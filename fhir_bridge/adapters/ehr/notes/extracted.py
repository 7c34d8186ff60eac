"""What all extractors find in a text, as objects of the scope `Fact`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.family import RELATIONS
from fhir_bridge.adapters.ehr.notes.rules import RuleExtractor
from fhir_bridge.plugins import extractors

__all__ = ["FACT_NAMES", "StatedFact", "stated_facts"]

FACT_NAMES: Final = (
    "kind value low high comparator about start end text relation code negated place extractor key".split()
)
"""What a mapping may ask of a fact: `fact.value`."""

_VALUE: Final = re.compile(r"(?P<sign><=|>=|<|>|≤|≥|~)?(?P<low>[\d.,]+)(?:-(?P<high>[\d.,]+))?\Z")
_SIGNS: Final = {"≤": "<=", "≥": ">="}


class StatedFact:
    """A fact within its text.

    Attributes:
        place: what part of the document it is in; empty for a note.
        extractor: name and version of what found it.
        outer: the document.
    """

    segments = ()

    def __init__(self, fact: Fact, outer: Any, extractor: str, place: str = "") -> None:
        self.outer, self.extractor, self.place = outer, extractor, place
        self.kind, self.value, self.text = fact.kind, fact.value, fact.text
        self.start, self.end = fact.start, fact.end
        self.relation = fact.relation or None
        self.code = RELATIONS.get(fact.relation)
        self.negated = fact.negated
        match = _VALUE.match(fact.value)
        sign = match["sign"] or "" if match else ""
        self.low = match["low"].replace(",", ".") if match else None
        self.high = match["high"].replace(",", ".") if match and match["high"] else None
        self.comparator = None if sign in ("", "~") else _SIGNS.get(sign, sign)
        self.about = sign == "~"
        self.key = f"{place}|{fact.kind}|{fact.start}|{fact.end}"


def stated_facts(text: str, outer: Any, place: str = "", day: date | None = None) -> Iterator[StatedFact]:
    """The facts of a text by all extractors; the same span and kind counts once, by the first that gives it.

    `day`: when it was written, where the document in hand (`outer`) has no `time`.
    """
    seen: set[tuple[str, int, int]] = set()
    time = getattr(outer, "time", None)
    day = time.date() if time is not None else day
    for name, extractor in extractors().items():
        facts = (
            extractor.extract_as_of(text, day)
            if isinstance(extractor, RuleExtractor)
            else extractor.extract(text)
        )
        for fact in facts:
            key = (fact.kind, fact.start, fact.end)
            if key not in seen and 0 <= fact.start < fact.end <= len(text):
                seen.add(key)
                yield StatedFact(fact, outer, f"{name} {extractor.version}", place)
