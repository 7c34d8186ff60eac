"""What all extractors find in a text, as objects of the scope `Fact`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.notes.conditions import RELATIONS
from fhir_bridge.adapters.ehr.notes.facts import Doubt, Fact
from fhir_bridge.adapters.ehr.notes.rules import RuleExtractor
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.plugins import extractors

__all__ = ["FACT_NAMES", "ImplausibleValue", "StatedFact", "implausible_values", "stated_facts"]

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


class ImplausibleValue(NamedTuple):
    """A value that a text states and that can be none: no fact is made of it.

    Attributes:
        kind: what it would be, in words.
        place: what part of the document it is in; empty for a note.
        line: the line of the text, from 1.
    """

    kind: str
    place: str
    line: int


def implausible_values(values: Iterable[ImplausibleValue], locator: str) -> list[Issue]:
    """An issue for each of these values of a document."""
    return [
        new_issue(
            "FB-NOTE-006",
            f"the {value.kind} that {value.place or 'the text'} states can be none: no fact is made of it",
            f"{locator}:{value.line}",
        )
        for value in values
    ]


def stated_facts(
    text: str,
    outer: Any,
    place: str = "",
    day: date | None = None,
    implausible: list[ImplausibleValue] | None = None,
) -> Iterator[StatedFact]:
    """The facts of a text by all extractors; the same span and kind counts once, by the first extractor that gives it.

    `day`: when it was written, where the document in hand (`outer`) has no `time`. Values that can be none are
    added to `implausible`.
    """
    seen: set[tuple[str, int, int]] = set()
    time = getattr(outer, "time", None)
    day = time.date() if time is not None else day
    for name, extractor in extractors().items():
        earlier = frozenset(seen)
        facts = (
            extractor.read(text, day, place)
            if isinstance(extractor, RuleExtractor)
            else extractor.extract(text)
        )
        for fact in facts:
            if isinstance(fact, Doubt):
                if implausible is not None:
                    line = text.count("\n", 0, fact.start) + 1
                    implausible.append(ImplausibleValue(fact.kind, place, line))
                continue
            key = (fact.kind, fact.start, fact.end)
            if key in earlier or not 0 <= fact.start < fact.end <= len(text):
                continue
            stated = StatedFact(fact, outer, f"{name} {extractor.version}", place)
            if key in seen:  # two conditions in the same words
                stated.key += f"|{fact.value}|{fact.relation}"
            seen.add(key)
            yield stated
