"""What the global measurements of an ECG are, whichever code system names them, and which values they can have."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.fhir import ucum

__all__ = ["implausible", "measurement_kind"]

_MDC: Final = {
    16000: "rr",
    16168: "rr",
    16140: "pp",
    15872: "pr",
    16184: "p_duration",
    16156: "qrs",
    16160: "qt",
    16128: "p_axis",
    16132: "qrs_axis",
    16136: "t_axis",
    16770: "heart_rate",
}
"""Terms of partition 2 (PS3.16 CID 3228, 3229, 3689; ISO/IEEE 11073-10101)."""
_KINDS: Final = {
    "SCPECG|5.10.2.1-3": "rr",
    "SCPECG|5.10.2.1-5": "pp",
    "SCPECG|5.13.5-7": "pr",
    "SCPECG|5.13.5-9": "qrs",
    "SCPECG|5.13.5-11": "qt",
    "SCPECG|5.10.2.5-5": "qtc",
    "SCPECG|5.10.3-11": "p_axis",
    "SCPECG|5.10.3-13": "qrs_axis",
    "SCPECG|5.10.3-15": "t_axis",
    "MDC|MDC_ECG_TIME_PD_QTc": "qtc",
    "LN|8637-1": "rr",
    "LN|8625-6": "pr",
    "LN|8633-0": "qrs",
    "LN|8634-8": "qt",
    "LN|8636-3": "qtc",
    "LN|8626-4": "p_axis",
    "LN|8632-2": "qrs_axis",
    "LN|8638-9": "t_axis",
    "LN|8867-4": "heart_rate",
    **{f"MDC|{2 << 16 | term}": kind for term, kind in _MDC.items()},
}
_LIMITS: Final[dict[str, tuple[int, int, str]]] = {
    "rr": (100, 15_000, "ms"),
    "pp": (100, 15_000, "ms"),
    "pr": (20, 2_000, "ms"),
    "p_duration": (10, 500, "ms"),
    "qrs": (20, 600, "ms"),
    "qt": (100, 1_500, "ms"),
    "qtc": (100, 1_500, "ms"),
    "heart_rate": (5, 500, "/min"),
    "p_axis": (-360, 360, "deg"),
    "qrs_axis": (-360, 360, "deg"),
    "t_axis": (-360, 360, "deg"),
}
"""What a heart can do, widely taken: outside of it a machine had nothing to measure, and wrote a number anyway."""


def measurement_kind(code: Code) -> str | None:
    """`rr`, `pp`, `pr`, `p_duration`, `qrs`, `qt`, `qtc`, `heart_rate`, `p_axis`, `qrs_axis`, `t_axis`; else None."""
    return _KINDS.get(code.key)


def implausible(kind: str | None, value: Decimal | None, unit: str | None) -> bool:
    """Whether a measurement can't have this value. One without a unit that can be compared is not known to be wrong."""
    limits = _LIMITS.get(kind or "")
    if limits is None or value is None or unit is None:
        return False
    low, high, known = limits
    try:
        compared = value if unit == known else ucum.convert(value, unit, known)
    except ValueError:
        return False
    return not low <= compared <= high
