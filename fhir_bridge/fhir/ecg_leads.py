"""ECG leads by number and name, and the code of each lead's potential (ISO/IEEE 11073-10101, SCP-ECG lead table)."""

from __future__ import annotations

from typing import Final

from fhir_bridge.fhir.datatypes import Coding

__all__ = ["ECG_POTENTIAL", "MDC", "lead_coding", "lead_name", "lead_number", "potential_code"]

MDC: Final = "urn:oid:2.16.840.1.113883.6.24"
"""The nomenclature of medical devices in FHIR."""
ECG_POTENTIAL: Final = 131328
"""MDC_ECG_ELEC_POTL (2:256): the potential of lead n is this plus n."""

_NAMES: Final = {
    1: "I",
    2: "II",
    61: "III",
    62: "aVR",
    63: "aVL",
    64: "aVF",
    **{number + 2: f"V{number}" for number in range(1, 7)},
}
"""Lead numbers of the twelve leads: the same in SCP-ECG (`5.6.3-9-n`) and in MDC (`2:n`)."""
_NUMBERS: Final = {name.upper(): number for number, name in _NAMES.items()}


def lead_name(number: int) -> str | None:
    """`aVR` of 62; None of a lead that is not one of the twelve."""
    return _NAMES.get(number)


def lead_number(name: str) -> int | None:
    """62 of `aVR`, `AVR`, `Lead aVR` or `MDC_ECG_LEAD_AVR`; None of any other name."""
    return _NUMBERS.get(name.upper().removeprefix("MDC_ECG_LEAD_").removeprefix("LEAD").strip())


def potential_code(number: int) -> tuple[str, str]:
    """Code and reference identifier of the potential of a lead."""
    return str(ECG_POTENTIAL + number), f"MDC_ECG_ELEC_POTL_{(lead_name(number) or str(number)).upper()}"


def lead_coding(number: int) -> Coding:
    """The potential of a lead as a Coding."""
    code, display = potential_code(number)
    return Coding(system=MDC, code=code, display=display)
