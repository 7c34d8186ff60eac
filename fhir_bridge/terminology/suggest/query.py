"""What a local name asks for: its possible readings, each with the words, specimen, properties and method to find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

from fhir_bridge.terminology.service import Terminology
from fhir_bridge.terminology.suggest.lexicon import Lexicon, Meaning, Reading
from fhir_bridge.terminology.suggest.loinc_names import spoken_system
from fhir_bridge.terminology.suggest.text import words
from fhir_bridge.terminology.suggest.units import properties_of_unit, ucum_of

__all__ = ["LocalTerm", "Query", "queries", "search_texts"]

_UNIT_IN_NAME = re.compile(r"[\s(\[]+([^\s()\[\]]*(?:/[^\s()\[\]]+|%))[)\]]?\s*$")
_MANY = 24
"""Readings that are tried of one name: ambiguous abbreviations multiply."""

_PANEL = " panel"
"""A panel named beside what is measured is a heading: `Leuko diff: lymphocytes`, `BGA pO2`."""

_MAY_FILL = ("circumstance", "property", "method")
"""Kinds of words that a name may hold without meaning it: `screen` of a laboratory is no screening mammography."""

_NAMING = ("analyte", "modality", "region", "side", "circumstance", "disease")


@dataclass(frozen=True, slots=True)
class LocalTerm:
    """A row of a local catalogue.

    Attributes:
        name: as the catalogue has it; `unit` and `specimen` too.
        language: two-letter code, where it is known.
        code: the local code; `system` its code system.
        count: how often it is used, so that what matters most is reviewed first.
    """

    name: str
    unit: str = ""
    specimen: str = ""
    language: str | None = None
    code: str = ""
    system: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """One reading of a term.

    Attributes:
        named: English words of what is asked, in their order, with those that the lexicon lacks as they are.
        unknown: the words among them that the lexicon lacks.
        spoken: the same as written in the lexicon, for an index that keeps the plural.
        systems: LOINC system axes of the specimen.
        properties: LOINC property axes that the unit fits, or else that the name shows.
        methods, times: words of the method, and of when.
        kinds: the kinds of the phrases that were found.
        sure: whether a phrase of three letters or more names something; of a shorter one among words that the lexicon
            lacks it is not certain (`CD burned`).
        evidence: what led here, for the reviewer.
    """

    named: tuple[str, ...]
    unknown: frozenset[str] = frozenset()
    spoken: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    sure: bool = False
    evidence: tuple[str, ...] = ()


def queries(term: LocalTerm, lexicon: Lexicon, terminology: Terminology) -> list[Query]:
    """The readings of a term; none where its name holds no word."""
    name, unit = term.name, term.unit.strip()
    if (match := _UNIT_IN_NAME.search(name)) and ucum_of(match.group(1), terminology):
        name, unit = name[: match.start()], unit or match.group(1)
    code = ucum_of(unit, terminology)
    properties = properties_of_unit(code) if code else ()
    specimens = _specimens(lexicon.read(term.specimen, term.language))
    readings = [_worth(reading) for reading in lexicon.read(name, term.language)]
    base = Query((), systems=specimens, properties=properties)
    if properties:
        base = replace(base, evidence=(f"unit {unit}: {' or '.join(properties[:3])}",))
    if specimens:
        base = replace(base, evidence=(*base.evidence, f"specimen {term.specimen}: {' or '.join(specimens)}"))
    results = [_query(base, choice) for choice in islice(product(*map(_choices, readings)), _MANY)]
    return [query for query in dict.fromkeys(results) if query.named]


def _worth(reading: Reading) -> Reading:
    """A reading without the meanings that only fill, where the phrase names something too."""
    significant = tuple(m for m in reading.meanings if m.kind != "filler")
    if all(m.kind in _MAY_FILL for m in significant):
        return reading
    return Reading(reading.phrase, significant)


def _choices(reading: Reading) -> Sequence[tuple[Reading, Meaning | None]]:
    return [(reading, meaning) for meaning in reading.meanings] or [(reading, None)]


def _specimens(readings: Sequence[Reading]) -> tuple[str, ...]:
    concepts = (m.concept for r in readings for m in r.meanings if m.kind == "specimen")
    return tuple(dict.fromkeys(concepts))


def _query(base: Query, choice: Sequence[tuple[Reading, Meaning | None]]) -> Query:
    named: list[str] = []
    panels: list[str] = []
    unread: list[str] = []
    more: dict[str, list[str]] = {}
    kinds: set[str] = set()
    evidence = list(base.evidence)
    for reading, meaning in choice:
        if meaning is None:
            unread += reading.phrase
            continue
        for kind, concept in ((meaning.kind, meaning.concept), *meaning.also):
            kinds.add(kind)
            if kind not in _NAMING:
                more.setdefault(kind, []).append(concept)
            elif concept.endswith(_PANEL):
                panels.append(concept)
            else:
                named.append(concept)
        text = " ".join(reading.phrase)
        if meaning.concept and text != " ".join(words(meaning.concept)):
            evidence.append(f"{text}: {meaning.concept}")
    named = named or panels
    unknown = [word for word in unread if not named or (len(word) > 1 and not word.isdigit())]
    properties = tuple(p for concept in more.get("property", ()) for p in concept.split("/"))
    return Query(
        tuple(dict.fromkeys((*_all_words(named), *unknown))),
        frozenset(unknown),
        tuple(dict.fromkeys((*named, *unknown))),
        tuple(dict.fromkeys((*base.systems, *more.get("specimen", ())))),
        base.properties or properties,
        _all_words(more.get("method", ())),
        _all_words(more.get("time", ())),
        frozenset(kinds),
        any(m is not None and m.kind in _NAMING and len("".join(r.phrase)) > 2 for r, m in choice),
        tuple(evidence),
    )


def _all_words(phrases: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for phrase in phrases for word in words(phrase)))


_PROPERTY_WORDS = {
    "SCnc": "moles volume",
    "MCnc": "mass volume",
    "CCnc": "enzymatic activity volume",
    "ACnc": "units volume",
    "NCnc": "#/volume",
    "PrThr": "presence",
    "Titr": "titer",
    "MRat": "mass time",
    "SRat": "moles time",
    "PPres": "partial pressure",
}
_USUAL_SYSTEM = {
    "NCnc": "Bld",
    "MFr": "Bld",
    "EntMeanVol": "RBC",
    "EntMass": "RBC",
    "Time": "PPP",
    "VFr": "Bld",
}
"""Where what has a property is measured as a rule, if not in serum or plasma."""


def search_texts(query: Query) -> Iterator[str]:
    """What to ask the index, the most telling first.

    For a measurement the words that LOINC's names have for unit and specimen are added: of a common analyte there are
    more concepts than candidates.
    """
    named = " ".join(query.spoken)
    if "analyte" in query.kinds:
        axes = [_PROPERTY_WORDS[p] for p in query.properties[:2] if p in _PROPERTY_WORDS]
        usual = _USUAL_SYSTEM.get(next(iter(query.properties), ""), "Ser/Plas")
        axes += [spoken_system(system) for system in query.systems[:1] or (usual,)]
        yield " ".join((named, *axes, *query.methods))
    yield " ".join((named, *query.methods, *query.times))
    known = [text for text in query.spoken if text not in query.unknown]
    if known and len(known) < len(query.spoken):
        yield " ".join(known)
