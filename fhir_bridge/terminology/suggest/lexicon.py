"""The lexicon: what laboratories, radiology departments and wards write, in five languages, and the English of it.

The tables lie beside this module (`lexicon/*.tsv`); a site may add its own by `Lexicon.with_tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from fhir_bridge.terminology.suggest.guessing import Phrases
from fhir_bridge.terminology.suggest.lexicon_tables import LANGUAGES, Meaning, rows
from fhir_bridge.terminology.suggest.text import words

__all__ = ["LANGUAGES", "Lexicon", "Meaning", "Reading", "get_lexicon"]

FOLDER = Path(__file__).parent / "lexicon"

_NOT_GUESSED = ("administrative", "filler")
_COMPOUNDING = ("de", "nl")
_SHORTEST_PART = 4
_JOINTS = ("", "s", "n", "en", "es", "er", "e")
"""What is between the parts of a German or Dutch compound (`Schilddrüsensonographie`)."""
_ENDINGS = (
    *((ending, "Ser/Plas") for ending in ("emia", "emie", "amie")),
    *((ending, "Urine") for ending in ("uria", "urie")),
)
"""Endings that name a specimen (`natriuria`, `kaliémie`), as folded."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One phrase found in a name, or a word that the lexicon lacks (no meanings)."""

    phrase: tuple[str, ...]
    meanings: tuple[Meaning, ...]


