"""Doing an import: line by line, each as a single write over REST would be; what one has is no matter of the others.

A line is done once, whatever is killed: what has an id is written under it, what has none gets one that is made of the
job and the place of the line.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pluggy

from fhir_bridge import egress
from fhir_bridge.egress import EgressRefused
from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import JsonError, loads
from fhir_bridge.governance import audit
from fhir_bridge.governance.event_rows import write_records
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.body import check_resource, parse, refuse_invalid
from fhir_bridge.server.rest.bulk_import import is_allowed
from fhir_bridge.server.rest.checks import check_write
from fhir_bridge.server.rest.refusal import Refusal, outcome_bytes, refuse
from fhir_bridge.server.rest.server_owned import READ_ONLY_TYPES
from fhir_bridge.server.terminology import ServedTerminology
from fhir_bridge.server.validation import ServedValidator
from fhir_bridge.storage.binaries import split
from fhir_bridge.storage.blobs import Blob, Blobs, BlobWriter
from fhir_bridge.storage.bulk import BulkJob, BulkJobs, Lost, unpacked
from fhir_bridge.storage.errors import Forbidden, Gone, NotFound, StorageError
from fhir_bridge.storage.writing import Operation

if TYPE_CHECKING:
    from fhir_bridge.server.background import Handler
    from fhir_bridge.server.settings import Settings
    from fhir_bridge.storage import Store

__all__ = ["import_handler"]

BATCH = 200
"""Lines after which it is noted how far the import is."""
MOST_BYTES_OF_MANIFEST = 4 * 1024 * 1024
FETCH_SECONDS = 60
"""How long another server may take for the next piece."""


@dataclass(frozen=True, slots=True)
class _Parts:
    store: Store
    plugins: pluggy.PluginManager


@dataclass(frozen=True, slots=True)
class _Writer:
    """Who writes; see `rest.writing`."""

    services: _Parts
    access: AccessFilter
    base: str
    writes_predictions: bool = False


class _Unreadable(Exception):
    """A source can't be read; the message is for the caller."""


def import_handler(
    blobs: Blobs,
    plugins: pluggy.PluginManager,
    settings: Settings,
    terminology: ServedTerminology,
    http: httpx.AsyncClient | None = None,
) -> Handler:
    """Who does a job `bulk-import`.

    Args:
        http: by which files are fetched; absent, a client for what leaves (`egress`): no redirects, no private network
            that is not listed.
    """

    async def do_import(store: Store, payload: dict[str, Any]) -> dict[str, Any]:
        jobs = BulkJobs(store.pool, blobs)
        job = await jobs.read(payload["id"])
        if job is None or job.state != "running":
            return {}
        # Which addresses, `is_allowed` has decided; where their names lead to is checked with each connection.
        async with http or egress.client(settings.allowed.registered(), seconds=FETCH_SECONDS) as client:
            with suppress(Lost):
                run = _Import(store, jobs, blobs, plugins, settings, terminology, client, job)
                try:
                    await run.run()
                except _Unreadable as error:
                    await jobs.fail(job.id, str(error))
        return {}

    return do_import


