"""How well a concept answers a query: words in common, and for LOINC its axes against unit, specimen and method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_bridge.terminology.suggest.concept_names import NamedConcept
from fhir_bridge.terminology.suggest.query import Query
from fhir_bridge.terminology.suggest.text import close
from fhir_bridge.terminology.suggest.units import SHARES
from fhir_bridge.terminology.suggest.unrequested_meaning import unrequested_meaning

__all__ = ["Score", "score"]

_LIGHT = frozenset(
    "unspecified other and or of in by the study panel to with due for level total serum plasma ser plas blood bld"
    " volume mole mass unit enzymatic activity presence point time qn organism site views view initial actual normal"
    " encounter closed multisection virus specimen system gland iv probe detection vein artery vessel system".split()
)
_EXCLUDING = frozenset({"without", "not", "no"})
"""What follows these in a name indicates what it is not: the usual case, which local names leave out."""

_LIGHT_WEIGHT = 0.15
_EXCLUDED_WEIGHT = 0.25
_UNKNOWN_WEIGHT = 0.4
"""A word that the lexicon lacks, beside words that name something: often an analyser, a clinic, a remark."""
_RECALL = 1.6
"""How much more a word of the local name counts that the concept lacks than one too many in the concept."""
_ADMINISTRATIVE = 0.5
_LEAST = 0.3
"""Agreement of names below which the axes are not looked at."""

_USUAL_SYSTEMS = ("Ser/Plas", "Ser", "Plas", "Bld", "PPP", "Ser/Plas/Bld", "RBC", "Bld/Tiss", "Patient")
_ANY_SYSTEMS = ("XXX", "Respiratory", "Body fld", "Isolate")
_SAME_SYSTEM = {
    "Ser/Plas": ("Ser/Plas", "Ser", "Plas", "Ser/Plas/Bld", "PPP"),
    "Bld": ("Bld", "RBC", "Ser/Plas/Bld", "Bld/Tiss", "BldV", "WBC", "Ser/Plas", "Ser", "Plas", "PPP"),
    "BldA": ("BldA", "Bld", "Ser/Plas/Bld"),
    "BldV": ("BldV", "Bld", "Ser/Plas/Bld", "Ser/Plas"),
    "BldC": ("BldC", "Bld", "Ser/Plas/Bld", "Ser/Plas"),
    "PPP": ("PPP", "Plas", "Ser/Plas", "Bld"),
    "Urine": ("Urine", "Urine sed", "Urine.spot"),
    "Urine sed": ("Urine sed", "Urine"),
    "Nph": ("Nph", "Respiratory", "Upper resp", "XXX"),
    "Thrt": ("Thrt", "Respiratory", "Upper resp", "XXX"),
    "Nose": ("Nose", "Respiratory", "Upper resp", "XXX"),
    "Respiratory": ("Respiratory", "Upper resp", "Lower resp", "XXX"),
}
"""Systems that a catalogue may mean by another's name: blood is what was drawn, whatever was measured in."""
_FULL, _ALIKE, _UNUSUAL, _OTHER = 1.0, 0.96, 0.8, 0.5


@dataclass(frozen=True, slots=True)
class Score:
    """How well a concept fits: from 0 to about 1.1; `evidence` says what spoke for and against it."""

    value: float
    evidence: tuple[str, ...] = ()


def score(query: Query, concept: NamedConcept) -> Score:
    """The score of a concept for one reading of a local name."""
    measured = bool(concept.analytes) and bool(
        query.kinds.isdisjoint(("modality", "disease")) or "analyte" in query.kinds
    )
    light = _UNKNOWN_WEIGHT if query.sure else 1.0
    value = _agreement(query, concept, light) if measured else _agreement_of_names(query, concept, light)
    if "administrative" in query.kinds:
        value *= _ADMINISTRATIVE
    return _laboratory(query, concept, value) if measured and value >= _LEAST else Score(value)


def _agreement(query: Query, concept: NamedConcept, light: float) -> float:
    """Of what is asked with what is measured."""
    whole = max(_overlap(query.named, analyte, query.unknown, light) for analyte in concept.analytes)
    if not concept.of_shares or (query.properties and query.properties[0] != SHARES[0]):
        return whole
    share = max(_overlap(query.named, analyte, query.unknown, light) for analyte in concept.of_shares)
    return share if query.properties else max(whole, _ALIKE * share)


