"""Studies of archives, read as far and as often as a list of archives says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from fhir_bridge.adapters.imaging.archive_name import source_name
from fhir_bridge.adapters.imaging.composition import compose
from fhir_bridge.adapters.imaging.dicom_file import Refused
from fhir_bridge.adapters.imaging.dicomweb_archives import Archive, ArchiveError, read_archives
from fhir_bridge.adapters.imaging.dicomweb_client import (
    ArchiveClient,
    ArchiveUnavailable,
    Attributes,
    text_of,
)
from fhir_bridge.adapters.imaging.dicomweb_json import (
    SERIES_FIELDS,
    file_of,
    is_image,
    missing_fields,
    series_part,
)
from fhir_bridge.adapters.imaging.dicomweb_state import ArchiveState, KnownStudy, States, now
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.locations import FileLocation, Folder
from fhir_bridge.adapters.imaging.parts import Part
from fhir_bridge.adapters.imaging.patients import NOBODY
from fhir_bridge.adapters.imaging.reader import read_locations
from fhir_bridge.adapters.imaging.records import FileRecord, StudyRecord
from fhir_bridge.adapters.imaging.study import Study
from fhir_bridge.plugins import ReadContext

__all__ = ["read_archive", "read_lists"]


def read_lists(paths: Sequence[Path], context: ReadContext) -> Iterator[FileRecord | StudyRecord]:
    """Read the archives of these lists."""
    for path in paths:
        try:
            archives, kept = read_archives(path)
            states = States(kept)
        except ArchiveError as error:
            yield _failed(path.name, str(error))
            continue
        if context.options.get("check"):
            continue
        for archive in archives:
            yield from read_archive(archive, states, source_name(context))


def read_archive(
    archive: Archive, states: States, source: str | None = None
) -> Iterator[FileRecord | StudyRecord]:
    """The studies of an archive that are new or have changed since its state, and those that have gone.

    A study counts as read once its record was taken: what a run did not reach, the next one reads.
    """
    with asyncio.Runner() as runner:
        client = ArchiveClient(archive)
        try:
            yield from _Reading(archive, states, source, client, runner).records()
        finally:
            runner.run(client.close())
            states.save()


class _Reading:
    def __init__(
        self,
        archive: Archive,
        states: States,
        source: str | None,
        client: ArchiveClient,
        runner: asyncio.Runner,
    ) -> None:
        self._archive = archive
        self._states = states
        self._state: ArchiveState = states.of(archive.name)
        self._source = source
        self._client = client
        self._run = runner.run

    def records(self) -> Iterator[FileRecord | StudyRecord]:
        began, state, archive = now(), self._state, self._archive
        change = state.change
        try:
            changed: set[str] | None = None
            sweep = state.due(archive.sweep_days, began)
            if archive.orthanc is not None:
                changed, again, change = self._run(self._changes())
                sweep = sweep or again
            if sweep:
                since = archive.since.strftime("%Y%m%d-") if archive.since else None
                listed = self._run(_all(self._client.studies(since)))
            elif changed is not None:
                listed = [
                    study
                    for uid in sorted(changed)
                    for study in self._run(self._client.query("/studies", _one(uid)))
                ]
            else:
                first = began.date() - timedelta(days=archive.days)
                dates = f"{first:%Y%m%d}-{began.date() + timedelta(days=1):%Y%m%d}"
                listed = self._run(_all(self._client.studies(dates)))
        except ArchiveUnavailable as error:
            yield _failed(archive.name, str(error))
            return
        whole = True
        for study in listed:
            uid = text_of(study, "0020000D") or ""
            counts = [int(text_of(study, tag) or -1) for tag in ("00201206", "00201208")]
            if not _UID.fullmatch(uid):
                yield _failed(archive.name, "a study has no UID")
                continue
            known = state.studies.get(uid)
            if known and known.counts == counts and uid not in (changed or ()) and -1 not in counts:
                continue
            try:
                keys, records = self._study(study, uid)
                yield from records
            except ArchiveUnavailable as error:
                whole = False
                yield _failed(f"{archive.name}/studies/{uid}", str(error))
                continue
            state.studies[uid] = KnownStudy(counts, keys)
        if sweep:
            present = {text_of(study, "0020000D") for study in listed}
            for uid in [uid for uid in state.studies if uid not in present]:
                yield from self._gone(uid, state.studies[uid].parts)
                del state.studies[uid]
        if not whole:
            state.totals = []  # all is looked at again
        else:
            state.change = change
            state.swept = began if sweep else state.swept

    async def _changes(self) -> tuple[set[str], bool, int]:
        """Studies that changed, whether all have to be looked at, and the number to go on from."""
        changes, last = await self._client.changes(self._state.change or 0)
        identities = {
            str(each.get("ID"))
            for each in changes
            if each.get("ResourceType") == "Study" and each.get("ChangeType") != "Deleted"
        }
        changed = set()
        for identity in sorted(identities):
            try:
                study = await self._client.orthanc(f"/studies/{identity}")
            except ArchiveUnavailable as error:
                if error.status == 404:
                    continue  # deleted since
                raise
            changed.add(str((study.get("MainDicomTags") or {}).get("StudyInstanceUID", "")))
        # What is deleted is among no changes, and shows in the totals alone.
        totals = await self._client.orthanc("/statistics")
        counted = [int(totals.get(name, 0)) for name in ("CountStudies", "CountInstances")]
        moved, self._state.totals = counted != self._state.totals, counted
        return changed - {""}, moved, last

    def _study(self, study: Attributes, uid: str) -> tuple[list[str], Iterator[FileRecord | StudyRecord]]:
        """Keys of the parts of a study, and its records."""
        where = f"{self._archive.name}/studies/{uid}"
        if self._archive.depth == "full":
            return self._full(uid, where)
        asked = now()
        series = [
            {**study, **each} for each in self._run(self._client.series(uid, SERIES_FIELDS))
        ]  # a server need not repeat the study's attributes
        parts, refused = [], []
        for each in series:
            try:
                parts.append(series_part(each, self._archive.name, asked))
            except Refused as error:
                refused.append(FileRecord(where, "rejected", [error.issue]))
            except Exception as error:  # noqa: BLE001 - a value can be wrong in any way; it costs its series
                refused.append(_failed(where, f"a series can't be read ({type(error).__name__})"))
        return [part.key for part in parts], self._by_parts(uid, where, parts, series, refused)

    def _by_parts(
        self,
        uid: str,
        where: str,
        parts: list[Part],
        series: list[Attributes],
        refused: list[FileRecord],
    ) -> Iterator[FileRecord | StudyRecord]:
        yield from refused
        gone = self._deletions(uid, {part.key for part in parts})
        if not parts:
            if gone:
                yield StudyRecord(Study(uid, where, self._source), deletions=gone)
            return
        whole = compose(parts, self._source).study
        whole.first = where
        missing = missing_fields(series)
        text = "its series were asked for, not its instances; "
        text += (
            f"the archive says nothing of {', '.join(missing)}" if missing else "nothing is missing of them"
        )
        whole.report(new_issue("FB-DCM-052", text, where))
        yield StudyRecord(whole, deletions=gone, summaries=parts)

    def _full(self, uid: str, where: str) -> tuple[list[str], Iterator[FileRecord | StudyRecord]]:
        instances = self._run(self._client.metadata(uid))
        keys = [key for each in instances if (key := text_of(each, "00080018"))]
        return keys, self._by_files(uid, where, instances, self._deletions(uid, set(keys)))

    def _by_files(
        self, uid: str, where: str, instances: list[Attributes], gone: list[Part]
    ) -> Iterator[FileRecord | StudyRecord]:
        if not instances and gone:
            yield StudyRecord(Study(uid, where, self._source), deletions=gone)
            return
        with TemporaryDirectory(prefix="fhir-bridge-dicomweb-") as folder:
            here = Folder(folder, f"{where}/")
            locations = []
            for each in instances:
                instance = text_of(each, "00080018") or ""
                if not _UID.fullmatch(instance) or not _UID.fullmatch(text_of(each, "0020000E") or ""):
                    yield _failed(where, "an instance has no UIDs")
                    continue
                (Path(folder) / instance).write_bytes(self._run(self._file(uid, each, instance)))
                locations.append(FileLocation(here, instance))
            for record in read_locations(locations, self._source):
                if isinstance(record, StudyRecord) and gone:
                    record.deletions = [*record.deletions, *gone]
                yield record

    async def _file(self, study: str, attributes: Attributes, instance: str) -> bytes:
        """An instance as a file: its metadata where it is an image, else the whole, for its content."""
        if is_image(attributes):
            try:
                return file_of(attributes)
            except Exception:  # noqa: BLE001, S110 - a value that JSON can't hold: the whole instance has it
                pass
        series = text_of(attributes, "0020000E") or ""
        return await self._client.instance(study, series, instance)

    def _gone(self, uid: str, keys: Sequence[str]) -> Iterator[StudyRecord]:
        """What is deleted with a study that the archive has no more."""
        where = f"{self._archive.name}/studies/{uid}"
        elsewhere = self._states.elsewhere(self._archive.name, uid)
        gone = [_deleted(key) for key in keys if key not in elsewhere]
        if gone:
            yield StudyRecord(Study(uid, where, self._source), deletions=gone)

    def _deletions(self, uid: str, present: set[str]) -> list[Part]:
        """What an earlier run read of the study and no archive has any more."""
        known = self._state.studies.get(uid)
        elsewhere = self._states.elsewhere(self._archive.name, uid)
        before = known.parts if known else ()
        return [_deleted(key) for key in before if key not in present and key not in elsewhere]


_UID = re.compile(r"[0-9.]{1,64}")
"""What may be part of an address, and of a file's name."""


def _deleted(key: str) -> Part:
    return Part(key, NOBODY.text, now(), b"", deletes=True)


def _one(uid: str) -> list[tuple[str, str]]:
    return [("StudyInstanceUID", uid), ("includefield", "00201206"), ("includefield", "00201208")]


async def _all(studies: AsyncIterator[Attributes]) -> list[Attributes]:
    return [each async for each in studies]


def _failed(where: str, text: str) -> FileRecord:
    return FileRecord(where, "rejected", [new_issue("FB-DCM-053", text, where)])
