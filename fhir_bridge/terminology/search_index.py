"""Text search over the names of concepts: word beginnings for filters, misspellings and partial words for suggestions.

A tantivy index in a folder beside the concepts, written once and read memory-mapped. Words are taken apart and folded
here, for the index and for the question alike, so that language and accents don't depend on the library. A concept
is one document with the words of all its names, for filters, and one more for each name, for likeness.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import tantivy
from tantivy import Occur, Query

from fhir_bridge.terminology.files import TextIndexError
from fhir_bridge.terminology.folding import MAX_INDEXED, words

__all__ = ["Hit", "TextIndex", "TextWriter", "trigrams"]

_HEAP = 48_000_000
_LIKELY, _OTHER = "", "other_"
"""Fields of names that are looked through for candidates, and of the rest. Apart, so that the usual question is a plain
disjunction of words, of which the index skips what can't be among the best."""

_MAX_WORDS = 32
_MAX_UNKNOWN = 4
_MAX_CACHED = 20_000


class Hit(NamedTuple):
    """A found name: whose it is, which of its names, and how well it fits (the larger the better)."""

    owner: int
    name: int
    score: float


def trigrams(results: list[str]) -> list[str]:
    """The three-letter pieces of words, with marks at beginning and end; each once."""
    return list(dict.fromkeys(piece for word in results for piece in _pieces(word).split(" ")))


@lru_cache(maxsize=50_000)
def _pieces(word: str) -> str:
    marked = f"^{word}$"
    return " ".join(marked[start : start + 3] for start in range(len(marked) - 2))


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("any", tokenizer_name="spaces", index_option="basic")
    for kind in (_LIKELY, _OTHER):
        # Frequencies are kept where hits are ranked by them, and nowhere else.
        builder.add_text_field(f"{kind}word", tokenizer_name="spaces", index_option="freq")
        builder.add_text_field(f"{kind}piece", tokenizer_name="spaces", index_option="basic")
    builder.add_text_field("mark", tokenizer_name="spaces", index_option="basic")
    builder.add_unsigned_field("owner", fast=True)
    builder.add_unsigned_field("name", fast=True)
    builder.add_unsigned_field("rank", fast=True)
    return builder.build()


def _tokenize_at_spaces(index: tantivy.Index) -> None:
    index.register_tokenizer("spaces", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())


class TextWriter:
    """Writes an index; names are added best first. What the disk does not take ends it with `TextIndexError`."""

    def __init__(self, folder: Path) -> None:
        """Begin an index in a folder, which is made."""
        folder.mkdir(parents=True)
        index = tantivy.Index(_schema(), path=str(folder))
        _tokenize_at_spaces(index)
        self._index = index
        self._writer = index.writer(heap_size=_HEAP, num_threads=1)
        self._count = 0

    def add_concept(self, owner: int, names: list[str], marks: str) -> None:
        """Add a concept with all its names, for `TextIndex.filter`; the best come first."""
        document = tantivy.Document()
        result = dict.fromkeys(word for name in names for word in words(name))
        document.add_text("any", " ".join(islice(result, MAX_INDEXED)))
        self._add(document, owner, 0, marks)

    def add_name(self, owner: int, name: int, text: str, marks: str, *, likely: bool) -> None:
        """Add one name, for `TextIndex.candidates`; one that is not `likely` only for those who ask for all."""
        word = words(text)[:MAX_INDEXED]
        if word:
            kind = _LIKELY if likely else _OTHER
            document = tantivy.Document()
            document.add_text(f"{kind}word", " ".join(word))
            document.add_text(f"{kind}piece", " ".join(map(_pieces, word)))
            self._add(document, owner, name, marks)

    def _add(self, document: tantivy.Document, owner: int, name: int, marks: str) -> None:
        document.add_text("mark", marks)
        document.add_unsigned("owner", owner)
        document.add_unsigned("name", name)
        document.add_unsigned("rank", self._count)
        self._count += 1
        try:
            self._writer.add_document(document)
        except ValueError as error:
            raise TextIndexError(str(error)) from error

    def close(self) -> None:
        """Write what is left."""
        try:
            self._writer.commit()
            self._writer.wait_merging_threads()
        except ValueError as error:
            raise TextIndexError(str(error)) from error


