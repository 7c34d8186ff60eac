"""What the names of columns say beside one another: a beginning common to many, `ADM` in a table of medication."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Final

from fhir_bridge.workshop.first_mapping.lexicon import fitting_roles, slots, tokens
from fhir_bridge.workshop.first_mapping.measures import measures_of

__all__ = ["spoken"]

_DRUG: Final = frozenset("drug atc rxnorm ndc dose route".split())
_ADMINISTERED: Final = re.compile(r"(?i)(?<![a-z])adm(?![a-z])")
_SPLIT: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
_SAYING: Final = frozenset(
    """pre post preop postop max min mean baseline prior previous history hist family target goal expected predicted
    baby child infant newborn neonate fetal foetal fetus donor spouse partner sibling mother father maternal paternal
    kind enfant bebe hijo neonato madre padre mutter vater spender donneur urine urin csf liquor delta change first
    last left right""".split()
)
"""Beginnings that make something else of what follows: whose it is, when, in what."""
_LEAST: Final = 4


@lru_cache(200)
def spoken(columns: tuple[str, ...]) -> tuple[str, ...]:
    """What each column's name says."""
    return tuple(_administered(columns, _without_beginning(_without_domain(columns))))


def _without_domain(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a table of CDISC without the two letters of its domain: `VSORRES` in vital signs is a result."""
    if not any(column.upper() in ("USUBJID", "DOMAIN", "SUBJID") for column in columns):
        return columns
    counts = Counter(column[:2] for column in columns if re.fullmatch(r"[A-Z]{2}[A-Z0-9]{2,6}", column))
    for letters, count in counts.most_common(1):
        if count >= max(_LEAST, len(columns) // 4):
            return tuple(
                column[2:] if column.startswith(letters) and len(column) > 4 else column for column in columns
            )
    return columns


def _concepts(name: str) -> frozenset[str]:
    return frozenset[str]().union(*(part.concepts for part in slots(tokens(name))))


def _administered(columns: tuple[str, ...], names: list[str]) -> list[str]:
    """`ADM` in a table of medication is what was given, not the admission."""
    known = [_concepts(column) for column in columns]
    kinds = frozenset[str]().union(*known) & _DRUG
    if len(kinds) < 2 or any("discharge" in each for each in known):
        return names
    return [_ADMINISTERED.sub("administered", name) for name in names]


def _understood(name: str) -> float:
    words = tokens(name)
    return max((*(share for share, _ in fitting_roles(words)), measures_of(words)[1]), default=0.0)


def _without_beginning(columns: tuple[str, ...]) -> list[str]:
    """The names without a beginning that many share, which says nothing by itself and hides what follows."""
    names = list(columns)
    counts: Counter[str] = Counter()
    for column in columns:
        pieces = [match.start() for match in _SPLIT.finditer(column) if match.start()]
        counts.update(column[:end] for end in pieces[:3])
    for beginning, count in sorted(counts.items(), key=lambda item: (-len(item[0]), item[0])):
        if count < max(_LEAST, len(columns) // 6) or len(beginning) < 3:
            continue
        words = tokens(beginning)
        parts = slots(words)
        if set(words.split()) & _SAYING or all(p.concepts and "laboratory" not in p.concepts for p in parts):
            continue
        shorter = {
            number: rest
            for number, column in enumerate(columns)
            if names[number] == column
            and column.startswith(beginning)
            and (rest := column[len(beginning) :].strip(" _-."))
        }
        better = {n: rest for n, rest in shorter.items() if _understood(rest) > _understood(columns[n])}
        if 2 * len(better) >= len(shorter) > 1:
            for number, rest in better.items():
                names[number] = rest
    return names
