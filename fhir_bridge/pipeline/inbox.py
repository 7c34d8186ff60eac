"""Processing again what waits in the inbox: records without a patient, and refused moves."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from fhir_bridge.mapping import MappingErrors, Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.composing import StoredRecord, living
from fhir_bridge.pipeline.context import ConversionContext
from fhir_bridge.pipeline.engine import run_in_process
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.pipeline.receiving import Receiver
from fhir_bridge.pipeline.shard import Selection
from fhir_bridge.pipeline.waiting_records import PATIENT_TO_COME
from fhir_bridge.plugins import CompositeAdapter, adapters
from fhir_bridge.storage import Store
from fhir_bridge.storage.inbox import Entry, Kind
from fhir_bridge.storage.parts import Part

__all__ = ["Replay", "Waiting", "is_kept", "read_waiting", "replay", "replay_waiting"]

_KINDS: tuple[Kind, ...] = ("held", "refused", "failed")
_MOST = 100_000
"""Entries that one run looks at."""


@dataclass(slots=True)
class Replay:
    """What processing again came to.

    Attributes:
        account: of the records that were processed.
        other_site: entries of a site with another name, which wait for its settings.
        done: entries that are settled; waiting: entries that wait on; not_kept: entries whose source is not kept.
        no_mapping: mappings of entries that can't be read any more, so that these wait on.
    """

    account: Account
    done: int = 0
    waiting: int = 0
    not_kept: int = 0
    other_site: int = 0
    no_mapping: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in the inbox: the entries of a site, and how many links there are between patients."""

    links: int
    entries: list[Entry]


async def read_waiting(store: Store, site: Path | None) -> Waiting:
    """What waits of what this site's settings converted."""
    name = _name_of(site)
    entries = [
        entry
        for kind in _KINDS
        for entry in await store.read_inbox(kind=kind, limit=_MOST)
        if entry.run.get("mapping") and _is_of(entry, name)
    ]
    return Waiting(await store.number_of_links(), entries)


def replay_waiting(
    url: str,
    site: Path | None,
    waiting: Waiting | None = None,
    *,
    moved: bool = False,
    patients: bool = False,
) -> Replay | None:
    """Process again what may have found its patient since: what converts it, or the links between patients changed.

    None where nothing has. What another site's settings converted waits for a load with these.

    Args:
        waiting: what waits, where it has been read.
        moved: resources moved from one patient to another: what was refused for them may be right now.
        patients: Patients were written: those whom records name may be among them.
    """

    async def read() -> Waiting:
        async with await Store.open(url, max_size=2) as store:
            return await read_waiting(store, site)

    waiting = waiting or asyncio.run(read())
    links, entries = waiting.links, waiting.entries
    context_of = _contexts(site)
    due: list[Entry] = []
    no_mapping: Counter[str] = Counter()
    for group in _groups(entries):
        try:
            context = context_of(group[0])
        except MappingErrors:  # its file is gone, or has an error: that is no reason to fail another load
            no_mapping[str(group[0].run["mapping"])] += len(group)
            continue
        due += [
            entry
            for entry in group
            if (moved and entry.kind == "refused")
            or (patients and entry.code == PATIENT_TO_COME)
            or entry.run.get("links") != links
            or entry.run.get("context") != context
        ]
    if not due and not no_mapping:
        return None
    result = replay(url, site, due) if due else Replay(Account())
    result.waiting += no_mapping.total()
    result.no_mapping = no_mapping
    return result


def _name_of(site: Path | None) -> str:
    return (Site.load(site) if site is not None else Site()).site


def _is_of(entry: Entry, site: str) -> bool:
    """Whether this site's settings converted it; entries of earlier programs do not say."""
    return bool(entry.run.get("site", site) == site)


def _request(site: Path | None, entry: Entry) -> RunRequest:
    run = entry.run
    return RunRequest(entry.adapter, str(run["mapping"]), site, dict(run.get("options") or {}))