class _Import:
    def __init__(
        self,
        store: Store,
        jobs: BulkJobs,
        blobs: Blobs,
        plugins: pluggy.PluginManager,
        settings: Settings,
        terminology: ServedTerminology,
        client: httpx.AsyncClient,
        job: BulkJob,
    ) -> None:
        self._store, self._jobs, self._blobs, self._settings = store, jobs, blobs, settings
        self._terminology, self._client, self._job = terminology, client, job
        self._access = unpacked(job.payload["access"])
        self._writer = _Writer(_Parts(store, plugins), self._access, job.payload["base"])
        client_id, _, user = job.owner.removeprefix("client:").partition("/user:")
        context = audit.Context(
            server=job.payload["base"],
            client=client_id,
            user=audit.Agent(user, user) if user else None,
            purpose=self._access.purpose,
        )
        self._audit = write_records(context)

    async def run(self) -> None:
        """All that is left of it.

        Raises:
            Lost: it was cancelled, or another worker has it. _Unreadable: a source can't be read.
        """
        if not self._job.progress:
            inputs = self._job.payload["inputs"]
            if self._job.payload["manifest"] is not None:
                inputs = await self._manifest(self._job.payload["manifest"])
            await self._advance(inputs=inputs, input=0, line=0, counts={})
        while (number := self._job.progress["input"]) < len(self._job.progress["inputs"]):
            await self._input(number, self._job.progress["inputs"][number])
        async with self._blobs.writing() as writer:
            counts = self._job.progress["counts"]
            text = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("stored", "unchanged", "refused"))
            await writer.write(outcome_bytes([Issue("information", "FB-BULK-007", text)]) + b"\n")
            self._job = await self._jobs.advance(
                self._job, self._job.progress, ("output", "OperationOutcome", writer, 1, ()), done=True
            )

    async def _advance(self, *files: Any, **change: Any) -> None:
        progress = {**self._job.progress, **change}
        counts = progress["counts"]
        progress["said"] = f"{sum(counts.values())} lines read, {counts.get('refused', 0)} refused"
        self._job = await self._jobs.advance(self._job, progress, *files)

    async def _manifest(self, url: str) -> list[dict[str, str]]:
        """The files that a manifest lists (Bulk Data Access 2), each below an allowed address."""
        text = b""
        async for piece in self._fetch(url):
            text += piece
            if len(text) > MOST_BYTES_OF_MANIFEST:
                raise _Unreadable("the manifest is too large")
        try:
            listed = loads(text)["output"]
            inputs = [{"type": str(file.get("type", "")), "url": file["url"]} for file in listed]
        except (JsonError, KeyError, TypeError, AttributeError) as error:
            raise _Unreadable("the manifest can't be read: it is JSON with `output`") from error
        for item in inputs:
            if not is_allowed(item["url"], self._settings.sources):
                raise _Unreadable(
                    f"a file of the manifest is not below an allowed address: {item['url'][:200]!a}"
                )
        return inputs

    async def _fetch(self, url: str) -> AsyncIterator[bytes]:
        if not is_allowed(url, self._settings.sources):
            raise _Unreadable("the address is not allowed any more")
        try:
            async with self._client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
                if response.status_code != 200:
                    raise _Unreadable(f"{url[:200]} answers {response.status_code}")
                async for piece in response.aiter_raw():
                    yield piece
        except EgressRefused as error:
            raise _Unreadable(str(error)) from error
        except httpx.HTTPError as error:
            raise _Unreadable(f"{url[:200]} can't be fetched ({type(error).__name__})") from error

    async def _input(self, number: int, source: dict[str, Any]) -> None:
        if not source["url"].startswith("Binary/") and "digest" not in source:
            # Fetched whole first: the content can't change while its lines are written.
            async with self._blobs.writing() as writer:
                async for piece in self._fetch(source["url"]):
                    await writer.write(piece)
                    if writer.size > self._settings.max_binary_bytes:
                        raise _Unreadable(f"{source['url'][:200]} is too large")
                blob = await self._blobs.store(writer, f"bulk/{self._job.id}")
            inputs = [*self._job.progress["inputs"]]
            source = inputs[number] = {**source, "digest": blob.digest.hex()}
            await self._advance(inputs=inputs)
        done, line = self._job.progress["line"], 0
        counts: dict[str, int] = dict(self._job.progress["counts"])
        errors: list[bytes] = []
        validator = ServedValidator(self._terminology, self._store)
        async for text in _lines(self._content(source), self._settings.max_body_bytes):
            line += 1
            # Lines that are blank say nothing; those before `done` are stored.
            if line <= done or (text is not None and not text.strip()):
                continue
            place = f"{source['url']} line {line}"
            try:
                outcome = await self._line(text, source["type"], f"{self._job.id}/{number}/{line}", validator)
            except (Refusal, StorageError) as error:
                issues = error.issues if isinstance(error, Refusal) else [error.issue]
                head = Issue("error", "FB-BULK-005", "the line was not stored", place)
                errors.append(outcome_bytes([head, *issues]))
                outcome = "refused"
            counts[outcome] = counts.get(outcome, 0) + 1
            if line % BATCH == 0:
                await self._note(errors, line=line, counts=counts)
                errors = []
                validator = ServedValidator(self._terminology, self._store)
        await self._note(errors, input=number + 1, line=0, counts=counts)

    async def _note(self, errors: list[bytes], **change: Any) -> None:
        if not await self._jobs.may_go_on(self._job.owner):
            await self._jobs.fail(
                self._job.id, "the application or account may not ask for anything any more"
            )
            raise Lost
        async with self._blobs.writing() as writer:
            files: list[tuple[str, str, BlobWriter, int, tuple[str, ...]]] = []
            if errors:
                await writer.write(b"\n".join(errors) + b"\n")
                files.append(("error", "OperationOutcome", writer, len(errors), ()))
            await self._advance(*files, **change)

    async def _content(self, source: dict[str, Any]) -> AsyncIterator[bytes]:
        """The content of a source, in pieces."""
        if "digest" in source:
            blob = await self._blobs.find(bytes.fromhex(source["digest"]), f"bulk/{self._job.id}")
        else:
            identity = source["url"].removeprefix("Binary/")
            try:
                stored = await self._store.read("Binary", identity, self._access)
            except (NotFound, Gone, Forbidden) as error:
                raise _Unreadable(f"there is no {source['url']} that the caller may read") from error
            parts = split(stored.bytes)
            if parts is None:
                yield base64.b64decode(loads(stored.bytes).get("data", ""))
                return
            blob = await self._blobs.find(parts.digest, f"Binary/{identity}")
        if blob is None:
            raise _Unreadable(f"the content of {source['url'][:200]} is not here any more")
        async for piece in self._blobs.read(Blob(blob.digest, blob.size)):
            yield piece

    async def _line(
        self, text: bytes | None, resource_type: str, place: str, validator: ServedValidator
    ) -> str:
        """Write one resource.

        Raises:
            Refusal, StorageError: it is refused.
        """
        if text is None:
            raise refuse(413, "FB-REST-007", f"the line has more than {self._settings.max_body_bytes} bytes")
        resource = await offloaded(parse, text)
        kind = resource_type or str(resource.get("resourceType"))
        check_resource(resource, kind)
        if kind in READ_ONLY_TYPES:
            raise refuse(403, "FB-REST-012", f"{kind} is written by the server only")
        identity = resource.get("id")
        refuse_invalid(await validator.issues(resource))
        resource = await self._store.resolve(resource, self._access, base=self._writer.base)
        if isinstance(identity, str):
            operation = Operation("update", kind, identity, resource)
        else:
            identifier = hashlib.blake2b(place.encode(), digest_size=16).hexdigest()
            operation = Operation("create", kind, identifier, {**resource, "id": identifier})
        if not self._access.permits(kind, operation.letter):
            raise Forbidden(f"no grant allows `{operation.letter}` on {kind}")
        await check_write(self._writer, operation)
        if operation.action == "create" and await self._is_there(operation):
            # Of this very line: whoever wrote it was lost before it could be noted.
            return "stored"
        written = (await self._store.write([operation], self._access, audit=self._audit))[0]
        return "unchanged" if written.outcome == "unchanged" else "stored"

    async def _is_there(self, operation: Operation) -> bool:
        try:
            await self._store.read(operation.type, operation.id, EVERYTHING)
        except (NotFound, Gone):
            return False
        return True


async def _lines(pieces: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes | None]:
    """The lines of a content; None in place of one that has more than `most` bytes."""
    kept, dropped = b"", False
    async for piece in pieces:
        *whole, rest = (kept + piece).split(b"\n")
        for line in whole:
            yield None if dropped or len(line) > most else line
            dropped = False
        dropped = dropped or len(rest) > most
        kept = b"" if dropped else rest
    if dropped or kept:
        yield None if dropped else kept