class Lexicon:
    """Phrases by their letters: how a phrase is divided (`CA 19-9`, `ca199`) does not count."""

    def __init__(self, tables: Iterable[Path]) -> None:
        self._tables = tuple(tables)
        meanings: dict[str, dict[tuple[str, str], Meaning]] = {}
        divided: dict[tuple[str, ...], None] = {}
        for meaning, phrase in (row for table in self._tables for row in rows(table)):
            parts = words(phrase)
            if not parts:
                continue
            divided[parts] = None
            meant = meanings.setdefault("".join(parts), {})
            known = meant.setdefault((meaning.kind, meaning.concept), meaning)
            spoken = tuple(dict.fromkeys((*known.languages, *meaning.languages)))
            meant[meaning.kind, meaning.concept] = replace(
                known, languages=spoken, also=known.also or meaning.also
            )
        self._phrases = {letters: tuple(meant.values()) for letters, meant in meanings.items()}
        self._divided = tuple(divided)
        self._longest = max(map(len, divided), default=0)

    def with_tables(self, tables: Iterable[Path]) -> Lexicon:
        """This lexicon and a site's own tables (columns `concept`, perhaps `kind` and `also`, languages).

        Raises:
            ValueError: a table lacks the column `concept`, or a row has an unknown kind; file and line are named.
        """
        return Lexicon((*self._tables, *tables))

    def read(self, name: str, language: str | None = None) -> list[Reading]:
        """The phrases of a name, longest first from left to right; unknown words occur alone.

        What the tables lack is tried as an abbreviation, as a compound, and as a slip of the pen.

        Args:
            language: its two-letter code, where it is known: meanings of this language and English count alone.
        """
        tokens = tuple(token if token in self._phrases else token.rstrip("+") for token in words(name))
        spoken = language if language in LANGUAGES else None
        readings: list[Reading] = []
        position = 0
        while position < len(tokens):
            reading = self._known(tokens, position, spoken) or self._abbreviated(tokens, position, spoken)
            if reading:
                readings.append(reading)
                position += len(reading.phrase)
            else:
                readings.extend(self._parts(tokens[position], spoken))
                position += 1
        return readings

    def _known(self, tokens: Sequence[str], position: int, language: str | None) -> Reading | None:
        for length in range(min(self._longest, len(tokens) - position), 0, -1):
            phrase = tuple(tokens[position : position + length])
            meanings = self._meanings("".join(phrase), language)
            if meanings:
                return Reading(phrase, meanings)
        return None

    def _meanings(self, letters: str, language: str | None) -> tuple[Meaning, ...]:
        """The meanings in a language; else those of English, whose abbreviations all languages share, else of any."""
        known = self._phrases.get(letters, ())
        if language is None or len(known) < 2:
            return known
        for wanted in (language, "en"):
            spoken = tuple(m for m in known if wanted in m.languages)
            if spoken:
                return spoken
        return known

    @cached_property
    def _guesses(self) -> dict[str | None, Phrases]:
        """The phrases that a word may shorten or misspell, in each language and in all; remarks are not guessed."""
        naming = {p: self._phrases["".join(p)] for p in self._divided}
        naming = {p: meant for p, meant in naming.items() if all(m.kind not in _NOT_GUESSED for m in meant)}
        spoken: dict[str | None, Phrases] = {None: Phrases(naming)}
        for language in LANGUAGES:
            spoken[language] = Phrases(
                phrase
                for phrase, meant in naming.items()
                if any(language in m.languages or "en" in m.languages for m in meant)
            )
        return spoken

    def _abbreviated(self, tokens: Sequence[str], position: int, language: str | None) -> Reading | None:
        phrase = self._guesses[language].abbreviated(tokens, position)
        if phrase is None:
            return None
        statements = tuple(tokens[position : position + len(phrase)])
        return Reading(statements, self._meanings("".join(phrase), language))

    def _parts(self, word: str, language: str | None) -> Iterator[Reading]:
        """A word as what it may be: `ae` for `ä`, a compound, one with a telling ending, a slip; else unknown."""
        meanings = self._meanings(_without_umlauts(word), language)
        if meanings:
            yield Reading((word,), meanings)
            return
        compound = self._compound(word, language)
        if compound:
            yield from compound
            return
        meanings = self._with_ending(word, language)
        if not meanings:
            near = self._guesses[language].misspelt(word)
            meanings = self._meanings(near, language) if near else ()
        yield Reading((word,), meanings)

    def _compound(self, word: str, language: str | None, depth: int = 2) -> list[Reading]:
        """A German or Dutch compound as its known parts (`Serumkalium`), and in any language what is written together
        with its method or number (`hsTroponin`, `rx2`); empty where a part is not known."""
        shortest = _SHORTEST_PART if language in (None, *_COMPOUNDING) else 6
        for cut in range(len(word) - 3, 1, -1):
            first, last = word[:cut], word[cut:]
            before = self._joined(first, language, shortest)
            if not before:
                continue
            after = self._meanings(last, language) if len(last) >= min(shortest, 4) else ()
            if after:
                return [Reading((first,), before), Reading((last,), after)]
            rest = self._compound(last, language, depth - 1) if depth and len(last) >= 8 else []
            if rest:
                return [Reading((first,), before), *rest]
        return []

    def _joined(self, first: str, language: str | None, shortest: int) -> tuple[Meaning, ...]:
        """The first part of a compound, perhaps with joining letters; a short one has to be a method."""
        if len(first) < shortest:
            return tuple(m for m in self._meanings(first, language) if m.kind == "method")
        for joint in _JOINTS:
            if first.endswith(joint) and len(first) - len(joint) >= 3:
                meanings = self._meanings(first.removesuffix(joint), language)
                if meanings:
                    return meanings
        return ()

    def _with_ending(self, word: str, language: str | None) -> tuple[Meaning, ...]:
        """The analyte of a word like `natriuria`, with the specimen that its ending names."""
        for ending, specimen in _ENDINGS:
            stem = word.removesuffix(ending)
            if stem != word and len(stem) >= 4:
                whole = self._guesses[language].beginning(stem, 4)
                meanings = self._meanings(whole, language) if whole else ()
                return tuple(
                    replace(m, also=(*m.also, ("specimen", specimen)))
                    for m in meanings
                    if m.kind == "analyte"
                )
        return ()


def _without_umlauts(word: str) -> str:
    for written, folded in (("ae", "a"), ("oe", "o"), ("ue", "u")):
        word = word.replace(written, folded)
    return word


@cache
def get_lexicon(extra: Sequence[Path] = ()) -> Lexicon:
    """The lexicon that ships, with a site's tables."""
    return Lexicon((*sorted(FOLDER.glob("*.tsv")), *extra))
