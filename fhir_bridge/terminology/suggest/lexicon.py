"""The lexicon: what laboratories, radiology departments and wards write, in five languages, and the English of it.

The tables lie beside this module (`lexicon/*.tsv`); a site may add its own by `Lexicon.with_tables`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fhir_bridge.terminology.suggest.text import words

__all__ = ["LANGUAGES", "Lexicon", "Meaning", "Reading", "get_lexicon"]

LANGUAGES = ("en", "de", "nl", "it", "fr")
FOLDER = Path(__file__).parent / "lexicon"

_KINDS = {"analytes": "analyte", "specimens": "specimen", "diseases": "disease"}
"""Kind of the tables that have no column for it."""

_COMPOUNDING = ("de", "nl")
_SHORTEST_PART = 4


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase stands for.

    Attributes:
        kind: analyte, specimen, modality, region, circumstance, disease, method, time or filler.
        concept: English, as the code systems name it; for a specimen the LOINC system axis.
        languages: in which languages the phrase is written so.
    """

    kind: str
    concept: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One phrase found in a name, or a word that the lexicon lacks (no meanings)."""

    phrase: tuple[str, ...]
    meanings: tuple[Meaning, ...]


class Lexicon:
    """Phrases by their words."""

    def __init__(self, tables: Iterable[Path]) -> None:
        self._tables = tuple(tables)
        found: dict[tuple[str, ...], dict[tuple[str, str], list[str]]] = {}
        for table in self._tables:
            for kind, concept, language, phrase in _rows(table):
                languages = found.setdefault(words(phrase), {}).setdefault((kind, concept), [])
                if language not in languages:
                    languages.append(language)
        found.pop((), None)
        self._phrases = {
            phrase: tuple(Meaning(kind, concept, tuple(spoken)) for (kind, concept), spoken in meant.items())
            for phrase, meant in found.items()
        }
        self._firsts = {phrase[0] for phrase, meant in self._phrases.items() if _names_something(meant)}
        self._methods = sorted(
            (phrase[0] for phrase, meant in self._phrases.items() if len(phrase) == 1 and _is_method(meant)),
            key=len,
            reverse=True,
        )
        self._longest = max(map(len, self._phrases), default=0)

    def with_tables(self, tables: Iterable[Path]) -> Lexicon:
        """This lexicon and a site's own tables (the same columns: `concept`, perhaps `kind`, languages).

        Raises:
            ValueError: a table lacks the column `concept`, or a row has an unknown kind; file and line are named.
        """
        return Lexicon((*self._tables, *tables))

    def read(self, name: str, language: str | None = None) -> list[Reading]:
        """The phrases of a name, longest first from left to right; unknown words stand alone.

        Args:
            language: its two-letter code, where it is known: meanings of this language and English count alone.
        """
        tokens = self._without_joined_methods(words(name))
        readings, position = [], 0
        while position < len(tokens):
            for length in range(min(self._longest, len(tokens) - position), 0, -1):
                phrase = tokens[position : position + length]
                meanings = self._meanings(phrase, language)
                if meanings:
                    readings.append(Reading(phrase, meanings))
                    position += length
                    break
            else:
                readings.extend(self._parts(tokens[position], language))
                position += 1
        return readings

    def _meanings(self, phrase: tuple[str, ...], language: str | None) -> tuple[Meaning, ...]:
        known = self._phrases.get(phrase, ())
        if language is None or language not in LANGUAGES:
            return known
        spoken = tuple(m for m in known if language in m.languages or "en" in m.languages)
        return spoken or known

    def _without_joined_methods(self, tokens: tuple[str, ...]) -> tuple[str, ...]:
        """The words, with a method that is written together with what it measures (`hsTroponin T`) taken apart."""
        found: list[str] = []
        for token in tokens:
            if (token,) not in self._phrases:
                method = next((m for m in self._methods if token.startswith(m)), "")
                rest = token[len(method) :]
                if method and len(rest) >= 3 and rest in self._firsts:
                    found += [method, rest]
                    continue
            found.append(token)
        return tuple(found)

    def _parts(self, word: str, language: str | None) -> Iterator[Reading]:
        """A German or Dutch compound as its two known parts (`Serumkalium`), else the word itself."""
        if language in (None, *_COMPOUNDING):
            for cut in range(len(word) - _SHORTEST_PART, _SHORTEST_PART - 1, -1):
                joined = self._compound(word[:cut], word[cut:], language)
                if joined:
                    yield from joined
                    return
        yield Reading((word,), ())

    def _compound(self, first: str, last: str, language: str | None) -> tuple[Reading, Reading] | None:
        """Both parts of a compound, perhaps joined by letters; None where one of them is not known."""
        before = next(
            (
                found
                for joint in _JOINTS
                if first.endswith(joint) and (found := self._meanings((first.removesuffix(joint),), language))
            ),
            None,
        )
        after = self._meanings((last,), language)
        return (Reading((first,), before), Reading((last,), after)) if before and after else None


_JOINTS = ("", "s", "n", "en", "es", "er")
"""What stands between the parts of a German or Dutch compound (`Schilddrüsensonographie`)."""


def _is_method(meanings: Sequence[Meaning]) -> bool:
    return any(meaning.kind == "method" for meaning in meanings)


def _names_something(meanings: Sequence[Meaning]) -> bool:
    return any(meaning.kind in ("analyte", "modality", "disease") for meaning in meanings)


def _rows(table: Path) -> Iterator[tuple[str, str, str, str]]:
    """(kind, concept, language, phrase) of a table."""
    kinds = {*_KINDS.values(), "modality", "region", "circumstance", "method", "time", "filler"}
    with table.open(encoding="utf-8", newline="") as file:
        lines = [(n, line) for n, line in enumerate(file, 1) if line.strip() and not line.startswith("#")]
    reader = csv.DictReader((line for _, line in lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    if "concept" not in (reader.fieldnames or ()):
        raise ValueError(
            f"{table}: a lexicon has the columns concept, perhaps kind, and {', '.join(LANGUAGES)}"
        )
    for (number, _), row in zip(lines[1:], reader, strict=True):
        kind = row.get("kind") or _KINDS.get(table.stem, "")
        if kind not in kinds:
            raise ValueError(f"{table}:{number}: kind '{kind}' is none of {', '.join(sorted(kinds))}")
        concept = row["concept"] or ""
        if concept and kind != "specimen":
            yield kind, concept, "en", concept
        for language in LANGUAGES:
            for phrase in (row.get(language) or "").split(";"):
                if phrase.strip():
                    yield kind, concept, language, phrase.strip()


@cache
def get_lexicon(extra: Sequence[Path] = ()) -> Lexicon:
    """The lexicon that ships, with a site's tables."""
    return Lexicon((*sorted(FOLDER.glob("*.tsv")), *extra))
