"""Variants of kept files that are stored, as readers take them (`Options.stored_variants`): they stay stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.kept_reading import samples_of
from fhir_bridge.adapters.genomics.query import build_of, components, read_observation
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.storage import Store
from fhir_bridge.storage.kept_files import KeptFile

__all__ = ["variants_stored", "variants_stored_of"]


async def variants_stored(url: str, paths: Iterable[Path]) -> list[str]:
    """The stored variants of kept files that have samples of these files.

    A variant that a newer file no longer makes reportable is no error: what others refer to says on what it said.
    """
    samples = {name for path in paths for name in samples_of(path)}
    results: set[str] = set()
    async with await Store.open(url, max_size=1) as store:
        for file in await store.kept_files.every():
            if not samples.isdisjoint(file.parts):
                results.update(await variants_stored_of(store, file))
    return sorted(results)


async def variants_stored_of(store: Store, file: KeptFile) -> list[str]:
    """The stored variants of a kept file."""
    return [name for content in await store.kept_files.stored(file) if (name := _name(loads(content)))]


def _name(content: Mapping[str, Any]) -> str:
    """A stored variant as `Options.stored_variants` has it; empty of another Observation, and of a withdrawn one."""
    variant = read_observation(content)
    alleles = {
        code: str(component.get("valueString"))
        for code, component in components(content)
        if code in ("69547-8", "69551-0")
    }
    if variant.interval is None or len(alleles) != 2 or content.get("status") == "entered-in-error":
        return ""
    chromosome = build_of(variant.interval.accession)[1]
    return f"{chromosome}:{variant.interval.start + 1}:{alleles['69547-8']}:{alleles['69551-0']}"
