"""Numbers that a country gives persons and institutions, by form and check digit, and their systems."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fhir_bridge.workshop.first_mapping.lexicon import rows_of
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["Numbering", "numbering_of"]

_LEAST: Final = 0.9
_FEW: Final = 4


@dataclass(frozen=True, slots=True)
class Numbering:
    """A numbering of persons or institutions.

    Attributes:
        words: words of a header that name it.
        form: of a number without blanks, points and hyphens.
        checked: whether its check digits are right.
        alone: whether form and check digits suffice, where the header does not name it.
        institution: whether institutions or professionals have it, not patients.
    """

    title: str
    system: str
    words: frozenset[str]
    form: re.Pattern[str]
    checked: Callable[[str], bool]
    alone: bool = False
    institution: bool = False


def _any(_: str) -> bool:
    return True


def _nhs(number: str) -> bool:
    rest = 11 - sum(int(digit) * (10 - place) for place, digit in enumerate(number[:9])) % 11
    return rest != 10 and rest % 11 == int(number[9])


def _dni(number: str) -> bool:
    digits = number[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1]


def _nir(number: str) -> bool:
    if len(number) == 13:
        return False  # without check digits the name has to say so
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(body) % 97 == int(number[13:])


def _kvnr(number: str) -> bool:
    digits = f"{ord(number[0]) - 64:02}{number[1:9]}"
    total = sum(sum(map(int, str(int(digit) * (1 + place % 2)))) for place, digit in enumerate(digits))
    return total % 10 == int(number[9])


def _ean(number: str) -> bool:
    return sum(int(digit) * (1 + 2 * (place % 2)) for place, digit in enumerate(number)) % 10 == 0


def _bsn(number: str) -> bool:
    total = sum(int(digit) * (9 - place) for place, digit in enumerate(number[:8])) - int(number[8])
    return total % 11 == 0


def _cpf(number: str) -> bool:
    for length in (9, 10):
        total = sum(int(digit) * (length + 1 - place) for place, digit in enumerate(number[:length]))
        if total * 10 % 11 % 10 != int(number[length]):
            return False
    return True


def _luhn(number: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _npi(number: str) -> bool:
    return _luhn("80840" + number)


_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "nhs": _nhs, "dni": _dni, "nir": _nir, "kvnr": _kvnr, "ean": _ean, "bsn": _bsn, "cpf": _cpf, "luhn": _luhn,
    "npi": _npi,
}  # fmt: skip


@lru_cache(1)
def _numberings() -> tuple[Numbering, ...]:
    return tuple(
        Numbering(
            title, system, frozenset(words.split()), re.compile(rf"(?:{form})\Z"), _CHECKS.get(check, _any),
            alone="alone" in kind, institution="institution" in kind,
        )
        for title, system, words, form, check, kind in rows_of("numberings.tsv")
    )  # fmt: skip


def numbering_of(values: Sequence[str], words: str) -> tuple[Numbering | None, bool]:
    """The numbering that the cells of a column are of, and whether the header names it.

    Args:
        words: of the header, as `tokens` gives them.
    """
    distinct = list({re.sub(r"[ .\-/]", "", value).upper() for value in values})
    if not distinct:
        return None, False
    spoken = set(words.split())
    joined = words.replace(" ", "")
    for numbering in _numberings():
        named = bool(numbering.words & spoken) or any(len(w) > 3 and w in joined for w in numbering.words)
        if not named and not (numbering.alone and len(distinct) >= _FEW):
            continue
        fitting = share(distinct, numbering.form.match)
        right = share(distinct, lambda n, known=numbering: known.form.match(n) and known.checked(n))  # type: ignore[misc]
        if fitting >= _LEAST if named else right >= 1.0:
            return numbering, named
    return None, False