def _agreement_of_names(query: Query, concept: NamedConcept, light: float) -> float:
    wanted = (*query.named, *query.methods, *query.times)
    return max(
        (
            _overlap(wanted, name, query.unknown, light) * unrequested_meaning(wanted, name)
            for name in concept.names
        ),
        default=0.0,
    )


def _laboratory(query: Query, concept: NamedConcept, value: float) -> Score:
    evidence: list[str] = []
    if concept.challenge and not _shared(query.times, concept.challenge):
        value *= 0.6
        evidence.append(f"only {' '.join(concept.challenge)}")
    elif query.times and not concept.challenge and concept.time in ("", "Pt"):
        value *= _ALIKE
    if concept.ratio and "ratio" not in query.named and len(query.named) < 2:
        value *= 0.9
    if query.properties and concept.property:
        fits = concept.property in query.properties
        value *= 1.0 if fits else 0.55
        evidence.append(f"{concept.property} {'fits' if fits else 'does not fit'} the unit")
    value *= _system_fit(query, concept.system, evidence) * _time_fit(query, concept)
    return Score(value * _method_fit(query, concept) + _popularity(concept), tuple(evidence))


def _shared(wanted: Sequence[str], results: Sequence[str]) -> bool:
    return any(close(item, other) for item in wanted for other in results)


def _system_fit(query: Query, system: str, evidence: list[str]) -> float:
    if not query.systems:
        if system in _USUAL_SYSTEMS or not system:
            return _FULL
        return _ALIKE if system in _ANY_SYSTEMS else _UNUSUAL
    if any(system in _SAME_SYSTEM.get(wanted, (wanted, "XXX")) for wanted in query.systems):
        evidence.append(f"measured in {system}")
        return _FULL if system in query.systems else _ALIKE
    return _OTHER if system else _ALIKE


def _time_fit(query: Query, concept: NamedConcept) -> float:
    """A result of a day's urine is asked for by its time or by an amount in a day."""
    by_day = "24" in query.times or bool(query.properties and query.properties[0].endswith("Rat"))
    if concept.time in ("", "Pt", "-"):
        return 0.9 if by_day and concept.time == "Pt" else 1.0
    return 1.0 if by_day else 0.7


def _method_fit(query: Query, concept: NamedConcept) -> float:
    if not query.methods:
        return 1.0 if not concept.method else 0.94
    if not concept.method:
        return 0.9
    return 1.05 if _shared(query.methods, concept.method) else 0.8


def _popularity(concept: NamedConcept) -> float:
    """A nudge for what laboratories report often."""
    return 0.05 * (1 - min(concept.rank, 2000) / 2000) if concept.rank else 0.0


def _overlap(wanted: Sequence[str], results: Sequence[str], unknown: frozenset[str], light: float) -> float:
    """Weighted agreement of two names: 1 where they hold the same words."""
    met_wanted = total_wanted = 0.0
    met = [0.0] * len(results)
    for word in wanted:
        weight = _LIGHT_WEIGHT if word in _LIGHT or word in _EXCLUDING else 1.0
        best, location = 0.0, -1
        for i, other in enumerate(results):
            nearness = close(word, other)
            if nearness > best:
                best, location = nearness, i
        total_wanted += min(weight, light) if word in unknown and not best else weight
        if location >= 0:
            met_wanted += weight * best
            met[location] = max(met[location], best)
    if not met_wanted:
        return 0.0
    weights = _weights(results)
    recall = met_wanted / total_wanted
    precision = sum(weight * there for weight, there in zip(weights, met, strict=True)) / sum(weights)
    if not precision:
        return 0.0
    square = _RECALL**2
    return (1 + square) * precision * recall / (square * precision + recall)


def _weights(results: Sequence[str]) -> list[float]:
    weights, excluded = [], False
    for word in results:
        excluded = excluded or word in _EXCLUDING
        light = _LIGHT_WEIGHT if word in _LIGHT or word in _EXCLUDING else 1.0
        weights.append(min(light, _EXCLUDED_WEIGHT) if excluded else light)
    return weights
