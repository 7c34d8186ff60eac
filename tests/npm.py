"""Packages that tests take from npm: fetched once, kept in a cache of the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs
import pytest

__all__ = ["npm_cache", "package", "packed"]


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


def package(name: str, version: str) -> Path:
    """The folder `node_modules` with a package and what it needs; skipped, with the reason, where npm can't give it.

    No script of a package is run.
    """
    folder = npm_cache() / "installed" / f"{name.replace('/', '-')}-{version}"
    if folder.exists():
        return folder / "node_modules"
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        command = [
            npm,
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
            made,
        ]
        done = subprocess.run(
            [*command, f"{name}@{version}"], capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            pytest.skip(f"npm can't install {name} {version}: {done.stderr.strip()[-200:]}")
        try:
            Path(made).rename(folder)
        except OSError:  # another process was faster
            return folder / "node_modules"
        Path(made).mkdir()
    return folder / "node_modules"
