"""Records that have to wait: their sources are kept in the store, and processed again once they find their patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fhir_bridge.pipeline.sink_run import SinkRun, SourceToKeep
from fhir_bridge.plugins import IssueLike
from fhir_bridge.storage import Store
from fhir_bridge.storage.inbox import InboxItem, Keeping

__all__ = ["PATIENT_TO_COME", "UNLINKED", "Waiting", "keep_waiting", "waiting_issue"]

PATIENT_TO_COME = "FB-ID-004"
"""The Patient whom a record names is not stored yet. What the record said before stays: its patient is who it was."""

UNLINKED = frozenset({"FB-ID-001", "FB-ID-002", "FB-ID-003", PATIENT_TO_COME})
"""Issues that say: no patient could be linked, and the site holds such records."""

MOST_KEPT = 1 << 28
"""Bytes of a source file beyond which it is named in the inbox, and not kept: it has to be sent again."""

_PER_FILE = "FB-ID-003"
"""A sample without patient holds it in every line of its file: one entry says so."""

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that waits, and why.

    Attributes:
        key: of a record of parts, whose parts the store has.
        record: source and business key, the same whenever the record is sent; empty where the adapter gives no key.
    """

    kind: Literal["held", "refused"]
    locator: str
    code: str
    message: str
    key: str = ""
    record: str = ""


def waiting_issue(issues: Iterable[IssueLike]) -> IssueLike | None:
    """The issue for which a record waits for its patient."""
    return next((issue for issue in issues if issue.code in UNLINKED), None)


async def keep_waiting(store: Store, run: SinkRun, waiting: Sequence[Waiting]) -> None:
    """Enter what waits in the inbox, each source file kept once."""
    keep = run.keep
    if keep is None:
        return
    links = await store.number_of_links()
    async with store.keeping() as keeping:
        await _keep(keeping, run, keep, waiting, links)


async def _keep(
    keeping: Keeping, run: SinkRun, keep: SourceToKeep, waiting: Sequence[Waiting], links: int
) -> None:
    kept: dict[Path, bytes | None] = {}
    items: dict[tuple[str, str, str, str], InboxItem] = {}
    for entry in waiting:
        again = {"mapping": keep.mapping, "options": dict(keep.options), "key": entry.key, "site": keep.site}
        description = {**again, "context": run.context, "links": links}
        paths: list[Path | None] = [*_files(entry.locator, keep.paths)] if not entry.key else []
        for path in paths or [None]:
            if path is not None and path not in kept:
                large = path.stat().st_size > MOST_KEPT
                kept[path] = None if large else await keeping.keep(_pieces(path))
            content = kept.get(path) if path else None
            whole = path is not None and entry.code == _PER_FILE
            item = InboxItem(
                entry.kind,
                run.adapter,
                path.name if whole and path else entry.locator,
                entry.code,
                entry.message,
                entry.key if path is None else path.name,
                description,
                content,
                _identity(entry, content, whole=whole, alone=len(paths) < 2),
            )
            items.setdefault((item.kind, item.source, item.identity or item.locator, item.code), item)
    await keeping.note(list(items.values()))


def _identity(waiting: Waiting, content: bytes | None, *, whole: bool, alone: bool) -> str:
    """What distinguishes an entry from others: its record, or the content of its file, since names of files come again.

    Args:
        whole: the entry is for the whole file.
        alone: no other file of the run has its name, so that the record is known to be in this one.
    """
    if waiting.record and not whole and alone:
        return waiting.record
    if content is None:
        return ""
    return content.hex() if whole else f"{content.hex()}\t{waiting.locator}"


def _files(locator: str, paths: Sequence[Path]) -> list[Path]:
    """The file that a locator is in, since locators begin with a file's name; several where they have one name."""
    results = [path for path in paths if path.name in locator]
    longest = max((len(path.name) for path in results), default=0)
    # `a.hl7` is in the name `data.hl7` too: the longest name is the file's.
    return [path for path in results if len(path.name) == longest]


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
