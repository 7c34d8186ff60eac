"""Words of a name: folded (case, accents, plural) so that names of several languages and hands can be compared."""

from __future__ import annotations

import re
from functools import lru_cache

from fhir_bridge.terminology.folding import plain

__all__ = ["close", "edits", "fold", "skeleton", "words"]

_WORD = re.compile(r"[^\W_]+\+*")
_BRITISH = re.compile(
    r"(?<=h)a(?=em)|a(?=emi)|o(?=edem)|o(?=esoph)|(?<=rrh)o(?=ea)|(?<=f)a(?=ec)|(?<=p)a(?=ediatr)|(?<=c)a(?=ec(al|um))"
    r"|(?<=gyn)a(?=ec)|(?<=f)o(?=et(us|al))|\ba(?=etiol)"
)
"""The letter that British and Latin spelling has and American lacks (`haemoglobin`, `oedema`)."""
_FRACTURE = re.compile(r"#\s*(?=[a-z])")
_POSSESSIVE = re.compile(r"['’]s\b")
_SYNONYMS = (
    ("not specified", "unspecified"),
    ("uncomplicated", "without complication"),
    ("&", " and "),
    ("œ", "oe"),
    ("æ", "ae"),
    ("α", "alpha"),
    ("β", "beta"),
    ("γ", "gamma"),
    ("κ", "kappa"),
    ("λ", "lambda"),
)


@lru_cache(65536)
def fold(text: str) -> str:
    """Lower case without accents; British spelling as American, Greek letters by name."""
    folded = text.lower() if text.isascii() else plain(text)
    for statement, otherwise in _SYNONYMS:
        if statement in folded:
            folded = folded.replace(statement, otherwise)
    return _BRITISH.sub("", _POSSESSIVE.sub("", _FRACTURE.sub("fracture ", folded)))


@lru_cache(262144)
def words(text: str) -> tuple[str, ...]:
    """The folded words in their order; an English plural counts as its singular, a charge (`k+`) stays."""
    return tuple(_singular(word) for word in _WORD.findall(fold(text)))


def _singular(word: str) -> str:
    return (
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
    )


_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        ("ph", "f"),
        ("sch", "s"),
        ("ch|ck|qu|q", "k"),
        ("c(?=[eiy])|z|x|sc(?=[eiy])", "s"),
        ("c", "k"),
        ("h|(?<=.)e(?=$)", ""),
        ("[yj]", "i"),
        ("[ao]e|oi", "e"),
        (r"(.)\1", r"\1"),
        ("[aeiou]+$", ""),
    )
)
_SHORTEST_SKELETON = 5


@lru_cache(262144)
def skeleton(word: str) -> str:
    """What the spellings of a scientific word share in the languages (`theophylline`, `Theophyllin`, `teofillina`);
    empty for a word that is too short to be recognized by it."""
    if not word.isalpha():
        return ""
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word if len(word) >= _SHORTEST_SKELETON else ""


@lru_cache(262144)
def close(name: str, other: str) -> float:
    """How near two folded words are: 1 the same, 0.9 the same word of another language, 0.7 to 0.85
    an abbreviation or a slip of the pen, else 0."""
    if name == other:
        return 1.0
    short, long = (name, other) if len(name) <= len(other) else (other, name)
    if len(short) < 3:
        return 0.0
    if long.startswith(short) and short.isalpha():
        return 0.85 if len(short) * 2 > len(long) else 0.7
    if (sound := skeleton(short)) and sound == skeleton(long):
        return 0.9
    slip = len(short) >= 5 and len(long) - len(short) <= 1 and not _counted(short, long)
    return 0.8 if slip and edits(short, long, 1) <= 1 else 0.0


def _counted(name: str, other: str) -> bool:
    """Whether a figure is in either word: then one sign makes another thing of it (`ca125`, `ca153`)."""
    return any(map(str.isdigit, name)) or any(map(str.isdigit, other))


def edits(name: str, other: str, most: int) -> int:
    """Letters changed, added, left out or interchanged with their neighbour between two words (optimal string
    alignment); `most + 1` stands for more than `most`."""
    if abs(len(name) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(name, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and name[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