def _contexts(site: Path | None) -> Callable[[Entry], str]:
    """The context that an entry is converted in now. It takes some 10 ms, and many entries share one."""
    known: dict[tuple[str, str, str], str] = {}

    def context(entry: Entry) -> str:
        request = _request(site, entry)
        mapping = str(request.mapping)
        key = (entry.adapter, mapping, repr(sorted(request.options.items())))
        if key not in known:
            known[key] = ConversionContext.of(request).digest(mapping)
        return known[key]

    return context


def replay(url: str, site: Path | None, entries: Sequence[Entry]) -> Replay:
    """Process the records of these entries again; what is settled leaves the list.

    Raises:
        SiteError, MappingErrors: before anything is stored.
    """
    result = Replay(Account())
    name = _name_of(site)
    ours = [entry for entry in entries if _is_of(entry, name)]
    result.other_site = len(entries) - len(ours)
    usable = [entry for entry in ours if is_kept(entry)]
    result.not_kept = len(ours) - len(usable)
    context_of = _contexts(site)
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-inbox-") as folder:
        for group in _groups(entry for entry in usable if "received" not in entry.run):
            result.account.add(_run(url, _request(site, group[0]), context_of(group[0]), group, Path(folder)))

    _replay_received(url, site, usable, result)

    async def end() -> int:
        async with await Store.open(url, max_size=2) as store:
            return await store.settle_inbox(usable)  # what waits on came again by its run

    result.done = asyncio.run(end())
    result.waiting = len(usable) - result.done
    return result


def is_kept(entry: Entry) -> bool:
    """Whether what an entry is about is kept, so that it can be processed again."""
    return entry.content is not None or bool(entry.run.get("key")) or "received" in entry.run


def _replay_received(url: str, site: Path | None, entries: Sequence[Entry], result: Replay) -> None:
    """Process messages again that were received; they are kept whole, each with its status."""
    groups: dict[tuple[str, str], list[int]] = {}
    for entry in entries:
        if "received" in entry.run:
            keys = groups.setdefault((entry.adapter, str(entry.run["mapping"])), [])
            keys.append(int(entry.run["received"]))
    for (adapter, mapping), keys in groups.items():
        with Receiver(url, site, adapter=adapter, mapping=mapping) as receiver:
            receiver.replay(keys)
            result.account.add(receiver.account)


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries that are read together: of one kept file, or of one record of parts."""
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        run = entry.run
        groups.setdefault((entry.adapter, entry.content, run.get("key"), run.get("mapping")), []).append(
            entry
        )
    yield from groups.values()


def _run(url: str, request: RunRequest, context: str, entries: list[Entry], folder: Path) -> Account:
    first = entries[0]
    mapping, adapter = str(request.mapping), adapters()[first.adapter]
    key = str(first.run.get("key") or "")
    paths: tuple[Path, ...] = ()
    if key and isinstance(adapter, CompositeAdapter):
        adapter = StoredRecord(adapter, living(asyncio.run(_parts(url, first.adapter, key)), adapter))
    else:
        target = Path(tempfile.mkdtemp(dir=folder)) / Path(first.source).name  # locators hold the file's name
        target.write_bytes(asyncio.run(_kept(url, first)))
        paths = (target,)
        locators = frozenset(entry.locator for entry in entries)
        if first.source not in locators:  # an entry for the whole file
            request = replace(request, selection=Selection(locators=locators))
    return run_in_process(request, Shard(mapping, paths), context, ("store", url), adapter)


async def _kept(url: str, entry: Entry) -> bytes:
    async with await Store.open(url, max_size=2) as store:
        content = await store.kept_source(entry.content or b"")
    if content is None:
        raise AssertionError(f"inbox entry {entry.key} refers to a source that is not kept")
    return content


async def _parts(url: str, adapter: str, key: str) -> list[Part]:
    async with await Store.open(url, max_size=2) as store:
        return await store.parts(f"urn:fhir-bridge:{quote(adapter, safe='')}", key)
