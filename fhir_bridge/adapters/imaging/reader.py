"""Files to studies: one pass over the headers, then a record a study."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.header import read_header
from fhir_bridge.adapters.imaging.instances import FileLocation, Folder
from fhir_bridge.adapters.imaging.records import FileRecord, StudyRecord
from fhir_bridge.adapters.imaging.study_collection import StudyCollection

__all__ = ["files_of", "read_studies"]


def files_of(paths: Sequence[Path]) -> Iterator[FileLocation]:
    """The files of the sources. They go by their name below the folder that was given, or below the one around all.

    `IM0001` alone would say little: many folders of an archive have one.
    """
    roots = [(path, path.is_dir()) for path in paths]
    parents = {path.parent for path, is_folder in roots if not is_folder}
    try:
        above = Path(os.path.commonpath(parents)) if parents else Path()
        folders_of = {parent: _folder(parent, above) for parent in parents}
    except ValueError:  # some absolute and some not
        folders_of = {parent: Folder(str(parent), "") for parent in parents}
    for path, is_folder in roots:
        if not is_folder:
            yield FileLocation(folders_of[path.parent], path.name)
            continue
        for name, folders, names in os.walk(path):
            folders.sort()
            folder = _folder(Path(name), path)
            for each in sorted(names):
                yield FileLocation(folder, each)


def _folder(path: Path, above: Path) -> Folder:
    below = path.relative_to(above).as_posix()
    return Folder(str(path), "" if below == "." else below + "/")


def read_studies(paths: Sequence[Path], source: str | None = None) -> Iterator[FileRecord | StudyRecord]:
    """Read all headers, yielding what is no instance as it comes; then a record a study, in order of their UIDs.

    Memory grows with the number of instances by their UIDs and file names, never by their data sets.

    Args:
        paths: files and folders.
        source: name of the archive they come from; without it, that of each study's institution.
    """
    studies: dict[str, StudyCollection] = {}
    owners: dict[str, StudyCollection] = {}
    for location in files_of(paths):
        try:
            header = read_header(location.path, location.locator)
        except Refused as refused:
            yield FileRecord(
                location.locator, "skipped" if refused.outcome == "skipped" else "rejected", [refused.issue]
            )
            continue
        uid = header.study["StudyInstanceUID"]
        study = studies.get(uid)
        if study is None:
            study = studies[uid] = StudyCollection(uid, location.locator, source)
        owner = owners.setdefault(header.uid, study)
        record = study.take(header, location, elsewhere=owner is not study)
        if record is not None:
            yield record
    owners.clear()
    for uid in sorted(studies):
        yield from studies.pop(uid).records()
