"""The procedure that a wide table's measurements were made in, by the name of its date: `Cath Date` beside `Cath #`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.parts import ASKED, part_of
from fhir_bridge.workshop.first_mapping.selecting import first_of

__all__ = ["procedure_of"]

_OF_PROCEDURES: Final = frozenset(("event-id", "indication", "complication", "body-site", "anesthesia"))
"""Roles that procedures have, and other measurements rarely."""
_FEW: Final = 2
"""From so many of them the table is of procedures."""
_NO_NAME: Final = re.compile(
    r"date|dt|dttm|datum|time|tm|fecha|data|day|tag|zeit|jour|of|du|de|del|der|le|am|performed|procedure|prozedur|procedimiento|"
    r"procedura|acte|done|durchgefuehrt|realise|eseguito|realizado"
)
"""Words of a date's name that name no procedure."""


def procedure_of(guesses: Sequence[Guess]) -> str:
    """What was done, in words; empty where the table does not say that its measurements were made in a procedure."""
    when = first_of(guesses, "performed")
    if when is None or when.header != "performed":
        return ""
    roles = {guess.role for guess in guesses} & _OF_PROCEDURES
    asked = any(g.role in ("provider", "provider-id") and part_of(g) == ASKED for g in guesses)
    if len(roles) + asked < _FEW:
        return ""
    words = [word for word in re.split(r"[\W_]+", when.name) if word]
    return " ".join(word for word in words if not _NO_NAME.fullmatch(tokens(word)))
