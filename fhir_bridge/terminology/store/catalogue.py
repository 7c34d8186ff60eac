"""The content store: a folder of imports. Reading takes no lock; an import appears, and goes, by one rename."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.concept_map import StoredMap
from fhir_bridge.terminology.store.errors import StoreError
from fhir_bridge.terminology.store.import_archive import DESCRIPTION, ImportArchive
from fhir_bridge.terminology.store.system import StoredSystem
from fhir_bridge.terminology.store.versions import version_key

if TYPE_CHECKING:  # building is loaded where something is imported or removed: it loads a database
    from fhir_bridge.terminology.store.build import Building

__all__ = ["ContentStore", "SystemInfo", "open_store"]

_LOOK_AGAIN = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """A code system of the store, for listing.

    Attributes:
        concepts: number of concepts, inactive ones included.
        imported: instant of the import, UTC.
        source: what was imported (file names).
        size: bytes on disk of the whole import, which may hold other systems too.
    """

    url: str
    version: str | None
    title: str | None
    concepts: int
    imported: str
    source: str
    kind: str
    size: int


def open_store(path: Path | str) -> ContentStore:
    """The store of a folder; one that does not exist yet is an empty store."""
    return ContentStore(Path(path))


class ContentStore:
    """All that is imported into a folder (`ContentSource`). Safe to share between threads and over a fork.

    What another process imports or removes is seen within a second.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._archives: dict[str, ImportArchive] = {}
        self._looked = -1e9
        self._stamp: object = None
        self._systems: dict[str, list[StoredSystem]] = {}
        self._maps: list[StoredMap] = []

    # --- reading ---

    def urls(self) -> Sequence[str]:
        """Urls of the code systems that are imported."""
        self._refresh()
        return list(self._systems)

    def versions(self, url: str) -> Sequence[str]:
        """Versions of a code system, the newest last; `""` stands for one without version."""
        self._refresh()
        return [item.version or "" for item in self._systems.get(url, ())]

    def get(self, url: str, version: str | None = None) -> StoredSystem | None:
        """A code system: exactly this version, or the newest; None where it is not imported."""
        self._refresh()
        system = self._systems.get(url)
        if not system:
            return None
        if version is None:
            return system[-1]
        return next((item for item in system if (item.version or "") == version), None)

    content = get

    def supplements(self, url: str) -> list[StoredSystem]:
        """Imported code systems that only supplement this one; `code_system_resource` states them as FHIR JSON."""
        self._refresh()
        return [
            item
            for system in self._systems.values()
            for item in system
            if item.content == "supplement" and str(item.metadata.get("supplements", "")).split("|")[0] == url
        ]

    def systems(self) -> list[SystemInfo]:
        """What is imported, by url and version."""
        self._refresh()
        return [_info(system) for url in sorted(self._systems) for system in self._systems[url]]

    def value_set(self, url: str, version: str | None = None) -> dict[str, Any] | None:
        """A ValueSet (FHIR JSON): exactly this version, or the newest; None where it is not imported."""
        value_set_versions = self.value_set_versions(url)
        if version is not None:
            return value_set_versions.get(version)
        return value_set_versions[max(value_set_versions, key=version_key)] if value_set_versions else None

    def value_set_versions(self, url: str) -> dict[str, dict[str, Any]]:
        """All versions of a ValueSet; of one version that was imported twice, the later import."""
        return {
            version: form.read_json(resource)
            for result, version, resource in self._value_sets(url)
            if result == url
        }

    def value_sets(self) -> Iterator[tuple[str, str]]:
        """Url and version of every imported ValueSet."""
        return ((url, version) for url, version, _ in self._value_sets(""))

    def concept_maps(self) -> list[StoredMap]:
        """All imported concept maps; what was imported last comes first."""
        self._refresh()
        return list(self._maps)

    def archives(self) -> list[ImportArchive]:
        """The imports, in the order of import."""
        self._refresh()
        return list(self._archives.values())

    # --- changing ---

    def building(self, digest: str) -> contextlib.AbstractContextManager[Building]:
        """Begin an import; what is half done when the block is left by an error, or the process dies, is never seen."""
        from fhir_bridge.terminology.store.build import Building

        return Building.begin(self.path, digest)

    def has(self, digest: str) -> bool:
        """Whether these very files are imported already, and can be read."""
        return any(
            archive.described["digest"] == digest and archive.is_readable() for archive in self.archives()
        )

    def add(self, building: Building) -> tuple[ImportArchive, list[str]]:
        """Let an import be seen that is written, and take out of older ones what it has anew.

        Returns:
            The import, and `url|version` of what it replaces.
        """
        from fhir_bridge.terminology.store.build import alone

        with alone(self.path):
            archive = building.show()
            return archive, self._replaced(archive)

    def _replaced(self, added: ImportArchive) -> list[str]:
        # What others changed within the last second counts as well.
        self._forget()
        taken = []
        fresh = {_named(item) for kind in ("systems", "maps") for item in added.described[kind]}
        for archive in self.archives():
            if archive.folder != added.folder:
                gone = {
                    _named(item) for kind in ("systems", "maps") for item in archive.described[kind]
                } & fresh
                if gone:
                    self._take_out(archive, lambda item, gone=gone: _named(item) in gone)  # type: ignore[misc]
                    taken.extend(sorted(gone))
        return taken

    def fingerprint(self) -> str:
        """A hash of what is imported: files of each import, and what was removed since; empty for an empty store."""
        self._forget()
        results = [
            [
                archive.folder.name.rpartition("-")[0],  # kind and hash of the imported files
                *(_named(item) for kind in ("systems", "maps") for item in archive.described[kind]),
                *archive.described.get("hidden", ()),
            ]
            for archive in self.archives()
        ]
        return hashlib.blake2b(orjson.dumps(results), digest_size=16).hexdigest() if results else ""

    def remove(self, url: str, version: str | None = None) -> list[str]:
        """Remove a code system, value set or map: all versions, or exactly one; returns `url|version` of what went.

        An import from which everything is removed is deleted. Processes that read it go on reading until they look
        again.
        """
        if not self.path.exists():
            return []
        from fhir_bridge.terminology.store.build import alone

        with alone(self.path):
            self._forget()
            return self._removed(url, version)

    def _removed(self, url: str, version: str | None) -> list[str]:
        taken = []
        for archive in self.archives():
            results = [
                item
                for kind in ("systems", "maps")
                for item in archive.described[kind]
                if item["url"] == url and (version is None or (item["version"] or "") == version)
            ]
            names = {_named(item) for item in results}
            names |= {
                f"{item}|{its}" if its else item
                for item, its, _ in archive.value_sets(url)
                if item == url and version in (None, its)
            }
            if names:
                self._take_out(archive, lambda item, names=names: _named(item) in names)  # type: ignore[misc]
                taken.extend(sorted(names))
        return taken

    def clear(self) -> int:
        """Delete what broken-off imports left; returns how many."""
        from fhir_bridge.terminology.store.build import clear_left_over

        return clear_left_over(self.path)

    def _take_out(self, archive: ImportArchive, goes: Callable[[dict[str, Any]], bool]) -> None:
        described = dict(archive.described)
        for kind in ("systems", "maps"):
            described[kind] = [item for item in described[kind] if not goes(item)]
        hidden = set(described.get("hidden", ()))
        hidden |= {
            _named({"url": url, "version": version})
            for url, version, _ in archive.value_sets("")
            if goes({"url": url, "version": version})
        }
        described["hidden"] = sorted(hidden)
        # Value sets of a release are nothing without its code system; those of FHIR
        # files are there for themselves.
        own_value_sets = described["value_sets"] > len(hidden) and described["kind"] == "fhir"
        if described["systems"] or described["maps"] or own_value_sets:
            described["digest"] = ""  # the same file imported again brings it back
            # By a rename: readers see the old description or the new one, and never a part.
            temporary = archive.folder / f".{DESCRIPTION}.{os.getpid()}"
            temporary.write_bytes(orjson.dumps(described))
            temporary.replace(archive.folder / DESCRIPTION)
        else:
            # One rename takes it out of sight; what a process that dies leaves is deleted
            # like a building that was given up.
            gone = self.path / "building" / f"gone-{archive.folder.name}-{os.getpid()}"
            gone.parent.mkdir(parents=True, exist_ok=True)
            archive.folder.replace(gone)
            archive.close()
            shutil.rmtree(gone, ignore_errors=True)
        self._forget()

    def _forget(self) -> None:
        with self._lock:
            self._looked, self._stamp = -1e9, None

    # --- what is there ---

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_AGAIN:
            return
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._load([name for name, _ in stamp])
                self._stamp = stamp
            self._looked = time.monotonic()

    def _look(self) -> list[tuple[str, int]]:
        """Names of the imports and when their descriptions changed."""
        results = []
        try:
            entries = sorted(entry.name for entry in (self.path / "imports").iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self.path}: the terminology store can't be read: {error.strerror}") from error
        for name in entries:
            # An import may be removed between the two looks.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                results.append((name, (self.path / "imports" / name / DESCRIPTION).stat().st_mtime_ns))
        return results

    def _load(self, names: Sequence[str]) -> None:
        archives = []
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                archives.append(ImportArchive(self.path / "imports" / name))
        archives.sort(key=lambda archive: (archive.described["imported"], archive.folder.name))
        systems: dict[tuple[str, str], StoredSystem] = {}
        maps: dict[tuple[str, str], StoredMap] = {}
        for archive in archives:
            for item in archive.described["systems"]:
                systems[item["url"], item["version"] or ""] = StoredSystem(archive, item)
            for item in archive.described["maps"]:
                # Taken out first, so that the map of the later import is last.
                maps.pop((item["url"], item["version"] or ""), None)
                maps[item["url"], item["version"] or ""] = StoredMap(archive, item)
        by_url: dict[str, list[StoredSystem]] = {}
        for (url, _), system in systems.items():
            by_url.setdefault(url, []).append(system)
        for result in by_url.values():
            result.sort(key=lambda item: version_key(item.version))
        self._archives = {archive.folder.name: archive for archive in archives}
        self._systems = by_url
        self._maps = list(reversed(maps.values()))

    def _value_sets(self, url: str) -> Iterator[tuple[str, str, bytes]]:
        self._refresh()
        for archive in list(self._archives.values()):
            yield from archive.value_sets(url)


def _named(item: dict[str, Any]) -> str:
    return f"{item['url']}|{item['version']}" if item["version"] else str(item["url"])


def _info(system: StoredSystem) -> SystemInfo:
    described = system.archive.described
    return SystemInfo(
        system.url,
        system.version,
        system.title or system.name,
        len(system),
        described["imported"],
        ", ".join(described["sources"]),
        described["kind"],
        system.archive.size,
    )
