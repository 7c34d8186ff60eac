"""Modality (0008,0060) as codes of DICOM's own terminology (PS3.16 CID 29 and 33)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from fhir_bridge.adapters.imaging.codes import CODE_FORM, Code, dicom_meanings

__all__ = ["modality_code"]

_MNEMONIC = re.compile(r"[A-Z][A-Z0-9_]{1,15}$")

_NAMES = {"AU": "Audio"}
"""Where two meanings are about, the one of the modality (PS3.16 CID 29)."""


@lru_cache(maxsize=1)
def _meanings() -> dict[str, str]:
    return {value: known[-1] for value, known in dicom_meanings().items() if _MNEMONIC.match(value)}


def modality_code(value: Any) -> Code | None:
    """The DCM code of a modality; None where the series states none.

    A value that DICOM does not list stays a code of the source without a scheme.
    """
    first = value[0] if isinstance(value, list) else value
    if not first:
        return None
    text = str(first)
    if not CODE_FORM.fullmatch(text):
        return Code(None, None, text)
    meaning = _NAMES.get(text) or _meanings().get(text)
    return Code(text, "DCM", meaning) if meaning else Code(text, None, text)
