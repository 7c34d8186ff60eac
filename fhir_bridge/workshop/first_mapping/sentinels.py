# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""Cells that stand for no value: words for it, and numbers that no measurement has (`-9`, `999`)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["NOTHING", "number_of", "sentinels", "words_for_nothing"]

NOTHING: Final = frozenset(
    "-|--|---|n/a|n.a.|n. a.|null|nan|k.a.|k. a.|n.b.|?|.|..|\\n|#n/a|#na|missing|not available|not recorded|"
    "not done|not performed|not measured|not applicable|nicht bestimmt|nicht erhoben|nicht durchgeführt|nicht gemessen|"
    "nicht erfasst|keine angabe|entfällt|non fait|non renseigné|non mesuré|non réalisé|non disponible|sans objet|manquant|"
    "non eseguito|non disponibile|no disponible|no realizado|sin dato|s.d.|#n/v|<na>|"
    "{null}|(null)|[null]|blank|no data|x.x|#value!|#wert!".split("|")
)
"""What people write for no value in any column, in small letters."""
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
    "n.d.|n.r.|n/d|n. b.|pending|ausstehend|folgt|en attente|no result|nr|nd|na|nb|nt|ka|nm|nil|nn|err|error|fehlt|fehler|tnp|npl|nc|ni".split(
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


def words_for_nothing(cells: Iterable[str], *, numbers: bool, finding: bool = False) -> tuple[str, ...]:
    """The cells that stand for no value, as they are written.

    Args:
        numbers: whether the column's other cells are numbers or dates.
        finding: whether the column is of findings, in which `unknown` is none.
    """
    words = NOTHING | (_PERHAPS | _AMONG_NUMBERS if numbers else _UNKNOWN if finding else frozenset())
    return tuple(
        sorted(
            {
                cell
                for cell in set(cells)
                if cell.casefold() in words or (numbers and _ABBREVIATED.match(cell))
            }
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
