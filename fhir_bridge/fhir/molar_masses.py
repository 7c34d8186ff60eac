"""Molar masses of what laboratories measure, to convert between mass and amount of substance.

Which analyte a result is of is said by its LOINC code. Hemoglobin and other proteins are left out where laboratories
differ in what they count as one molecule.
"""

from __future__ import annotations

import re
from decimal import Decimal

from fhir_bridge.fhir import ucum

__all__ = ["MOLAR_MASS", "charge", "convert_by_mass", "counts_equivalents", "molar_mass"]

_ANALYTES: tuple[tuple[str, str, str], ...] = (
    ("glucose", "180.156", "2345-7 14749-6 1558-6 14771-0 2339-0 15074-8 2350-7 15076-3"),
    ("creatinine", "113.12", "2160-0 14682-9 38483-4 2161-8 14683-7"),
    ("urea", "60.056", "22664-7 3091-6"),
    ("urate", "168.11", "3084-1 14933-6"),
    ("cholesterol", "386.65", "2093-3 14647-2 2085-9 14646-4 2089-1 22748-8 13457-7 39469-2 43396-1"),
    ("triglyceride, as triolein", "885.43", "2571-8 14927-8"),
    ("bilirubin", "584.66", "1975-2 14631-6 1968-7 14629-0 1971-1"),
    ("calcium", "40.078", "17861-6 2000-8"),
    ("magnesium", "24.305", "19123-9 2601-3"),
    ("phosphate, as phosphorus", "30.974", "2777-1 14879-1"),
    ("iron", "55.845", "2498-4 14798-3"),
    ("lactate", "90.08", "2524-7 14118-4"),
    ("cortisol", "362.46", "2143-6 14675-3"),
    ("thyroxine", "776.87", "3024-7 14920-3 3026-2 14921-1"),
    ("triiodothyronine", "650.97", "3051-0 14928-6 3053-6 14930-2"),
    ("testosterone", "288.42", "2986-8 14913-8"),
    ("estradiol", "272.38", "2243-4 14715-7"),
    ("progesterone", "314.46", "2839-9 14890-8"),
    ("cobalamin", "1355.37", "2132-9 14685-2"),
    ("folate", "441.40", "2284-8 14732-2"),
    ("25-hydroxyvitamin D3", "400.64", "1989-3 14635-7"),
    ("digoxin", "780.94", "10535-3 14698-5"),
    ("lithium", "6.94", "14334-7 3719-2"),
    ("phenytoin", "252.27", "3968-5 14877-5"),
    ("valproate", "144.21", "4086-5 14946-8"),
    ("sodium", "22.990", "2951-2 2947-0 2955-3"),
    ("potassium", "39.098", "2823-3 6298-4 2828-2"),
)
"""Analyte, g/mol (from the standard atomic weights), LOINC codes of its mass and substance concentrations."""

MOLAR_MASS: dict[str, Decimal] = {
    code: Decimal(mass) for _, mass, codes in _ANALYTES for code in codes.split()
}
"""g/mol by LOINC code."""


def molar_mass(loinc: str) -> Decimal | None:
    """Molar mass in g/mol of the analyte that a LOINC code measures; None where it is not known here."""
    return MOLAR_MASS.get(loinc)


_CHARGES: dict[int, str] = {
    1: "2951-2 2947-0 2955-3 2823-3 6298-4 2828-2 2075-0 2069-3 2078-4 1963-8 2028-9 1960-4 14334-7 3719-2",
    2: "17861-6 2000-8 1994-3 1995-0 12180-6 19123-9 2601-3 21377-7",
}
"""Charge of the ion (of either sign) that a LOINC code measures: sodium, potassium, chloride, bicarbonate, lithium;
calcium, also ionized, and magnesium. Of phosphate it depends on the pH."""
_CHARGE_OF = {code: number for number, codes in _CHARGES.items() for code in codes.split()}
_EQUIVALENTS = re.compile(r"(?<![A-Za-z{])(?:da|[a-zA-Zμ])?eq(?![a-z])")


def charge(loinc: str) -> int | None:
    """Charge of the ion that a LOINC code measures, by which equivalents become moles; None where it is unknown."""
    return _CHARGE_OF.get(loinc)


def counts_equivalents(unit: str) -> bool:
    """Whether a UCUM unit counts equivalents (`meq/L`), which UCUM takes for moles whatever the charge."""
    return _EQUIVALENTS.search(re.sub(r"\{[^{}]*\}", "", unit)) is not None


AVOGADRO = Decimal("6.02214076E23")
"""Entities in a mole: UCUM counts a mole as this number (UCUM §30)."""

_MOLE = re.compile(r"(?<![A-Za-z])(?:da|[a-zA-Zμ])?mol(?![a-z])")


def convert_by_mass(value: Decimal, source: str, target: str, mass: Decimal) -> Decimal:
    """A value in a unit of mass told in one of amount of substance (mg/dL, mmol/L), or the other way round.

    Args:
        source: UCUM code of the value.
        target: UCUM code of the result.
        mass: g/mol of the analyte.

    Raises:
        Incommensurable: it is not mass on one side and amount of substance on the other, of the same volume or time.
    """
    input_value, wanted = ucum.canonical(value, source), ucum.canonical(Decimal(1), target)
    if input_value is not None and wanted is not None:
        if _MOLE.search(target) and input_value[1] == _times_gram(wanted[1]):
            return input_value[0] / mass * AVOGADRO / wanted[0]
        if _MOLE.search(source) and wanted[1] == _times_gram(input_value[1]):
            return input_value[0] / AVOGADRO * mass / wanted[0]
    raise ucum.Incommensurable(source, target)


def _times_gram(base: str) -> str:
    """The base unit of a mass where that of a number is given (`m-3` to `g.m-3`)."""
    return "g" if base == "1" else f"g.{base}"
