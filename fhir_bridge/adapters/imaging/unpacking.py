"""Files that hold or list others: ZIP archives, unpacked without leaving their folder, and DICOMDIR (PS3.3 F)."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.locations import FileLocation, Folder
from fhir_bridge.adapters.imaging.records import FileRecord
from fhir_bridge.fhir.issues import Issue

__all__ = ["LISTING", "is_zip", "listed_files", "unpacked"]

LISTING: Final = "FB-DCM-002"
"""The issue of a DICOMDIR."""

_MOST_MEMBERS: Final = 1_000_000
_MOST_BYTES: Final = 64 << 30
"""Of all members of an archive together."""
_MOST_RATIO: Final = 400
"""Bytes of a member to a byte of the archive. Pixels without loss reach some 10, empty ones 100."""
_ALLOWED_ANYWAY: Final = 16 << 20
"""Bytes of a member below which the ratio says nothing."""
_PIECE: Final = 1 << 20


def is_zip(path: Path) -> bool:
    """Whether a regular file begins as a ZIP archive."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def unpacked(archive: FileLocation, folder: Path) -> Iterator[FileLocation | FileRecord]:
    """The files of an archive, unpacked into an empty folder; what can't be used is a rejected record.

    A member whose name leads out of the archive, a link, an encrypted, damaged or absurdly large one costs itself.

    Args:
        folder: is removed by the caller, once the locations are not used any more.
    """
    prefix = f"{archive.locator}/"
    try:
        opened = zipfile.ZipFile(archive.path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        yield _refused(archive.locator, f"the archive can't be opened ({type(error).__name__})")
        return
    with opened:
        members = opened.infolist()
        if len(members) > _MOST_MEMBERS:
            yield _refused(archive.locator, f"it has {len(members):,} members, more than {_MOST_MEMBERS:,}")
            return
        left = _MOST_BYTES
        for number, member in enumerate(members):
            if member.is_dir():
                continue
            name = _safe_name(member)
            problem = _problem(member, name, left)
            if problem is None:
                target = folder / name.parent
                try:
                    target.mkdir(parents=True, exist_ok=True)
                    if (target / name.name).exists():  # two members of one name
                        target = folder / f".again-{number}"
                        target.mkdir()
                    left -= _unpack(opened, member, target / name.name, left)
                except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
                    (target / name.name).unlink(missing_ok=True)
                    text = str(error) if isinstance(error, _TooLarge) else type(error).__name__
                    problem = f"it can't be unpacked ({text})"
            if problem is not None:
                yield _refused(prefix + ascii(member.filename)[1:-1][:200], problem)
                continue
            below = "" if str(name.parent) == "." else f"{name.parent.as_posix()}/"
            yield FileLocation(Folder(str(target), prefix + below), name.name)


class _TooLarge(ValueError):
    pass


def _safe_name(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))


def _problem(member: zipfile.ZipInfo, name: PurePosixPath, left: int) -> str | None:
    first = name.parts[0] if name.parts else ""
    if not first or name.is_absolute() or ".." in name.parts or ":" in first or "\0" in member.filename:
        return "its name leads out of the archive"
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        return "it is a link or device, and no file"
    if member.flag_bits & 1:
        return "it is encrypted"
    if member.file_size > left:
        return "the archive is larger than is unpacked"
    if member.file_size > max(_ALLOWED_ANYWAY, member.compress_size * _MOST_RATIO):
        return f"it says to be more than {_MOST_RATIO} times as large as it is packed"
    return None


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Unpack one member, whatever its entry says of its size; how many bytes it has."""
    most = min(left, max(_ALLOWED_ANYWAY, member.compress_size * _MOST_RATIO))
    size = 0
    with archive.open(member) as source, target.open("xb") as file:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > most:
                raise _TooLarge("larger than its entry allows")
            file.write(piece)
    return size


def _refused(locator: str, problem: str) -> FileRecord:
    return FileRecord(locator, "rejected", [new_issue("FB-DCM-050", problem, locator)])


def listed_files(listing: FileLocation) -> tuple[list[FileLocation], list[Issue]]:
    """The files that a DICOMDIR names (Referenced File ID) below its own folder, and what is wrong with the others."""

    # Only here: few sources have a DICOMDIR, and pydicom is large.
    from pydicom import dcmread

    from fhir_bridge.adapters.imaging.pydicom_settings import quiet

    def issue(text: str) -> Issue:
        return new_issue("FB-DCM-051", text, listing.locator)

    try:
        with quiet():
            records = dcmread(listing.path, force=True).get("DirectoryRecordSequence") or []
            names = [
                tuple(map(str, [value] if isinstance(value, str) else value))
                for record in records
                if (value := record.get("ReferencedFileID"))
            ]
    except Exception as error:  # noqa: BLE001 - a damaged index makes pydicom raise almost anything
        return [], [issue(f"its records can't be read ({type(error).__name__})")]
    root = Path(listing.folder.path)
    known, matched = _Names(), []
    outside, missing = 0, []
    for parts in dict.fromkeys(names):
        if any(part in ("", ".", "..") or set(part) & {"/", "\\", "\0", ":"} for part in parts):
            outside += 1
        elif (path := known.find(root, parts)) is None:
            missing.append("/".join(parts))
        else:
            below = path.relative_to(root).parent.as_posix()
            prefix = listing.folder.prefix + ("" if below == "." else f"{below}/")
            matched.append(FileLocation(Folder(str(path.parent), prefix), path.name))
    issues = [issue(f"{outside} names lead out of its folder")] if outside else []
    if missing:
        text = f"{len(missing)} of {len(names)} files that it names are not there, as {missing[0]}"
        issues.append(issue(text))
    return matched, issues


class _Names:
    """Names of folders, matched whatever their letter case: copies of discs come in lower case."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, str]] = {}

    def find(self, root: Path, parts: tuple[str, ...]) -> Path | None:
        path = root
        for part in parts:
            try:
                names = self._folders.get(path)
                if names is None:
                    names = self._folders[path] = {each.name.casefold(): each.name for each in path.iterdir()}
            except OSError:
                return None
            name = names.get(part.casefold())
            if name is None:
                return None
            path = path / name
        return path if path.is_file() and path.resolve().is_relative_to(root.resolve()) else None
