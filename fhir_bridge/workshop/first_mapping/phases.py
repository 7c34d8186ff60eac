# ruff: noqa: E501 - patterns and lines of YAML are written as they come out
"""Words at the end or beginning of a measurement's name that say when in its session it was made: before or after."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.lexicon import fitting_roles, tokens
from fhir_bridge.workshop.first_mapping.measures import measures_of
from fhir_bridge.workshop.first_mapping.numbers import is_pressure, states_quantity
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["AFTER", "BEFORE", "of_measurement", "without_phase"]

BEFORE, AFTER = "before", "after"
_KNOWN: Final = 0.99
_MOST: Final = 0.5
_BEFORE: Final = r"pre|prae|vor|voor|vooraf|avant|antes|prima|before|inden|foer"
_AFTER: Final = r"post|after|nach|na|achteraf|apres|despues|dopo|depois|efter"
_OF: Final = (
    r"op|oper\w*|hd|dial\w*|transf\w*|bd|dosis|dose|broncho\w*|treatment|behandlung|behandeling|intervent\w*|proc\w*|"
    r"eingriff|ingreep|surg\w*|chir\w*|infusion|anest\w*|an?aesth\w*|bolus|meal|exercise|belastung"
)
_PHASES: Final = tuple(
    (phase, re.compile(pattern))
    for phase, words in ((BEFORE, _BEFORE), (AFTER, _AFTER))
    for pattern in (rf"(?:{words}) ?(?:{_OF})? (.+)", rf"(.+?) (?:{words}) ?(?:{_OF})?")
)


@lru_cache(5_000)
def without_phase(name: str) -> tuple[str, str]:
    """A name without the words for before and after, its unit kept, and which of the two it says; the name and nothing without."""
    words = tokens(headers.bare(name))
    for phase, pattern in _PHASES:
        if match := pattern.fullmatch(words):
            unit = headers.unit_in(name)
            return (f"{match[1]} ({unit[0]})" if unit else match[1]), phase
    return name, ""


def of_measurement(name: str, cells: Sequence[str]) -> tuple[str, str]:
    """The name of a measurement without its phase, and the phase; any other name as it is.

    `Post code`, `Nachname` and `pre-op diagnosis` are no measurements: what follows must be the name of one, or the
    cells be a number in a unit or a blood pressure.
    """
    rest, phase = without_phase(name)
    if not phase:
        return name, ""
    words = tokens(headers.bare(rest))
    fits = fitting_roles(words)
    known = measures_of(words)[1]
    named = known >= _KNOWN and known > (fits[0][0] if fits else 0.0)
    if named or states_quantity(name, cells) or share(cells, is_pressure) > _MOST:
        return rest, phase
    return name, ""
