"""What a local name asks for: its possible readings, each with the words, specimen, properties and method to find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product

from fhir_bridge.terminology.service import Terminology
from fhir_bridge.terminology.suggest.lexicon import Lexicon, Meaning, Reading
from fhir_bridge.terminology.suggest.text import words
from fhir_bridge.terminology.suggest.units import properties_of_unit, ucum_of

__all__ = ["LocalTerm", "Query", "queries", "search_texts"]

_UNIT_IN_NAME = re.compile(r"[\s(\[]+([^\s()\[\]]*(?:/[^\s()\[\]]+|%))[)\]]?\s*$")
_MANY = 24
"""Readings that are tried of one name: ambiguous abbreviations multiply."""

_NAMING = ("analyte", "modality", "region", "circumstance", "disease")


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
        named: English words of what is asked, in their order, with those that the lexicon lacks as they stand.
        unknown: the words among them that the lexicon lacks.
        systems: LOINC system axes of the specimen.
        properties: LOINC property axes that the unit fits.
        methods, times: words of the method, and of when.
        evidence: what led here, for the reviewer.
    """

    named: tuple[str, ...]
    unknown: frozenset[str] = frozenset()
    systems: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
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
    found = [_query(base, choice) for choice in islice(product(*map(_choices, readings)), _MANY)]
    return [query for query in dict.fromkeys(found) if query.named]


def _worth(reading: Reading) -> Reading:
    """A reading without the meanings that only fill, where the phrase means something else too."""
    telling = tuple(m for m in reading.meanings if m.kind != "filler")
    return Reading(reading.phrase, telling or reading.meanings)


def _choices(reading: Reading) -> Sequence[tuple[Reading, Meaning | None]]:
    return [(reading, meaning) for meaning in reading.meanings] or [(reading, None)]


def _specimens(readings: Sequence[Reading]) -> tuple[str, ...]:
    found = (m.concept for r in readings for m in r.meanings if m.kind == "specimen")
    return tuple(dict.fromkeys(found))


def _query(base: Query, choice: Sequence[tuple[Reading, Meaning | None]]) -> Query:
    named: list[str] = []
    unknown: set[str] = set()
    more: dict[str, list[str]] = {"specimen": [], "method": [], "time": []}
    kinds: set[str] = set()
    evidence = list(base.evidence)
    for reading, meaning in choice:
        if meaning is None:
            named += reading.phrase
            unknown.update(reading.phrase)
            continue
        if meaning.kind in _NAMING:
            named += words(meaning.concept)
            kinds.add(meaning.kind)
        elif meaning.kind != "filler":
            more[meaning.kind] += [meaning.concept] if meaning.kind == "specimen" else words(meaning.concept)
        said = " ".join(reading.phrase)
        if meaning.concept and said != " ".join(words(meaning.concept)):
            evidence.append(f"{said}: {meaning.concept}")
    return Query(
        tuple(dict.fromkeys(named)),
        frozenset(unknown),
        tuple(dict.fromkeys((*base.systems, *more["specimen"]))),
        base.properties,
        tuple(more["method"]),
        tuple(more["time"]),
        frozenset(kinds),
        tuple(evidence),
    )


_PROPERTY_WORDS = {
    "SCnc": "moles volume",
    "MCnc": "mass volume",
    "CCnc": "enzymatic activity volume",
    "ACnc": "units volume",
    "NCnc": "#/volume",
}
_SYSTEM_WORDS = {
    "Ser/Plas": "serum plasma",
    "Bld": "blood",
    "PPP": "platelet poor plasma",
    "BldA": "arterial blood",
}


def search_texts(query: Query) -> Iterator[str]:
    """What to ask the index, the most telling first.

    For a measurement the words that LOINC's names have for unit and specimen are added: of a common analyte there are
    more concepts than candidates.
    """
    named = " ".join(query.named)
    if "analyte" in query.kinds:
        axes = [_PROPERTY_WORDS[p] for p in query.properties[:1] if p in _PROPERTY_WORDS]
        axes += [_SYSTEM_WORDS.get(system, system.lower()) for system in query.systems[:1] or ("Ser/Plas",)]
        yield " ".join((named, *axes, *query.methods))
    yield " ".join((named, *query.methods))
    known = [word for word in query.named if word not in query.unknown]
    if known and len(known) < len(query.named):
        yield " ".join(known)
