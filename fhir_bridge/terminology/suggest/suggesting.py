"""Candidates for the codes of a local catalogue, best first, with what speaks for each; or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail
from fhir_bridge.terminology.service import Terminology
from fhir_bridge.terminology.suggest.concept_names import NamedConcept, is_word, named
from fhir_bridge.terminology.suggest.index import Candidates, index_of
from fhir_bridge.terminology.suggest.lexicon import Lexicon, get_lexicon
from fhir_bridge.terminology.suggest.query import LocalTerm, Query, queries, search_texts
from fhir_bridge.terminology.suggest.scoring import score

__all__ = ["ENOUGH", "Suggester", "Suggestion", "Suggestions"]

CANDIDATES = 250
"""Concepts that the index gives for each reading of a name, to be checked by their axes."""

_KEPT = 50_000
"""Concepts whose names are kept in words."""

ENOUGH = 0.58
"""Below this score nothing is suggested: a courier fee has no code, however near `fee` is to `ferritin`."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A code that may be meant; `score` 0 to 1, `evidence` says what led to it."""

    system: str
    code: str
    display: str
    score: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The suggestions for one term; `found` is empty where nothing is near enough, `near` holds what came closest."""

    term: LocalTerm
    suggestions: tuple[Suggestion, ...]
    near: tuple[Suggestion, ...] = ()


class _Scored(NamedTuple):
    value: float
    content: CodeSystemContent
    concept: ConceptDetail
    evidence: tuple[str, ...]


class Suggester:
    """Suggests codes of some code systems.

    Args:
        targets: the code systems to choose from.
        terminology: knows units as people write them.
        lexicon: what people write; a site's own tables can be added to the one that ships.
    """

    def __init__(
        self, targets: Sequence[CodeSystemContent], terminology: Terminology, lexicon: Lexicon | None = None
    ) -> None:
        self._targets = tuple(targets)
        self._terminology = terminology
        self._lexicon = lexicon or get_lexicon()
        self._named: dict[tuple[str, str], NamedConcept] = {}

    @cached_property
    def _indexes(self) -> tuple[tuple[CodeSystemContent, Candidates], ...]:
        return tuple((content, index_of(content)) for content in self._targets)

    def suggest(self, term: LocalTerm, limit: int = 5) -> Suggestions:
        """The best `limit` codes for a term."""
        best: dict[tuple[str, str], _Scored] = {}
        for query in queries(term, self._lexicon, self._terminology):
            for checked in self._scored(query):
                key = (checked.content.url, checked.concept.code)
                if key not in best or best[key].value < checked.value:
                    best[key] = checked
        ranked = sorted(best.values(), key=lambda j: (-j.value, len(j.concept.display or ""), j.concept.code))
        results = tuple(
            Suggestion(
                j.content.url,
                j.concept.code,
                j.concept.display or "",
                round(min(j.value, 1.0), 3),
                j.evidence,
            )
            for j in ranked[:limit]
        )
        enough = bool(ranked) and ranked[0].value >= ENOUGH
        return Suggestions(term, results if enough else (), () if enough else results)

    def search(self, text: str, term: LocalTerm, limit: int = 10) -> tuple[Suggestion, ...]:
        """What a reviewer looks for in other words: the concept that has the text as its code, then the candidates for
        the text as a name, with unit and specimen of the term; what is not near enough only where nothing else is."""
        code = text.strip()
        by_code = [
            Suggestion(content.url, concept.code, concept.display or "", 1.0, ("found by its code",))
            for content in self._targets
            if code and (concept := content.get(code)) is not None
        ]
        answer = self.suggest(LocalTerm(text, term.unit, term.specimen, term.language), limit)
        same = {(item.system, item.code) for item in by_code}
        named = answer.suggestions or (() if by_code else answer.near)
        others = [item for item in named if (item.system, item.code) not in same]
        return (*by_code, *others)[:limit]

    def _scored(self, query: Query) -> Iterator[_Scored]:
        for content, index in self._indexes:
            for code in dict.fromkeys(self._near(index, query)):
                concept = content.get(code)
                if concept is None or not concept.active or concept.abstract:
                    continue
                result = score(query, self._words_of(content, concept))
                if result.value:
                    yield _Scored(result.value, content, concept, (*query.evidence, *result.evidence))

    @staticmethod
    def _near(index: Candidates, query: Query) -> Iterator[str]:
        """Codes to be checked: those that a word of the name says itself (DICOM's `CT`), and what the index has."""
        yield from (word.upper() for word in query.named if is_word(word))
        for text in search_texts(query):
            yield from (code for code, *_ in index.candidates(text, CANDIDATES))

    def _words_of(self, content: CodeSystemContent, concept: ConceptDetail) -> NamedConcept:
        """The concept's names in words; kept, for the same concepts are near to many terms."""
        key = (content.url, concept.code)
        if key not in self._named:
            if len(self._named) >= _KEPT:
                self._named.clear()
            self._named[key] = named(content, concept)
        return self._named[key]
