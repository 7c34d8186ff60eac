"""Which files are DICOM objects."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_dicom"]


def is_dicom(path: Path) -> bool:
    """Whether a file is a DICOM object (PS3.10 §7.1): by its prefix, or its name."""
    if path.suffix.lower() in (".dcm", ".dicom"):
        return True
    try:
        with path.open("rb") as file:
            file.seek(128)
            return file.read(4) == b"DICM"
    except OSError:
        return False
