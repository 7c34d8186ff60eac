"""The files of a FHIR package: a .tgz as registries give it, a folder, or one JSON file; within bounds.

Nothing is written to disk, and an archive is read as a stream, so that neither a path that leads out of it nor a file
that unpacks to gigabytes does harm.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

__all__ = ["MAX_FILE", "MAX_PACKAGE", "PackageError", "digest", "files"]

MAX_PACKAGE = 1 << 30
"""Bytes that a package may unpack to; R4 core has a fifth of that."""
MAX_FILE = 32 << 20
"""Bytes that one definition may have."""
MAX_FILES = 50_000

# Most files of a package are examples and narratives; only those with one of these are parsed.
_WANTED = re.compile(
    rb'"resourceType"\s*:\s*"(?:StructureDefinition|ValueSet|CodeSystem|SearchParameter|ImplementationGuide)"'
)
_CHUNK = 1 << 20


class PackageError(ValueError):
    """A package, or a file of it, that can't be used.

    Attributes:
        code: the issue code.
        file: the file of the package, where it is one.
    """

    def __init__(self, code: str, message: str, file: str = "") -> None:
        super().__init__(message)
        self.code, self.file = code, file


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than so many bytes."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream, self._left = stream, MAX_PACKAGE

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        # Never all at once, whoever asks for it.
        content = self._stream.read(_CHUNK if size < 0 else size)
        self._left -= len(content)
        if self._left < 0:
            raise PackageError("FB-PKG-002", f"it unpacks to more than {MAX_PACKAGE:,} bytes")
        return content


class _Member(tarfile.TarInfo):
    """A file of an archive; a header that can't be read is not taken for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b"\0"):
                text = f"it is damaged, and its files from there on can't be read: {error}"
                raise PackageError("FB-PKG-001", text) from error
            raise


def digest(source: Path) -> str:
    """A hash of what a package holds: of the archive's bytes, or of all JSON files of a folder with their names.

    Raises:
        PackageError: it is not there or can't be read.
    """
    result = hashlib.sha256()
    try:
        if source.is_dir():
            for path in _of_folder(source):
                result.update(f"{path.relative_to(source).as_posix()}\0{path.stat().st_size}\0".encode())
                result.update(path.read_bytes())
        else:
            with source.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    result.update(chunk)
    except OSError as error:
        raise PackageError("FB-PKG-001", f"it can't be read: {error.strerror}") from error
    return result.hexdigest()


def files(source: Path) -> Iterator[tuple[str, bytes | PackageError]]:
    """(name, content) of package.json and of every file that may be a definition; what is wrong with one in its place.

    Raises:
        PackageError: the package as a whole can't be read.
    """
    try:
        if source.is_dir():
            yield from _folder(source)
        elif source.suffix == ".json":
            if source.stat().st_size > MAX_FILE:
                raise _too_large(source.name)
            yield source.name, source.read_bytes()
        else:
            with source.open("rb") as stream:
                yield from _archive(stream)
    except OSError as error:  # BadGzipFile among them
        raise PackageError("FB-PKG-001", f"it can't be read: {error.strerror or error}") from error
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise PackageError("FB-PKG-001", f"it is no whole .tgz of a package: {error}") from error


def _archive(stream: BinaryIO) -> Iterator[tuple[str, bytes | PackageError]]:
    with gzip.GzipFile(fileobj=stream) as plain:
        bounded = _Bounded(plain)
        # As a stream (`|`): what is never read twice is counted once by the bound.
        with tarfile.open(fileobj=bounded, mode="r|", errorlevel=1, tarinfo=_Member) as archive:
            yield from _members(archive)
        while bounded.read():
            pass  # to its end, where its checksum is


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes | PackageError]]:
    for number, member in enumerate(archive):
        if number > MAX_FILES:
            raise PackageError("FB-PKG-002", f"it has more than {MAX_FILES:,} files")
        name = PurePosixPath(member.name)
        # Nothing is written by this name, but an archive that has one is not to be trusted.
        if name.is_absolute() or ".." in name.parts:
            yield member.name, PackageError("FB-PKG-002", "its name leads out of the package")
            continue
        if (
            not member.isfile()
            or name.suffix != ".json"
            or len(name.parts) != 2
            or name.parts[0] != "package"
        ):
            continue
        if member.size > MAX_FILE:
            yield name.name, _too_large(name.name)
            continue
        content = archive.extractfile(member)
        if content is not None:
            yield from _wanted(name.name, content.read())


def _of_folder(source: Path) -> list[Path]:
    """The JSON files of an unpacked package: of its `package/`, else its own and those one level below."""
    root = source / "package" if (source / "package").is_dir() else source
    inside = [*root.glob("*.json"), *(root.glob("*/*.json") if root is source else ())]
    return sorted(path for path in inside if path.is_file())


def _folder(source: Path) -> Iterator[tuple[str, bytes | PackageError]]:
    for number, path in enumerate(_of_folder(source)):
        if number > MAX_FILES:
            raise PackageError("FB-PKG-002", f"it has more than {MAX_FILES:,} files")
        if path.stat().st_size > MAX_FILE:
            yield path.name, _too_large(path.name)
        else:
            yield from _wanted(path.name, path.read_bytes())


def _wanted(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if name == "package.json" or _WANTED.search(content):
        yield name, content


def _too_large(name: str) -> PackageError:
    return PackageError("FB-PKG-002", f"it has more than {MAX_FILE:,} bytes", name)
