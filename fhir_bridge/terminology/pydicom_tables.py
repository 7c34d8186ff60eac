"""pydicom's tables, read from its files: importing pydicom brings numpy, PIL and requests, 40 MB that few need."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

__all__ = ["read_table", "source_of"]


def source_of(module: str) -> Path:
    """The file of a module of pydicom.

    Raises:
        ModuleNotFoundError: without the extra `dicom`.
    """
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pydicom is not installed", name="pydicom")
    return Path(package.origin).parent.joinpath(*module.split(".")).with_suffix(".py")


def read_table(module: str, name: str) -> Any:
    """A table of a module of pydicom (`sr._concepts_dict`), of pydicom itself where that is imported already.

    Raises:
        ModuleNotFoundError: without the extra `dicom`.
    """
    known = sys.modules.get(f"pydicom.{module}")
    if known is not None:
        return getattr(known, name)
    path = source_of(module)
    spec: ModuleSpec | None = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{path} can't be read", name="pydicom")
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    # A module is part of a circle, which would keep its other tables until the next collection of garbage.
    return loaded.__dict__.pop(name)
