"""Attributes that no rule of ours needs and a site's mapping names: read from the file when asked for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset

from fhir_bridge.adapters.imaging.elements import Value, element_value
from fhir_bridge.adapters.imaging.header import Refused, quiet, read_dataset
from fhir_bridge.adapters.imaging.issues import found

__all__ = ["late_value", "private_value"]


@lru_cache(maxsize=4)
def _dataset(path: Path) -> FileDataset | None:
    try:
        return read_dataset(path, path.name)
    except Refused:
        return None


def _opened(path: Path, issues: list[Any]) -> FileDataset | None:
    dataset = _dataset(path)
    if dataset is None:
        issue = found(
            "FB-DCM-019", "could not be read again for an attribute that a mapping names", path.name
        )
        if issue not in issues:
            issues.append(issue)
    return dataset


def late_value(path: Path, keyword: str, issues: list[Any]) -> Value:
    """The value of any attribute of the data dictionary in this file, or None."""
    dataset = _opened(path, issues)
    if dataset is None:
        return None
    with quiet():
        try:
            return element_value(dataset[keyword]) if keyword in dataset else None
        except Exception:  # noqa: BLE001 - as in header.py: a damaged value costs itself alone
            return _unreadable(keyword, path, issues)


def private_value(path: Path, creator: str, group: int, element: int, issues: list[Any]) -> Value:
    """The value of a private element, found by its creator (PS3.5 7.8); `element` is the low byte of its number."""
    dataset = _opened(path, issues)
    if dataset is None:
        return None
    with quiet():
        try:
            return element_value(dataset.private_block(group, creator)[element & 0xFF])
        except KeyError:
            return None
        except Exception:  # noqa: BLE001 - as above
            return _unreadable(f"private element ({group:04X},xx{element & 0xFF:02X})", path, issues)


def _unreadable(name: str, path: Path, issues: list[Any]) -> None:
    issue = found("FB-DCM-020", f"{name} can't be read", path.name)
    if issue not in issues:
        issues.append(issue)
