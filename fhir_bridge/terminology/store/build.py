"""Building an import aside, so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import lmdb
import orjson

from fhir_bridge.terminology.files import TextIndexError
from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.builder import stamp, write
from fhir_bridge.terminology.store.errors import StoreNotWritten
from fhir_bridge.terminology.store.import_archive import DESCRIPTION, ImportArchive
from fhir_bridge.terminology.store.progress import Progress
from fhir_bridge.terminology.store.staging import Staging

__all__ = ["Building", "alone", "clear_left_over"]

_LOCK = "lock"
_CHANGING = "changing.lock"
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


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
        self._kind = ""
        self.staging = Staging(folder)

    @classmethod
    @contextlib.contextmanager
    def begin(cls, store: Path, digest: str) -> Iterator[Building]:
        """A folder to build in; it is gone when the block ends, whether it was finished or not.

        Raises:
            StoreNotWritten: the disk is full or has failed, here or within the block.
        """
        clear_left_over(store)
        folder = store / "building" / f"{digest[:16]}-{secrets.token_hex(4)}"
        try:
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
        except (OSError, sqlite3.OperationalError, lmdb.Error, TextIndexError) as error:
            if not _of_disk(error):
                raise
            raise StoreNotWritten(
                f"{store}: the terminology store can't be written ({error}); nothing of this import is in it. "
                "Free space there, or name another folder"
            ) from error

    def write(self, kind: str, sources: Sequence[str], progress: Progress) -> None:
        """Write everything; nobody sees it yet.

        Raises:
            ImportProblem: a code occurs twice.
        """
        self._kind = kind
        content = self.folder / "content"
        content.mkdir()
        described: dict[str, Any] = write(self.staging, content, ", ".join(sources), progress)
        described.update(
            format=form.FORMAT,
            kind=kind,
            digest=self._digest,
            sources=list(sources),
            imported=stamp(),
            notes=self.staging.notes,
        )
        _write_whole(content / DESCRIPTION, orjson.dumps(described))
        _sync_folder(content)

    def show(self) -> ImportArchive:
        """Let what was written be seen; returns the import."""
        content = self.folder / "content"
        imports = self._store / "imports"
        imports.mkdir(exist_ok=True)
        location = imports / f"{self._kind}-{self._digest[:16]}-{secrets.token_hex(3)}"
        content.replace(location)
        _sync_folder(imports)
        return ImportArchive(location)


def _of_disk(error: Exception) -> bool:
    """Whether one of the three that write a store failed because the disk took no more."""
    match error:
        case OSError():
            return error.errno in _DISK
        case sqlite3.OperationalError():
            return error.sqlite_errorname.startswith(("SQLITE_FULL", "SQLITE_IOERR"))
        case lmdb.Error():
            return type(error) in (lmdb.Error, lmdb.DiskError)  # the others report wrong use
    return isinstance(error, TextIndexError)


@contextlib.contextmanager
def alone(store: Path) -> Iterator[None]:
    """Change which imports there are while nobody else does: two that bring the same must not remove each other."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / _CHANGING).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def clear_left_over(store: Path) -> int:
    """Delete building folders whose process is gone; returns how many."""
    cleared = 0
    try:
        results = list((store / "building").iterdir())
    except OSError:
        return 0
    for folder in results:
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
