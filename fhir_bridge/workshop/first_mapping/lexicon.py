# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""What the words of a header stand for, and which roles of a column they fit: the tables of `vocabulary/`, read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

__all__ = ["Role", "Slot", "fitting_roles", "role_named", "roles", "rows_of", "slots", "tokens"]

_FOLDER: Final = Path(__file__).parent / "vocabulary"
_LONGEST: Final = 6
"""Words of the longest phrase."""
_FILLERS: Final = frozenset(
    "c of the de du des der die das dem la le les l d und and et e y di del della dei el los las in im at bei beim zum zur mit is "
    "has a an the for pour per fur fuer par tbl fld field col src s auf au aux".split()
)
_HEADS: Final = frozenset("date time id code name label text value status kind unit flag row".split())
_HEAD_WEIGHT: Final = 0.6
"""What a word for the type of a cell weighs against one that says whose it is."""
_MINOR: Final = frozenset(("laboratory", "rank"))
_MINOR_WEIGHT: Final = 0.2
"""What words weigh that rarely change what a column is."""
_ENDING: Final = re.compile(r"(datum|zeit|uhrzeit|date|time|nummer|kode|einheit)$")
"""Endings that say what a word is though its beginning is not known."""
_VOWELS: Final = re.compile(r"[aeiouy]")
LEAST: Final = 0.6
"""From this share of its words a header fits a role."""
_TAILS: Final = frozenset("nr id no dt ts tm cd am".split())
"""Short words that end a compound: `patnr`, `admitdt`."""


def rows_of(table: str) -> Iterator[list[str]]:
    """The rows of a table of the vocabulary, without comments."""
    for line in (_FOLDER / table).read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.split("\t")


_LETTERS: Final = str.maketrans(
    {"ø": "oe", "Ø": "Oe", "æ": "ae", "Æ": "Ae", "œ": "oe", "ł": "l", "Ł": "L", "đ": "d", "ı": "i"}
)
"""Letters that have no accent to take off."""


@lru_cache(20_000)
def tokens(name: str) -> str:
    """The words of a name, folded, with single blanks: `PatientID` and `patient_id` are `patient id`."""
    name = re.sub(r"(?i)\bn[°º]", "no ", name)
    text = re.sub(r"(?<=[a-zäöüßøæ0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", " ", name)
    text = text.replace("ß", "ss").replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    text = (
        text.translate(_LETTERS).replace("Ä", "Ae").replace("Ö", "Oe").replace("Ü", "Ue").replace("#", " no ")
    )
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[a-z]+|\d+", text.casefold()))


@dataclass(frozen=True, slots=True)
class Slot:
    """One word or phrase of a header: what it may stand for; nothing where it is not known."""

    concepts: frozenset[str]
    text: str

    @property
    def weight(self) -> float:
        """How much of a header's meaning it is."""
        if self.concepts & _MINOR:
            return _MINOR_WEIGHT
        if self.concepts:
            return _HEAD_WEIGHT if self.concepts <= _HEADS else 1.0
        return 0.0 if self.text.isdigit() else 0.3 if len(self.text) == 1 else 1.0


@lru_cache(1)
def _phrases() -> dict[str, frozenset[str]]:
    """Concepts of each phrase, its words joined."""
    phrases: dict[str, set[str]] = {}
    for concept, texts, *_ in rows_of("words.tsv"):
        for phrase in texts.split(";"):
            words = tokens(phrase)
            joined = words if _are_letters(words) else words.replace(" ", "")
            if joined:
                phrases.setdefault(joined, set()).add(concept)
    return {phrase: frozenset(concepts) for phrase, concepts in phrases.items()}


def _are_letters(words: str) -> bool:
    """Whether words are single letters, which joined are another word: `h f` and `hf`."""
    return len(words) == 3 and words[1] == " "


@lru_cache(20_000)
def slots(words: str) -> tuple[Slot, ...]:
    """The words and phrases of a header, longest first, those that say nothing left out.

    Args:
        words: the header's words, as `tokens` gives them.
    """
    rest, known, result = words.split(), _phrases(), []
    while rest:
        for count in range(min(_LONGEST, len(rest)), 0, -1):
            spaced = " ".join(rest[:count])
            joined = spaced if _are_letters(spaced) and spaced in known else spaced.replace(" ", "")
            if joined in known and (count > 1 or joined not in _FILLERS or len(words.split()) == 1):
                result.append(Slot(known[joined], " ".join(rest[:count])))
                del rest[:count]
                break
        else:
            word = rest.pop(0)
            if word not in _FILLERS:
                result.extend(_compound(word) or (Slot(_abbreviated(word), word),))
    return tuple(result)


