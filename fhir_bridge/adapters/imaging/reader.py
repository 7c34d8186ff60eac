"""Files to studies: one pass over the headers, then a record a study."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.header_workers import HeaderOf, header_or_refusal, headers_of
from fhir_bridge.adapters.imaging.instance_table import InstanceTable
from fhir_bridge.adapters.imaging.locations import FileLocation, Folder
from fhir_bridge.adapters.imaging.records import FileRecord, StudyRecord
from fhir_bridge.adapters.imaging.study_collection import StudyCollection
from fhir_bridge.adapters.imaging.unpacking import LISTING, is_zip, listed_files, unpacked
from fhir_bridge.plugins import RecordOutcome

__all__ = ["files_of", "read_locations", "read_studies"]


def files_of(paths: Sequence[Path]) -> Iterator[FileLocation]:
    """The files of the sources. They go by their name below the folder that was given, or below the one around all.

    `IM0001` alone would say little: many folders of an archive have one.
    """
    folders = {number for number, path in enumerate(paths) if path.is_dir()}
    parents = {_parent(path) for number, path in enumerate(paths) if number not in folders}
    try:
        above = Path(os.path.commonpath(parents)) if parents else Path()
        folders_of = {parent: _folder(Path(parent), above) for parent in parents}
    except ValueError:  # some absolute and some not
        folders_of = {parent: Folder(parent, "") for parent in parents}
    for number, path in enumerate(paths):
        if number not in folders:
            yield FileLocation(folders_of[_parent(path)], path.name)
            continue
        for name, below, names in os.walk(path):
            below.sort()
            folder = _folder(Path(name), path)
            for each in sorted(names):
                yield FileLocation(folder, each)


def _parent(path: Path) -> str:
    # As `path.parent` has it, which takes three times as long.
    return os.path.dirname(path) or "."  # noqa: PTH120


def _folder(path: Path, above: Path) -> Folder:
    below = path.relative_to(above).as_posix()
    return Folder(str(path), "" if below == "." else below + "/")


def read_studies(
    paths: Sequence[Path], source: str | None = None, jobs: int = 1
) -> Iterator[FileRecord | StudyRecord]:
    """Read all headers, yielding what is no instance as it comes; then a record a study, in order of their UIDs.

    ZIP archives among the files are unpacked, and what a DICOMDIR names is read with it. Memory grows with the number
    of instances by their UIDs and file names, never by their data sets.

    Args:
        paths: files and folders.
        source: name of the archive they come from; without it, that of each study's institution.
        jobs: processes that read headers, where there are many; what they read is the same.
    """
    with ExitStack() as unpacking:
        yield from read_locations(files_of(paths), source, _Holding(paths, unpacking), jobs)


class _Holding:
    """What the files that hold or list others give, each file once."""

    def __init__(self, paths: Sequence[Path], unpacking: ExitStack) -> None:
        self._paths = paths
        self._unpacking = unpacking
        self._named: set[str] | None = None

    def files_in(
        self, location: FileLocation, refused: Refused, depth: int
    ) -> Iterator[FileLocation | FileRecord] | None:
        """The files that a refused file holds or lists; None where it is neither archive nor listing.

        An archive in an archive is not opened (`depth` > 1): its size could not be bounded.
        """
        if refused.issue.code == LISTING:
            return self._listed(location, refused)
        if depth == 1 and refused.issue.code == "FB-DCM-001" and is_zip(location.path):
            folder = self._unpacking.enter_context(TemporaryDirectory(prefix=_UNPACKED))
            # All of it before the first is read: a DICOMDIR in it names others.
            return iter(list(unpacked(location, Path(folder))))
        return None

    def _listed(self, listing: FileLocation, refused: Refused) -> Iterator[FileLocation | FileRecord]:
        files, issues = listed_files(listing)
        yield FileRecord(listing.locator, "skipped", [refused.issue, *issues])
        if _UNPACKED in listing.folder.path:
            return  # the archive that it is in is read whole
        if self._named is None:
            self._named = {os.path.realpath(each.path) for each in files_of(self._paths)}
        for each in files:
            path = os.path.realpath(each.path)
            if path not in self._named:
                self._named.add(path)
                yield each


_UNPACKED = "fhir-bridge-zip-"


def read_locations(
    locations: Iterable[FileLocation],
    source: str | None = None,
    holding: _Holding | None = None,
    jobs: int = 1,
) -> Iterator[FileRecord | StudyRecord]:
    """As `read_studies`, of files one by one.

    Args:
        holding: opens the archives and listings among them; without it they are skipped.
    """
    studies: dict[str, StudyCollection] = {}
    table = InstanceTable()
    waiting: list[Iterator[FileRecord | HeaderOf]] = [headers_of(locations, jobs)]
    while waiting:
        item = next(waiting[-1], None)
        if item is None:
            waiting.pop()
            continue
        if isinstance(item, FileRecord):
            yield item
            continue
        location, header = item
        if isinstance(header, Refused):
            refused = header
            held = holding.files_in(location, refused, len(waiting)) if holding else None
            if held is not None:
                waiting.append(_headers_among(held))
            else:
                outcome: RecordOutcome = "skipped" if refused.outcome == "skipped" else "rejected"
                yield FileRecord(location.locator, outcome, [refused.issue])
            continue
        uid = header.study["StudyInstanceUID"]
        study = studies.get(uid)
        if study is None:
            study = studies[uid] = StudyCollection(uid, location.locator, source, table)
        record = study.take(header, location)
        if record is not None:
            yield record
    for uid in sorted(studies):
        yield from studies.pop(uid).records()


def _headers_among(items: Iterator[FileLocation | FileRecord]) -> Iterator[FileRecord | HeaderOf]:
    for item in items:
        if isinstance(item, FileRecord):
            yield item
        else:
            yield item, header_or_refusal(item)
