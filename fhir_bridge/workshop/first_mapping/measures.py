# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""Measurements by the name of a column: code, unit, and the values that are possible, from `vocabulary/measures.tsv`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fhir_bridge.fhir import ucum
from fhir_bridge.workshop.first_mapping.lexicon import rows_of, slots, tokens

__all__ = [
    "TEXT",
    "Measure",
    "dated_measure",
    "is_measure_word",
    "is_one",
    "measures_of",
    "variant_in",
    "variant_of",
]

TEXT: Final = "{text}"
_DATE: Final = "{date}"
_NEUTRAL: Final = frozenset(
    "lab test value val result level serum plasma blood s p b poc poct total gesamt mean avg average lv raw num numeric "
    "calc calculated measured est estimated current patient pat latest d first last min max at rest resting 1 2 3 4 5 "
    "wert mesure messung ergebnis visit admission baseline of de la le du des der i im in nach baseline day kapillar "
    "aktuell en score total rate the measurement pre post vs vital vitals labs exam echo "
    "aufnahme ingreso entree entrada ricovero opname admissao inskrivning bei all ved vid "
    "livello livelli nivel niveau taux dosage spiegel valeur valor valore resultado risultato resultat esito concentrazione concentration "
    "konzentration concentracion medida misura reading readings lvl".split()
)
"""Words beside a measurement's name that leave it what it is."""
_OTHER: Final = frozenset(
    "urine urin urinaire csf liquor delta change goal target predicted pred percent family father mother prior previous diff "
    "difference date time flag unit units source method comment status ref range low high history hist ratio index peak "
    "type reason name code id fluid drain stool ascites z percentile zscore ziel soll".split()
)
"""Words that make something else of it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measurement in one unit.

    Attributes:
        code: of LOINC; empty where none is certain.
        unit: in UCUM; `{text}` for a finding in words, `{date}` for one that is a date.
        low, high: the values that are possible in this unit.
    """

    code: str
    name: str
    unit: str
    low: float
    high: float


_FEW: Final = 3
"""Words of a name that may begin with any of them."""


@lru_cache(1)
def _table() -> dict[str, tuple[tuple[Measure, ...], ...]]:
    """The variants of each measurement that a phrase, its words joined, may name."""
    table: dict[str, list[tuple[Measure, ...]]] = {}
    for phrases, texts in rows_of("measures.tsv"):
        variants = []
        for text in texts.split(" ; "):
            code, name, unit, low, high = text.split("|")
            variants.append(Measure(code, name, unit, float(low), float(high)))
        for joined in dict.fromkeys(tokens(phrase).replace(" ", "") for phrase in phrases.split(";")):
            if joined:
                table.setdefault(joined, []).append(tuple(variants))
    return {phrase: tuple(variants) for phrase, variants in table.items()}


def dated_measure(words: str) -> Measure | None:
    """The finding that is a date, which the words name and nothing else: when a birth is due."""
    words = re.sub(r"\b(date|dt|datum|fecha|data)\b", "", words)
    variants = [v for group in _table().get(words.replace(" ", ""), ()) for v in group]
    return next((variant for variant in variants if variant.unit == _DATE), None)


def is_measure_word(words: str) -> bool:
    """Whether these words are the name of a measurement and nothing else."""
    return words.replace(" ", "") in _table()


@lru_cache(10_000)
def measures_of(words: str) -> tuple[tuple[tuple[Measure, ...], ...], float]:
    """The measurements that a header's words may name, and how much of the header that explains, from 0 to 1.

    Args:
        words: as `tokens` gives them, without the unit.
    """
    rest = words.split()
    best: tuple[float, tuple[tuple[Measure, ...], ...]] = (0.0, ())
    for start in range(len(rest)):
        for end in range(len(rest), start, -1):
            named = _table().get("".join(rest[start:end]))
            if named is None or named[0][0].unit == _DATE:
                continue
            others = rest[:start] + rest[end:]
            if any(word in _OTHER for word in others):
                continue
            unknown = [word for word in others if word not in _NEUTRAL]
            share = (end - start + len(others) - len(unknown)) / len(rest)
            if unknown and len("".join(rest[start:end])) <= 2:
                continue
            if share > best[0] + 1e-9:
                best = (share, named)
            break
    if best[0] < 1 and len(rest) <= _FEW:  # `O2_DEBIT` is `DEBIT_O2`
        for place in range(1, len(rest)):
            turned = _table().get("".join(rest[place:] + rest[:place]))
            if turned is not None and turned[0][0].unit != _DATE:
                return turned, 1.0
    return best[1], best[0]


def variant_of(
    named: tuple[tuple[Measure, ...], ...], unit: str, low: float, high: float
) -> tuple[Measure | None, bool]:
    """The variant that a unit or, without one, the values fit; and whether variants of other units fit as well.

    Args:
        unit: as the header or a column states it, in UCUM; empty without.
    """
    variants = [variant for group in named for variant in group]
    if unit:
        same = [v for v in variants if v.unit == unit]
        fitting = same or [v for v in variants if v.unit and _commensurable(v.unit, unit)]
        if not fitting and unit in ("1", "%"):
            fitting = [v for v in variants if v.unit in ("1", "%", "")]
    else:
        fitting = [v for v in variants if v.low <= low and high <= v.high]
    if not fitting:
        return None, False
    return fitting[0], len({v.unit for v in fitting}) > 1


def is_one(named: tuple[tuple[Measure, ...], ...], unit: str, low: float, high: float) -> bool:
    """Whether of the measurements that a name may be of one alone fits the unit or, without one, the values."""
    return sum(1 for group in named if variant_of((group,), unit, low, high)[0] is not None) <= 1


def _commensurable(first: str, second: str) -> bool:
    if first == TEXT:
        return False
    first, second = first.replace("[IU]", "U"), second.replace("[IU]", "U")
    try:
        return ucum.commensurable(first, second)
    except (ucum.UcumError, ArithmeticError):
        return False


def variant_in(named: tuple[tuple[Measure, ...], ...], unit: str) -> Measure | None:
    """The variant that has this unit as it is."""
    return next((v for group in named for v in group if v.unit == unit), None)


def words_beside(words: str) -> int:
    """How many known words of other things a header has."""
    return sum(1 for part in slots(words) if part.concepts and not re.fullmatch(r"\d+", part.text))
