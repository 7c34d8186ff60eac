"""A word index in memory, for code systems that bring none of their own (a site's CodeSystem, a table)."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol, runtime_checkable

from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.suggest.text import close, words

__all__ = ["Candidates", "WordIndex", "index_of"]


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
        found = words(name)
        self._lengths.append(min(len(found), 65535))
        for word in dict.fromkeys(found):
            self._postings.setdefault(word, array("I")).append(number)

    def candidates(self, text: str, limit: int) -> list[tuple[str, float, str, str | None]]:
        """The best names of each concept that shares a word with the text."""
        scores: Counter[int] = Counter()
        count = len(self._codes)
        for word in dict.fromkeys(words(text)):
            for known, nearness in self._near(word):
                numbers = self._postings[known]
                rarity = math.log(1 + (count - len(numbers) + 0.5) / (len(numbers) + 0.5)) * nearness
                for number in numbers:
                    length = 1 - self._B + self._B * self._lengths[number] / self._average
                    scores[number] += rarity * (self._K + 1) / (1 + self._K * length)  # type: ignore[assignment]
        best: dict[str, tuple[str, float, str, str | None]] = {}
        for number, value in sorted(scores.items(), key=lambda item: (-item[1], item[0])):
            code = self._codes[number]
            if code not in best:
                best[code] = (code, float(value), *self._names[number])
                if len(best) >= limit:
                    break
        return list(best.values())

    def _nearest(self, word: str) -> Sequence[tuple[str, float]]:
        """The word itself where it is known; else the known words that it abbreviates or misspells."""
        if word in self._postings:
            return ((word, 1.0),)
        if len(word) < 3:
            return ()
        near = ((known, close(word, known)) for known in self._postings)
        found = sorted(((known, n) for known, n in near if n), key=lambda item: (-item[1], item[0]))
        return found[:8]


def index_of(content: CodeSystemContent) -> Candidates:
    """The content's own index, or one made of it now."""
    return content if isinstance(content, Candidates) else WordIndex(content)
