"""A word index in memory, for code systems that bring none of their own (a site's CodeSystem, a table)."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from heapq import nsmallest
from itertools import islice
from typing import Protocol, runtime_checkable

from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.suggest.text import close, skeleton, words

__all__ = ["Candidates", "WordIndex", "index_of"]

_ENOUGH = 3
"""Names for each concept asked for that are enough to leave common words out."""
_NAMES = 4
"""Names that a concept may have among the best."""


@runtime_checkable
class Candidates(Protocol):
    """What suggestion asks of a text index, as the imported store answers it."""

    def candidates(self, text: str, limit: int) -> Iterable[tuple[str, float, str, str | None]]:
        """(code, score, matched name, its language) of concepts with a name like this text, best first."""
        ...


class WordIndex:
    """Names by their words, ranked by BM25. Building it reads every concept once."""

    _K, _B = 1.2, 0.6

    def __init__(self, content: CodeSystemContent) -> None:
        self._codes: list[str] = []
        self._names: list[tuple[str, str | None]] = []
        self._lengths = array("H")
        self._postings: dict[str, array[int]] = {}
        for code in content.codes():
            concept = content.get(code)
            if concept is None or not concept.active or concept.abstract:
                continue
            names = [(concept.display, content.language)]
            names += [(d.value, d.language) for d in concept.designations]
            names += [(str(value), "en") for value in concept.values("COMPONENT")]
            for name, language in dict.fromkeys(names):
                if name:
                    self._add(code, name, language)
        self._average = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        self._near = lru_cache(4096)(self._nearest)

    def _add(self, code: str, name: str, language: str | None) -> None:
        number = len(self._codes)
        self._codes.append(code)
        self._names.append((name, language))
        result = words(name)
        self._lengths.append(min(len(result), 65535))
        for word in dict.fromkeys(result):
            self._postings.setdefault(word, array("I")).append(number)

    def candidates(self, text: str, limit: int) -> list[tuple[str, float, str, str | None]]:
        """The best names of each concept that shares a word with the text.

        Words are taken from the rarest to the most common; where there are enough names already, one that holds only
        the common words is not looked at.
        """
        count = len(self._codes)
        requested = {known: nearness for word in words(text) for known, nearness in self._near(word)}
        scores: dict[int, float] = {}
        for known in sorted(requested, key=lambda word: len(self._postings[word])):
            numbers = self._postings[known]
            rarity = math.log(1 + (count - len(numbers) + 0.5) / (len(numbers) + 0.5)) * requested[known]
            enough = len(scores) >= _ENOUGH * limit and len(numbers) > len(scores)
            for number in self._among(scores, numbers) if enough else numbers:
                length = 1 - self._B + self._B * self._lengths[number] / self._average
                scores[number] = scores.get(number, 0.0) + rarity * (self._K + 1) / (1 + self._K * length)
        best: dict[str, tuple[str, float, str, str | None]] = {}
        for number, value in nsmallest(_NAMES * limit, scores.items(), key=lambda item: (-item[1], item[0])):
            code = self._codes[number]
            if code not in best:
                best[code] = (code, value, *self._names[number])
                if len(best) >= limit:
                    break
        return list(best.values())

    @staticmethod
    def _among(results: Iterable[int], numbers: array[int]) -> list[int]:
        """Those found that are among the numbers, which are in order."""
        locations = ((number, bisect_left(numbers, number)) for number in results)
        return [number for number, i in locations if i < len(numbers) and numbers[i] == number]

    def _nearest(self, word: str) -> Sequence[tuple[str, float]]:
        """The word itself where it is known; else the known words that it abbreviates or misspells."""
        if word in self._postings:
            return ((word, 1.0),)
        if len(word) < 3:
            return ()
        near = ((known, close(word, known)) for known in dict.fromkeys(self._like(word)))
        results = sorted(((known, n) for known, n in near if n), key=lambda item: (-item[1], item[0]))
        return results[:8]

    def _like(self, word: str) -> Iterator[str]:
        """Known words that can be near one: it begins them, they begin it, or they are about as long and share its
        first or last letters (a slip is not in both)."""
        ordered = self._ordered
        for known in islice(ordered, bisect_left(ordered, word), None):
            if not known.startswith(word):
                break
            yield known
        yield from (word[:n] for n in range(3, len(word)) if word[:n] in self._postings)
        yield from self._sounding.get(skeleton(word), ())
        for length in range(len(word) - 1, len(word) + 2):
            for key in ((length, word[:2], ""), (length, "", word[-2:])):
                yield from self._alike.get(key, ())

    @cached_property
    def _ordered(self) -> list[str]:
        return sorted(self._postings)

    @cached_property
    def _sounding(self) -> dict[str, list[str]]:
        """Words by what their spellings in other languages share."""
        results: dict[str, list[str]] = {}
        for word in self._postings:
            if sound := skeleton(word):
                results.setdefault(sound, []).append(word)
        return results

    @cached_property
    def _alike(self) -> dict[tuple[int, str, str], list[str]]:
        """Words by their length with their first and with their last letters."""
        results: dict[tuple[int, str, str], list[str]] = {}
        for word in self._postings:
            if len(word) >= 4:
                results.setdefault((len(word), word[:2], ""), []).append(word)
                results.setdefault((len(word), "", word[-2:]), []).append(word)
        return results


def index_of(content: CodeSystemContent) -> Candidates:
    """The content's own index, or one built from it now."""
    return content if isinstance(content, Candidates) else WordIndex(content)
