"""Codes of LOINC for the names of tests that the rows of a long table have, each by its name and its unit."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from fhir_bridge.fhir import ucum
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.measures import Measure, is_one, measures_of, variant_of
from fhir_bridge.workshop.first_mapping.pressures import (
    PRESSURES,
    SYSTEMIC,
    elsewhere,
    is_elsewhere,
    is_of_lungs,
    is_too_high,
)
from fhir_bridge.workshop.first_mapping.sentinels import number_of
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.units import ucum_of

__all__ = ["codes_of_names"]

_MOST: Final = 60
_SURE: Final = 0.99


def codes_of_names(sample: Sample, name: Guess, value: Guess, unit: Guess | None) -> dict[str, Measure]:
    """The measurement that each name means, where it means one alone and all its results are numbers in its unit."""
    places = [sample.columns.index(g.column) for g in (name, value)]
    unit_place = sample.columns.index(unit.column) if unit is not None else -1
    rows: dict[str, list[tuple[str, str]]] = {}
    for row in sample.rows:
        result = row[places[1]].strip()
        if row[places[0]].strip() and result and result not in value.missing:
            rows.setdefault(row[places[0]].strip(), []).append(
                (result, row[unit_place].strip() if unit_place >= 0 else "")
            )
    if len(rows) > _MOST:
        return {}
    lungs = is_of_lungs([*sample.columns, *rows], sample.columns)
    return {
        text: measure
        for text, results in rows.items()
        if (measure := _measure(text, results, lungs=lungs)) is not None
    }


def _in_capitals(unit: str) -> bool:
    """Whether a unit is written in capitals that UCUM has not (`LB`), and so is not read when rows are converted."""
    return unit.isalpha() and unit.isupper() and len(unit) > 1 and not ucum.is_valid(unit)


_PREFIX: Final = re.compile(r"(?:P\((?:a|v|c)B?\)|f?(?:Sg|Sp|Se|Ser|Pl|Plas|[SPB])|[avc]B)[-_] ?(?=\w{2})")
"""What laboratories write before a name for where it was measured in blood: `S-`, `fP-`, `Sg-`, `P(aB)-`."""
_WHOLE: Final = re.compile(r"(?i)(f?(B|Sg)|[avc]B|P\([avc]B?\))[-_]")
"""Of these, those for whole blood."""


def _in_blood(text: str) -> tuple[str, str]:
    """A name without what says that it was measured in blood, and a word of the name that LOINC has for that."""
    prefix = _PREFIX.match(text)
    if prefix is None:
        return text, ""
    return text[prefix.end() :], "Blood" if _WHOLE.match(text) else "Serum or Plasma"


def _measure(text: str, results: list[tuple[str, str]], *, lungs: bool) -> Measure | None:
    name, where = _in_blood(text)
    named, share = measures_of(tokens(name))
    place, part = elsewhere(text, lungs=lungs)
    if part == "systolic" and is_too_high(
        text, [n for result, _ in results if (n := number_of(result)) is not None]
    ):
        return None
    if place and part:
        code = PRESSURES.get(place, {}).get(part)
        named = ((Measure(*code, "mm[Hg]", 0, 300),),) if code else ()
        share = 1.0
    elif is_elsewhere(text) and any(variant.code in SYSTEMIC for group in named for variant in group):
        return None
    written = Counter(unit for _, unit in results)
    if not named or share < _SURE or len(written) != 1 or _in_capitals(next(iter(written))):
        return None
    numbers = [number for result, _ in results if (number := number_of(result)) is not None]
    unit = ucum_of(next(iter(written))) if next(iter(written)) else ""  # as conversion reads it
    if len(numbers) < len(results) or not unit:
        return None
    variant, _ = variant_of(named, unit, min(numbers), max(numbers))
    if variant is None or not variant.code or not is_one(named, unit, min(numbers), max(numbers)):
        return None
    if where and " in " in variant.name and where not in variant.name:
        return None  # of whole blood, where the laboratory measured in plasma, or the other way round
    return variant
