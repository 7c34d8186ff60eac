"""pydicom's table of the concepts of PS3.16, read for what is taken of it and not kept: it is 13 MB."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

__all__ = ["dicom_concepts", "snomed_of_rt"]

_PACKAGE = "pydicom.sr"

Concepts = dict[str, dict[str, dict[str, tuple[str, list[int]]]]]
"""Scheme to keyword to code to its meaning and context groups."""


def dicom_concepts() -> Concepts:
    """All concepts that DICOM uses, read anew each time: take what is needed and let it go.

    Raises:
        ModuleNotFoundError: without the extra `dicom`.
    """
    found: Concepts = _table("_concepts_dict", "concepts")
    return found


def snomed_of_rt() -> dict[str, str]:
    """SNOMED CT identifiers by those of SNOMED RT (PS3.16 8.1.1)."""
    found: dict[str, str] = _table("_snomed_dict", "mapping")["SRT"]
    return found


def _table(name: str, table: str) -> Any:
    """A table of a module; importing its package would make objects of all concepts, and keep them."""
    known = sys.modules.get(f"{_PACKAGE}.{name}")
    if known is not None:
        return getattr(known, table)
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pydicom is not installed", name="pydicom")
    path = Path(package.origin).parent / "sr" / f"{name}.py"
    spec: ModuleSpec | None = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{path} can't be read", name=_PACKAGE)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    # A module is part of a circle, which would keep the table until the next collection of garbage.
    return module.__dict__.pop(table)
