"""Building an import aside, so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.builder import stamp, write
from fhir_bridge.terminology.store.pack import DESCRIPTION, Pack
from fhir_bridge.terminology.store.staging import Staging

__all__ = ["Building", "clear_left_over"]

_LOCK = "lock"


class Building:
    """An import that is being built in `STORE/building/…`.

    Attributes:
        staging: where the importer puts its rows.
    """

    def __init__(self, store: Path, folder: Path, digest: str, lock: IO[bytes]) -> None:
        self._store = store
        self.folder = folder
        self._digest = digest
        self._lock = lock
        self.staging = Staging(folder)

    @classmethod
    @contextlib.contextmanager
    def begin(cls, store: Path, digest: str) -> Iterator[Building]:
        """A folder to build in; it is gone when the block ends, whether it was finished or not."""
        clear_left_over(store)
        folder = store / "building" / f"{digest[:16]}-{secrets.token_hex(4)}"
        folder.mkdir(parents=True)
        lock = (folder / f"{_LOCK}.new").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / f"{_LOCK}.new").rename(folder / _LOCK)  # never there without being held
            building = cls(store, folder, digest, lock)
            try:
                yield building
            finally:
                building.staging.close()
        finally:
            lock.close()
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self, kind: str, sources: Sequence[str], step: Callable[[str], None]) -> Pack:
        """Write everything and let it be seen; returns the import.

        Raises:
            ImportProblem: a code stands twice.
        """
        content = self.folder / "content"
        content.mkdir()
        described: dict[str, Any] = write(self.staging, content, ", ".join(sources), step)
        described.update(
            format=form.FORMAT,
            kind=kind,
            digest=self._digest,
            sources=list(sources),
            imported=stamp(),
            notes=self.staging.notes,
        )
        _write_whole(content / DESCRIPTION, orjson.dumps(described))
        imports = self._store / "imports"
        imports.mkdir(exist_ok=True)
        place = imports / f"{kind}-{self._digest[:16]}-{secrets.token_hex(3)}"
        _sync_folder(content)
        content.replace(place)
        _sync_folder(imports)
        return Pack(place)


def clear_left_over(store: Path) -> int:
    """Delete building folders whose process is gone; returns how many."""
    cleared = 0
    try:
        found = list((store / "building").iterdir())
    except OSError:
        return 0
    for folder in found:
        with contextlib.suppress(OSError):
            if not _in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)
                cleared += 1
    return cleared


def _in_use(folder: Path) -> bool:
    """Whether a living process holds the folder's lock."""
    try:
        lock = (folder / _LOCK).open("rb")
    except FileNotFoundError:
        return not folder.name.startswith("gone-") and _young(folder)
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _young(folder: Path) -> bool:
    """A folder without lock is being begun, unless it has been there for a minute."""
    return time.time() - folder.stat().st_mtime < 60


def _write_whole(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not everywhere can a folder be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
