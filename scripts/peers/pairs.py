"""Inputs that have another engine's FHIR beside them, and what this project makes of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.bundles import iter_documents
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.mapping import CompiledMapping, Site, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.workshop.trial import try_mapping

__all__ = ["FOLDERS", "Folder", "Pair", "Resource", "ours", "pairs", "theirs"]

Resource = dict[str, Any]

_FHIR = (".json", ".fhir", ".ndjson")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder in which FHIR is beside its inputs.

    Attributes:
        engine: who made the FHIR.
        adapter: ours that reads the inputs.
        path: below the folder of real inputs.
        suffix: what the inputs end in.
    """

    engine: str
    adapter: str
    path: str
    suffix: str


FOLDERS = (
    Folder("FHIR-Converter", "hl7v2", "hl7v2/microsoft-fhir-converter", ".hl7"),
    Folder("ReportStream", "hl7v2", "hl7v2/cdc-reportstream", ".hl7"),
    Folder("FHIR-Converter", "ccda", "ccda/microsoft-fhir-converter", ".ccda"),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """An input, and another engine's FHIR of it."""

    engine: str
    adapter: str
    source: Path
    fhir: Path


def pairs(root: Path, folders: Iterable[Folder] = FOLDERS) -> Iterator[Pair]:
    """The inputs that have FHIR beside them: `a.hl7` with `a.json`, `a.fhir` or `a.expected.ADT_A01.json`."""
    for folder in folders:
        files = sorted((root / folder.path).iterdir())
        for source in files:
            if source.suffix != folder.suffix:
                continue
            beside = [f for f in files if f.suffix in _FHIR and f.name.startswith(f"{source.stem}.")]
            if beside:
                yield Pair(folder.engine, folder.adapter, source, beside[0])


def theirs(pair: Pair) -> list[Resource]:
    """The resources of the other engine."""
    results = []
    for _, text in iter_documents(pair.fhir):
        document = loads_exact(text)
        if isinstance(document, dict):
            entries = document.get("entry", [])
            results += [entry["resource"] for entry in entries] if entries else [document]
    return results


def ours(pair: Pair) -> list[Resource]:
    """What the shipped mapping makes of the input, at a site in UTC with no settings of its own."""
    site = Site(site="peers", zone="UTC", demo_key=True)
    return try_mapping(_mapping(pair.adapter), [pair.source], site, check="none").resources


@lru_cache
def _mapping(adapter: str) -> CompiledMapping:
    reader = adapters()[adapter]
    return load_mapping(reader.choose_mapping(()), adapters=adapters())
