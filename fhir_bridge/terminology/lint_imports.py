"""Concept maps for lint that are not FHIR JSON: what the content store holds, and downloads (Usagi, SSSOM, OMOP, …)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fhir_bridge.plugins import importers
from fhir_bridge.terminology.files import SourceFile, TerminologyFileError
from fhir_bridge.terminology.imports import import_file
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.store import ContentStore, ImportProblem, StoredMap

__all__ = ["holds_maps", "imported", "maps_of"]

_MAPS = ("usagi", "sssom", "omop")
"""Forms of which a folder to lint may hold files."""


def holds_maps(path: Path) -> bool:
    """Whether a file or folder is a download that holds maps."""
    try:
        source = Source(path, lambda _: None)
    except ImportProblem:
        return False
    try:
        known = importers()
        return any(known[name].recognizes(source) for name in _MAPS)
    finally:
        source.close()


@contextmanager
def imported(path: Path) -> Iterator[ContentStore]:
    """A store of its own with what a download holds, gone afterwards.

    Raises:
        TerminologyFileError: the file is in none of the forms that can be imported, or is malformed.
    """
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-lint-") as folder:
        store = ContentStore(Path(folder))
        try:
            import_file(store, path)
        except ImportProblem as problem:
            raise TerminologyFileError(path, problem.problem, problem.code) from problem
        yield store


def maps_of(store: ContentStore, path: Path | None = None) -> Iterator[SourceFile]:
    """The maps of a store with all their rows.

    Args:
        path: the file that findings name; by default the map's url.
    """
    for concept_map in store.concept_maps():
        yield SourceFile(path or Path(concept_map.url), "ConceptMap", concept_map.url, _resource(concept_map))


def _resource(stored_map: StoredMap) -> dict[str, Any]:
    groups: dict[tuple[str | None, str | None], dict[str, Any]] = {}
    for source, code, targets in stored_map.rows():
        elements: dict[str | None, dict[str, Any]] = {}
        for target in targets:
            element = elements.get(target.system)
            if element is None:
                element = elements[target.system] = {"code": code, "target": []}
                if target.source_display:
                    element["display"] = target.source_display
                group = groups.setdefault((source, target.system), {"element": []})
                group |= {side: url for side, url in (("source", source), ("target", target.system)) if url}
                group["element"].append(element)
            row = {
                "code": target.code,
                "display": target.display,
                "equivalence": target.equivalence,
                **target.more,
            }
            element["target"].append({name: value for name, value in row.items() if value is not None})
    return {**stored_map.resource, "id": stored_map.name or "map", "group": list(groups.values())}
