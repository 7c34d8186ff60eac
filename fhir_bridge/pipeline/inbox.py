"""Processing again what waits in the inbox: records without a patient, and refused moves."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.engine import run_here, run_shards
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.pipeline.shard import Selection
from fhir_bridge.pipeline.sinks import site_hash
from fhir_bridge.plugins import CompositeAdapter, ReadContext, SourceRecord, adapters
from fhir_bridge.storage import Store
from fhir_bridge.storage.inbox import Entry
from fhir_bridge.storage.parts import Part, current_parts

__all__ = ["Replay", "replay", "replay_waiting"]


@dataclass(slots=True)
class Replay:
    """What processing again came to.

    Attributes:
        account: of the records that were processed.
        done: entries that are settled; waiting: entries that wait on; not_kept: entries whose source is not kept.
    """

    account: Account
    done: int = 0
    waiting: int = 0
    not_kept: int = 0


def replay_waiting(url: str, site: Path | None) -> Replay | None:
    """Process again what may have found its patient since: the site or the links between patients changed.

    None where nothing has.
    """
    mark = site_hash(site)

    async def due() -> list[Entry]:
        async with await Store.open(url, max_size=2) as store:
            links = await store.number_of_links()
            return [
                entry
                for kind in ("held", "refused")
                for entry in await store.read_inbox(kind=kind, limit=100_000)
                if entry.run.get("site") not in (None, mark) or (links and entry.run.get("links") != links)
            ]

    entries = asyncio.run(due())
    return replay(url, site, entries) if entries else None


def replay(url: str, site: Path | None, entries: Sequence[Entry]) -> Replay:
    """Process the records of these entries again; what is settled leaves the list.

    Raises:
        SiteError, MappingErrors: before anything is stored.
    """
    result = Replay(Account())
    usable = [entry for entry in entries if entry.content is not None or entry.run.get("key")]
    result.not_kept = len(entries) - len(usable)
    keys = [entry.key for entry in usable]

    async def begin() -> None:
        async with await Store.open(url, max_size=2) as store:
            await store.set_inbox_state(
                keys, "done", forget=False
            )  # what waits on is opened again by its run

    asyncio.run(begin())
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-inbox-") as folder:
        for group in _groups(usable):
            result.account.add(_run(url, site, group, Path(folder)))

    async def end() -> list[Entry]:
        async with await Store.open(url, max_size=2) as store:
            await store.set_inbox_state([], "done")  # forget sources that nothing needs any more
            return await store.read_inbox(keys=keys)

    result.waiting = len(asyncio.run(end()))
    result.done = len(keys) - result.waiting
    return result


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries that are read together: of one kept file, or of one record of parts."""
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        run = entry.run
        groups.setdefault((entry.adapter, entry.content, run.get("key"), run.get("mapping")), []).append(
            entry
        )
    yield from groups.values()


def _run(url: str, site: Path | None, entries: list[Entry], folder: Path) -> Account:
    first = entries[0]
    locators = frozenset(entry.locator for entry in entries)
    request = RunRequest(
        first.adapter,
        first.run.get("mapping"),
        site,
        dict(first.run.get("options") or {}),
        Selection(locators=None if first.source in locators else locators),
    )
    adapter = adapters()[first.adapter]
    key = str(first.run.get("key") or "")
    if key and isinstance(adapter, CompositeAdapter):
        shard = Shard(str(first.run["mapping"]), ())
        return run_here(
            RunRequest(first.adapter, request.mapping, site, request.options),
            shard,
            ("store", url),
            lambda _read: None,
            _Composed(adapter, asyncio.run(_parts(url, first.adapter, key))),
        )
    target = Path(tempfile.mkdtemp(dir=folder)) / Path(first.source).name
    target.write_bytes(asyncio.run(_kept(url, first)))
    account = Account()
    shards = [(0, Shard(str(first.run["mapping"]), (target,)))]
    for _, part in run_shards(request, shards, {0: ("store", url)}, jobs=1, on_progress=lambda _read: None):
        account.add(part)
    return account


async def _kept(url: str, entry: Entry) -> bytes:
    async with await Store.open(url, max_size=2) as store:
        content = await store.kept_source(entry.content or b"")
    if content is None:
        raise AssertionError(f"inbox entry {entry.key} refers to a source that is not kept")
    return content


async def _parts(url: str, adapter: str, key: str) -> list[Part]:
    async with await Store.open(url, max_size=2) as store:
        return current_parts(await store.parts(f"urn:fhir-bridge:{adapter}", key))


class _Composed:
    """An adapter that reads one record: the one that stored parts give."""

    def __init__(self, adapter: CompositeAdapter, parts: Sequence[Part]) -> None:
        self._adapter = adapter
        self._parts = parts
        self.name, self.title, self.model = adapter.name, adapter.title, adapter.model
        self.suffixes = adapter.suffixes

    def choose_mapping(self, paths: Sequence[Path]) -> str:
        return self._adapter.choose_mapping(paths)

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:
        return self._adapter.shards(paths, jobs)

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[SourceRecord]:  # noqa: ARG002
        yield self._adapter.compose(self._parts, context)

    def compose(self, parts: Sequence[Part], context: ReadContext) -> SourceRecord:
        return self._adapter.compose(parts, context)

    def differences(self, one: bytes, other: bytes) -> list[str]:
        return self._adapter.differences(one, other)
