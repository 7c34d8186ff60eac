"""Kept files of samples say the same in whichever order they came: what an older one stores, a newer one that has it
stores too."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

from fhir_bridge.adapters.genomics.kept_reading import ReclassifyingAdapter
from fhir_bridge.adapters.genomics.kept_stored import has_any, missing_of, variants_of_series
from fhir_bridge.pipeline import load_again
from fhir_bridge.storage import Store
from fhir_bridge.storage.blobs import Blobs
from fhir_bridge.storage.kept_files import KeptFile

__all__ = ["settle"]


async def settle(
    store: Store, blobs: Blobs, url: str, samples: Collection[str], site: Path | None
) -> tuple[list[str], list[str]]:
    """Read kept files of samples again that have a variant which an older file stores, and they do not.

    Args:
        url: of the same database, for the runs that read kept files.

    Returns:
        names of the files that were read again, and of those that could not be.
    """
    results: list[str] = []
    failed: list[str] = []
    # Oldest first: what one stores by an older one the next may have too.
    for file in reversed(await store.kept_files.every()):
        if file.adapter == "vcf" and not file.parts.keys().isdisjoint(samples):
            series = await variants_of_series(store, file)
            missing = await missing_of(store, file, series)
            again = await asyncio.to_thread(_has_any, blobs, file, missing) if missing else False
            if again:
                adapter = ReclassifyingAdapter(
                    file.name, file.id, file.options, list(file.parts), sorted(series)
                )
                data = blobs.path(file.data)
                try:
                    await asyncio.to_thread(load_again, adapter, file.mapping, site, data, url)
                except (ValueError, OSError):  # its mapping is gone
                    failed.append(file.name or file.id)
                    continue
                results.append(file.name or file.id)
    return results, failed


def _has_any(blobs: Blobs, file: KeptFile, variants: set[str]) -> bool:
    """Whether a kept file has any of the variants; not one that can't be read, of which operations warn."""
    try:
        return has_any(file, (blobs.path(file.data), blobs.path(file.index)), variants)
    except (ValueError, OSError):
        return False
