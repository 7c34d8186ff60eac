"""How well a concept answers a query: words in common, and for LOINC its axes against unit, specimen and method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fhir_bridge.terminology.content import ConceptDetail
from fhir_bridge.terminology.suggest.query import Query
from fhir_bridge.terminology.suggest.text import close, words
from fhir_bridge.terminology.suggest.units import properties_of_unit

__all__ = ["Score", "score"]

_LIGHT = frozenset(
    "unspecified other and or of in by the study panel to with due for level total serum plasma ser plas blood bld"
    " volume mole mass unit enzymatic activity presence point time qn organism site views view initial"
    " encounter".split()
)
_EXCLUDING = frozenset({"without", "not", "no"})
"""What follows these in a name tells what it is not: the usual case, which local names leave out."""

_LIGHT_WEIGHT = 0.15
_EXCLUDED_WEIGHT = 0.25
_RECALL = 1.6
"""How much more a word of the local name counts that the concept lacks than one too many in the concept."""

_USUAL_SYSTEMS = ("Ser/Plas", "Ser", "Plas", "Bld", "PPP")
_SAME_SYSTEM = {
    "Ser/Plas": ("Ser/Plas", "Ser", "Plas", "Ser/Plas/Bld", "PPP"),
    "Bld": ("Bld", "RBC", "Ser/Plas/Bld"),
    "PPP": ("PPP", "Plas", "Ser/Plas"),
    "Urine": ("Urine", "Urine sed"),
}


@dataclass(frozen=True, slots=True)
class Score:
    """How well a concept fits: from 0 to about 1.1; `evidence` says what spoke for and against it."""

    value: float
    evidence: tuple[str, ...] = ()


def score(query: Query, concept: ConceptDetail) -> Score:
    """The score of a concept for one reading of a local name."""
    component = next((str(v) for v in concept.values("COMPONENT")), "")
    if component and "analyte" in query.kinds:
        return _laboratory(query, concept, component)
    texts = dict.fromkeys(t for t in (concept.display, *(d.value for d in concept.designations)) if t)
    wanted = (*query.named, *query.methods, *(t for t in query.times if not component))
    return Score(max((_overlap(wanted, words(text)) for text in texts), default=0.0))


def _laboratory(query: Query, concept: ConceptDetail, component: str) -> Score:
    evidence: list[str] = []
    analyte, _, challenge = component.partition("^")
    part, whole, _ = analyte.partition("/100 ")
    analyte = part if whole and query.properties[:1] == properties_of_unit("%")[:1] else analyte
    value = max(_overlap(query.named, words(text)) for text in _names(analyte, concept))
    if challenge and not any(close(time, word) for time in query.times for word in words(challenge)):
        value *= 0.6
        evidence.append(f"only {challenge}")
    axis = {
        name: next((str(v) for v in concept.values(name)), "")
        for name in ("PROPERTY", "SYSTEM", "TIME_ASPCT")
    }
    if query.properties and axis["PROPERTY"]:
        fits = axis["PROPERTY"].split(".")[0] in query.properties
        value *= 1.0 if fits else 0.55
        evidence.append(f"{axis['PROPERTY']} {'fits' if fits else 'does not fit'} the unit")
    value *= _system_fit(query, axis["SYSTEM"], evidence)
    if axis["TIME_ASPCT"] not in ("", "Pt") and not query.times:
        value *= 0.7
    return Score(value * _method_fit(query, concept) + _popularity(concept), tuple(evidence))


def _names(analyte: str, concept: ConceptDetail) -> Iterable[str]:
    """The analyte, and what else stands for it in the name before the bracket of the property; of a name with another
    one between parentheses (`Cobalamin (Vitamin B12)`) each by itself too."""
    for name in (analyte, concept.display or "", *(one.value for one in concept.designations)):
        text = name.partition(" [")[0]
        if text:
            yield text
        outer, bracket, inner = text.partition(" (")
        if bracket and inner.endswith(")"):
            yield from (outer, inner[:-1])


def _system_fit(query: Query, system: str, evidence: list[str]) -> float:
    base = system.partition("^")[0]
    if not query.systems:
        return 1.0 if base in _USUAL_SYSTEMS or not base else 0.8
    if any(base in _SAME_SYSTEM.get(wanted, (wanted,)) for wanted in query.systems):
        evidence.append(f"measured in {system}")
        exact = base in query.systems
        return 1.0 if exact else 0.97
    return 0.5


def _method_fit(query: Query, concept: ConceptDetail) -> float:
    method = words(" ".join(str(v) for v in concept.values("METHOD_TYP")))
    if not query.methods:
        return 1.0 if not method else 0.93
    if not method:
        return 0.9
    return 1.05 if any(close(wanted, word) for wanted in query.methods for word in method) else 0.8


def _popularity(concept: ConceptDetail) -> float:
    """A nudge for what laboratories report often (LOINC's COMMON_TEST_RANK; 0 stands for unranked)."""
    rank = next((int(v) for v in concept.values("COMMON_TEST_RANK") if str(v).isdigit()), 0)
    return 0.05 * (1 - min(rank, 2000) / 2000) if rank else 0.0


def _overlap(wanted: Sequence[str], found: Sequence[str]) -> float:
    """Weighted agreement of two names: 1 where they hold the same words."""
    weights = _weights(found)
    met_wanted = total_wanted = 0.0
    met: dict[int, float] = {}
    for word in wanted:
        weight = _LIGHT_WEIGHT if word in _LIGHT or word in _EXCLUDING else 1.0
        best, place = max(((close(word, other), -i) for i, other in enumerate(found)), default=(0.0, 0))
        total_wanted += weight
        met_wanted += weight * best
        if best:
            met[-place] = max(met.get(-place, 0.0), best)
    if not met_wanted:
        return 0.0
    recall = met_wanted / total_wanted
    precision = sum(weights[i] * m for i, m in met.items()) / sum(weights)
    if not precision:
        return 0.0
    square = _RECALL**2
    return (1 + square) * precision * recall / (square * precision + recall)


def _weights(found: Sequence[str]) -> list[float]:
    weights, excluded = [], False
    for word in found:
        excluded = excluded or word in _EXCLUDING
        light = _LIGHT_WEIGHT if word in _LIGHT or word in _EXCLUDING else 1.0
        weights.append(min(light, _EXCLUDED_WEIGHT) if excluded else light)
    return weights
