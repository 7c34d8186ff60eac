"""Which kinds of variant a line is evidence of."""

from __future__ import annotations

import re

from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.variant_kinds import KINDS

__all__ = ["kinds_of"]

_REPEAT = re.compile(r"(?:^|;)(?:RU|REPID|VARID|PERIOD|MOTIFS?|TRID)=")
_OF_SMALL = frozenset(("bases", "unknown", "spanning", "missing"))
_SMALL, _STRUCTURAL, _REPEATS = (frozenset((kind,)) for kind in KINDS)


def kinds_of(line: Line) -> frozenset[str]:
    """The kinds of variant that a line is evidence of: its program looks for them, whatever it called."""
    described = line.columns[7]
    # RPA: a small variant within a repeat, as GATK annotates it.
    if "=" in described and _REPEAT.search(described) and "RPA=" not in described:
        return _REPEATS
    kinds = {alternate.kind for alternate in line.alternates}
    if "SVTYPE=" in described or (not kinds and "CN" in line.keys):
        return _STRUCTURAL
    if kinds <= _OF_SMALL:
        return _SMALL
    structural = _STRUCTURAL if kinds & {"symbolic", "breakend"} else frozenset()
    return structural | _SMALL if "bases" in kinds or not structural else structural
