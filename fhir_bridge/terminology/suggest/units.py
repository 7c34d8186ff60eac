"""What a unit tells of a measurement: the LOINC property axis that it can have."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache, lru_cache

from fhir_bridge.fhir import ucum
from fhir_bridge.terminology.service import Terminology

__all__ = ["properties_of_unit", "ucum_of"]

_EXAMPLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("mol/L", ("SCnc",)),
    ("/L", ("NCnc",)),
    ("g/L", ("MCnc",)),
    ("U/L", ("CCnc", "ACnc")),
    ("[IU]/L", ("ACnc", "CCnc")),
    ("mol/kg", ("SCnt",)),
    ("osm/kg", ("Osmol",)),
    ("s", ("Time",)),
    ("mm/h", ("Vel",)),
    ("L", ("EntMeanVol", "EntVol", "Vol")),
    ("g", ("EntMass", "Mass")),
    ("mm[Hg]", ("PPres", "Pres")),
    ("mol/h", ("SRat",)),
    ("g/h", ("MRat",)),
    ("L/min", ("VRat", "ArVRat")),
    ("Cel", ("Temp",)),
    ("m", ("Len",)),
    ("mol/mol", ("SFr", "SRto")),
    ("g/g", ("MRto", "MFr")),
    ("L/L", ("VFr",)),
)
"""A unit of each kind of quantity, and the property axes given in it (LOINC Users' Guide, table of properties)."""

_DIMENSIONLESS = ("MFr", "SFr", "VFr", "NFr", "AFr", "CFr", "MRto", "SRto", "Ratio", "RelTime", "RelMCnc")
_AMOUNT = re.compile(r"(?<![A-Za-z])[a-zμ]{0,2}(mol|osm)(?![a-z])")


def ucum_of(unit: str, terminology: Terminology) -> str | None:
    """The UCUM code of a unit as people write it; None where it is not known."""
    text = unit.strip()
    if not text:
        return None
    found = terminology.translate(None, text, (ucum.SYSTEM,))
    if found:
        return found[0].code
    return text if ucum.is_valid(text) else None


@lru_cache(4096)
def properties_of_unit(code: str) -> tuple[str, ...]:
    """LOINC property axes that a UCUM code fits; empty where it fits none (`%` fits the fractions)."""
    kind = _kind(code)
    if kind is None:
        return ()
    return _kinds().get(kind) or (_DIMENSIONLESS if kind[0] == "1" else ())


@cache
def _kinds() -> dict[tuple[str, ...], tuple[str, ...]]:
    return {kind: properties for code, properties in _EXAMPLES if (kind := _kind(code)) is not None}


def _kind(code: str) -> tuple[str, ...] | None:
    """Dimension and, since UCUM counts moles as numbers, whether it speaks of amounts of substance; a ratio of two
    quantities of one kind is told by that kind."""
    measured = ucum.canonical(Decimal(1), code)
    if measured is None:
        return None
    top, slash, bottom = code.partition("/")
    if measured[1] == "1" and slash and "/" not in bottom:
        inner = _kind(top)
        return ("1",) if inner is None or (inner[0] == "1" and not _AMOUNT.search(top)) else ("1", *inner)
    amount = _AMOUNT.search(top)
    return (measured[1], amount.group(1) if amount else "")
