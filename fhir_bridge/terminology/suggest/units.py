"""What a unit says of a measurement: the LOINC property axis that it can have."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache, lru_cache

from fhir_bridge.fhir import ucum
from fhir_bridge.terminology.service import Terminology

__all__ = ["SHARES", "properties_of_unit", "ucum_of"]

_EXAMPLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("mol/L", ("SCnc",)),
    ("/L", ("NCnc",)),
    ("g/L", ("MCnc", "EntMCnc")),
    ("U/L", ("CCnc", "ACnc")),
    ("[IU]/L", ("ACnc", "CCnc")),
    ("mol/kg", ("SCnt",)),
    ("osm/kg", ("Osmol",)),
    ("s", ("Time", "RelTime")),
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
    ("g/g", ("MRto", "MFr", "MCnt")),
    ("g/mol", ("MSRto", "MRto", "Ratio")),
    ("U/g", ("CCnt", "ACnt", "EntCCnt")),
    ("L/L", ("VFr",)),
    ("/[HPF]", ("Naric",)),
    ("/min", ("NRat",)),
    ("m2", ("Area",)),
)
"""A unit of each kind of quantity, and the property axes given in it (LOINC Users' Guide, table of properties)."""

SHARES = ("MFr", "SFr", "VFr", "NFr", "AFr", "CFr")
"""Property axes of a share of a whole."""
_PERCENT = (*SHARES, "MRto", "SRto", "Ratio", "RelTime", "RelMCnc", "RelCCnc", "RelACnc", "RelRto", "Prctl")
_DIMENSIONLESS = (*_PERCENT, "Titr", "ACnc", "Rden", "LsCnc", "Score", "Num")
_COUNTED = {"{titer}": ("Titr", "ACnc"), "{copies}/mL": ("NCnc",), "/[HPF]": ("Naric",), "%": _PERCENT}
_AMOUNT = re.compile(r"(?<![A-Za-z])[a-zμ]{0,2}(mol|osm|eq)(?![a-z])")

_SPELLED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE if loose else 0), unit)
    for pattern, unit, loose in (
        (r"\s*\b(FEU|DDU|Hb|kreat\w*|cr[eé]a\w*|creat\w*)$", "", True),
        (r"\s+", "", False),
        (r"[µμ]", "u", False),
        (r"mcg", "ug", False),
        (r"/(24(h|u|uur|std|ore|hr|hrs)|die|tag|dag|jour|giorno|day)$", "/d", True),
        (r"/(1?h|uur|ora|std|heure|hr)$", "/h", True),
        (r"/(gezichtsveld|gesichtsfeld|gf|gzv|campo|champ|lpf|hpf)$", "/[HPF]", True),
        (r"^x?10(?:\^|e|\*\*?)?([3-9]|1[0-2])(?=/)", r"10*\1", True),
        (r"^x?10³(?=/)", "10*3", False),
        (r"^x?10⁶(?=/)", "10*6", False),
        (r"^x?10⁹(?=/)", "10*9", False),
        (r"^(tsd|thou|k)/", "10*3/", True),
        (r"^(mio|mill?|m)/(?=[un]l|mm)", "10*6/", True),
        (r"mm3$|mm³$|cmm$", "uL", True),
        (r"^(log10?|log)?\(?(copies|kopien|kopie[eë]n|copie|kop|cp)/ml\)?$", "{copies}/mL", True),
        (r"^log10?\(?", "", True),
        (r"^([kmun]?)(IU|UI|IE|E|AE|AU|UA|RU|U_?A|EliAU|CU|EU)(?=/|$)", r"\1[IU]", False),
        (r"^(GPL|MPL|APL)(-?U)?/ml$", "[IU]/mL", True),
        (r"^(s/?co|coi|index|ratio|inr|quotient)$", "1", True),
        (r"^(tit(er|re|olo))$", "{titer}", True),
        (r"^(vol|gew|area)\.?-?%$", "%", True),
        (r"^(‰|promille)$", "g/L", True),
        (r"^(bpm|/?min|slagen/min|puls/min|schl[aä]ge/min|battiti/min)$", "/min", True),
        (r"l$", "L", False),
        (r"(?<=[dmunpf])l(?=$|/)", "L", False),
    )
)  # fmt: skip
"""Spellings of laboratory sheets that UCUM and the project's map of units lack, and what they stand for."""


@lru_cache(4096)
def ucum_of(unit: str, terminology: Terminology) -> str | None:
    """The UCUM code of a unit as people write it; None where it is not known."""
    text = unit.strip()
    if not text:
        return None
    return _known(text, terminology) or _known(_respelled(text), terminology)


def _known(text: str, terminology: Terminology) -> str | None:
    result = terminology.translate(None, text, (ucum.SYSTEM,))
    if result:
        return result[0].code
    return text if text and ucum.is_valid(text) else None


def _respelled(unit: str) -> str:
    for pattern, text in _SPELLED:
        unit = pattern.sub(text, unit)
    return unit


@lru_cache(4096)
def properties_of_unit(code: str) -> tuple[str, ...]:
    """LOINC property axes that a UCUM code fits; empty where it fits none (`%` fits the fractions)."""
    if code in _COUNTED:
        return _COUNTED[code]
    kind = _kind(code)
    if kind is None:
        return ()
    return _kinds().get(kind) or (_DIMENSIONLESS if kind[0] == "1" else ())


@cache
def _kinds() -> dict[tuple[str, ...], tuple[str, ...]]:
    return {kind: properties for code, properties in _EXAMPLES if (kind := _kind(code)) is not None}


def _kind(code: str) -> tuple[str, ...] | None:
    """Dimension and, since UCUM counts moles as numbers, whether it speaks of amounts of substance; a ratio of two
    quantities of one kind is reported by that kind."""
    measured = ucum.canonical(Decimal(1), code)
    if measured is None:
        return None
    top, slash, bottom = code.partition("/")
    if measured[1] == "1" and slash and "/" not in bottom:
        inner = _kind(top)
        return ("1",) if inner is None or (inner[0] == "1" and not _AMOUNT.search(top)) else ("1", *inner)
    amount = _AMOUNT.search(top)
    below = _AMOUNT.search(bottom)
    text = "mol" if amount and amount.group(1) == "eq" else amount.group(1) if amount else ""
    return (measured[1], text, "per mol") if below and not text else (measured[1], text)
