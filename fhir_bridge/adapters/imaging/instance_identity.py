"""UIDs that a file states, whether or not it can be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fhir_bridge.adapters.imaging.attributes import TAGS
from fhir_bridge.adapters.imaging.dicom_file import Refused, read_elements

__all__ = ["InstanceIdentity", "identity_of"]

_TAGS: Final = tuple(
    TAGS[keyword] for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
)


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """UIDs; empty where they are missing."""

    study: str
    series: str
    uid: str
    sop_class: str


def identity_of(path: Path) -> InstanceIdentity | None:
    """UIDs of a file; None where it is not DICOM or can't be read."""
    try:
        elements = read_elements(path, path.name, frozenset(_TAGS))
    except Refused:
        return None
    texts = (elements.get(tag, ("", b""))[1].decode("ascii", "replace").strip("\0 ") for tag in _TAGS)
    return InstanceIdentity(*texts)
