"""Programs that tests take from PyPI: installed once, apart from the project's own packages, in a user's cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.npm import npm_cache

__all__ = ["installed"]


def installed(name: str, version: str) -> Path:
    """The folder for PYTHONPATH; the test is skipped, with the reason, where PyPI can't give the package."""
    folder = npm_cache().parent / "pypi" / f"{name}-{version}-{sys.version_info[0]}.{sys.version_info[1]}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--target", f"{made}/packages", f"{name}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"PyPI can't give {name} {version}: {done.stderr.strip()[-200:]}")
        try:
            Path(f"{made}/packages").rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(f"{made}/packages", ignore_errors=True)
    return folder
