"""Opens what is imported: a zip, a gzipped tar, a folder or a single file, read as a stream and with limits.

A zip within a zip, as publishers and mail programs make them, is opened too, once; a gzipped file goes by its name
without `.gz`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from fhir_bridge.terminology.store.errors import ImportProblem

__all__ = ["MAX_BYTES", "MAX_RATIO", "Source", "digest_of"]

MAX_BYTES = 64 << 30
"""An archive that unpacks to more is refused."""

MAX_RATIO = 300
"""An archived file that unpacks to more than this many times its packed size is refused (texts pack 5 to 40 times)."""

_SMALL = 32 << 20  # below this size a ratio does no harm
_MAX_FILES = 500_000
_MALFORMED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    gzip.BadGzipFile,
    NotImplementedError,
)

Progress = Callable[[int], None]


class Source:
    """Files to import, told by name: the members of an archive, the files of a folder, or the one file itself.

    Attributes:
        path: what was given.
        names: all files, sorted; for a gzipped tar only known after `entries`.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        """Look what it is.

        Raises:
            ImportProblem: missing, unreadable, not the archive that it seems to be, or a bomb.
        """
        self.path = path
        self._progress = progress or (lambda _: None)
        self._zips: dict[str, tuple[zipfile.ZipFile, str]] = {}
        self._opened: list[IO[bytes]] = []
        self._sizes: dict[str, int] = {}
        self.is_tar = False
        try:
            if path.is_dir():
                files = (
                    file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path))
                )
                self._sizes = {file.relative_to(path).as_posix(): file.stat().st_size for file in files}
            else:
                with path.open("rb") as file:
                    start = file.read(4)
                if start[:2] == b"PK":
                    self._open_zip(self._keep(path.open("rb")), "")
                elif start[:2] == b"\x1f\x8b":
                    self.is_tar = tarfile.is_tarfile(path)
                    name = path.name if self.is_tar else re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)
                    self._sizes = {name: path.stat().st_size}
                else:
                    self._sizes = {path.name: path.stat().st_size}
        except OSError as error:
            self.close()
            raise ImportProblem(str(path), None, f"can't be read: {error.strerror}", "FB-TERM-030") from error
        except _MALFORMED as error:
            self.close()
            raise self._malformed(str(path), error) from error
        except ImportProblem:
            self.close()
            raise
        self.names = sorted(self._sizes)

    @property
    def total(self) -> int:
        """Bytes of all files, unpacked where that is reported."""
        return sum(self._sizes.values())

    def label(self, name: str) -> str:
        """A file as messages name it."""
        if not self._zips and not self.is_tar and not self.path.is_dir():
            return str(self.path)
        return f"{self.path}!{name}"

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._sizes[name]

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedReader]:
        """A file as bytes.

        Raises:
            ImportProblem: it can't be read or unpacked, here or while it is read.
        """
        try:
            with self._raw(name) as raw:
                counted = cast(io.RawIOBase, _Counted(raw, self._progress))
                yield io.BufferedReader(counted, 1 << 18)
        except _MALFORMED as error:
            raise self._malformed(self.label(name), error) from error
        except OSError as error:
            raise ImportProblem(self.label(name), None, f"can't be read: {error}", "FB-TERM-030") from error

    def start(self, name: str, size: int = 65536) -> bytes:
        """The beginning of a file."""
        with self.open(name) as file:
            return file.read(size)

    def first_line(self, name: str) -> str:
        """The first line of a text file, within 8 kB; what is not UTF-8 in it is marked."""
        return self.start(name, 8192).split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r")

    def files(self, *endings: str) -> list[str]:
        """The names with one of these endings (case does not count) that can be opened by name.

        A gzipped tar has none: it is read by `entries`, in its own order.
        """
        return [] if self.is_tar else [name for name in self.names if name.lower().endswith(endings)]

    def entries(self) -> Iterator[tuple[str, IO[bytes]]]:
        """All files in turn; each must be read before the next is asked for."""
        if not self.is_tar:
            for name in self.names:
                with self.open(name) as file:
                    yield name, file
            return
        try:
            with self._keep(self.path.open("rb")) as packed:
                guard = _Guard(gzip.GzipFile(fileobj=packed), packed, str(self.path))
                counted = cast(Any, _Counted(guard, self._progress))
                with tarfile.open(fileobj=io.BufferedReader(counted), mode="r|") as archive:
                    for count, member in enumerate(archive):
                        if count > _MAX_FILES:
                            raise ImportProblem(
                                str(self.path), None, f"holds more than {_MAX_FILES:,} files", "FB-TERM-032"
                            )
                        inner = archive.extractfile(member) if member.isfile() else None
                        if inner is not None:
                            yield member.name, inner
        except _MALFORMED as error:
            raise self._malformed(str(self.path), error) from error
        except OSError as error:
            raise ImportProblem(str(self.path), None, f"can't be read: {error}", "FB-TERM-030") from error

    def close(self) -> None:
        """Close all files, also those that a reader left open when it met a problem."""
        for archive, _ in self._zips.values():
            archive.close()
        for file in self._opened:
            file.close()

    def _raw(self, name: str) -> Any:
        if name in self._zips:
            archive, member = self._zips[name]
            return archive.open(member)
        file = self._keep((self.path / name if self.path.is_dir() else self.path).open("rb"))
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return file
        return _Guard(gzip.GzipFile(fileobj=file), file, str(self.path))

    def _keep(self, file: IO[bytes]) -> IO[bytes]:
        self._opened = [item for item in self._opened if not item.closed]
        self._opened.append(file)
        return file

    def _open_zip(self, file: IO[bytes], prefix: str) -> None:
        """Take the members of an archive; of one within it (`prefix` is its name), after it is unpacked."""
        archive = zipfile.ZipFile(file)
        for item in archive.infolist():
            if not item.filename:
                raise zipfile.BadZipFile("a member has no name")
            name = prefix + item.filename
            if item.is_dir() or _hidden(Path(item.filename)):
                continue
            if len(self._sizes) >= _MAX_FILES:
                raise ImportProblem(
                    str(self.path), None, f"holds more than {_MAX_FILES:,} files", "FB-TERM-032"
                )
            if item.flag_bits & 1:
                raise ImportProblem(
                    f"{self.path}!{name}", None, "is encrypted; unpack the archive first", "FB-TERM-030"
                )
            if item.file_size > _SMALL and item.file_size > MAX_RATIO * max(item.compress_size, 1):
                raise _bomb(f"{self.path}!{name}", item.file_size)
            if item.filename.lower().endswith(".zip") and not prefix:
                inner = self._keep(tempfile.TemporaryFile())  # noqa: SIM115 - close() does
                # zipfile unpacks no more than the size that was stated, which is checked above.
                with archive.open(item) as packed:
                    shutil.copyfileobj(packed, inner, 1 << 20)
                self._open_zip(inner, f"{name}/")
                continue
            self._zips[name] = (archive, item.filename)
            self._sizes[name] = item.file_size
        if self.total > MAX_BYTES:
            raise _bomb(str(self.path), self.total)

    @staticmethod
    def _malformed(label: str, error: BaseException) -> ImportProblem:
        return ImportProblem(
            label, None, f"is damaged or cut off ({error}); download it again", "FB-TERM-030"
        )


