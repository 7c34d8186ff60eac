"""Trigger events that ask for more than their segments say, and that are not, or not wholly, carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["left_undone"]

_UNDONE: Final[Mapping[str, str]] = {
    "A24": "A24 links two patients: their records are not linked",
    "A37": "A37 unlinks two patients: no link is taken away",
    "A43": "A43 moves a number from one patient to another: what is stored under it stays where it is",
    "A44": "A44 moves an account from one patient to another: what is stored of it stays where it is",
    "A45": (
        "A45 moves a visit: the Encounter is moved; results, diagnoses and what else is stored of it stay "
        "where they are"
    ),
}


def left_undone(kind: str) -> str | None:
    """What an event, `ADT^A24`, asks for and does not get; None for all others."""
    code, _, event = kind.partition("^")
    return _UNDONE.get(event) if code == "ADT" else None