@lru_cache(20_000)
def _compound(word: str) -> tuple[Slot, ...]:
    """A word of several known ones: `diagnosedatum`, `lotnumber`, `patientennummer`; nothing where it is none."""
    if len(word) < 5:
        return ()
    known = _phrases()
    for head in range(len(word) - 2, 2, -1):
        first, rest = word[:head], word[head:]
        if first not in known:
            continue
        for link in ("", "s", "es", "n", "en", "e"):
            if not rest.startswith(link):
                continue
            tail = rest[len(link) :]
            if tail in known and (len(tail) > 2 or tail in _TAILS) and max(len(first), len(tail)) > 3:
                return (Slot(known[first], first), Slot(known[tail], tail))
            more = _compound(tail) if len(tail) > 5 else ()
            if more:
                return (Slot(known[first], first), *more)
    if stems := _of_stems(word):
        return stems
    ending = _ENDING.search(word)
    if ending and ending.start() > 2:
        return (Slot(frozenset(), word[: ending.start()]), Slot(known[ending[0]], ending[0]))
    return ()


@lru_cache(1)
def _stems() -> dict[str, tuple[str, bool]]:
    """The concept of each stem, and whether it says what a column has."""
    return {
        stem.lstrip("*"): (concept, stem.startswith("*"))
        for concept, stems in rows_of("stems.tsv")
        for stem in stems.split(";")
    }


def _of_stems(word: str) -> tuple[Slot, ...]:
    """A word of two stems, of which the first says what a column has and the other whose or of what: `datent`, `numpat`."""
    for end in range(3, len(word) - 1):
        first, second = _stems().get(word[:end]), _stems().get(word[end:])
        if first is not None and second is not None and first[1] and not second[1]:
            return Slot(frozenset((first[0],)), word[:end]), Slot(frozenset((second[0],)), word[end:])
    return ()


@lru_cache(20_000)
def _abbreviated(word: str) -> frozenset[str]:
    """Concepts of the one word that this abbreviates, by its beginning or by leaving letters out: `entl`, `specimn`."""
    if len(word) < 4 or not word.isalpha():
        return frozenset()
    pattern = re.compile(".*".join(word))
    begun = [
        (len(phrase), concepts)
        for phrase, concepts in _phrases().items()
        if phrase.startswith(word) and len(phrase) > len(word) >= 0.6 * len(phrase)
    ]
    shortest = min((length for length, _ in begun), default=0)
    if begun:
        best = {concepts for length, concepts in begun if length == shortest}
        return best.pop() if len(best) == 1 else frozenset()
    fitting = [
        (len(phrase), concepts)
        for phrase, concepts in _phrases().items()
        if len(phrase) > len(word) >= 0.58 * len(phrase)
        and phrase[0] == word[0]
        and len(phrase) >= 6
        and pattern.match(phrase)
        and (len(word) >= 0.75 * len(phrase) or _VOWELS.sub("", word) == _VOWELS.sub("", phrase))
    ]
    shortest = min((length for length, _ in fitting), default=0)
    best = {concepts for length, concepts in fitting if length == shortest}
    return best.pop() if len(best) == 1 else frozenset()


@dataclass(frozen=True, slots=True)
class Role:
    """What a column may be.

    Attributes:
        kinds: the kinds of cells it may have.
        votes: resource types that it speaks for, and how much.
        what: what it is, in words.
        patterns: concepts that must be there, and those that may.
    """

    name: str
    kinds: frozenset[str]
    votes: dict[str, float]
    what: str
    patterns: tuple[tuple[frozenset[str], frozenset[str]], ...]


@lru_cache(1)
def roles() -> dict[str, Role]:
    """The roles by name."""
    result = {}
    for name, kinds, votes, what, patterns in rows_of("roles.tsv"):
        shapes = []
        for pattern in patterns.split(";"):
            words = pattern.split()
            needed = frozenset(word for word in words if not word.startswith("?"))
            shapes.append((needed, frozenset(word.lstrip("?") for word in words)))
        spoken = {kind: float(weight) for kind, _, weight in (vote.partition(":") for vote in votes.split())}
        result[name] = Role(name, frozenset(kinds.split()), spoken, what, tuple(shapes))
    return result


def role_named(name: str) -> Role | None:
    """A role; None for one that only values make."""
    return roles().get(name)


@lru_cache(20_000)
def fitting_roles(words: str) -> tuple[tuple[float, str], ...]:
    """The roles that a header fits, best first, each with the share of the header's words that it explains."""
    parts = slots(words)
    total = sum(part.weight for part in parts)
    if not total:
        return ()
    present = frozenset[str]().union(*(part.concepts for part in parts))
    fitting = []
    for number, role in enumerate(roles().values()):
        best = (0.0, 0.0)
        for needed, allowed in role.patterns:
            if needed <= present and sum(1 for part in parts if part.concepts & needed) >= len(needed):
                covered = sum(part.weight for part in parts if part.concepts & allowed)
                exact = sum(_HEAD_WEIGHT if concept in _HEADS else 1.0 for concept in needed)
                best = max(best, (covered / total, exact))
        if best[0] >= LEAST:
            fitting.append((-best[0], -best[1], number, role.name))
    return tuple((-share, name) for share, _, _, name in sorted(fitting))
