# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""Cells that stand for no value: words for it, and numbers that no measurement has (`-9`, `999`)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["NOTHING", "date_sentinels", "is_empty_cell", "number_of", "sentinels", "words_for_nothing"]

NOTHING: Final = frozenset(
    "-|--|---|n/a|n.a.|n. a.|null|nan|k.a.|k. a.|n.b.|?|.|..|\\n|#n/a|#na|missing|not available|not recorded|"
    "not done|not performed|not measured|not applicable|nicht bestimmt|nicht erhoben|nicht durchgeführt|nicht gemessen|"
    "nicht erfasst|keine angabe|entfällt|non fait|non renseigné|non mesuré|non réalisé|non disponible|sans objet|manquant|"
    "non eseguito|non disponibile|no disponible|no realizado|sin dato|s.d.|#n/v|<na>|"
    "{null}|(null)|[null]|blank|no data|x.x|#value!|#wert!".split("|")
)
"""What people write for no value in any column, in small letters."""
_EMPTY_CELLS: Final = frozenset(
    "n/a|null|nan|\\n|#n/a|#na|<na>|{null}|(null)|[null]|#n/v|#value!|#wert!|missing|not available|no data|blank".split(
        "|"
    )
)
"""What programs write into an empty cell: no value in whatever column; all others are so in the column where they were seen."""
_SIGNS: Final = re.compile(r"\(?[+-]{1,4}\)?\Z|\+/-\Z|±\Z|\+?-?[1-4]\+\Z")
"""Signs of a test's result or of a flag: beside a plus, a minus is its opposite."""
_PERHAPS: Final = frozenset(
    "none|nil|unknown|unbekannt|inconnu|unk|sconosciuto|desconocido|unspecified|not known|u|no|nein|non|keine".split(
        "|"
    )
)
"""What stands for no value among numbers, and may be an answer among words."""
_UNKNOWN: Final = frozenset(
    "unknown|unbekannt|inconnu|inconnue|unk|sconosciuto|desconocido|not known".split("|")
)
_AMONG_NUMBERS: Final = frozenset(
    "n.d.|n.r.|n/d|n. b.|pending|ausstehend|folgt|en attente|no result|nr|nd|na|nb|nt|ka|nm|nil|nn|err|error|fehlt|fehler|tnp|npl|nc|ni|nk|n/k|n.k.".split(
        "|"
    )
)
_ABBREVIATED: Final = re.compile(r"[nk]\. ?[a-zä]\.?\Z")
"""Not or no something, shortened: `n.m.`."""
_SENTINEL: Final = re.compile(
    r"-(1|7|8|9|66|77|88|98|99|777|888|998|999|9998|9999|99999)(\.0+)?\Z|-?9{2,}(\.0+|\.9+)?\Z|-?8{3,}\Z|-?7{3,}\Z|-?9{1,}8\Z"
)
_NUMBER: Final = re.compile(r"[<>≤≥]?=? ?([-+]?\d+(?:[.,]\d+)?)\Z")


def number_of(cell: str) -> float | None:
    """A cell as a number, its comparator left out; None where it is none."""
    match = _NUMBER.match(cell)
    return float(match[1].replace(",", ".")) if match else None


def is_empty_cell(word: str) -> bool:
    """Whether a word stands for no value in every column of a file, not in one alone."""
    return word.casefold() in _EMPTY_CELLS


def _minus_is_value(cells: set[str]) -> bool:
    """Whether a minus is a result: beside a plus, or where there is nothing but signs."""
    signs = {cell for cell in cells if _SIGNS.match(cell)}
    return any("+" in sign for sign in signs)


def words_for_nothing(cells: Iterable[str], *, numbers: bool, finding: bool = False) -> tuple[str, ...]:
    """The cells that stand for no value, as they are written.

    Args:
        numbers: whether the column's other cells are numbers or dates.
        finding: whether the column is of findings, in which `unknown` is none.
    """
    words = NOTHING | (_PERHAPS | _AMONG_NUMBERS if numbers else _UNKNOWN if finding else frozenset())
    distinct = set(cells)
    if _minus_is_value(distinct):
        words -= {"-", "--", "---"}
    return tuple(
        sorted(
            cell for cell in distinct if cell.casefold() in words or (numbers and _ABBREVIATED.match(cell))
        )
    )


def sentinels(cells: Sequence[str], low: float | None, high: float | None) -> tuple[str, ...]:
    """The numbers among cells that stand for no value.

    Args:
        low, high: the values that are possible in what the column measures; None where that is not known.
    """
    counts = Counter(cells)
    numbers = {cell: number for cell in counts if (number := number_of(cell)) is not None}
    marked = {cell: number for cell, number in numbers.items() if _SENTINEL.match(cell)}
    others = [number for cell, number in numbers.items() if cell not in marked]
    if not marked or not others:
        return ()
    least, most = min(others), max(others)
    chosen = []
    for cell, number in marked.items():
        if number < 0:
            apart = least >= 0 or number < least - 3 * (most - least)
        else:
            impossible = high is not None and number > high
            often = counts[cell] > 2 and number >= 1.6 * most
            apart = number > most and (impossible or number >= 3 * most or often)
        if apart and not (number < 0 and low is not None and low <= number):
            chosen.append(cell)
    return tuple(sorted(chosen))


_DATE: Final = re.compile(
    r"(?:(?P<y>\d{4})(?P<s>[-./])(?P<m>\d{1,2})(?P=s)(?P<d>\d\d?)|(?P<a>\d{1,2})[-./ ](?P<b>\d{1,2}|[A-Za-z]{3,9})[-./ ](?P<z>\d{4}))"
    r"(?:[T ].*)?\Z|(?P<x>9999|2999|0001|1[789]\d\d|2099)(?P<mm>0[1-9]|1[0-2])(?P<dd>0[1-9]|[12]\d|3[01])(\d{4}|\d{6})?\Z"
)
_NEVER: Final = frozenset(
    "1753-1-1 1800-1-1 1840-12-31 1899-12-29 1899-12-30 1899-12-31 1900-1-1 2099-12-31".split()
)
"""Days that systems write for no day; those of a month and day below 13 are the same either way round."""
_LAST_YEAR: Final = 2900


def date_sentinels(cells: Iterable[str]) -> tuple[str, ...]:
    """The dates among cells that no event has: those that systems write for none or for never, as they are written."""
    return tuple(sorted({cell for cell in set(cells) if _is_never(cell)}))


def _is_never(cell: str) -> bool:
    match = _DATE.match(cell)
    if match is None:
        return False
    year = int(match["y"] or match["z"] or match["x"])
    if year >= _LAST_YEAR or year <= 1:
        return True
    first, second = match["m"] or match["a"] or match["mm"], match["d"] or match["b"] or match["dd"]
    months = {"jan": 1, "dec": 12, "dez": 12, "ene": 1, "dic": 12, "gen": 1, "janv": 1}
    pair = [int(part) if part.isdigit() else months.get(part.casefold(), 0) for part in (first, second)]
    return bool({f"{year}-{pair[0]}-{pair[1]}", f"{year}-{pair[1]}-{pair[0]}"} & _NEVER)
