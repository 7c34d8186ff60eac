"""Made-up values instead of those of patients: the form stays, nothing of the content does."""

from __future__ import annotations

import random
import re
import string
from datetime import timedelta
from typing import Final

from fhir_bridge.workshop.audit.moments import moment

__all__ = ["Scrubber"]

_DATE: Final = re.compile(
    r"(?<!\d)(?:(?P<y>\d{4})(?P<s>[-./]?)(?P<m>\d\d)(?P=s)(?P<d>\d\d)|(?P<d2>\d\d)(?P<s2>[-./])(?P<m2>\d\d)(?P=s2)(?P<y2>\d{4}))"
    r"(?=\D|\d{2,6}(?:\D|$)|$)"
)
_ESCAPES: Final = re.compile(r"(\\(?:[FSTREPHN]|\.[a-z]{2}[^\\]*|X[0-9A-Fa-f]+)\\)")
"""Escape sequences of HL7 v2 (§2.7)."""
_LETTERS: Final = "bcdfghjklmnpqrstvwxz"


class Scrubber:
    """Replaces values, the same one always by the same.

    Args:
        seed: what the made-up values are drawn from; nothing of a value can be computed back from its replacement,
            as it is drawn and not derived.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - values are drawn, none is kept secret
        self._shift = timedelta(days=self._random.choice((-1, 1)) * self._random.randint(100, 2000))
        self._replacements: dict[str, str] = {}

    def replace(self, value: str) -> str:
        """A made-up value of the form: letters for letters in their case, digits for digits, signs stay.

        A date is moved, all by as many days, so that their order and distances stay; one that does not exist gets
        other digits.
        """
        known = self._replacements.get(value)
        if known is None:
            known = self._replacements[value] = self._fresh(value)
        return known

    def again(self, value: str) -> None:
        """Forget the replacement of a value: the next one is another."""
        self._replacements.pop(value, None)

    def _fresh(self, value: str) -> str:
        moved = self._moved(value)
        if moved is not None:
            return moved
        for _ in range(50):
            result = "".join(
                part if number % 2 else "".join(map(self._other, part))
                for number, part in enumerate(_ESCAPES.split(value))
            )
            if result != value or not any(c.isalnum() for c in value):
                return result
        return result

    def _other(self, character: str) -> str:
        if character in string.digits:
            return self._random.choice([digit for digit in string.digits if digit != character])
        if character.isalpha():
            letter = self._random.choice([c for c in _LETTERS if c != character.casefold()])
            return letter.upper() if character.isupper() else letter
        return character

    def _moved(self, value: str) -> str | None:
        match = _DATE.match(value)
        if match is None or moment(value) is None:
            return None
        year, month, day = (match[a] or match[b] for a, b in (("y", "y2"), ("m", "m2"), ("d", "d2")))
        stated = moment(f"{year}-{month}-{day}")
        wall = stated.wall if stated is not None else None
        if wall is None:
            return None
        later = wall + self._shift
        first = match["y"] is not None
        mark = match["s"] if first else match["s2"]
        parts = (f"{later:%Y}", f"{later:%m}", f"{later:%d}")
        date = mark.join(parts if first else reversed(parts))
        return date + self._clock(value[match.end() :])

    def _clock(self, rest: str) -> str:
        """A time of day, moved by minutes that keep it one; zones and signs stay."""
        match = re.match(r"(?P<before>[T ]?)(?P<h>\d\d)(?P<s>:?)(?P<m>\d\d)", rest)
        if match is None:
            return rest
        hour, minute = (int(match["h"]) + 7) % 24, (int(match["m"]) + 13) % 60
        return f"{match['before']}{hour:02}{match['s']}{minute:02}{rest[match.end() :]}"
