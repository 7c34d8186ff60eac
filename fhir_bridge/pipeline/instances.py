"""Parts of composite records that come one by one (DICOM instances): kept at once, composed a little later.

What is kept is committed before its sender gets an answer; a job of the same transaction composes the record of all its
parts, so that the instances of a study cost one conversion and not one each.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import quote

import psycopg
import psycopg_pool

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.composing import StoredRecord, living
from fhir_bridge.pipeline.context import ConversionContext
from fhir_bridge.pipeline.engine import run_in_process
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.pipeline.receiving import Unavailable
from fhir_bridge.plugins import CompositeAdapter, CompositeRecord, IssueLike, adapters
from fhir_bridge.storage import StorageError, Store
from fhir_bridge.storage.parts import OtherSubject, Part, receive_parts

__all__ = ["COMPOSE_JOB", "InstanceReceiver", "Kept", "compose_stored"]

COMPOSE_JOB = "compose"
DELAY = timedelta(seconds=2)
"""How long further parts are waited for."""


class Identity(Protocol):
    """UIDs of an object, as far as it states them."""

    study: str
    series: str
    uid: str
    sop_class: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of an instance.

    Attributes:
        outcome: `kept`: it is committed. `refused`: it can't be read, or is no instance. `conflict`: its study is
            another patient's; it is in the inbox.
        record: key of its record (Study Instance UID); empty where it is refused.
    """

    outcome: Literal["kept", "refused", "conflict"]
    record: str = ""
    issues: Sequence[IssueLike] = ()

    @property
    def reason(self) -> str:
        """Why it is refused."""
        return next(
            (each.message for each in self.issues if each.severity in ("error", "fatal")), ""
        ) or next((each.message for each in self.issues), "")


class _Reading:
    selectors = None

    def __init__(self, site: Site) -> None:
        self.options: dict[str, Any] = {}
        self.site = site


class InstanceReceiver:
    """Keeps instances of one adapter, several at once.

    Args:
        store: an open store, which stays the caller's.
        url: of its database.
        site: the site file.
        mapping: name or file; None for the adapter's own.
    """

    def __init__(
        self,
        store: Store,
        url: str,
        site: Path | None = None,
        *,
        adapter: str = "dicom",
        mapping: str | None = None,
    ) -> None:
        reader = adapters()[adapter]
        if not isinstance(reader, CompositeAdapter):
            raise TypeError(f"the records of the adapter {adapter} have no parts")
        self._adapter = reader
        self._store = store
        self._url = url
        self._request = RunRequest(adapter, mapping or reader.choose_mapping(()), site)
        self._reading = _Reading(self._request.load_site())
        self._source = f"urn:fhir-bridge:{quote(adapter, safe='')}"

    async def receive(self, path: Path, *, named: bool = False) -> Kept:
        """Keep the instance of a file.

        Args:
            path: the file.
            named: its name is the sender's, and says more than the UID of the instance.

        Raises:
            Unavailable: the store does not answer: it is to be sent again.
        """
        records = await asyncio.to_thread(self._read, path)
        issues = [issue for record in records for issue in record.issues]
        matched = [record for record in records if isinstance(record, CompositeRecord) and record.key]
        if not matched:
            return Kept("refused", issues=issues)
        try:
            for record in matched:
                await self._keep(record)
        except OtherSubject:
            uid = next((each.key for each in matched[0].parts), "")
            return await self._conflict(path, matched[0].key, "" if named else uid)
        except (psycopg.OperationalError, psycopg_pool.PoolTimeout, OSError) as error:
            raise Unavailable(type(error).__name__) from error
        except StorageError as error:
            if error.status >= 500:
                raise Unavailable(error.code) from error
            raise
        return Kept("kept", matched[0].key, issues)

    async def identity(self, path: Path) -> Identity | None:
        """What the object of a file is called; None where nobody can say."""
        identify = getattr(self._adapter, "identity", None)
        return await asyncio.to_thread(identify, path) if identify is not None else None

    def _read(self, path: Path) -> list[Any]:
        records = list(self._adapter.read([path], self._reading))
        for record in records:
            if isinstance(record, CompositeRecord):
                _ = record.parts  # read from the file while it is there
        return records

    async def _keep(self, record: CompositeRecord) -> None:
        parts = [Part(each.key, each.subject, each.time, each.content, each.deletes) for each in record.parts]
        payload = {
            "adapter": self._request.adapter,
            "mapping": self._request.mapping,
            "key": record.key,
        }
        job = (COMPOSE_JOB, payload, DELAY)
        same_subject = self._adapter.same_subject
        async with self._store.connection() as connection:
            await receive_parts(connection, self._source, record.key, parts, same_subject, job)

    async def _conflict(self, path: Path, key: str, uid: str) -> Kept:
        """Another patient's by its words: the whole way decides, which knows linked patients, and keeps the file.

        A file that the server wrote for a moment goes by the `uid` of its instance, as the inbox shows it.
        """
        with tempfile.TemporaryDirectory(prefix=".fhir-bridge-object-", dir=path.parent) as folder:
            if uid:
                named = Path(folder, f"{uid}.dcm")
                try:
                    named.hardlink_to(path)
                except OSError:  # a file system without links
                    await asyncio.to_thread(shutil.copyfile, path, named)
                path = named
            account = await asyncio.to_thread(_run, self._url, self._request, path)
        if account.rejected:
            lost = ("error", "fatal")
            issues = [
                Issue("error", code, text) for severity, code, text in account.issues if severity in lost
            ]
            return Kept("conflict", key, issues)
        return Kept("kept", key)


def _run(url: str, request: RunRequest, *paths: Path, stored: StoredRecord | None = None) -> Account:
    mapping = str(request.mapping)
    context = ConversionContext.of(request).digest(mapping)
    adapter = stored or adapters()[request.adapter]
    return run_in_process(request, Shard(mapping, paths), context, ("store", url), adapter)


async def compose_stored(
    store: Store, url: str, site: Path | None, payload: dict[str, Any]
) -> dict[str, Any]:
    """Do the job that composes a record of its kept parts: its account.

    Raises:
        SiteError, MappingErrors: nothing can be converted now; the parts stay.
    """
    name, key = str(payload["adapter"]), str(payload["key"])
    adapter = adapters()[name]
    assert isinstance(adapter, CompositeAdapter)
    parts = living(await store.parts(f"urn:fhir-bridge:{quote(name, safe='')}", key), adapter)
    stored = StoredRecord(adapter, parts, key)
    account = await asyncio.to_thread(
        _run, url, RunRequest(name, str(payload["mapping"]), site), stored=stored
    )
    return {"stored": dict(account.stored), "rejected": account.rejected}
