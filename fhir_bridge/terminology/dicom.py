"""DICOM's terminology (PS3.16) as pydicom carries it: read at run time, not copied into this project."""

from __future__ import annotations

from functools import lru_cache

from fhir_bridge.fhir.ports import Concept

__all__ = ["DCM", "SCT", "lookup"]

DCM = "http://dicom.nema.org/resources/ontology/DCM"
SCT = "http://snomed.info/sct"

_SCHEMES = {DCM: "DCM", SCT: "SCT"}


def lookup(system: str, code: str) -> Concept | None:
    """A concept that DICOM uses, None where it uses none of that code."""
    scheme = _SCHEMES.get(system)
    if scheme is None:
        return None
    display = _displays(scheme).get(code)
    return None if display is None else Concept(system, code, display)


@lru_cache(maxsize=4)
def _displays(scheme: str) -> dict[str, str]:
    """Code to meaning; of several, the one that stands in most context groups."""
    from pydicom.sr._concepts_dict import concepts

    meanings: dict[str, tuple[int, str]] = {}
    for codes in concepts.get(scheme, {}).values():
        for code, (meaning, groups) in codes.items():
            meanings[code] = max(meanings.get(code, (-1, "")), (len(groups), meaning))
    return {code: meaning for code, (_, meaning) in meanings.items()}
