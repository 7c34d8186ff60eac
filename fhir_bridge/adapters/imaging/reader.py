"""Files to studies: one pass over the headers, then a record a study."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.gathering import GatheredStudy
from fhir_bridge.adapters.imaging.header import read_header
from fhir_bridge.adapters.imaging.instances import FilePlace, Folder
from fhir_bridge.adapters.imaging.records import FileRecord, StudyRecord

__all__ = ["files_of", "read_studies"]


def files_of(paths: Sequence[Path]) -> Iterator[FilePlace]:
    """The files of the sources; they go by their name relative to the folder that was given."""
    for path in paths:
        if not path.is_dir():
            yield FilePlace(Folder(str(path.parent), ""), path.name)
            continue
        for name, folders, names in os.walk(path):
            folders.sort()
            below = Path(name).relative_to(path).as_posix()
            folder = Folder(name, "" if below == "." else below + "/")
            for each in sorted(names):
                yield FilePlace(folder, each)


def read_studies(paths: Sequence[Path], source: str | None = None) -> Iterator[FileRecord | StudyRecord]:
    """Read all headers, yielding what is no instance as it comes; then a record a study, in order of their UIDs.

    Memory grows with the number of instances by their UIDs and file names, never by their data sets.

    Args:
        paths: files and folders.
        source: name of the archive they come from; without it, that of each study's institution.
    """
    studies: dict[str, GatheredStudy] = {}
    owners: dict[str, GatheredStudy] = {}
    for place in files_of(paths):
        try:
            header = read_header(place.path, place.locator)
        except Refused as refused:
            yield FileRecord(
                place.locator, "skipped" if refused.outcome == "skipped" else "rejected", [refused.issue]
            )
            continue
        uid = header.study["StudyInstanceUID"]
        study = studies.get(uid)
        if study is None:
            study = studies[uid] = GatheredStudy(uid, place.locator, source)
        owner = owners.setdefault(header.uid, study)
        record = study.take(header, place, elsewhere=owner is not study)
        if record is not None:
            yield record
    owners.clear()
    for uid in sorted(studies):
        yield from studies.pop(uid).records()
