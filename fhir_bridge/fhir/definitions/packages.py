"""Definition packages that a site adds: profiles, extensions, value sets, code systems and search parameters.

A set of packages is linked once and kept as one compact table, named by the hash of what went in, in the user's cache
folder; the next start reads that. docs/validation.md indicates how sites name packages.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from fhir_bridge.fhir.definitions.layers import Layer
from fhir_bridge.fhir.definitions.linking import link
from fhir_bridge.fhir.definitions.package_cache import locate
from fhir_bridge.fhir.definitions.package_files import PackageError, digest
from fhir_bridge.fhir.definitions.package_reading import PackageDraft, read_package
from fhir_bridge.fhir.definitions.r4 import GENERATED
from fhir_bridge.fhir.definitions.registration import SHIPPED, shipped_files
from fhir_bridge.fhir.definitions.registry import Definitions
from fhir_bridge.fhir.definitions.table import Table, encode_table
from fhir_bridge.fhir.issues import Issue

__all__ = ["PackageInfo", "PackageReport", "load_packages"]

FORMAT = 4
"""Grows with every change of what is kept, so that an older cache is not read."""

MAX_LINKED = 16
"""Sets of packages that a process keeps."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PackageInfo:
    """A package in use: its name and version, the file it came from, and how many definitions of each kind it has."""

    name: str
    version: str
    source: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class PackageReport:
    """Packages, read and linked.

    Attributes:
        definitions: what is built in, with what the packages define on top.
        issues: what is wrong with them; the rest of a package is used.
        cached: whether they were linked before.
        seconds: what reading took.
    """

    definitions: Definitions
    packages: tuple[PackageInfo, ...] = ()
    issues: tuple[Issue, ...] = ()
    cached: bool = False
    seconds: float = 0.0

    def log(self, logger: logging.Logger) -> None:
        """Warn of what is wrong."""
        for issue in self.issues:
            if issue.severity != "information":
                logger.warning("%s: %s (%s)", issue.source, issue.message, issue.code)


def load_packages(sources: Sequence[str | Path], cache: Path | None = None) -> PackageReport:
    """The definitions of these packages on top of those built in; the same set again costs nothing.

    Args:
        sources: .tgz files as registries give them, folders of an unpacked package, or JSON files of one definition;
            in any order, whatever depends on what, and several versions of one package if need be. `name#version`
            is in the package cache of this machine (`package_cache`).
        cache: where the linked table is kept; default `FHIR_BRIDGE_CACHE`, else the user's cache folder.

    Returns:
        The definitions, and what is wrong with the packages. Nothing is raised for a broken package: its issues say
        what of it can't be used.
    """
    begin = time.perf_counter()
    problems: list[Issue] = []
    paths: dict[str, Path] = {}
    for path in locate(sources):
        try:
            paths.setdefault(digest(path), path)
        except PackageError as error:
            problems.append(Issue("error", error.code, str(error), str(path)))
    if not paths:
        return PackageReport(SHIPPED, issues=tuple(problems))
    name = _key(paths)
    linked = _linked.get(name)
    if linked is None:
        if len(_linked) >= MAX_LINKED:
            _linked.pop(next(iter(tuple(_linked))), None)  # the oldest
        layer, cached = _layer(paths, name, cache)
        definitions = Definitions(lambda: replace(SHIPPED.added, layer=layer))
        linked = _linked[name] = PackageReport(
            definitions,
            tuple(PackageInfo(*p) for p in layer.header["packages"]),
            tuple(Issue(*i) for i in layer.header["issues"]),
            cached,
        )
    return replace(linked, issues=(*problems, *linked.issues), seconds=time.perf_counter() - begin)


_linked: dict[str, PackageReport] = {}
"""Sets of packages that were linked or read before, by what they hold."""


def _key(paths: dict[str, Path]) -> str:
    """A name for the linked set: what the packages hold, and what they are linked with."""
    # The sizes of the built-in tables stand for their content, which would cost time to hash at each start.
    parts = [str(FORMAT), *(f"{p.name}:{p.stat().st_size}" for p in sorted(GENERATED.glob("*.z")))]
    parts += [hashlib.sha256(content).hexdigest() for _, content in shipped_files()]
    parts += [f"{content}:{path.name}" for content, path in paths.items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _layer(paths: dict[str, Path], name: str, cache: Path | None) -> tuple[Layer, bool]:
    folder = cache or Path(os.environ.get("FHIR_BRIDGE_CACHE") or platformdirs.user_cache_dir("fhir-bridge"))
    kept = folder / "packages" / f"{name}.z"
    try:
        return Layer(Table(kept)), True
    except (OSError, ValueError, KeyError, zlib.error):
        pass  # not kept yet, or no longer whole: it is made anew
    numbers: dict[tuple[str, ...], int] = {}
    packages = [read_package(path, numbers) for path in paths.values()]
    entries, header = link(packages, numbers, SHIPPED)
    header["packages"] = [[p.name, p.version, str(p.source), _counts(p)] for p in packages]
    header["issues"] = [[i.severity, i.code, i.message, i.source] for p in packages for i in p.issues]
    content = encode_table(entries, header)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when whole: another process that starts meanwhile sees all of it or nothing.
        unfinished = kept.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(kept)
    except OSError as error:
        _LOG.info("the cache of packages can't be written: %s", error)
    return Layer(Table(content)), False


def _counts(package: PackageDraft) -> dict[str, Any]:
    extensions = sum(draft.row["type"] == "Extension" for draft in package.structures)
    return {
        "profiles": len(package.structures) - extensions,
        "extensions": extensions,
        "value sets": len(package.value_sets),
        "code systems": len(package.code_systems),
        "search parameters": len(package.searches),
    }
