"""What a word that is no known phrase may stand for: a phrase shortened, or one with a slip of the pen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from fhir_bridge.terminology.suggest.text import edits, skeleton

__all__ = ["Phrases"]

_SHORTEST_MISSPELT = 6
_SHORTEST_ALONE, _SHORTEST_BESIDE = 4, 3
"""Letters that a shortened word keeps: `Hämat` alone, `alk. fosf.` in a phrase of several words."""


class Phrases:
    """Phrases of one language, by their beginnings."""

    def __init__(self, phrases: Iterable[tuple[str, ...]]) -> None:
        self._by_start: dict[str, list[tuple[str, ...]]] = {}
        self._by_length: dict[tuple[str, int], list[str]] = {}
        self._by_sound: dict[str, str] = {}
        for phrase in phrases:
            self._by_start.setdefault(phrase[0][:3], []).append(phrase)
            joined = "".join(phrase)
            if joined.isalpha():
                self._by_length.setdefault((joined[0], len(joined)), []).append(joined)
                if sound := skeleton(joined):
                    self._by_sound.setdefault(sound, joined)
        self.misspelt = lru_cache(8192)(self._misspelt)

    def abbreviated(self, tokens: Sequence[str], position: int) -> tuple[str, ...] | None:
        """The phrase that the words from a position on shorten: of the longest such phrases the one most of which is
        there."""
        best: tuple[tuple[int, float, int], tuple[str, ...]] | None = None
        for phrase in self._by_start.get(tokens[position][:3], ()):
            text = tokens[position : position + len(phrase)]
            if len(text) < len(phrase) or not all(map(_shortens, text, phrase)):
                continue
            there = sum(map(len, text)) / sum(map(len, phrase))
            if len(phrase) == 1 and (len(text[0]) < _SHORTEST_ALONE or not text[0].isalpha()):
                continue
            rank = (len(phrase), there, -len(phrase[0]))
            if best is None or rank > best[0]:
                best = (rank, phrase)
        return best[1] if best else None

    def beginning(self, stem: str, more: int) -> str | None:
        """The shortest phrase of one word that begins so and has at most some letters more."""
        results = (
            p[0]
            for p in self._by_start.get(stem[:3], ())
            if len(p) == 1 and p[0].startswith(stem) and len(p[0]) - len(stem) <= more
        )
        return min(results, key=lambda word: (len(word), word), default=None)

    def _misspelt(self, word: str) -> str | None:
        """The nearest phrase of one word: the same word of another language, or one slip in six letters and more,
        two in nine and more."""
        if len(word) < _SHORTEST_MISSPELT or not word.isalpha():
            return None
        if alike := self._by_sound.get(skeleton(word)):
            return alike
        most = 2 if len(word) >= 9 else 1
        near = min(((edits(word, other, most), other) for other in self._like(word, most)), default=None)
        return near[1] if near and near[0] <= most else None

    def _like(self, word: str, most: int) -> Iterator[str]:
        for length in range(max(len(word) - most, _SHORTEST_MISSPELT), len(word) + most + 1):
            yield from self._by_length.get((word[0], length), ())


def _shortens(text: str, word: str) -> bool:
    return text == word or (len(text) >= _SHORTEST_BESIDE and word.startswith(text))
