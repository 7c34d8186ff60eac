"""Where contents of blobs are: the port, and a directory. A file has the SHA-256 of its content as its name."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

__all__ = ["BlobFiles", "Directory", "Upload"]


UNFINISHED_SECONDS = 24 * 3600
"""How long nothing may be added to a content before it counts as left by a crash."""


class Upload(Protocol):
    """A content that is being written; it exists once it is placed."""

    def write(self, piece: bytes) -> None:
        """Add a piece. Blocking."""

    def seal(self) -> None:
        """No more comes: make what was written durable. Blocking."""

    def place(self, digest: bytes) -> None:
        """Give it its name; one that is there already is the same. Blocking."""

    def discard(self) -> None:
        """Forget it, where it was not placed. Blocking."""


class BlobFiles(Protocol):
    """A place for contents. All of it blocks."""

    def create(self) -> Upload:
        """Begin a content."""

    def open(self, digest: bytes) -> BinaryIO:
        """Read a content.

        Raises:
            FileNotFoundError: it is not there.
        """

    def path(self, digest: bytes) -> Path:
        """Where it is on this machine."""

    def remove(self, digest: bytes) -> None:
        """Remove a content, where it is there."""

    def digests(self, older: float) -> Iterator[bytes]:
        """The contents that were placed so many seconds ago or earlier; what was left unfinished since is removed."""


class Directory:
    """Contents as files of a folder of this machine, or of one that all its processes share.

    Args:
        folder: made where it is missing, once something is stored.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unfinished = folder / "unfinished"

    def path(self, digest: bytes) -> Path:
        """See `BlobFiles`."""
        # Two levels: a folder of a million files is slow to list.
        name = digest.hex()
        return self._folder / name[:2] / name

    def create(self) -> _File:
        """See `BlobFiles`."""
        self._unfinished.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _File(self._unfinished / secrets.token_hex(16), self.path)

    def open(self, digest: bytes) -> BinaryIO:
        """See `BlobFiles`."""
        return self.path(digest).open("rb")

    def remove(self, digest: bytes) -> None:
        """See `BlobFiles`."""
        self.path(digest).unlink(missing_ok=True)

    def digests(self, older: float) -> Iterator[bytes]:
        """See `BlobFiles`."""
        before = time.time() - older
        for path in self._folder.glob("*/*"):
            try:
                changed = path.stat().st_mtime
                if path.parent == self._unfinished:
                    if changed < time.time() - UNFINISHED_SECONDS:
                        path.unlink(missing_ok=True)
                elif changed < before and len(path.name) == 64:
                    yield bytes.fromhex(path.name)
            except (FileNotFoundError, ValueError):  # another process was faster; or none of ours
                continue


class _File:
    def __init__(self, path: Path, target: Callable[[bytes], Path]) -> None:
        self._path = path
        self._target = target
        # Nobody else's eyes: contents are patients' data.
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._placed = False

    def write(self, piece: bytes) -> None:
        """See `Upload`."""
        self._file.write(piece)

    def seal(self) -> None:
        """See `Upload`."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def place(self, digest: bytes) -> None:
        """See `Upload`."""
        target = self._target(digest)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        # Replacing a file of the same content changes nothing, for whoever reads it as well.
        self._path.replace(target)
        self._placed = True
        for folder in (target.parent, target.parent.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # the name is as durable as the content
            finally:
                os.close(descriptor)

    def discard(self) -> None:
        """See `Upload`."""
        self._file.close()
        if not self._placed:
            self._path.unlink(missing_ok=True)
