"""How like a name is to what somebody wrote: by words, weighted by how much each shows, allowing for misspelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

__all__ = ["Query"]

_NEAR_ENOUGH = 0.4
_PART = 4


class Query:
    """What somebody wrote, ready to be compared with many names."""

    def __init__(self, requested: Sequence[str], rarity: Callable[[str], float]) -> None:
        """Prepare.

        Args:
            requested: folded words, see `folding.words`.
            rarity: how much a word shows, from 0 to 1.
        """
        self._asked = tuple(dict.fromkeys(requested))
        self._rarity = rarity
        self._weights = {word: 0.1 + rarity(word) for word in self._asked}
        self._total = sum(self._weights.values())

    def likeness(self, name: Sequence[str]) -> float:
        """From 0 to 1: mostly how much of what was asked the name holds, and a little how much else it holds."""
        if not name:
            return 0.0
        there = dict.fromkeys(name)
        used: set[str] = set()
        shared = 0.0
        for word in self._asked:
            best, which = 0.0, ""
            if word in there:
                best, which = 1.0, word
            else:
                for other in there:
                    near = _near(word, other)
                    if near > best:
                        best, which = near, other
            parts = [other for other in there if len(other) >= _PART and other in word] if best < 1.0 else []
            joined = 0.95 * min(1.0, sum(map(len, parts)) / len(word))
            if len(parts) > 1 and joined > best:  # "Serumglukose" for "Glukose im Serum"
                shared += joined * self._weights[word]
                used.update(parts)
            elif best >= _NEAR_ENOUGH:
                shared += best * self._weights[word]
                used.add(which)
        coverage = shared / self._total
        rest = sum(self._weight(word) for word in there if word not in used)
        weight = sum(self._weight(word) for word in used)
        tightness = weight / (weight + rest) if weight else 0.0
        return coverage * (0.75 + 0.25 * tightness)

    def _weight(self, word: str) -> float:
        weight = self._weights.get(word)
        if weight is None:
            weight = self._weights[word] = 0.1 + self._rarity(word)
        return weight


@lru_cache(maxsize=20_000)
def _pieces(word: str) -> frozenset[str]:
    marked = f"^{word}$"
    return frozenset(marked[start : start + 3] for start in range(len(marked) - 2))


@lru_cache(maxsize=20_000)
def _near(word: str, other: str) -> float:
    """Likeness of two words: the share of common pieces, or that one begins or is part of the other."""
    shorter, longer = sorted((len(word), len(other)))
    if shorter >= 3 and (other.startswith(word) or word.startswith(other)):
        return 0.6 + 0.35 * shorter / longer
    if shorter >= 5 and (word in other or other in word):
        return 0.5 + 0.3 * shorter / longer
    pieces, others = _pieces(word), _pieces(other)
    common = len(pieces & others)
    return 2 * common / (len(pieces) + len(others)) if common else 0.0
