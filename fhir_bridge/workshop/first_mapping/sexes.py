# ruff: noqa: E501 - lists of words are written as they come out
"""What words and letters for the sex mean: read as a set, for `M` is male beside `F`, and female beside `H`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["sexes"]

_WORDS: Final = {
    "male": "m male man männlich mann homme masculin maschio hombre masculino h uomo varon varón macho homem mand mann",
    "female": "f female woman w weiblich frau femme féminin feminin femmina mujer femenino donna hembra kvinna kvinde kvinne vrouw mulher feminino",
    "other": "o other d divers x autre otro altro anders annat annet andet outro",
    "unknown": "u unknown unbekannt i unk inconnu desconocido indeterminado sconosciuto",
}
_MEANING: Final = {word: code for code, words in _WORDS.items() for word in words.split()} | dict.fromkeys(
    ("not known", "not specified", "not stated", "indeterminate", "unspecified"), "unknown"
)
_SETS: Final = (
    (frozenset("hm"), {"h": "male", "m": "female"}, "hombre and mujer"),
    (frozenset("vh"), {"v": "male", "h": "female"}, "varón and hembra"),
    (frozenset("ud"), {"u": "male", "d": "female"}, "uomo and donna"),
)
"""Letters that together mean another thing than each alone."""
_NUMBERED: Final = {"0": "unknown", "1": "male", "2": "female", "9": "unknown"}
"""The numbers of ISO 5218, which registers use; studies in English have others as well."""
_REGISTERS: Final = re.compile(
    r"\b(sexe|sesso|sexo|geschlecht|geschl|gesl|geslacht|koen|kon|kjonn|kjoenn|knn|sukupuoli|plec|person (stated )?gender|stated gender)\b"
)
"""Names for the sex in languages and registers whose numbers are those of ISO 5218."""
_PREFIX: Final = re.compile(r"^\d[ _.=:-]+")
"""A number before the word: `1_female`."""
_WOMEN: Final = frozenset(("f", "w", "female", "femenino", "weiblich"))
_NORTHERN: Final = (frozenset("km"), {"k": "female", "m": "male"}, "a woman (kvinna, kobieta) and a man")
_BY_LANGUAGE: Final = (
    (r"\b(sexo|genero)\b", (frozenset("vm"), {"v": "male", "m": "female"}, "varón and mujer")),
    (
        r"\b(gesl|geslacht|m v|v m|man vrouw)\b",
        (frozenset("vm"), {"v": "female", "m": "male"}, "vrouw and man"),
    ),
)
"""By the language of the header: the same letters are the other way round in Dutch and Spanish."""


def _place(letter: str, meaning: Mapping[str, str], names: str) -> int:
    """Where the words for what letters mean have that of a letter: those for a woman in Northern languages by sex."""
    first = "female" if names.startswith("a woman") else ""
    if first:
        return 0 if meaning[letter] == first else 1
    words = [word[:1].casefold() for word in names.split(" and ")]
    return words.index(letter) if letter in words else len(words)


def sexes(values: Sequence[str], name: str) -> tuple[dict[str, str], str]:
    """The words for the sex as they are written, with the code each means, and what is to be asked about them.

    Args:
        name: the words of the header, in whose language letters are read.

    Returns:
        No words where they are not understood.
    """
    words = dict.fromkeys(values)
    folded = {word.casefold() for word in words}
    if not words or len(words) > 8:
        return {}, ""
    numbers = {word: _NUMBERED.get(word.removeprefix("0") or "0", "") for word in words}
    iso = _REGISTERS.search(name) or "9" in words  # with 0, 1 and 2 others begin to count at 0
    if iso and all(numbers.values()) and {"male", "female"} <= set(numbers.values()):
        return numbers, "does 1 mean male and 2 female, as ISO 5218 has it and is assumed?"
    spanish = bool(re.search(_BY_LANGUAGE[0][0], name))  # in which `M` alone may be `mujer`
    sets = (*_SETS, _NORTHERN, *(each for words_of, each in _BY_LANGUAGE if re.search(words_of, name)))
    for letters, meaning, names in sets:
        if letters <= folded and not folded & _WOMEN:
            codes = {
                word: meaning.get(word.casefold()) or _MEANING.get(word.casefold(), "") for word in words
            }
            if all(codes.values()):
                shown = " and ".join(
                    sorted(letters, key=lambda letter: _place(letter, meaning, names))
                ).upper()
                return codes, f"do {shown.replace(' AND ', ' and ')} mean {names}, as is assumed?"
    codes = {word: _MEANING.get(_PREFIX.sub("", word.casefold()), "") for word in words}
    if not all(codes.values()):
        return {}, ""
    shown = ", ".join(sorted(words))
    single = {
        code: {w.casefold() for w in words if codes[w] == code and len(w) == 1} for code in ("male", "female")
    }
    both = {"male", "female"} <= set(codes.values())
    alike = {code: {w.casefold() for w in words if codes[w] == code} for code in ("male", "female")}
    if any(len(letters) > 1 for letters in single.values()):
        return {}, f"which sex does each of these mean: {shown}?"
    if not both and (any(len(each) > 1 for each in alike.values()) or (spanish and "m" in folded)):
        return {}, f"which sex does each of these mean: {shown}?"
    if not both and len(folded) > 1:
        return codes, f"does each of these mean the sex that is assumed, though one is missing: {shown}?"
    return codes, ""