class TextIndex:
    """An index, read. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Open an index.

        Raises:
            TextIndexError: it can't be read.
        """
        try:
            index = tantivy.Index.open(str(folder))
        except (ValueError, OSError) as error:
            raise TextIndexError(f"{folder}: {error}") from error
        _tokenize_at_spaces(index)
        # The files never change; by default tantivy would start a thread that watches them.
        index.config_reader("manual")
        index.reload()
        self._index = index
        self._schema = index.schema
        self._searcher = index.searcher()
        self._rarities: dict[str, float] = {}

    def filter(self, text: str, marks: list[str], limit: int) -> list[int]:
        """Owners whose names hold every word of the text, or a word that begins with it; each once.

        Those that have the very words come first; among equals the order is that in which concepts were added.
        """
        result = list(dict.fromkeys(words(text)))[:_MAX_WORDS]
        if not result or limit < 1:
            return []
        marked = self._marked(marks)
        owners: list[int] = []
        if all(self._searcher.doc_freq("any", word) for word in result):
            exact = [(Occur.Must, self._term("any", word)) for word in result]
            owners = self._owners(Query.boolean_query([*marked, *exact]), limit)
        if len(owners) < limit:
            # A distance of 0 with `prefix` set: words that begin so.
            begun = [
                (Occur.Must, Query.fuzzy_term_query(self._schema, "any", word, 0, True, True))
                for word in result
            ]
            more = self._owners(Query.boolean_query([*marked, *begun]), limit)
            owners = list(dict.fromkeys([*owners, *more]))[:limit]
        return owners

    def candidates(self, text: str, marks: list[str], limit: int, *, likely: bool = True) -> list[Hit]:
        """Names that are like the text: they share words, or words that are much like those.

        Returns:
            The best by shared words, then the best by words that are like one that no name holds; each name once.
        """
        result = list(dict.fromkeys(words(text)))[:_MAX_WORDS]
        if not result or limit < 1:
            return []
        hits: dict[tuple[int, int], Hit] = {}
        for kind in (_LIKELY,) if likely else (_LIKELY, _OTHER):
            for query in self._alike(result, kind):
                limited = Query.boolean_query([*self._marked(marks), (Occur.Must, query)]) if marks else query
                for hit in self._hits(limited, limit):
                    hits.setdefault((hit.owner, hit.name), hit)
        return list(hits.values())

    def _alike(self, results: list[str], kind: str) -> list[Query]:
        """Disjunctions of the known words and the pieces of unknown ones; and for each unknown word, those like it."""
        unknown = [word for word in results if not self._searcher.doc_freq(f"{kind}word", word)]
        known = [
            (Occur.Should, self._term(f"{kind}word", word, "freq"))
            for word in results
            if word not in set(unknown)
        ]
        pieces = [
            (Occur.Should, Query.boost_query(self._term(f"{kind}piece", piece), 0.5))
            for piece in trigrams(unknown)
        ]
        queries = [Query.boolean_query([*known, *pieces])]
        for word in unknown[:_MAX_UNKNOWN]:
            near = (
                [Query.fuzzy_term_query(self._schema, f"{kind}word", word, 0, True, True)]
                if len(word) > 2
                else []
            )
            if len(word) > 3:
                distance = 1 if len(word) < 8 else 2
                near.append(Query.fuzzy_term_query(self._schema, f"{kind}word", word, distance, True, False))
            if near:
                either = Query.boolean_query([(Occur.Should, item) for item in near])
                queries.append(
                    Query.boolean_query([(Occur.Must, Query.const_score_query(either, 1.0)), *known])
                )
        return queries

    def _hits(self, query: Query, limit: int) -> list[Hit]:
        hits = self._searcher.search(query, limit, count=False).hits
        addresses = [address for _, address in hits]
        owners: list[Any] = self._searcher.fast_field_values("owner", addresses)
        names: list[Any] = self._searcher.fast_field_values("name", addresses)
        return [Hit(*item) for item in zip(owners, names, (score for score, _ in hits), strict=True)]

    def rarity(self, word: str) -> float:
        """How much a (folded) word shows, from 0 (in every name) to 1 (in none or one)."""
        known = self._rarities.get(word)
        if known is None:
            total = max(self._searcher.num_docs, 2)
            share = max(self._searcher.doc_freq("word", word), 1) / total
            if len(self._rarities) > _MAX_CACHED:
                self._rarities.clear()
            known = self._rarities[word] = min(1.0, -math.log(min(share, 1.0)) / math.log(total))
        return known

    def _marked(self, marks: list[str]) -> list[tuple[Any, Query]]:
        # Marks select, and add nothing to the score.
        return [(Occur.Must, Query.const_score_query(self._term("mark", mark), 0.0)) for mark in marks]

    def _term(self, field: str, value: str, option: str = "basic") -> Query:
        return Query.term_query(self._schema, field, value, option)

    def _owners(self, query: Query, limit: int) -> list[int]:
        """Owners of the hits, in the order in which they were added."""
        most = min(limit, max(self._searcher.num_docs, 1))  # space is allocated for as many as are asked for
        hits = self._searcher.search(
            query, most, count=False, order_by_field="rank", order=tantivy.Order.Asc
        ).hits
        owners: list[Any] = self._searcher.fast_field_values("owner", [address for _, address in hits])
        return owners
