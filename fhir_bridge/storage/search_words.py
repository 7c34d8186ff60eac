"""Search by words: `_content`, `_text`, and the modifier `:text` of items (R4 search.html#content, #item)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fhir_bridge.fhir.definitions import SearchParameter
from fhir_bridge.fhir.search.entries import normalise
from fhir_bridge.storage.conditions import Condition, all_of, any_of
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.search_text import split_list

__all__ = ["in_words", "of_text"]

# A phrase in quotes, a parenthesis, or a run of anything else.
_TOKEN = re.compile(r'\s*("[^"]*"|[()]|[^\s()"]+)')
DEEPEST = 20
"""Parentheses and NOTs within each other."""


@dataclass(frozen=True, slots=True)
class _Words:
    """A tsquery as SQL. negated: it asks for the absence of a word; required: words without which none matches."""

    query: Condition
    negated: bool = False
    required: tuple[str, ...] = ()


def in_words(code: str, value: str) -> Condition:
    """What of a resource's words, or of its narrative's, meets `(bone OR liver) AND metastases`.

    Words are compared whole, without case. Between two words AND is meant.

    Raises:
        BadSearch: the expression can't be read.
    """
    ways = [_Parser(code, part).read() for part in split_list(value)]
    if not ways:
        raise BadSearch(f"{code}: no value")
    return any_of([_matching(code, words) for words in ways])


def _matching(code: str, words: _Words) -> Condition:
    # The index has all texts. What is in the narrative is among them; what is absent there may be elsewhere.
    content = Condition(f"content_words(r.bytes) @@ ({words.query.text})", words.query.values)
    # Where no index leads to them, most contents need not be taken apart: they don't have the letters of a word. One
    # that is written by escapes may.
    content = all_of([content, *(Condition(_LETTERS, (word,)) for word in words.required)])
    if code == "_content":
        return content
    narrative = Condition(f"narrative_words(r.bytes) @@ ({words.query.text})", words.query.values)
    return narrative if words.negated else all_of([content, narrative])


_LETTERS = "(strpos(lower(resource_text(r.bytes)), %s) > 0 OR strpos(r.bytes, '\\u') > 0)"
# A word of these is one lexeme, as it is written but for its case.
_PLAIN = re.compile(r"[A-Za-z0-9]+")


class _Parser:
    """Reads words with AND, OR, NOT and parentheses."""

    def __init__(self, code: str, text: str) -> None:
        self._code, self._text = code, text
        self._items = _TOKEN.findall(text)
        if "".join(self._items).replace(" ", "") != "".join(text.split()).replace(" ", ""):
            raise self._bad()
        self._at = 0
        self._depth = 0

    def read(self) -> _Words:
        words = self._either()
        if self._at < len(self._items):
            raise self._bad()
        return words

    def _bad(self) -> BadSearch:
        return BadSearch(
            f"{self._code}: {self._text[:80]!r} can't be read: words, or phrases in quotes, with AND, OR, NOT and ()"
        )

    def _next(self) -> str | None:
        return self._items[self._at] if self._at < len(self._items) else None

    def _either(self) -> _Words:
        parts = [self._both()]
        while self._next() in ("OR", "|"):
            self._at += 1
            parts.append(self._both())
        return _joined(parts, "||")

    def _both(self) -> _Words:
        parts = [self._one()]
        while (item := self._next()) is not None and item not in (")", "OR", "|"):
            if item in ("AND", "&"):
                self._at += 1
            parts.append(self._one())
        return _joined(parts, "&&")

    def _one(self) -> _Words:
        item = self._next()
        self._at += 1
        if item is None or item in (")", "AND", "OR", "&", "|"):
            raise self._bad()
        if item in ("NOT", "("):
            self._depth += 1
            if self._depth > DEEPEST:
                raise self._bad()
        if item == "NOT":
            inner = self._one()
            self._depth -= 1
            return _Words(Condition(f"(!! {inner.query.text})", inner.query.values), negated=True)
        if item == "(":
            inner = self._either()
            if self._next() != ")":
                raise self._bad()
            self._at += 1
            self._depth -= 1
            return inner
        text = item.strip('"')
        if not any(character.isalnum() for character in text):
            raise self._bad()
        plain = (text.lower(),) if _PLAIN.fullmatch(text) else ()
        return _Words(Condition("phraseto_tsquery('simple', %s)", (text,)), required=plain)


def _joined(parts: Sequence[_Words], operator: str) -> _Words:
    if len(parts) == 1:
        return parts[0]
    text = "(" + f" {operator} ".join(part.query.text for part in parts) + ")"
    values = tuple(value for part in parts for value in part.query.values)
    # Of alternatives no word is required; what is denied has none.
    required = tuple(word for part in parts for word in part.required) if operator == "&&" else ()
    return _Words(Condition(text, values), any(part.negated for part in parts), required)


_PATH = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)*")
_CAST = re.compile(r"\(?\s*([A-Za-z.]+)\s*(?:\.as\(\s*([A-Za-z]+)\s*\)|\s+as\s+([A-Za-z]+)\s*\))")
_TEXTS = ("text", "coding.display", "display", "type.text")
"""CodeableConcept.text, Coding.display, Identifier.type.text."""


def of_text(resource_type: str, parameter: SearchParameter, values: Sequence[str]) -> Condition:
    """Codes and identifiers by what is written beside them, from its beginning, without case and accents.

    No index serves it: texts beside codes would be most of an index, and are the same for most results. It is
    looked for in what the other parameters of the search leave.

    Raises:
        BadSearch: the parameter is no plain path to codes.
    """
    paths = [f"$.{path}.{text}" for path in _paths(resource_type, parameter) for text in _TEXTS]
    wanted = [normalise(value) for value in values]
    if not paths:
        raise BadSearch(f"{parameter.code}: the modifier :text is not supported for this parameter")
    if not all(wanted):
        raise BadSearch(f"{parameter.code}:text: no value")
    # Materialised by OFFSET: the JSON is read once, not once for each path.
    text = (
        "EXISTS (SELECT FROM (SELECT resource_json(r.bytes) AS said OFFSET 0) d, unnest(%s::jsonpath[]) AS p (path), "
        "jsonb_path_query(d.said, p.path) AS v (text), unnest(%s::text[]) AS w (word) "
        "WHERE starts_with(folded(v.text #>> '{}'), w.word))"
    )
    return Condition(text, ("{" + ",".join(f'"{path}"' for path in paths) + "}", wanted))


def _paths(resource_type: str, parameter: SearchParameter) -> list[str]:
    """The paths of a parameter's expression in JSON, those that are plain."""
    results: list[str] = []
    for part in parameter.expression.split("|"):
        text, kind = part.strip(), ""
        if cast := _CAST.fullmatch(text):
            text, kind = cast[1], cast[2] or cast[3]
        if _PATH.fullmatch(text) and text.partition(".")[0] in (resource_type, "Resource", "DomainResource"):
            names = text.partition(".")[2]
            results.append(f"{names}{kind[:1].upper()}{kind[1:]}")
        elif _PATH.fullmatch(text) and text[:1].islower():
            results.append(text)
    return results
