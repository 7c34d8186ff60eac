"""Folders of the user's cache that no one else can write to: what is read there, this user's programs wrote."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import platformdirs

__all__ = ["cache_folder", "read_entry", "write_entry"]

_FRESH: Final = 60.0
"""Seconds for which a use is not written down again."""
_LARGE: Final = 64 * 1024
"""Bytes from which on an entry took seconds to make: it goes after all that took less."""


def cache_folder(name: str, *, create: bool = False) -> Path | None:
    """The folder; None where there is none that can be trusted."""
    cache = os.environ.get("FHIR_BRIDGE_CACHE") or platformdirs.user_cache_dir("fhir-bridge")
    folder = Path(cache) / name
    try:
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(status.st_mode) or not hasattr(os, "getuid"):
        return None
    return folder if status.st_uid == os.getuid() and not status.st_mode & 0o022 else None


def read_entry(folder: str, name: str) -> bytes | None:
    """What was written under a name; None where there is nothing."""
    directory = cache_folder(folder)
    if directory is None:
        return None
    try:
        descriptor = os.open(directory / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        trusted = status.st_uid == os.getuid() and not status.st_mode & 0o022
        if not trusted or not stat.S_ISREG(status.st_mode):
            return None
        if status.st_mtime < time.time() - _FRESH:
            with suppress(OSError):  # a folder that is only read
                os.utime(descriptor)  # it is in use
        return file.read()


def write_entry(folder: str, name: str, content: bytes, *, most: int) -> None:
    """Write an entry, where the folder can be written; of `most` entries the large ones and those that were used last
    are left."""
    directory = cache_folder(folder, create=True)
    if directory is None:
        return
    unfinished = directory / f"{name}.{os.getpid()}"
    try:
        entries = list(directory.iterdir())
        if len(entries) >= most:
            for entry in sorted(entries, key=_worth)[: len(entries) - most * 3 // 4]:
                entry.unlink(missing_ok=True)
        # Renamed when whole: another process that starts meanwhile sees all of it or nothing.
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        unfinished.replace(directory / name)
    except OSError:
        return


def _worth(entry: Path) -> tuple[bool, float]:
    """Whether an entry is large, and when it was written or read last."""
    try:
        status = entry.lstat()
    except OSError:  # another process has removed it
        return False, 0.0
    return status.st_size >= _LARGE, status.st_mtime
