"""Codes that carry a check digit: a typing error shows without the licensed content available."""

from __future__ import annotations

import re

__all__ = ["is_well_formed", "loinc_check_digit", "snomed_check_digit"]

_LOINC = re.compile(r"[1-9][0-9]{0,6}-[0-9]")
_LOINC_PART_OR_ANSWER = re.compile(r"(LA|LL|LP|LG)[0-9]+-[0-9]")
_SNOMED = re.compile(r"[1-9][0-9]{5,17}")

_PERMUTATION = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)


def is_well_formed(system: str, code: str) -> bool:
    """False where the code can't be one of LOINC or SNOMED CT; True for other systems."""
    if system == "http://loinc.org":
        if _LOINC_PART_OR_ANSWER.fullmatch(code):
            return True
        return bool(_LOINC.fullmatch(code)) and loinc_check_digit(code[:-2]) == int(code[-1])
    if system == "http://snomed.info/sct":
        return bool(_SNOMED.fullmatch(code)) and snomed_check_digit(code[:-1]) == int(code[-1])
    return True


def loinc_check_digit(number: str) -> int:
    """Mod 10 (Luhn) check digit of a LOINC number (LOINC Users' Guide, appendix C)."""
    total = 0
    for position, character in enumerate(reversed(number)):
        digit = int(character)
        if position % 2 == 0:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return -total % 10


def _dihedral(a: int, b: int) -> int:
    """Multiplication in the dihedral group D5."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - 5 - b) % 5 if b < 5 else (a - b) % 5


def snomed_check_digit(digits: str) -> int:
    """Verhoeff check digit of a SNOMED CT identifier (SNOMED CT Release File Specification, 5.5)."""
    check = 0
    for position, character in enumerate(reversed(digits), 1):
        check = _dihedral(check, _PERMUTATION[position % 8][int(character)])
    return next(digit for digit in range(10) if _dihedral(check, digit) == 0)
