"""Imports a file into the store: finds out what it is, reads it, and lets it be seen when all of it is there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.plugins import Importer, importers
from fhir_bridge.plugins.extras import require
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.sources import Source, digest_of
from fhir_bridge.terminology.store.catalogue import ContentStore
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.progress import Progress

__all__ = ["ImportResult", "Progress", "detect", "import_file"]


class _Named(Progress):
    """Tells on whose behalf: the name of the file goes before what is done."""

    def __init__(self, name: str, heard: Progress) -> None:
        self._name, self._heard = name, heard

    def begin(self, what: str, total: int = 0, unit: str = "bytes") -> None:
        self._heard.begin(f"{self._name}: {what}", total, unit)

    def advance(self, count: int) -> None:
        self._heard.advance(count)


@dataclass(frozen=True)
class ImportResult:
    """The outcome of an import.

    Attributes:
        already: these very files, with these options, were in the store already; nothing was done.
        systems: (url, version, number of concepts).
        maps: (url, number of rows).
        value_sets: number of value sets.
        replaced: `url|version` of what older imports had and this one has anew.
        notes: what the person should know, with counts.
    """

    path: Path
    format: str
    already: bool = False
    systems: list[tuple[str, str | None, int]] = field(default_factory=list)
    maps: list[tuple[str, int]] = field(default_factory=list)
    value_sets: int = 0
    replaced: list[str] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def detect(source: Source) -> str:
    """The format of a file, by its content.

    Raises:
        ImportProblem: no reader knows it.
    """
    known = importers()
    for name, importer in known.items():
        if importer.recognizes(source):
            return name
    raise ImportProblem(
        str(source.path),
        None,
        f"is in none of the forms {', '.join(known)}; --format names one",
        "FB-TERM-033",
    )


def import_file(
    store: ContentStore,
    path: Path,
    format_name: str = "auto",
    options: Options = Options(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> ImportResult:
    """Import a file or folder.

    Nothing of it is in the store before all of it is; importing the same again does nothing.

    Args:
        store: the store.
        path: what was downloaded.
        format_name: name of an importer, or `auto`.
        options: wishes.
        progress: hears how it goes.

    Raises:
        ImportProblem: the file can't be used; file and line are named.
        StoreError: the store can't be used.
        StoreNotWritten: the disk is full or has failed.
        MissingExtra: tantivy, which writes the text index, is not installed.
    """
    require("imports")
    started = time.perf_counter()
    heard = _Named(path.name, progress or Progress())
    heard.begin("opening")
    source = Source(path, heard.advance)
    try:
        name = detect(source) if format_name == "auto" else format_name
        heard.begin("checking", path.stat().st_size if path.is_file() else source.total)
        importer: Importer = importers()[name]
        digest = digest_of(path, f"{name} {importer.version} {options.text()}", heard.advance)
        if store.has(digest):
            return ImportResult(path, name, already=True, seconds=time.perf_counter() - started)
        with store.building(digest) as building:
            heard.begin("reading", 0 if source.is_tar else source.total)
            try:
                importer.read(source, building.staging, options)
            except UnicodeEncodeError as error:
                raise ImportProblem(str(path), None, f"holds half a character ({error})") from error
            building.write(name, [path.name], heard)
            archive, replaced = store.add(building)
    finally:
        source.close()
    described = archive.described
    return ImportResult(
        path,
        name,
        False,
        [(item["url"], item["version"], item["concepts"]) for item in described["systems"]],
        [(item["url"], item["rows"]) for item in described["maps"]],
        described["value_sets"],
        replaced,
        described["notes"],
        time.perf_counter() - started,
    )
