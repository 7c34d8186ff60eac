"""Of several findings of a note, those that it states as the ones of now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from fhir_bridge.adapters.ehr.notes.facts import Doubt, Fact
from fhir_bridge.adapters.ehr.notes.sentences import Sentence

__all__ = ["FIRST", "NOW", "OPEN", "Finding", "current", "standing"]

FIRST, OPEN, NOW = range(3)
"""Of when a text says that a finding is: of the beginning of a stay, it does not say, of now."""
Finding = tuple[Fact | Doubt, int]
_ARRIVAL: Final = re.compile(
    r"""\b(?:(?:on|at|upon)\ (?:hospital\ |the\ time\ of\ )?(?:admission|arrival|entry|presentation|referral|intake
    |enrolment)
    |admitted|presented|presenting|(?:bei|zum\ Zeitpunkt\ der|zur|in\ der)\ (?:stationären\ )?Aufnahme\w*
    |Aufnahme(?:befund|status|echo)\w*
    |stellte\ sich|eingeliefert|aufgenommen|bei\ (?:Ein(?:tritt|weisung|lieferung)|Ankunft)|Eintritt\w*|zuletzt
    |had\ been|(?:for|over)\ the\ (?:last|past)
    |in\ den\ letzten|seit\ (?:\w+\ ){1,2}(?:Tagen|Wochen))\b""",
    re.IGNORECASE | re.VERBOSE,
)
_ONE_AT_A_TIME: Final = ("lvef", "nyha", "smoking")
"""Kinds of which a patient has one value at a time."""


_WIDER: Final = {
    "sudden cardiac death": "sudden death",
    "plötzlicher Herztod": "plötzlicher Tod",
    **dict.fromkeys(
        ("hypertrophic cardiomyopathy", "dilated cardiomyopathy", "arrhythmogenic cardiomyopathy"),
        "cardiomyopathy",
    ),
    **dict.fromkeys(
        ("hypertrophe Kardiomyopathie", "dilatative Kardiomyopathie", "arrhythmogene Kardiomyopathie"),
        "Kardiomyopathie",
    ),
}
"""By what else a condition of a relative is named when it is mentioned again."""


def standing(sentence: Sentence, moment: int) -> int:
    """Of when a finding of a sentence is, whose words of time give a `moment`."""
    if moment > 0:
        return NOW
    return FIRST if sentence.section.kind == "history" or _ARRIVAL.search(sentence.text) else OPEN


def current(findings: Iterable[Finding]) -> Iterator[Fact | Doubt]:
    """What a note states, each thing once.

    Of a kind of which there is one at a time it is what the note says to be of now, or where it says so of none, what
    it says without a time; where these do not agree, none of them. A condition in the family that is stated of a
    relative is none besides.
    """
    results = list(findings)
    stated: dict[str, list[Finding]] = {}
    for one in results:
        if isinstance(one[0], Fact) and one[0].kind in _ONE_AT_A_TIME:
            stated.setdefault(one[0].kind, []).append(one)
    chosen = {kind: _agreed(facts) for kind, facts in stated.items()}
    of_relatives = {
        fact.value for fact, _ in results if isinstance(fact, Fact) and fact.relation and not fact.negated
    }
    of_relatives.update(_WIDER[value] for value in tuple(of_relatives) if value in _WIDER)
    seen: set[tuple[str, ...]] = set()
    for fact, _ in results:
        if isinstance(fact, Fact):
            if fact.kind in chosen and fact is not chosen[fact.kind]:
                continue
            if fact.kind == "family" and fact.value in of_relatives and not (fact.relation or fact.negated):
                continue
            key = (fact.kind, fact.value, fact.relation, str(fact.negated))
            if key in seen:
                continue
            seen.add(key)
        yield fact


def _agreed(findings: list[Finding]) -> Fact | None:
    """The fact that those with the best standing have in common."""
    best = max(standing for _, standing in findings)
    facts = [fact for fact, standing in findings if standing == best and isinstance(fact, Fact)]
    values = {fact.value for fact in facts}
    for fact in facts:
        if all(_implies(fact.kind, fact.value, value) for value in values):
            return fact
    return None


def _implies(kind: str, value: str, other: str) -> bool:
    """Whether a value says all that another says."""
    if kind == "smoking":
        return value == other or (other == "non" and value in ("never", "former"))
    low, high = _ends(value)
    other_low, other_high = _ends(other)
    return other_low <= low and high <= other_high


def _ends(value: str) -> tuple[float, float]:
    number, _, second = value.strip("<>=~≤≥≈").replace(",", ".").partition("-")
    low, high = float(number), float(second or number)
    return (0.0 if value[0] in "<≤" else low), (100.0 if value[0] in ">≥" else high)
