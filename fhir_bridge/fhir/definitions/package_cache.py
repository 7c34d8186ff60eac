"""FHIR packages by name and version, out of the package cache of this machine. Nothing is fetched.

HL7's tools and others share one folder: `~/.fhir/packages/<name>#<version>/package/` (FHIR Package Cache). What they
have put there can be named as `hl7.fhir.us.mcode#4.0.0`, and brings the packages that it depends on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from fhir_bridge.fhir.definitions.linking import BUILT_IN

__all__ = ["locate", "package_cache"]

_NAMED = re.compile(r"[A-Za-z][\w-]*(\.[\w-]+)+#[\w.+-]+")


def package_cache() -> Path:
    """The folder: FHIR_BRIDGE_PACKAGE_CACHE, else the one that the tools of FHIR share."""
    return Path(os.environ.get("FHIR_BRIDGE_PACKAGE_CACHE") or Path.home() / ".fhir" / "packages")


def locate(sources: Iterable[str | Path]) -> list[Path]:
    """The paths of packages: `name#version` is the cache's, with what it depends on there; a path stays as it is."""
    results: dict[Path, None] = {}
    waiting = [Path(source) for source in sources]
    for path in waiting:  # grows meanwhile
        if path.exists() or not _NAMED.fullmatch(path.name):
            results[path] = None
            continue
        cached = package_cache() / path.name  # one that is not there is reported by who reads it
        if cached not in results:
            results[cached] = None
            waiting += (
                Path(name)
                for name in _dependencies(cached)
                if name.partition("#")[0] not in BUILT_IN and (package_cache() / name).is_dir()
            )
    return list(results)


def _dependencies(package: Path) -> list[str]:
    try:
        manifest = json.loads((package / "package" / "package.json").read_bytes())
        return [f"{name}#{version}" for name, version in manifest["dependencies"].items()]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return []  # none, or not whole: who reads the package reports it
