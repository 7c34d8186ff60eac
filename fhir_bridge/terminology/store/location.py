"""Where the store of a site is."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["STORE_VARIABLE", "default_store", "store_path"]

STORE_VARIABLE = "FHIR_BRIDGE_TERMINOLOGY_STORE"
"""Environment variable that names the store's folder."""


def default_store() -> Path:
    """The folder where nothing names another: in the user's data folder."""
    return Path(platformdirs.user_data_dir("fhir-bridge")) / "terminology"


def store_path(value: Path | str | None = None, site: Path | str | None = None) -> Path:
    """The store's folder: as given, else by the environment, else by the site file, else the default."""
    if value is not None:
        return Path(value)
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Path(named)
    return Path(site) if site is not None else default_store()
