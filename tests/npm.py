"""Packages that tests take from npm: fetched once with `npm pack`, kept in a cache of the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import platformdirs
import pytest

__all__ = ["npm_cache", "packed"]


def npm_cache() -> Path:
    """Where fetched packages are kept: `FHIR_BRIDGE_NPM_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("FHIR_BRIDGE_NPM_CACHE", platformdirs.user_cache_dir("fhir-bridge"))) / "npm"


def packed(name: str, version: str) -> Path:
    """The archive (.tgz) of a package; the test is skipped, with the reason, where npm can't give it."""
    folder = npm_cache()
    archive = folder / f"{name}-{version}.tgz"
    if archive.exists():
        return archive
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [npm, "pack", "--silent", f"{name}@{version}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode or not archive.exists():
        pytest.skip(f"npm can't fetch {name} {version}: {done.stderr.strip()[-200:]}")
    return archive
