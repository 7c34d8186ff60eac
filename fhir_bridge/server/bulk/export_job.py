"""Doing an export: NDJSON files, type by type, each stored with how far the export is then.

Whoever goes on with it after a crash begins with the file that was not finished. A page is a statement of its own
(`storage.exporting`): memory is bounded by it, and a Consent that comes meanwhile counts from the next one on.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import pluggy

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.group_members import for_groups, members
from fhir_bridge.server.rest.parts import Parts
from fhir_bridge.server.rest.refusal import outcome_bytes
from fhir_bridge.storage.binaries import Split, split
from fhir_bridge.storage.blobs import PIECE, Blobs, BlobWriter
from fhir_bridge.storage.bulk import BulkJob, BulkJobs, Lost, unpacked
from fhir_bridge.storage.errors import Gone, NotFound
from fhir_bridge.storage.exporting import Page, Selection

if TYPE_CHECKING:
    from fhir_bridge.server.background import Handler
    from fhir_bridge.storage import Store

__all__ = ["export_handler"]

PAGE = 1000
ENCODED_PIECE = PIECE // 3 * 3
"""In base64 without a rest: pieces of it can be put together."""
FILE_RESOURCES = 50_000
FILE_BYTES = 256 * 1024 * 1024
"""A file ends with the page that reaches one of both."""


def export_handler(blobs: Blobs, plugins: pluggy.PluginManager) -> Handler:
    """Who does a job `bulk-export`.

    Args:
        plugins: what may take something out of an answer takes it out of an export as well.
    """

    async def export(store: Store, payload: dict[str, Any]) -> dict[str, Any]:
        jobs = BulkJobs(store.pool, blobs)
        job = await jobs.read(payload["id"])
        # Cancelled before it began; or done, and its worker was lost before it could say so.
        if job is None or job.state != "running":
            return {}
        with suppress(Lost):
            await _Export(store, jobs, blobs, plugins, job).run()
        return {}

    return export


class _Export:
    def __init__(
        self, store: Store, jobs: BulkJobs, blobs: Blobs, plugins: pluggy.PluginManager, job: BulkJob
    ) -> None:
        self._store, self._jobs, self._blobs, self._plugins, self._job = store, jobs, blobs, plugins, job
        payload = job.payload
        self._access: AccessFilter = unpacked(payload["access"])
        self._since = datetime.fromisoformat(payload["since"]) if payload["since"] else None
        self._parts = Parts(elements=tuple(payload["elements"])) if payload["elements"] else None

    async def run(self) -> None:
        """All that is left of it.

        Raises:
            Lost: it was cancelled, or another worker has it.
        """
        if not self._job.progress:
            moment = await self._store.exports.moment()
            self._job = await self._jobs.advance(
                self._job, _place("output", 0, 0, 0) | {"time": moment.isoformat(timespec="milliseconds")}
            )
        try:
            selection = await self._selection()
        except (NotFound, Gone):
            await self._jobs.fail(self._job.id, "the Group is not there any more")
            return
        while True:
            phase, number = self._job.progress["phase"], self._job.progress["type"]
            if phase == "error":
                break
            if number == len(self._job.payload["types"]):
                following = "deleted" if phase == "output" and self._since is not None else "error"
                await self._advance(_place(following, 0, 0, self._job.progress["count"]))
                continue
            await self._file(selection, self._job.payload["types"][number], deleted=phase == "deleted")
        await self._end()

    async def _selection(self) -> Selection:
        payload = self._job.payload
        patients: tuple[int, ...] | None = None
        wanted: Sequence[str] | None = payload["patients"]
        if payload["level"] == "Group":
            in_group = await members(self._store, payload["group"], for_groups(self._access))
            wanted = in_group if wanted is None else sorted(set(wanted) & set(in_group))
        if wanted is not None:
            known = await self._store.exports.patients(wanted, self._access)
            patients = await self._store.exports.persons(list(known.values()))
        filters = {
            name: [[(code, value) for code, value in criteria] for criteria in some]
            for name, some in payload["filters"].items()
        }
        return Selection(self._since, payload["level"] != "", patients, filters)

    async def _advance(
        self,
        progress: dict[str, Any],
        *files: tuple[Any, str, BlobWriter, int, Sequence[str]],
        done: bool = False,
    ) -> None:
        kept = {"time": self._job.progress["time"]}
        self._job = await self._jobs.advance(self._job, progress | kept, *files, done=done)

    async def _file(self, selection: Selection, resource_type: str, *, deleted: bool) -> None:
        """One more file of a type, or the note that there is nothing more of it."""
        progress = self._job.progress
        after, count, patients = progress["after"], 0, dict[str, None]()
        more = True
        async with self._blobs.writing() as writer:
            while more and count < FILE_RESOURCES and writer.size < FILE_BYTES:
                await self._check()
                page = await self._store.exports.page(
                    resource_type, self._access, selection, after=after, count=PAGE, deleted=deleted
                )
                if deleted:
                    await self._write_deletions(writer, resource_type, page)
                else:
                    await self._write(writer, page, binary=resource_type == "Binary")
                patients.update(dict.fromkeys(page.patients))
                count += len(page.resources)
                more = page.more
                after = page.resources[-1].key if page.resources else after
            place = _place(
                progress["phase"],
                progress["type"] if more else progress["type"] + 1,
                after if more else 0,
                progress["count"] + count,
            )
            if count == 0:
                await self._advance(place)
            elif deleted:
                await self._advance(place, ("deleted", "Bundle", writer, count, list(patients)))
            else:
                await self._advance(place, ("output", resource_type, writer, count, list(patients)))

    async def _check(self) -> None:
        """Whether to go on.

        Raises:
            Lost: nobody waits for it, or whoever does may not ask any more.
        """
        if not await self._jobs.running(self._job):
            raise Lost
        if not await self._jobs.may_go_on(self._job.owner):
            await self._jobs.fail(
                self._job.id, "the application or account may not ask for anything any more"
            )
            raise Lost

    async def _write(self, writer: BlobWriter, page: Page, *, binary: bool) -> None:
        contents: Sequence[bytes] = [resource.bytes or b"" for resource in page.resources]
        contents = await hooks.redact_all(self._plugins, contents, self._access)
        if self._parts is not None:
            contents = await self._parts.of_all(contents)
        for resource, content in zip(page.resources, contents, strict=True):
            if binary and (parts := split(content)) is not None:
                await self._write_binary(writer, resource.id, parts)
            else:
                await writer.write(content)
            await writer.write(b"\n")

    async def _write_binary(self, writer: BlobWriter, identity: str, parts: Split) -> None:
        """A Binary whose content is elsewhere: the content is put in its place."""
        blob = await self._blobs.find(parts.digest, f"Binary/{identity}")
        await writer.write(parts.head)
        if blob is not None:
            await writer.write(b',"data":"')
            async for piece in self._blobs.read(blob, ENCODED_PIECE):
                await writer.write(base64.b64encode(piece))
            await writer.write(b'"')
        await writer.write(parts.tail)

    async def _write_deletions(self, writer: BlobWriter, resource_type: str, page: Page) -> None:
        """A Bundle for each page (Bulk Data Access 2, export.html: `deleted`)."""
        entries = [
            {"request": {"method": "DELETE", "url": f"{resource_type}/{resource.id}"}}
            for resource in page.resources
        ]
        if entries:
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            await writer.write(orjson.dumps(bundle) + b"\n")

    async def _end(self) -> None:
        left_out = self._job.payload["left_out"]
        place = _place("end", 0, 0, self._job.progress["count"])
        if not left_out:
            await self._advance(place, done=True)
            return
        async with self._blobs.writing() as writer:
            for text in left_out:
                await writer.write(outcome_bytes([Issue("warning", "FB-BULK-002", text)]) + b"\n")
            await self._advance(place, ("error", "OperationOutcome", writer, len(left_out), ()), done=True)


def _place(phase: str, number: int, after: int, count: int) -> dict[str, Any]:
    return {
        "phase": phase,
        "type": number,
        "after": after,
        "count": count,
        "said": f"{count} resources written",
    }
