"""Which of two versions of a code system is the newer."""

from __future__ import annotations

import re

from fhir_bridge.terminology.versions import year_first

__all__ = ["version_key"]

_PART = re.compile(r"([0-9]+)")
_SNOMED = re.compile(r"https?://snomed\.info/x?sct/([0-9]+)/version/([0-9]{8})")


def version_key(version: str | None) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts versions, the newest last: numbers count as numbers (`2.9` is before `2.78`).

    Of SNOMED CT's version URIs only the date counts; of a day with the month first, as RxNorm's releases are reported
    (`01052026`), the year counts first. No version sorts first.
    """
    if not version:
        return ()
    version = year_first(version)
    snomed = _SNOMED.fullmatch(version)
    if snomed:
        version = f"{snomed[2]}.{snomed[1]}"
    return tuple(
        (1, int(part), "") if part.isdigit() else (0, 0, part) for part in _PART.split(version[:200]) if part
    )
