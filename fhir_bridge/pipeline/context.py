"""What decides a record's output besides the record itself, as content hashes.

A run that is resumed, and a store that has a record already, compare these: where one differs, the output may differ,
and nothing that was made before is kept.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import orjson

from fhir_bridge import __version__
from fhir_bridge.fhir.definitions.package_files import PackageError
from fhir_bridge.fhir.definitions.package_files import digest as package_digest
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import CrosswalkError, Site, joined_files, mapping_files, source_block
from fhir_bridge.pipeline.plan import RunRequest
from fhir_bridge.plugins import loaded
from fhir_bridge.terminology.service import plugin_folders
from fhir_bridge.terminology.store import open_store, store_path

__all__ = [
    "ConversionContext",
    "SourceState",
    "changed_parts",
    "combined",
    "content_hash",
    "mapping_hash",
    "site_key",
]

_CONVERTING = ("plugins", "fhir", "terminology", "mapping", "adapters", "pipeline")
"""The packages that decide what a record becomes: a change of the server or its pages reconverts nothing."""


def site_key(site: Site) -> IdKey:
    """The key that ids are made with: the demo's public one, or the site's own, made once."""
    return IdKey(DEMO_KEY) if site.demo_key else IdKey.load_or_make(site.key_path)


def content_hash(path: Path) -> str:
    """The hash (blake2b, 128 bits) of a file's bytes.

    Raises:
        OSError: it can't be read.
    """
    return _content_hash(str(path), *SourceState.status_of(path))


@lru_cache(maxsize=4096)
def _content_hash(path: str, *_status: int) -> str:
    """It is read again where its status is another one: runs of one process have most of their files in common."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source file as it was read.

    Attributes:
        status: inode, size, time of the last write, time of the last change (ctime): no one can set the last one, so
            that a file with the same four has the same content.
        content: hash of its bytes, for files that were copied or touched since.
    """

    status: tuple[int, ...]
    content: str

    @staticmethod
    def status_of(path: Path) -> tuple[int, ...]:
        """The status now, which costs no reading."""
        return _status(path.stat())

    @classmethod
    def of(cls, path: Path) -> SourceState:
        """The state of a file; its status is taken after its content was read."""
        content = content_hash(path)
        return cls(cls.status_of(path), content)

    def is_of(self, path: Path) -> bool:
        """Whether a file has this content."""
        return self.status_of(path) == self.status or content_hash(path) == self.content


def _status(result: os.stat_result) -> tuple[int, int, int, int]:
    return result.st_ino, result.st_size, result.st_mtime_ns, result.st_ctime_ns


def combined(parts: Mapping[str, str]) -> str:
    """One hash of named parts, whatever their order."""
    return _hash(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))


def changed_parts(earlier: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the parts that differ, as messages write them."""
    return [name for name in {**now, **earlier} if earlier.get(name) != now.get(name)]


@dataclass(frozen=True, slots=True)
class ConversionContext:
    """The context of a run. The same content gives the same hashes, wherever its files are.

    Attributes:
        common: the hashes that all mappings of the run share, by name.
    """

    request: RunRequest
    common: Mapping[str, str]

    @classmethod
    def of(cls, request: RunRequest) -> ConversionContext:
        """Hash everything that a run of this request uses, but mappings and sources (some 10 ms).

        Raises:
            SiteError, CrosswalkError, PermissionError: a file that the request names can't be used.
        """
        site = request.load_site()
        store = open_store(store_path(site=site.terminology_store_path))
        return cls(
            request,
            {
                "adapter": request.records_of,
                "--set": _hash(repr(sorted(request.options.items())).encode()),
                "--validate": request.validate,
                "site file": content_hash(request.site) if request.site else "",
                "site key": site_key(site).fingerprint,
                "crosswalk": _crosswalk(site),
                "terminology of the site": _folders(site.terminology_paths),
                "imported terminology": store.fingerprint(),
                "terminology of program and plug-ins": _folders(plugin_folders()),
                "packages": _packages(site.package_paths),
                "program": _program(),
            },
        )

    def parts(self, mapping: str) -> dict[str, str]:
        """The hashes for records that this mapping converts, by name.

        Raises:
            MappingErrors: there is no such mapping, or it can't be read.
        """
        files = mapping_files(mapping)
        content = _files_hash(files)
        options = {**_source_block(files[0], content), **self.request.options}
        return {
            "mapping": content,
            "files named by options": combined(dict(_named_files(options))),
            **self.common,
        }

    def digest(self, mapping: str) -> str:
        """One hash of all parts: while it stays, a record converts to what it converted to."""
        return combined(self.parts(mapping))


def mapping_hash(mapping: str) -> str:
    """The hash of a mapping's content, with what it includes and extends.

    Raises:
        MappingErrors: there is no such mapping, or it can't be read.
    """
    return _files_hash(mapping_files(mapping))


def _files_hash(files: Sequence[Path]) -> str:
    return content_hash(files[0]) if len(files) == 1 else _hash("\n".join(map(content_hash, files)).encode())


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _crosswalk(site: Site) -> str:
    path = site.crosswalk_path
    try:
        return content_hash(path) if path else ""
    except OSError as error:
        raise CrosswalkError(f"{path}: the crosswalk can't be read: {error.strerror}") from error


def _folders(folders: Iterable[Path]) -> str:
    """All files of these folders with their names; a folder that is missing is refused by who reads it."""
    return _hash(b"\n".join(line for folder in folders for line in (b"folder", *_lines(folder))))


# Sorted: the file system's order differs from machine to machine.
def _lines(folder: Path) -> Iterator[bytes]:
    # As texts: each run looks at hundreds of files, and objects for their paths take longer than the looks.
    paths = []
    for location, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        inside = Path(location).relative_to(folder).parts if files else ()
        paths += [((*inside, name), f"{location}{os.sep}{name}") for name in files]
    for parts, path in sorted(paths):
        try:
            result = os.stat(path)  # noqa: PTH116 - see above
        except OSError:  # a link to nothing
            continue
        if stat.S_ISREG(result.st_mode):
            yield f"{'/'.join(parts)}\0{_content_hash(path, *_status(result))}".encode()


def _packages(paths: Iterable[Path]) -> str:
    results = []
    for path in paths:
        try:
            results.append(package_digest(path))
        except PackageError as error:  # reported where it is loaded; the run goes on without it
            results.append(error.code)
    return _hash("\n".join(results).encode()) if results else ""


def _named_files(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Files that options name (a BED file of studied regions)."""
    for name, path in joined_files(options).items():
        if path.is_file():
            yield f"join.{name}", content_hash(path)
    for name, value in options.items():
        if isinstance(value, str) and value and len(value) < 4096:
            path = Path(value)
            if path.is_file():
                yield name, content_hash(path)


@lru_cache(maxsize=64)
def _source_block(mapping: Path, _content: str) -> dict[str, Any]:
    """The mapping's own options; its content hash says when they are read again."""
    return source_block(mapping)


@cache
def _program() -> str:
    """The version of the program, its code that converts, and the versions of the plug-ins."""
    package = Path(__file__).parent.parent
    plugins = {
        plugin.name: importlib.metadata.version(plugin.distribution)
        for plugin in loaded()
        if plugin.distribution != "fhir-bridge"
    }
    parts = {"version": __version__, **plugins, "code": _folders(package / name for name in _CONVERTING)}
    return combined(parts)