class _Counted(io.RawIOBase):
    """Tells how much was read."""

    def __init__(self, raw: Any, progress: Progress) -> None:
        self._raw, self._progress = raw, progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._progress(len(data))
        return len(data)


class _Guard:
    """Stops a gzip stream that unpacks beyond all measure."""

    def __init__(self, unpacked: gzip.GzipFile, packed: IO[bytes], label: str) -> None:
        self._unpacked, self._packed, self._label, self._count = unpacked, packed, label, 0

    def read(self, size: int) -> bytes:
        data = self._unpacked.read(size)
        self._count += len(data)
        if self._count > _SMALL and self._count > min(MAX_BYTES, MAX_RATIO * max(self._packed.tell(), 1)):
            raise _bomb(self._label, self._count)
        return data

    def __enter__(self) -> _Guard:
        return self

    def __exit__(self, *_: object) -> None:
        self._unpacked.close()
        self._packed.close()


def _bomb(label: str, size: int) -> ImportProblem:
    return ImportProblem(
        label,
        None,
        f"unpacks to {size / 1e6:,.0f} MB, out of all proportion to its size; refused",
        "FB-TERM-032",
    )


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def digest_of(path: Path, options: str, progress: Progress | None = None) -> str:
    """SHA-256 of what is imported and of the options that shape the import.

    Raises:
        ImportProblem: a file can't be read.
    """
    digest = hashlib.sha256(options.encode())
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    try:
        for file in files:
            if path.is_dir():
                digest.update(f"\0{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as opened:
                while block := opened.read(1 << 20):
                    digest.update(block)
                    if progress:
                        progress(len(block))
    except OSError as error:
        raise ImportProblem(str(path), None, f"can't be read: {error.strerror}", "FB-TERM-030") from error
    return digest.hexdigest()
