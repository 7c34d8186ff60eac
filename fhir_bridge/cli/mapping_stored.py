"""`mapping explain Type/id`: what is in the store, from its ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["explain_stored"]


def explain_stored(
    name: str,
    sources: list[Path],
    settings: Any,
    mapping: str | None,
    elements: list[str],
    leaves: list[str],
    html: Path | None,
    *,
    json: bool,
) -> bool:
    """x"""
    return False
