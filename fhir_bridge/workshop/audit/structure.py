"""Fields that carry a message and mean nothing about a patient. They are counted in the report's appendix."""

from __future__ import annotations

from typing import Final

__all__ = ["STRUCTURE", "is_structure"]

_SET_IDS: Final = """AIG AIL AIP AIS AL1 ARV CON DB1 DG1 FT1 GT1 IAM IN1 NK1 NTE OBR OBX PID PR1 PRT PV1 RGS ROL
    SPM TQ1 TQ2 TXA UB1 RXA RDF ODS AIP""".split()

STRUCTURE: Final[dict[str, frozenset[int]]] = {
    "MSH": frozenset((5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)),
    "SFT": frozenset(range(1, 20)),
    "MSA": frozenset(range(1, 20)),
    "EVN": frozenset((1,)),
    "OBX": frozenset((1, 2, 4)),
    "NTE": frozenset((1, 2)),
    "RXA": frozenset((1, 2, 21)),
    "TXA": frozenset((1, 3)),
    "PV1": frozenset((1, 51)),
    "ROL": frozenset((1, 2)),
    "ARV": frozenset((1, 2)),
    "RGS": frozenset((1, 2)),
    "AIS": frozenset((1, 2)),
    "AIG": frozenset((1, 2)),
    "AIL": frozenset((1, 2)),
    "AIP": frozenset((1, 2)),
    "IAM": frozenset((1, 6)),
    "DG1": frozenset((1, 2, 21)),
    "PR1": frozenset((1, 2, 20)),
    "PRB": frozenset((1,)),
    "PRT": frozenset((1, 2)),
    "OBR": frozenset((1,)),
    "ORC": frozenset((1,)),
}
"""By segment: delimiters, encoding, versions and profiles of messages, set ids, types of values, actions that the
receiver shall take."""


def is_structure(segment: str, field: int, position: tuple[int, ...]) -> bool:
    """Whether a value is transport alone."""
    del position
    known = STRUCTURE.get(segment)
    if known is not None:
        return field in known
    return field == 1 and segment in _SET_IDS
