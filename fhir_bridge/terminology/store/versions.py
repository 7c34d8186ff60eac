"""Which of two versions of a code system is the newer."""

from __future__ import annotations

import re

__all__ = ["version_key"]

_PART = re.compile(r"([0-9]+)")
_SNOMED = re.compile(r"https?://snomed\.info/x?sct/([0-9]+)/version/([0-9]{8})")


def version_key(version: str | None) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts versions, the newest last: numbers count as numbers (`2.9` is before `2.78`).

    Of SNOMED CT's version URIs only the date counts. No version sorts first.
    """
    if not version:
        return ()
    snomed = _SNOMED.fullmatch(version)
    if snomed:
        version = f"{snomed[2]}.{snomed[1]}"
    return tuple(
        (1, int(part), "") if part.isdigit() else (0, 0, part) for part in _PART.split(version[:200]) if part
    )
