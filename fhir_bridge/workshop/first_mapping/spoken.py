"""What the names of columns say beside one another: a beginning common to many, `ADM` in a table of medication."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Final

from fhir_bridge.workshop.first_mapping.lexicon import fitting_roles, slots, tokens
from fhir_bridge.workshop.first_mapping.measures import measures_of
from fhir_bridge.workshop.first_mapping.whose import PERSONS

__all__ = ["spoken"]


def _word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)(?<![a-z])({text})(?![a-z])\.?")


_CONTEXTS: Final = (
    (
        frozenset("drug atc rxnorm ndc dose route".split()), 2, frozenset(("discharge",)),
        ((_word("adm"), "administered"),),
    ),
    (
        frozenset(("unitofblood", "transfusion")), 1, frozenset[str](),
        (
            (_word("transf"), "transfusion"), (_word("unit"), "konserve"), (_word("component"), "blood product"),
            (_word("issued?"), "dispensed"),
        ),
    ),
    (frozenset(("organism", "antibiotic")), 1, frozenset[str](), ((_word("cmi"), "mic"),)),
)  # fmt: skip
"""Concepts that a table's names have, how many at least, those that they have not, and what words then mean."""
_SPLIT: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
_SAYING: Final = frozenset(
    """pre post preop postop max min mean baseline prior previous history hist family target goal expected predicted
    baby child infant newborn neonate fetal foetal fetus donor spouse partner sibling mother father maternal paternal
    kind enfant bebe hijo neonato madre padre mutter vater spender donneur urine urin csf liquor delta change first
    last left right""".split()
)
"""Beginnings that make something else of what follows: whose it is, when, in what."""
_LEAST: Final = 4
_DESCRIBED: Final = 2
"""From so many of name and birth date a person is described, not named beside another."""


@lru_cache(200)
def spoken(columns: tuple[str, ...]) -> tuple[str, ...]:
    """What each column's name says."""
    columns = _without_types(_without_domain(columns))
    return tuple(_of_whom(_in_context(columns, _without_beginning(columns))))


_TYPES: Final = {
    "NR": "numero", "NU": "numero", "CD": "codigo", "CO": "codigo", "DS": "descricao", "NM": "nome", "NO": "nome",
    "DT": "data", "DH": "data hora", "HR": "hora", "TP": "tipo", "ST": "status",
    **dict.fromkeys(("QT", "IE", "VL", "FL", "TX", "SG", "IN"), ""),
}  # fmt: skip
"""Two letters before names that say of what type a column is, as databases of hospitals in Portuguese have."""
_SURE: Final = frozenset("NR CD DS NM DT DH QT IE TP NU".split())


def _without_types(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The names with the letters for their types spelt out, where most columns begin with some: `DS_MATERIAL`."""
    typed = [match for column in columns if (match := re.match(r"(?i)([a-z]{2})_(?=[a-z]{2})", column))]
    known = [match[1].upper() for match in typed if match[1].upper() in _TYPES]
    if len(known) < max(_LEAST, 0.6 * len(columns)) or len(set(known) & _SURE) < 3:
        return columns
    return tuple(
        f"{_TYPES[column[:2].upper()]} {column[3:]}".strip()
        if column[2:3] == "_" and column[:2].upper() in _TYPES and len(column) > _LEAST
        else column
        for column in columns
    )


_DEMOGRAPHIC: Final = frozenset("given family name birth-date".split())


def _of_whom(names: list[str]) -> list[str]:
    """The names without the word for the one person whose name and birth date a table has: that is its patient."""
    roles: dict[str, set[str]] = {}
    shorter: dict[int, tuple[str, str]] = {}
    for number, name in enumerate(names):
        words = tokens(name)
        who, rest = next(
            (
                (person, " ".join(re.sub(rf"\b({pattern})( s)?\b", " ", words).split()))
                for person, pattern in PERSONS.items()
                if re.search(rf"\b({pattern})\b", words)
            ),
            ("", words),
        )
        roles.setdefault(who, set()).update({role for _, role in fitting_roles(rest)[:1]} & _DEMOGRAPHIC)
        if who and rest:
            shorter[number] = (who, rest)
    most = sorted(((len(each), who) for who, each in roles.items() if who), reverse=True)
    if roles.get("") or not most or most[0][0] < _DESCRIBED or most[0][0] == (most[1][0] if most[1:] else 0):
        return names
    return [
        shorter[number][1] if shorter.get(number, ("",))[0] == most[0][1] else name
        for number, name in enumerate(names)
    ]


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


def _in_context(columns: tuple[str, ...], names: list[str]) -> list[str]:
    """The names with words as they are meant in such a table: `ADM` beside a drug and its dose is no admission."""
    known = frozenset[str]().union(*(_concepts(column) for column in columns))
    for needed, least, absent, words in _CONTEXTS:
        if len(known & needed) >= least and not known & absent:
            for pattern, meaning in words:
                names = [pattern.sub(meaning, name) for name in names]
    return names


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
